//! Retention: what is too old goes, a small batch at a time.

use super::SqliteStore;
use super::dedupe::Key;
use super::order;
use super::problem::Problem;
use super::roster::WorkerNo;
use super::rows;
use super::writer::{Batch, Tx};
use crate::store::{DeadReason, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::id::DeliveryId;
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// Events handled in one transaction, between which webhooks get their turn.
const AT_ONCE: u32 = 200;

impl SqliteStore {
    pub(super) async fn prune(&self, now: UnixMillis, keep: Duration, batch: u32) -> Result<u64, StoreError> {
        self.serving()?;
        self.prune_changes().await?;
        let before = now.plus(-i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
        let mut handled = 0;
        while handled < batch {
            let some = (batch - handled).min(AT_ONCE);
            let pruned = self.writer.write(Batch::Joins, move |tx| prune_some(tx, before, now, some)).await?;
            handled += pruned.events;
            if !pruned.more {
                break;
            }
        }
        Ok(u64::from(handled))
    }
}

/// Bytes of bodies deleted in one transaction, more or less: freeing them
/// takes time in proportion.
const BYTES_AT_ONCE: i64 = 1 << 20;
/// What deleting a row beside, a delivery's or an attempt's, counts as: an
/// event may have gone to hundreds of workers.
const ROW: i64 = 1 << 10;

impl SqliteStore {
    pub(super) async fn prune_settled(&self, above: u64, batch: u32) -> Result<u64, StoreError> {
        self.serving()?;
        let room = self.room().await?;
        if room.database - room.unused <= above {
            return Ok(0);
        }
        // Looked for off the writer's thread: many undelivered ones may be older.
        let mut candidates = self.readers.read(move |db| settled(db, batch)).await?.into_iter().peekable();
        let mut handled = 0;
        while candidates.peek().is_some() {
            let mut bytes = 0;
            let some: Vec<_> = std::iter::from_fn(|| {
                candidates.next_if(|next| {
                    bytes += next.bytes;
                    bytes == next.bytes || bytes <= BYTES_AT_ONCE
                })
            })
            .take(AT_ONCE as usize)
            .collect();
            handled += self.writer.write(Batch::Joins, move |tx| delete_settled(tx, &some)).await?;
            let room = self.room().await?;
            if room.database - room.unused <= above {
                break;
            }
        }
        Ok(handled)
    }
}

/// An event with nothing undelivered.
struct Settled {
    event: i64,
    key: Option<Key>,
    bytes: i64,
}

const UNDELIVERED: &str = "SELECT 1 FROM deliveries WHERE event = ? AND state IN (0, 4, 6, 7)";

/// The oldest.
fn settled(db: &Connection, most: u32) -> Result<Vec<Settled>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT seq, dedupe, length(body) FROM events e WHERE NOT EXISTS
           (SELECT 1 FROM deliveries d WHERE d.event = e.seq AND d.state IN (0, 4, 6, 7))
         ORDER BY kept_from LIMIT ?",
    )?;
    let row = |row: &Row<'_>| Ok(Settled { event: row.get(0)?, key: row.get(1)?, bytes: row.get(2)? });
    Ok(statement.query_map([most], row)?.collect::<Result<_, _>>()?)
}

fn delete_settled(tx: &mut Tx<'_>, some: &[Settled]) -> Result<u64, Problem> {
    let mut deleted = 0;
    for Settled { event, key, .. } in some {
        // One may have been made due again meanwhile.
        if !tx.db.prepare_cached(UNDELIVERED)?.exists([event])? {
            delete(tx, *event, *key)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// What one transaction pruned.
struct Pruned {
    events: u32,
    /// There may be more.
    more: bool,
}

fn prune_some(tx: &mut Tx<'_>, before: UnixMillis, now: UnixMillis, most: u32) -> Result<Pruned, Problem> {
    let old: Vec<(i64, Option<Key>, i64)> = tx
        .db
        .prepare_cached(
            "SELECT seq, dedupe, length(body) FROM events WHERE kept_from < ? ORDER BY kept_from LIMIT ?",
        )?
        .query_map(params![before.0, most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut pruned = Pruned { events: 0, more: old.len() == most as usize };
    let mut weight = 0;
    for (event, key, bytes) in old {
        if weight >= BYTES_AT_ONCE {
            pruned.more = true;
            break;
        }
        let undelivered: Vec<Undelivered> = tx
            .db
            .prepare_cached(
                "SELECT worker, state, lane, id FROM deliveries WHERE event = ? AND state IN (0, 4, 6, 7)",
            )?
            .query_map([event], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<Result<_, _>>()?;
        weight += if undelivered.is_empty() {
            bytes + ROW * delete(tx, event, key)?
        } else {
            ROW * expire(tx, event, undelivered, now)?
        };
        pruned.events += 1;
    }
    Ok(pruned)
}

/// To whom, its state, the entity within which it keeps the order, and its id.
type Undelivered = (WorkerNo, i64, Option<String>, [u8; 16]);

/// How many deliveries those were.
fn expire(tx: &mut Tx<'_>, event: i64, workers: Vec<Undelivered>, now: UnixMillis) -> Result<i64, Problem> {
    let expired = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 2, dead_reason = ?, settled_at = ? WHERE event = ? AND state IN (0, 4, 6, 7)",
        )?
        .execute(params![DeadReason::Expired.as_str(), now.0, event])?;
    tx.db.prepare_cached("UPDATE events SET kept_from = ? WHERE seq = ?")?.execute(params![now.0, event])?;
    for (no, _, lane, _) in &workers {
        if *no < 0 {
            let end = "UPDATE grants SET until = NULL WHERE event = ?";
            tx.db.prepare_cached(end)?.execute([event])?;
        }
        if let Some(lane) = lane {
            order::advance(tx, *no, lane)?;
        }
    }
    tx.after_commit(move |memory| {
        for (no, state, _, id) in workers {
            // What is on its way now is ended by its end.
            let id = DeliveryId::from_bytes(id);
            if no < 0 && memory.roster.flight(id).is_none() {
                memory.roster.end_lease(id);
            }
            if state == 4 {
                memory.roster.dead += 1;
                memory.roster.unheld(no);
            } else {
                memory.roster.settled(no, true);
            }
        }
    });
    Ok(i64::try_from(expired).unwrap_or(i64::MAX))
}

/// How many rows went with it.
fn delete(tx: &mut Tx<'_>, event: i64, key: Option<Key>) -> Result<i64, Problem> {
    let dead = tx
        .db
        .prepare_cached("SELECT count(*) FROM deliveries WHERE event = ? AND state = 2")?
        .query_row([event], |row| rows::count(row, 0))?;
    let mut rows = 0;
    for table in [
        "DELETE FROM attempts WHERE event = ?",
        "DELETE FROM work WHERE event = ?",
        "DELETE FROM grants WHERE event = ?",
        "DELETE FROM deliveries WHERE event = ?",
    ] {
        rows += tx.db.prepare_cached(table)?.execute([event])?;
    }
    if let Some(key) = key {
        // A later event may have taken the key over.
        tx.db
            .prepare_cached("DELETE FROM dedupe WHERE key = ? AND event = ?")?
            .execute(params![key, event])?;
        tx.after_commit(move |memory| memory.keys.forget(&key, event));
    }
    tx.db.prepare_cached("DELETE FROM events WHERE seq = ?")?.execute([event])?;
    tx.after_commit(move |memory| memory.roster.dead = memory.roster.dead.saturating_sub(dead));
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}
