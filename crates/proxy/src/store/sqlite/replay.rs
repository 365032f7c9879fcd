//! New deliveries of events that are there already: a deliberate replay, and
//! the recovery of what did not reach a worker. Both are outside any order and
//! ahead of what waits.

use super::SqliteStore;
use super::dead_letters::{Found, revive};
use super::deliveries::{DEAD, DISCARDED, Key, SKIPPED};
use super::events::{EVENT, Listed, first_id};
use super::groups::Place;
use super::problem::Problem;
use super::roster::{Member, WorkerNo};
use super::writer::{Batch, Tx};
use crate::store::{Cursor, RecoverCursor, RecoverDone, Recovery, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{Replayed, WorkerState};
use postern_protocol::event::Described;
use postern_protocol::filter;
use postern_protocol::id::{DeliveryId, EventId, WorkerId, WorkspaceId};
use rusqlite::{Connection, params};

/// Deliveries made due at once, and events examined for that.
const AT_ONCE: u32 = 500;
const EXAMINED: u32 = 1_000;

/// What is to be done for one event.
#[derive(Clone, Copy)]
enum Need {
    /// It has no delivery to the worker.
    Delivery { event: i64, received_at: UnixMillis },
    /// Its delivery has ended.
    Revival(Found),
}

struct Part {
    needs: Vec<Need>,
    next: Option<RecoverCursor>,
}

impl SqliteStore {
    pub(super) async fn replay(
        &self,
        workspace: WorkspaceId,
        event: EventId,
        to: Option<WorkerId>,
        now: UnixMillis,
        new_delivery: fn(UnixMillis) -> DeliveryId,
    ) -> Result<Option<Replayed>, StoreError> {
        self.serving()?;
        let work = move |tx: &mut Tx<'_>| replay(tx, workspace, event, to, now, new_delivery);
        self.writer.write(Batch::Joins, work).await
    }

    pub(super) async fn recover(
        &self,
        id: WorkerId,
        recovery: Recovery,
        now: UnixMillis,
    ) -> Result<RecoverDone, StoreError> {
        self.serving()?;
        let member = self.memory.look(|memory| memory.roster.by_id(id).cloned());
        let member = member.ok_or_else(|| StoreError::Missing(format!("the worker {id}")))?;
        // A member of a claim group recovers what did not reach the group.
        let no = member.group.unwrap_or(member.no);
        let Part { needs, next } = self.readers.read(move |db| missed(db, &member, recovery)).await?;
        let ended = needs.iter().filter(|need| matches!(need, Need::Revival(_))).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut done =
            RecoverDone { missing: count(needs.len() - ended), ended: count(ended), delivering: 0, next };
        if !recovery.dry_run && !needs.is_empty() {
            let apply = move |tx: &mut Tx<'_>| {
                let mut delivering = 0;
                for need in &needs {
                    delivering += u32::from(match need {
                        Need::Revival(found) => revive(tx, found, now)?,
                        Need::Delivery { event, received_at } => {
                            deliver(tx, no, *event, *received_at, now, recovery.new_delivery)?
                        }
                    });
                }
                Ok(delivering)
            };
            done.delivering = self.writer.write(Batch::Joins, apply).await?;
        }
        Ok(done)
    }
}

fn replay(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    event: EventId,
    to: Option<WorkerId>,
    now: UnixMillis,
    new_delivery: fn(UnixMillis) -> DeliveryId,
) -> Result<Option<Replayed>, Problem> {
    let found = {
        let mut statement = tx
            .db
            .prepare_cached(&format!("SELECT {EVENT} FROM events e WHERE e.id = ? AND e.workspace = ?"))?;
        let mut found = statement.query(params![event.to_bytes(), workspace.to_bytes()])?;
        found.next()?.map(Listed::read).transpose()?
    };
    let Some(found) = found else { return Ok(None) };
    let workers: Vec<WorkerNo> = match to {
        Some(id) => {
            let here = |member: &&Member| member.workspace == workspace && member.state != WorkerState::Gone;
            let no = tx.memory.look(|memory| memory.roster.by_id(id).filter(here).map(|member| member.no));
            vec![no.ok_or_else(|| Problem::Missing(format!("the worker {id}")))?]
        }
        None => {
            let (provider, body) = (found.info.provider, body(tx.db, found.seq)?);
            let described = described(&found);
            let takers =
                tx.memory.look(|memory| memory.roster.takers(workspace, provider, &described, &body));
            takers.iter().map(|taker| taker.no).collect()
        }
    };
    let next = "SELECT max(replay) + 1 FROM deliveries WHERE event = ?";
    let next: Option<u32> = tx.db.prepare_cached(next)?.query_row([found.seq], |row| row.get(0))?;
    let replay = next.unwrap_or(1);
    let at = found.info.received_at;
    for no in &workers {
        insert(tx, found.seq, *no, (at, now), (0, replay), new_delivery)?;
    }
    let deliveries = u32::try_from(workers.len()).unwrap_or(u32::MAX);
    Ok(Some(Replayed { replay, deliveries }))
}

