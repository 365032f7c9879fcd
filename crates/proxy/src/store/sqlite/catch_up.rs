//! What becomes of what was held during a worker's absence.
//!
//! Each choice is one transaction of statements over whole sets, so that a
//! process that ends at any moment leaves each delivery in one state. Held
//! deliveries are in none of the indexes that claims read.

use super::SqliteStore;
use super::deliveries::QUEUED;
use super::order;
use super::problem::Problem;
use super::roster::{Holding, WorkerNo};
use super::rows;
use super::workers::{missing, number};
use super::writer::{Batch, Tx};
use crate::store::StoreError;
use postern_protocol::UnixMillis;
use postern_protocol::api::{CatchUp, CatchUpChoice, CaughtUp, Held, SkippedBy};
use postern_protocol::id::{EventId, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};

/// The held deliveries of worker ?1.
const HELD: &str =
    "SELECT event, id FROM deliveries INDEXED BY deliveries_held WHERE worker = ?1 AND state = 4";

impl SqliteStore {
    pub(super) async fn set_catch_up(&self, id: WorkerId, catch_up: CatchUp) -> Result<(), StoreError> {
        let set = move |tx: &mut Tx<'_>| {
            let changed = tx
                .db
                .prepare_cached("UPDATE workers SET catch_up = ? WHERE id = ?")?
                .execute(params![rows::name(&catch_up), id.to_bytes()])?;
            if changed == 0 { Err(missing(id)) } else { Ok(()) }
        };
        self.writer.write(Batch::Joins, set).await
    }

    pub(super) async fn end_absence(&self, id: WorkerId, now: UnixMillis) -> Result<(), StoreError> {
        self.writer.write(Batch::Joins, move |tx| end_absence(tx, id, now)).await
    }

    pub(super) async fn catch_up(
        &self,
        id: WorkerId,
        choice: CatchUpChoice,
        now: UnixMillis,
    ) -> Result<CaughtUp, StoreError> {
        let choose = move |tx: &mut Tx<'_>| {
            let no = number(tx.db, id)?.ok_or_else(|| missing(id))?;
            choose(tx, no, &choice, SkippedBy::Choice, now)
        };
        self.writer.write(Batch::Joins, choose).await
    }

    /// What a worker's held deliveries are, counted unless known.
    pub(super) async fn held(&self, no: WorkerNo, holding: Holding) -> Result<Option<Held>, StoreError> {
        if let Some(known) = holding.known {
            return Ok(known);
        }
        let held = self.readers.read(move |db| count_held(db, no)).await?;
        let counted = held.clone();
        self.memory.change(|memory| {
            memory.roster.update(no, |member| {
                if member.holding.version == holding.version {
                    member.holding.known = Some(counted);
                }
            });
        });
        Ok(held)
    }
}

