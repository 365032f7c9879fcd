//! Dead letters, redriven or discarded: found by a reader, a bounded part at a
//! time and oldest first within each worker, then changed by the writer, each
//! only if it still stands as it was found.

use super::SqliteStore;
use super::deliveries::{CLAIMED, DEAD, DISCARDED, HELD, Key, Listed, PENDING, QUEUED, SKIPPED};
use super::deliveries::{ended_state, event_of, key, listed, numbers};
use super::groups;
use super::memory::SharedMemory;
use super::order;
use super::problem::Problem;
use super::roster::WorkerNo;
use super::workers;
use super::writer::{Batch, Tx};
use crate::store::{Bulk, BulkCursor, BulkDone, Cursor, Redelivery, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{DeadLetterFilter, DeliveryState, Which};
use postern_protocol::id::{EventId, WorkerId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// Deliveries changed at once, and examined for that.
const AT_ONCE: u32 = 500;
const EXAMINED: u32 = 2_000;

/// An ended delivery, as it was found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) worker: WorkerNo,
    pub(super) state: i64,
}

/// How far work on many has come: within which worker's which list, after
/// which delivery; and the last event it is about.
#[derive(Clone, Copy)]
struct Place {
    state: u8,
    worker: WorkerNo,
    after: Key,
    until: i64,
}

impl Place {
    fn cursor(self) -> BulkCursor {
        let mut bytes = [0; 41];
        bytes[0] = self.state;
        bytes[1..9].copy_from_slice(&self.worker.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.after.event.to_be_bytes());
        bytes[17..33].copy_from_slice(&self.after.id);
        bytes[33..].copy_from_slice(&self.until.to_be_bytes());
        Cursor(bytes)
    }

    fn of(Cursor(bytes): BulkCursor) -> Self {
        let number = |from: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[from..from + 8]);
            i64::from_be_bytes(eight)
        };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[17..33]);
        Self { state: bytes[0], worker: number(1), after: Key { event: number(9), id }, until: number(33) }
    }
}

/// What a reader found of one part.
struct Part {
    found: Vec<Found>,
    unable: u32,
    next: Option<BulkCursor>,
}

impl SqliteStore {
    pub(super) async fn redrive(
        &self,
        workspace: WorkspaceId,
        bulk: Bulk,
        now: UnixMillis,
    ) -> Result<BulkDone, StoreError> {
        let change = move |tx: &mut Tx<'_>, found: &Found| revive(tx, found, now);
        self.change_ended(workspace, bulk, true, change).await
    }

    pub(super) async fn discard(
        &self,
        workspace: WorkspaceId,
        bulk: Bulk,
        by: String,
        reason: String,
        now: UnixMillis,
    ) -> Result<BulkDone, StoreError> {
        let change = move |tx: &mut Tx<'_>, found: &Found| discard(tx, found, &by, &reason, now);
        self.change_ended(workspace, bulk, false, change).await
    }

    async fn change_ended(
        &self,
        workspace: WorkspaceId,
        bulk: Bulk,
        redrive: bool,
        change: impl Fn(&mut Tx<'_>, &Found) -> Result<bool, Problem> + Send + 'static,
    ) -> Result<BulkDone, StoreError> {
        let memory = Arc::clone(&self.memory);
        let Bulk { which, only, dry_run, from } = bulk;
        let find = move |db: &Connection| {
            let search = Search { db, memory: &memory, workspace, only, redrive };
            match which {
                Which::Ids(ids) => search.named(ids.iter().map(|id| id.to_bytes())),
                Which::Filter(filter) => search.filtered(&filter, from),
            }
        };
        let Part { found, unable, next } = self.readers.read(find).await?;
        let matched = u32::try_from(found.len()).unwrap_or(u32::MAX).saturating_add(unable);
        let mut changed = 0;
        if !dry_run && !found.is_empty() {
            let apply = move |tx: &mut Tx<'_>| {
                let mut changed = 0;
                for one in &found {
                    changed += u32::from(change(tx, one)?);
                }
                Ok(changed)
            };
            changed = self.writer.write(Batch::Joins, apply).await?;
        }
        Ok(BulkDone { matched, changed, unable, next })
    }

