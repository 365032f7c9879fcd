//! Recording an attempt and what follows from it.

use super::SqliteStore;
use super::ahead::UNWRITTEN;
use super::circuits;
use super::deliveries::QUEUED;
use super::grants;
use super::memory::Memory;
use super::order;
use super::problem::Problem;
use super::roster::Flight;
use super::rows::outcome_name;
use super::workers::retire;
use super::writer::{Batch, Tx};
use crate::circuit::CircuitChange;
use crate::store::{DeadReason, FinishAttempt, Next, StoreError};
use postern_protocol::UnixMillis;
use rusqlite::{OptionalExtension, params};

/// Attempts kept of one delivery: a worker that is out of reach for weeks
/// makes thousands of them.
const ATTEMPTS_KEPT: u32 = 100;

const PENDING: i64 = 0;
const DELIVERED: i64 = 1;
const DEAD: i64 = 2;
const HELD: i64 = 4;

impl SqliteStore {
    pub(super) async fn finish_attempt(
        &self,
        finish: FinishAttempt,
    ) -> Result<Option<CircuitChange>, StoreError> {
        self.serving()?;
        let delivery = finish.delivery;
        let flying = move |memory: &Memory| {
            let flight = memory.roster.flight(delivery);
            flight.ok_or_else(|| Problem::Missing(format!("a claim on the delivery {delivery}")))
        };
        let worker = self.memory.look(flying)?.worker;
        let gone = finish.next == Next::WorkerGone;
        let batch = if gone { Batch::Ends } else { Batch::Joins };
        let record = move |tx: &mut Tx<'_>| {
            let flight = tx.memory.look(flying)?;
            if flight.event == UNWRITTEN { Err(Problem::NotYet) } else { record(tx, &finish, flight) }
        };
        let changed = self.writer.write(batch, record).await?;
        if gone {
            self.bury(worker).await?;
        }
        Ok(changed)
    }
}

