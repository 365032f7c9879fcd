//! Recording an attempt to give a member of a claim group what it was granted.
//! Its 2xx says that it has it; what becomes of it, its reports say.

use super::{end, millis, standing};
use crate::circuit::CircuitChange;
use crate::store::sqlite::circuits;
use crate::store::sqlite::deliveries::{CLAIMED, DEAD, DELIVERED, PENDING};
use crate::store::sqlite::finish::{Standing, write_down};
use crate::store::sqlite::groups::Place;
use crate::store::sqlite::order;
use crate::store::sqlite::problem::Problem;
use crate::store::sqlite::roster::{Flight, WorkerNo};
use crate::store::sqlite::workers::retire;
use crate::store::sqlite::writer::Tx;
use crate::store::{DeadReason, FinishAttempt, Next};
use postern_protocol::UnixMillis;
use rusqlite::params;

/// How the delivery stood when the attempt was to be recorded.
pub(in crate::store::sqlite) struct Before {
    pub(in crate::store::sqlite) group: WorkerNo,
    /// By which number it was granted for the attempt.
    pub(in crate::store::sqlite) number: u32,
    pub(in crate::store::sqlite) state: i64,
    pub(in crate::store::sqlite) due_at: i64,
    pub(in crate::store::sqlite) lane: Option<String>,
}

/// Records an attempt and what follows from it. Where the grant has ended
/// meanwhile nothing follows: whoever ended it has said what does.
pub(in crate::store::sqlite) fn record(
    tx: &mut Tx<'_>,
    finish: &FinishAttempt,
    flight: &Flight,
    before: Before,
) -> Result<Option<CircuitChange>, Problem> {
    let Before { group, number, state, due_at, lane } = before;
    let (delivery, event, worker) = (finish.delivery, flight.event, flight.worker);
    let granted = standing(tx.db, event, delivery, worker)? == Some(number);
    let concerns = granted && state == PENDING;
    let (state, due, failed, reason) = match &finish.next {
        Next::Delivered if concerns => (CLAIMED, due_at, false, None),
        Next::RetryAt(then) if concerns => (PENDING, then.0, true, None),
        Next::HoldUntil(then) if concerns => (PENDING, then.0, false, None),
        Next::Dead(reason) if concerns => {
            (DEAD, due_at, *reason == DeadReason::Exhausted, Some(reason.as_str()))
        }
        _ => (state, due_at, false, None),
    };
    write_down(tx, finish, flight, Standing { state, due, failed, reason, due_at })?;
    let changed = circuits::apply(tx, worker, &finish.report)?;
    if concerns && state == CLAIMED {
        let length = tx.memory.look(|m| m.roster.groups.lease(delivery).map(|lease| lease.length));
        let until = finish.attempt.at.plus(millis(length.unwrap_or_default()));
        tx.db
            .prepare_cached("UPDATE grants SET until = ? WHERE event = ? AND delivery = ?")?
            .execute(params![until.0, event, delivery.to_bytes()])?;
        tx.after_commit(move |memory| memory.roster.prolong(delivery, until, true));
    } else if concerns {
        end(tx.db, event, delivery)?;
        if let Some(lane) = lane.filter(|_| state == DEAD) {
            order::advance(tx, group, &lane)?;
        }
    }
    let place = Place::of(UnixMillis(due), event, delivery);
    tx.after_commit(move |memory| {
        let roster = &mut memory.roster;
        let stays = state == CLAIMED || (state == DELIVERED && granted);
        roster.release(delivery);
        if !stays {
            roster.end_lease(delivery);
        }
        match state {
            DEAD if concerns => roster.settled(group, true),
            PENDING => roster.single_due(group, place),
            _ => {}
        }
        roster.attempt_ended(group);
    });
    // After the above: what it had is nobody's now.
    if finish.next == Next::WorkerGone {
        retire(tx, worker, DeadReason::WorkerGone, finish.attempt.at)?;
    }
    Ok(changed)
}