    pub(super) async fn redeliver(
        &self,
        id: WorkerId,
        event: EventId,
        now: UnixMillis,
    ) -> Result<Redelivery, StoreError> {
        self.writer.write(Batch::Joins, move |tx| redeliver(tx, id, event, now)).await
    }
}

/// Looks for ended deliveries of a workspace.
struct Search<'a> {
    db: &'a Connection,
    memory: &'a SharedMemory,
    workspace: WorkspaceId,
    only: Option<WorkerId>,
    /// To redrive them: those of gone workers cannot be. Otherwise to discard
    /// them: those that are discarded need not be.
    redrive: bool,
}

impl Search<'_> {
    fn named(&self, ids: impl Iterator<Item = [u8; 16]>) -> Result<Part, Problem> {
        let mut part = Part { found: Vec::new(), unable: 0, next: None };
        for id in ids {
            let Some(event) = event_of(self.db, postern_protocol::id::DeliveryId::from_bytes(id))? else {
                continue;
            };
            if let Some(found) = listed(self.db, self.memory, Key { event, id })? {
                self.take(&mut part, &found)?;
            }
        }
        Ok(part)
    }

    fn filtered(&self, filter: &DeadLetterFilter, from: Option<BulkCursor>) -> Result<Part, Problem> {
        let state = ended_state(filter.state);
        let place = match from {
            Some(cursor) => Place::of(cursor),
            None => {
                let last = "SELECT coalesce(max(seq), 0) FROM events";
                let until = self.db.query_row(last, [], |row| row.get(0))?;
                Place { state: 0, worker: WorkerNo::MIN, after: Key { event: i64::MIN, id: [0; 16] }, until }
            }
        };
        let mut part = Part { found: Vec::new(), unable: 0, next: None };
        let mut examined = 0;
        for worker in numbers(self.db, self.workspace, filter.worker)? {
            let begun = i64::from(place.state) == state && worker == place.worker;
            if worker < place.worker {
                continue;
            }
            let after = if begun { place.after } else { Key { event: i64::MIN, id: [0; 16] } };
            for key in oldest_ended(self.db, state, worker, after, place.until, EXAMINED - examined)? {
                examined += 1;
                if let Some(found) = listed(self.db, self.memory, key)?
                    && found.is_dead_letter(filter)
                {
                    self.take(&mut part, &found)?;
                }
                if examined == EXAMINED || part.found.len() == AT_ONCE as usize {
                    let state = u8::try_from(state).unwrap_or_default();
                    part.next = Some(Place { state, worker, after: key, until: place.until }.cursor());
                    return Ok(part);
                }
            }
        }
        Ok(part)
    }

    fn take(&self, part: &mut Part, found: &Listed) -> Result<(), Problem> {
        let state = match found.info.state {
            DeliveryState::Dead | DeliveryState::Expired => DEAD,
            DeliveryState::Skipped => SKIPPED,
            DeliveryState::Discarded if self.redrive => DISCARDED,
            _ => return Ok(()),
        };
        let others = self.only.is_some_and(|only| Some(only) != found.info.worker_id);
        if found.workspace != self.workspace || others {
            return Ok(());
        }
        if self.redrive && self.memory.look(|memory| !memory.roster.knows(found.worker)) {
            part.unable += 1;
        } else {
            part.found.push(Found { key: found.key, worker: found.worker, state });
        }
        Ok(())
    }
}

/// The oldest of a worker that ended in this state, after this one.
fn oldest_ended(
    db: &Connection,
    state: i64,
    worker: WorkerNo,
    after: Key,
    until: i64,
    most: u32,
) -> Result<Vec<Key>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT event, id FROM deliveries INDEXED BY deliveries_ended
         WHERE state = ?1 AND state IN (2, 3, 5) AND worker = ?2 AND (event, id) > (?3, ?4) AND event <= ?5
         ORDER BY event, id LIMIT ?6",
    )?;
    let found = statement.query_map(params![state, worker, after.event, after.id, until, most], key)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Makes an ended delivery due, with the whole schedule before it, ahead of