fn record(tx: &mut Tx<'_>, finish: &FinishAttempt, flight: Flight) -> Result<Option<CircuitChange>, Problem> {
    let delivery = finish.delivery;
    let before: Option<(i64, i64, Option<String>)> = tx
        .db
        .prepare_cached("SELECT state, due_at, lane FROM deliveries WHERE event = ? AND id = ?")?
        .query_row(params![flight.event, delivery.to_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((state, due_at, lane)) = before else {
        // Pruned while it was under way.
        let changed = circuits::apply(tx, flight.worker, &finish.report)?;
        tx.after_commit(move |memory| {
            memory.roster.release(delivery);
            if let Some((group, _)) = flight.granted {
                memory.roster.end_lease(delivery);
                memory.roster.attempt_ended(group);
            }
        });
        return Ok(changed);
    };
    add_attempt(tx, finish, &flight)?;
    if let Some((group, number)) = flight.granted {
        let before = grants::finish::Before { group, number, state, due_at, lane };
        return grants::finish::record(tx, finish, &flight, before);
    }

    let (before, pending) = (state, state == PENDING);
    let (state, due, failed, reason) = match &finish.next {
        Next::Delivered => (DELIVERED, due_at, false, None),
        Next::RetryAt(then) if pending => (PENDING, then.0, true, None),
        Next::HoldUntil(then) if pending => (PENDING, then.0, false, None),
        Next::Dead(reason) if pending => {
            (DEAD, due_at, *reason == DeadReason::Exhausted, Some(reason.as_str()))
        }
        Next::WorkerGone if pending => (DEAD, due_at, false, Some(DeadReason::WorkerGone.as_str())),
        // Not reached: it stays as it is. Dead, held, skipped or queued
        // meanwhile: it stays so.
        _ => (state, due_at, false, None),
    };
    write_down(tx, finish, &flight, Standing { state, due, failed, reason, due_at })?;

    let due = UnixMillis(due);
    let changed = circuits::apply(tx, flight.worker, &finish.report)?;
    if let Some(lane) =
        lane.filter(|_| matches!(before, PENDING | HELD | QUEUED) && matches!(state, DELIVERED | DEAD))
    {
        order::advance(tx, flight.worker, &lane)?;
    }
    let worker = flight.worker;
    tx.after_commit(move |memory| {
        let roster = &mut memory.roster;
        match (pending, state) {
            (true, DELIVERED) => roster.settled(worker, false),
            (true, DEAD) => roster.settled(worker, true),
            (true, _) => roster.update(worker, |member| member.due(due)),
            (false, DELIVERED) if before == QUEUED => roster.settled(worker, false),
            (false, DELIVERED) if before == DEAD => roster.revived(),
            (false, DELIVERED) if before == HELD => roster.unheld(worker),
            (false, _) => {}
        }
        roster.release(delivery);
    });
    // After the above: a gone worker's counts go with it.
    if finish.next == Next::WorkerGone {
        retire(tx, worker, DeadReason::WorkerGone, finish.attempt.at)?;
    }
    Ok(changed)
}

/// How a delivery stands after an attempt, and when it was due for it.
pub(super) struct Standing {
    pub(super) state: i64,
    pub(super) due: i64,
    pub(super) failed: bool,
    pub(super) reason: Option<&'static str>,
    pub(super) due_at: i64,
}

/// Writes down how a delivery stands after an attempt.
pub(super) fn write_down(
    tx: &Tx<'_>,
    finish: &FinishAttempt,
    flight: &Flight,
    standing: Standing,
) -> Result<(), Problem> {
    let Standing { state, due, failed, reason, due_at } = standing;
    let (delivery, at) = (finish.delivery, finish.attempt.at.0);
    // From when on its age counts: an attempt that was answered ends a wait
    // for the worker, and one that is put off at no cost does not age.
    let waited = match &finish.next {
        Next::NotReached => None,
        Next::HoldUntil(then) => Some(then.since(UnixMillis(due_at)).max(0)),
        _ => Some(at.saturating_sub(due_at).max(0)),
    };
    let ages = !matches!(finish.next, Next::NotReached | Next::HoldUntil(_));
    let micros = flight.id.and_then(|event| tx.memory.look(|memory| memory.commit_micros(event)));
    let micros = micros.and_then(|micros| i64::try_from(micros).ok());
    tx.db
        .prepare_cached(
            "UPDATE deliveries SET state = ?1, due_at = ?2, attempts = max(attempts, ?3), failures = failures + ?4,
                    first_attempt_at = coalesce(first_attempt_at + ?10, iif(?11, ?5, first_attempt_at)), dead_reason = iif(?1 = 1, NULL, coalesce(?6, dead_reason)),
                    settled_at = iif(?1 IN (0, 4, 7), NULL, coalesce(settled_at, ?5)),
                    skipped_by = iif(?1 = 1, NULL, skipped_by), settled_by = iif(?1 = 1, NULL, settled_by),
                    settled_reason = iif(?1 = 1, NULL, settled_reason),
                    commit_micros = coalesce(commit_micros, ?7)
             WHERE event = ?8 AND id = ?9",
        )?
        .execute(params![
            state,
            due,
            finish.attempt.number,
            failed,
            at,
            reason,
            micros,
            flight.event,
            delivery.to_bytes(),
            waited,
            ages
        ])?;
    Ok(())
}

fn add_attempt(tx: &Tx<'_>, finish: &FinishAttempt, flight: &Flight) -> Result<(), Problem> {
    let attempt = &finish.attempt;
    let delivery = finish.delivery.to_bytes();
    tx.db
        .prepare_cached(
            "INSERT OR REPLACE INTO attempts (event, delivery, number, at, micros, outcome, status, error, answer)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            flight.event,
            delivery,
            attempt.number,
            attempt.at.0,
            i64::try_from(attempt.micros).unwrap_or(i64::MAX),
            outcome_name(attempt.outcome),
            attempt.status,
            attempt.error,
            attempt.answer
        ])?;
    if attempt.number > ATTEMPTS_KEPT {
        tx.db
            .prepare_cached("DELETE FROM attempts WHERE event = ? AND delivery = ? AND number <= ?")?
            .execute(params![flight.event, delivery, attempt.number - ATTEMPTS_KEPT])?;
    }
    Ok(())
}