fn described(event: &Listed) -> Described {
    let (info, event_type, action) = (&event.info, event.event_type.clone(), event.action.clone());
    let (entity, subject, detail) = (info.entity.clone(), info.subject.clone(), info.detail.clone());
    Described { event_type, action, entity, subject, detail }
}

fn body(db: &Connection, event: i64) -> Result<Vec<u8>, Problem> {
    Ok(db.prepare_cached("SELECT body FROM events WHERE seq = ?")?.query_row([event], |row| row.get(0))?)
}

/// Inserts a delivery of an event, due at once, and tells those who follow live. Its id is
/// made with the time of the event, as those of all its deliveries.
fn insert(
    tx: &mut Tx<'_>,
    event: i64,
    worker: WorkerNo,
    (received_at, now): (UnixMillis, UnixMillis),
    (redriven, replay): (u32, u32),
    new_delivery: fn(UnixMillis) -> DeliveryId,
) -> Result<(), Problem> {
    let id = new_delivery(received_at).to_bytes();
    let due = received_at.min(now);
    tx.db
        .prepare_cached(
            "INSERT INTO deliveries (event, id, worker, accepted_at, due_at, redriven, replay)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![event, id, worker, received_at.0, due.0, redriven, replay])?;
    tx.db
        .prepare_cached("INSERT INTO changes (event, delivery) VALUES (?, ?)")?
        .execute(params![event, id])?;
    tx.after_commit(move |memory| memory.roster.released_one(worker, Place { due, event, id }));
    Ok(())
}

/// Delivers an event to a worker that it was not meant for, unless it is by now.
fn deliver(
    tx: &mut Tx<'_>,
    worker: WorkerNo,
    event: i64,
    received_at: UnixMillis,
    now: UnixMillis,
    new_delivery: fn(UnixMillis) -> DeliveryId,
) -> Result<bool, Problem> {
    let known = tx
        .db
        .prepare_cached(
            "SELECT 1 FROM deliveries WHERE event = ?1 AND worker = ?2
             UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = ?1)",
        )?
        .exists(params![event, worker])?;
    if known || tx.memory.look(|memory| !memory.roster.knows(worker)) {
        return Ok(false);
    }
    insert(tx, event, worker, (received_at, now), (1, 0), new_delivery)?;
    Ok(true)
}

/// What did not reach a worker, oldest first.
fn missed(db: &Connection, member: &Member, recovery: Recovery) -> Result<Part, Problem> {
    let (after, until) = match recovery.from {
        Some(Cursor(bytes)) => {
            let (mut id, mut until) = ([0; 16], [0; 8]);
            id.copy_from_slice(&bytes[..16]);
            until.copy_from_slice(&bytes[16..]);
            (id, UnixMillis(i64::from_be_bytes(until)))
        }
        None => ([0; 16], recovery.until),
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {EVENT} FROM events e WHERE e.id > ?1 AND e.id >= ?2 AND e.id < ?3 ORDER BY e.id LIMIT ?4"
    ))?;
    let mut found = statement.query(params![after, first_id(recovery.since), first_id(until), EXAMINED])?;
    let (mut needs, mut examined, mut last) = (Vec::new(), 0, None);
    while let Some(row) = found.next()? {
        if needs.len() == AT_ONCE as usize {
            return Ok(Part { needs, next: last });
        }
        let event = Listed::read(row)?;
        let mut place = [0; 24];
        place[..16].copy_from_slice(&event.info.id.to_bytes());
        place[16..].copy_from_slice(&until.0.to_be_bytes());
        (examined, last) = (examined + 1, Some(Cursor(place)));
        if event.workspace == member.workspace {
            needs.extend(need(db, member, &event)?);
        }
    }
    Ok(Part { needs, next: last.filter(|_| examined == EXAMINED) })
}

fn need(db: &Connection, member: &Member, event: &Listed) -> Result<Option<Need>, Problem> {
    let deliveries: Vec<([u8; 16], i64, WorkerNo)> = db
        .prepare_cached(
            "SELECT id, state, worker FROM deliveries WHERE event = ? AND worker IN (?, ?) ORDER BY replay",
        )?
        .query_map(params![event.seq, member.no, member.group], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    if deliveries.is_empty() {
        // What `trigger` made was meant for whom it was meant.
        if event.info.synthetic {
            return Ok(None);
        }
        let body = body(db, event.seq)?;
        let takers = filter::takers(event.info.provider, &described(event), &body, [((), &member.filter)]);
        let need = Need::Delivery { event: event.seq, received_at: event.info.received_at };
        return Ok(Some(need).filter(|_| !takers.is_empty()));
    }
    // On its way, there, or held until someone chooses.
    if deliveries.iter().any(|(_, state, _)| ![DEAD, SKIPPED, DISCARDED].contains(state)) {
        return Ok(None);
    }
    let ended = deliveries.into_iter().find(|(_, state, _)| [DEAD, SKIPPED].contains(state));
    Ok(ended
        .map(|(id, state, worker)| Need::Revival(Found { key: Key { event: event.seq, id }, worker, state })))
}