/// what waits for its worker. `false`: it stands differently by now.
pub(super) fn revive(tx: &mut Tx<'_>, found: &Found, now: UnixMillis) -> Result<bool, Problem> {
    let Found { key, worker, state } = *found;
    let lane = if state == HELD { order::lane(tx.db, key)? } else { None };
    if tx.memory.look(|memory| !memory.roster.knows(worker)) {
        return Ok(false);
    }
    let due: Option<i64> = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 0, due_at = min(accepted_at, ?1), failures = 0, first_attempt_at = NULL,
                    settled_at = NULL, dead_reason = NULL, skipped_by = NULL, settled_by = NULL,
                    settled_reason = NULL, redriven = redriven + 1, lane = NULL
             WHERE event = ?2 AND id = ?3 AND state = ?4 RETURNING due_at",
        )?
        .query_row(params![now.0, key.event, key.id, state], |row| row.get(0))
        .optional()?;
    let Some(due) = due else { return Ok(false) };
    // It goes outside the order: what stood behind it need not wait.
    if let Some(lane) = lane {
        order::advance(tx, worker, &lane)?;
    }
    tx.after_commit(move |memory| {
        if state == DEAD {
            memory.roster.revived();
        }
        memory
            .roster
            .released_one(worker, groups::Place { due: UnixMillis(due), event: key.event, id: key.id });
    });
    Ok(true)
}

fn discard(tx: &mut Tx<'_>, found: &Found, by: &str, reason: &str, now: UnixMillis) -> Result<bool, Problem> {
    let Found { key, state, .. } = *found;
    let changed = tx
        .db
        .prepare_cached(
            "UPDATE deliveries SET state = 5, settled_at = ?1, settled_by = ?2, settled_reason = ?3,
                    dead_reason = NULL, skipped_by = NULL
             WHERE event = ?4 AND id = ?5 AND state = ?6",
        )?
        .execute(params![now.0, by, reason, key.event, key.id, state])?;
    if changed > 0 && state == DEAD {
        tx.after_commit(|memory| memory.roster.revived());
    }
    Ok(changed > 0)
}

/// Of several deliveries of an event to a worker, one that needs it.
fn redeliver(tx: &mut Tx<'_>, id: WorkerId, event: EventId, now: UnixMillis) -> Result<Redelivery, Problem> {
    let Some(worker) = workers::number(tx.db, id)? else { return Ok(Redelivery::Unknown) };
    let group = tx.memory.look(|memory| memory.roster.get(worker).and_then(|member| member.group));
    let found: Option<(Key, i64, WorkerNo)> = tx
        .db
        .prepare_cached(
            "SELECT d.event, d.id, d.state, d.worker FROM events e JOIN deliveries d ON d.event = e.seq
             WHERE e.id = ? AND d.worker IN (?, ?) ORDER BY d.state IN (0, 1, 7), d.worker < 0, d.replay LIMIT 1",
        )?
        .query_row(params![event.to_bytes(), worker, group], |row| {
            Ok((key(row)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((key, state, worker)) = found else { return Ok(Redelivery::Unknown) };
    match state {
        PENDING => Ok(Redelivery::Already(DeliveryState::Pending)),
        QUEUED => Ok(Redelivery::Already(DeliveryState::Queued)),
        CLAIMED => Ok(Redelivery::Already(DeliveryState::Claimed)),
        DEAD | SKIPPED | HELD | DISCARDED => {
            let revived = revive(tx, &Found { key, worker, state }, now)?;
            Ok(if revived { Redelivery::Due } else { Redelivery::Unknown })
        }
        _ => Ok(Redelivery::Already(DeliveryState::Delivered)),
    }
}
