//! First in, first out for each entity of an ordered worker.
//!
//! A delivery to an ordered worker carries its event's entity as its *lane*.
//! Of a lane's unfinished deliveries, in the order of their events, only the
//! first may be pending; the others are queued, in none of the indexes that
//! claims read (or held, as the first may be). So claims need not know of the
//! order, and a worker without one costs nothing. Whatever finishes or removes
//! the first of a lane makes the next one pending in the same transaction
//! ([`advance`]). A delivery without a lane is outside the order: its event has
//! no entity, or someone asked for it by itself.
//!
//! That two of a lane are never under way together is seen to where claims are
//! made: an attempt may outlast what it was claimed for.

use super::SqliteStore;
use super::deliveries::Key;
use super::groups::Place;
use super::problem::Problem;
use super::roster::WorkerNo;
use super::rows;
use super::workers::{missing, refresh};
use super::writer::{Batch, Tx};
use crate::store::StoreError;
use postern_protocol::UnixMillis;
use postern_protocol::api::Ordering;
use postern_protocol::id::WorkerId;
use rusqlite::{Connection, OptionalExtension, params};

impl SqliteStore {
    pub(super) async fn set_ordering(&self, id: WorkerId, ordering: Ordering) -> Result<(), StoreError> {
        let set = move |tx: &mut Tx<'_>| {
            change(tx, id, ordering)?;
            tx.db
                .prepare_cached("UPDATE workers SET ordering = ? WHERE id = ?")?
                .execute(params![rows::name(&ordering), id.to_bytes()])?;
            refresh(tx, id)
        };
        self.writer.write(Batch::Ends, set).await
    }
}

/// The entity within which a delivery keeps the order.
pub(super) fn lane(db: &Connection, key: Key) -> Result<Option<String>, Problem> {
    let mut statement = db.prepare_cached("SELECT lane FROM deliveries WHERE event = ? AND id = ?")?;
    Ok(statement.query_row(params![key.event, key.id], |row| row.get(0)).optional()?.flatten())
}

/// Whether an unfinished delivery stands before a new one of this lane.
pub(super) fn behind(tx: &Tx<'_>, no: WorkerNo, lane: &str) -> Result<bool, Problem> {
    Ok(tx
        .db
        .prepare_cached(
            "SELECT 1 FROM deliveries INDEXED BY deliveries_lane
             WHERE worker = ? AND lane = ? AND lane IS NOT NULL AND state IN (0, 4, 6, 7)",
        )?
        .exists(params![no, lane])?)
}

/// The first of a lane has finished or left: the next one's turn.
pub(super) fn advance(tx: &mut Tx<'_>, no: WorkerNo, lane: &str) -> Result<(), Problem> {
    if no < 0 {
        return advance_group(tx, no, lane);
    }
    let moved = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 0 WHERE state = 6 AND (event, id) =
               (SELECT event, id FROM deliveries INDEXED BY deliveries_lane
                WHERE worker = ?1 AND lane = ?2 AND lane IS NOT NULL AND state IN (0, 4, 6, 7)
                ORDER BY event LIMIT 1)",
        )?
        .execute(params![no, lane])?;
    look_again(tx, no, moved);
    Ok(())
}

/// The same for a claim group's, which is told which one it is.
fn advance_group(tx: &mut Tx<'_>, no: WorkerNo, lane: &str) -> Result<(), Problem> {
    let moved: Option<(i64, [u8; 16], i64)> = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 0 WHERE state = 6 AND (event, id) =
               (SELECT event, id FROM deliveries INDEXED BY deliveries_lane
                WHERE worker = ?1 AND lane = ?2 AND lane IS NOT NULL AND state IN (0, 4, 6, 7)
                ORDER BY event LIMIT 1)
             RETURNING event, id, due_at",
        )?
        .query_row(params![no, lane], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((event, id, due)) = moved {
        let place = Place { due: UnixMillis(due), event, id };
        tx.after_commit(move |memory| memory.roster.single_due(no, place));
    }
    Ok(())
}

/// The same for all lanes of a worker.
pub(super) fn advance_all(tx: &mut Tx<'_>, no: WorkerNo) -> Result<(), Problem> {
    // With `min`, the other columns are those of the row that has it.
    let moved = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 0 WHERE (event, id) IN
               (SELECT event, id FROM
                 (SELECT min(event) AS event, id, state FROM deliveries INDEXED BY deliveries_lane
                  WHERE worker = ?1 AND lane IS NOT NULL AND state IN (0, 4, 6, 7) GROUP BY lane)
                WHERE state = 6)",
        )?
        .execute([no])?;
    look_again(tx, no, moved);
    Ok(())
}

/// Brings what waits for a worker into the order it wants from now on, which
/// its row does not say yet. Attempts under way are not called back.
pub(super) fn change(tx: &mut Tx<'_>, id: WorkerId, ordering: Ordering) -> Result<(), Problem> {
    let (no, before) = present(tx.db, id)?.ok_or_else(|| missing(id))?;
    if ordering == before {
        return Ok(());
    }
    match ordering {
        Ordering::Entity => {
            let all = "SELECT event, id FROM deliveries INDEXED BY deliveries_pending
                         WHERE worker = ?1 AND state = 0
                       UNION ALL SELECT event, id FROM deliveries INDEXED BY deliveries_held
                         WHERE worker = ?1 AND state = 4";
            let join = format!(
                "UPDATE deliveries SET lane = (SELECT entity FROM events WHERE seq = deliveries.event)
                 WHERE (event, id) IN ({all}) AND redriven = 0 AND replay = 0"
            );
            tx.db.prepare_cached(&join)?.execute([no])?;
            tx.db
                .prepare_cached(
                    "UPDATE deliveries SET state = 6 WHERE (event, id) IN
                       (SELECT event, id FROM deliveries INDEXED BY deliveries_lane
                        WHERE worker = ?1 AND lane IS NOT NULL AND state IN (0, 4, 6, 7) AND state = 0)",
                )?
                .execute([no])?;
            advance_all(tx, no)
        }
        Ordering::None => {
            let moved = tx
                .db
                .prepare_cached(
                    "UPDATE deliveries SET lane = NULL, state = iif(state = 6, 0, state) WHERE (event, id) IN
                       (SELECT event, id FROM deliveries INDEXED BY deliveries_lane
                        WHERE worker = ?1 AND lane IS NOT NULL AND state IN (0, 4, 6, 7))",
                )?
                .execute([no])?;
            look_again(tx, no, moved);
            Ok(())
        }
    }
}

fn present(db: &Connection, id: WorkerId) -> Result<Option<(WorkerNo, Ordering)>, Problem> {
    let mut statement = db.prepare_cached("SELECT no, ordering FROM workers WHERE id = ?")?;
    let mut found = statement.query(params![id.to_bytes()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some((row.get(0)?, rows::named(&row.get::<_, String>(1)?, "a worker's ordering")?)))
}

/// Something became due; when the first of it was accepted is not worth a look.
fn look_again(tx: &mut Tx<'_>, no: WorkerNo, moved: usize) {
    if moved > 0 {
        tx.after_commit(move |memory| memory.roster.falls_due(no, UnixMillis(0)));
    }
}