fn end_absence(tx: &mut Tx<'_>, id: WorkerId, now: UnixMillis) -> Result<(), Problem> {
    let absent: Option<(WorkerNo, i64, String)> = tx
        .db
        .prepare_cached(
            "SELECT no, away_since, catch_up FROM workers WHERE id = ? AND away_since IS NOT NULL",
        )?
        .query_row(params![id.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((no, since, catch_up)) = absent else { return Ok(()) };
    let catch_up = rows::named(&catch_up, "a worker's catch-up")?;
    if catch_up != CatchUp::All {
        hold(tx, no, since)?;
    }
    let choice = match catch_up {
        CatchUp::Ask => None,
        CatchUp::All => Some(CatchUpChoice::All),
        CatchUp::NewestPerEntity => Some(CatchUpChoice::NewestPerEntity),
        CatchUp::None => Some(CatchUpChoice::None),
    };
    if let Some(choice) = choice {
        choose(tx, no, &choice, SkippedBy::Setting, now)?;
    }
    // Should it not be made active after all, what comes from here on is held
    // by the next call.
    tx.db.prepare_cached("UPDATE workers SET away_since = ? WHERE no = ?")?.execute(params![now.0, no])?;
    tx.after_commit(move |memory| memory.roster.update(no, |member| member.absences += 1));
    Ok(())
}

/// Holds what was accepted since then and is not delivered.
fn hold(tx: &mut Tx<'_>, no: WorkerNo, since: i64) -> Result<(), Problem> {
    let held = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 4 WHERE (event, id) IN
               (SELECT event, id FROM deliveries INDEXED BY deliveries_pending
                  WHERE worker = ?1 AND state = 0 AND accepted_at >= ?2
                UNION ALL SELECT event, id FROM deliveries INDEXED BY deliveries_queued
                  WHERE worker = ?1 AND state = 6 AND accepted_at >= ?2)",
        )?
        .execute(params![no, since])? as u64;
    if held > 0 {
        tx.after_commit(move |memory| memory.roster.held(no, held));
    }
    Ok(())
}

fn choose(
    tx: &mut Tx<'_>,
    no: WorkerNo,
    choice: &CatchUpChoice,
    by: SkippedBy,
    now: UnixMillis,
) -> Result<CaughtUp, Problem> {
    let caught_up = match choice {
        CatchUpChoice::All => CaughtUp { delivering: release(tx, no)?, ..CaughtUp::default() },
        CatchUpChoice::None => {
            let skipped = skip(tx, no, HELD, by, now)?;
            order::advance_all(tx, no)?;
            CaughtUp { skipped, ..CaughtUp::default() }
        }
        CatchUpChoice::NewestPerEntity => {
            let older = "SELECT event, id FROM
                (SELECT d.event, d.id, row_number() OVER (PARTITION BY e.entity ORDER BY d.event DESC, d.id DESC) AS place
                 FROM deliveries d INDEXED BY deliveries_held JOIN events e ON e.seq = d.event
                 WHERE d.worker = ?1 AND d.state = 4 AND e.entity IS NOT NULL)
                WHERE place > 1";
            let skipped = skip(tx, no, older, by, now)?;
            CaughtUp { skipped, delivering: release(tx, no)?, held: 0 }
        }
        CatchUpChoice::Events(events) => {
            let delivering = release_events(tx, no, events)?;
            let held = count_held(tx.db, no)?.map_or(0, |held| held.count);
            CaughtUp { delivering, skipped: 0, held }
        }
    };
    Ok(caught_up)
}

/// Makes all that is held due, in its order; returns how much that is.
pub(super) fn release(tx: &mut Tx<'_>, no: WorkerNo) -> Result<u64, Problem> {
    let sql =
        format!("UPDATE deliveries SET state = iif(lane IS NULL, 0, {QUEUED}) WHERE (event, id) IN ({HELD})");
    let released = tx.db.prepare_cached(&sql)?.execute([no])? as u64;
    if released > 0 {
        order::advance_all(tx, no)?;
        tx.after_commit(move |memory| memory.roster.released(no, released));
    }
    Ok(released)
}

/// Makes these due, in their order. What is held before one of them, and stays
/// so, leaves the order.
fn release_events(tx: &mut Tx<'_>, no: WorkerNo, events: &[EventId]) -> Result<u64, Problem> {
    let mut released = 0;
    let mut lanes = Vec::new();
    for event in events {
        let mut release = tx.db.prepare_cached(
            "UPDATE deliveries SET state = iif(lane IS NULL, 0, 6)
             WHERE event = (SELECT seq FROM events WHERE id = ?2) AND worker = ?1 AND state = 4
             RETURNING event, lane",
        )?;
        let mut rows = release.query(params![no, event.to_bytes()])?;
        while let Some(row) = rows.next()? {
            released += 1;
            let (event, lane): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
            lanes.extend(lane.map(|lane| (lane, event)));
        }
    }
    for (lane, event) in lanes {
        tx.db
            .prepare_cached(
                "UPDATE deliveries SET lane = NULL WHERE (event, id) IN
                   (SELECT event, id FROM deliveries INDEXED BY deliveries_lane
                    WHERE worker = ?1 AND lane = ?2 AND lane IS NOT NULL AND state IN (0, 4, 6, 7)
                      AND event < ?3 AND state = 4)",
            )?
            .execute(params![no, lane, event])?;
        order::advance(tx, no, &lane)?;
    }
    if released > 0 {
        tx.after_commit(move |memory| memory.roster.released(no, released));
    }
    Ok(released)
}

/// Skips the held deliveries that `which` selects.
fn skip(tx: &mut Tx<'_>, no: WorkerNo, which: &str, by: SkippedBy, now: UnixMillis) -> Result<u64, Problem> {
    let sql = format!(
        "UPDATE deliveries SET state = 3, settled_at = ?2, skipped_by = ?3 WHERE (event, id) IN ({which})"
    );
    let skipped = tx.db.prepare_cached(&sql)?.execute(params![no, now.0, rows::name(&by)])? as u64;
    if skipped > 0 {
        tx.after_commit(move |memory| memory.roster.unheld(no));
    }
    Ok(skipped)
}

fn count_held(db: &Connection, no: WorkerNo) -> Result<Option<Held>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT count(*), min(d.accepted_at), max(d.accepted_at), count(DISTINCT e.entity), sum(e.entity IS NULL)
         FROM deliveries d INDEXED BY deliveries_held JOIN events e ON e.seq = d.event
         WHERE d.worker = ? AND d.state = 4",
    )?;
    let counted = statement.query_row([no], |row| {
        let count = rows::count(row, 0)?;
        if count == 0 {
            return Ok(None);
        }
        let entities = rows::count(row, 3)?;
        Ok(Some(Held {
            count,
            oldest: UnixMillis(row.get(1)?),
            newest: UnixMillis(row.get(2)?),
            entities,
            newest_per_entity: entities + rows::count(row, 4)?,
        }))
    });
    Ok(counted?)
}
