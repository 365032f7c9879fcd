//! What became of an event, and how much there is of what.

use super::SqliteStore;
use super::deliveries::{NAMED, STANDING, WHO, standing, who};
use super::problem::Problem;
use super::roster::{Member, Roster, WorkerNo};
use super::rows;
use super::why;
use super::work;
use super::workers::oldest;
use crate::store::{Depth, RequestId, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{AttemptRecord, DeliveryRecord, DeliveryState, EventRecord, Skipped, WaitsFor};
use postern_protocol::id::{DeliveryId, EventId, WorkspaceId};
use rusqlite::{Connection, Row, params};
use std::sync::Arc;

impl SqliteStore {
    pub(super) async fn event_record(
        &self,
        workspace: WorkspaceId,
        id: EventId,
    ) -> Result<Option<EventRecord>, StoreError> {
        let memory = Arc::clone(&self.memory);
        let read = move |db: &Connection| {
            let Some((seq, mut record)) = event(db, workspace, id)? else { return Ok(None) };
            let mut committed = memory.look(|memory| memory.commit_micros(id));
            for (mut delivery, micros) in deliveries(db, seq)? {
                if delivery.state == DeliveryState::Pending {
                    memory.look(|memory| look_at(&mut delivery, &memory.roster));
                }
                delivery.attempts = attempts(db, seq, delivery.id)?;
                delivery.reports = work::reports(db, seq, delivery.id)?;
                committed = committed.or(micros);
                record.deliveries.push(delivery);
            }
            record.commit_micros = committed.unwrap_or(0);
            why::add(db, &memory, workspace, seq, &mut record)?;
            Ok(Some(record))
        };
        self.readers.read(read).await
    }

    pub(super) async fn depth(&self) -> Result<Depth, StoreError> {
        let (pending, dead, workers) = self.memory.look(|memory| {
            let roster = &memory.roster;
            let waiting = roster.members().filter(|member| member.waiting > 0).map(|member| member.no);
            let waiting = waiting.chain(roster.groups.waiting());
            (roster.pending, roster.dead, waiting.collect::<Vec<WorkerNo>>())
        });
        let find = move |db: &Connection| {
            let mut first: Option<UnixMillis> = None;
            for no in workers {
                first = first.into_iter().chain(oldest(db, no)?).min();
            }
            Ok(first)
        };
        Ok(Depth { pending, dead, oldest: self.readers.read(find).await? })
    }
}

/// Adds to a pending delivery what memory alone knows.
fn look_at(delivery: &mut DeliveryRecord, roster: &Roster) {
    if roster.flight(delivery.id).is_some() {
        delivery.state = DeliveryState::Sending;
        delivery.next_attempt_at = None;
    } else if delivery.claim.is_some() {
        delivery.waits_for = Some(WaitsFor::Member);
    } else {
        let worker = delivery.worker_id.and_then(|worker| roster.by_id(worker));
        delivery.waits_for = worker.and_then(Member::waits_for);
    }
}

fn event(
    db: &Connection,
    workspace: WorkspaceId,
    id: EventId,
) -> Result<Option<(i64, EventRecord)>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT seq, received_at, source_name, provider, event_type, action, length(body), synthetic, request
         FROM events WHERE id = ? AND workspace = ?",
    )?;
    let mut rows = statement.query(params![id.to_bytes(), workspace.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let event_type: String = row.get(4)?;
    let name = match row.get::<_, Option<String>>(5)? {
        Some(action) => format!("{event_type}.{action}"),
        None => event_type,
    };
    let record = EventRecord {
        id,
        received_at: UnixMillis(row.get(1)?),
        commit_micros: 0,
        source: row.get(2)?,
        provider: rows::provider(&row.get::<_, String>(3)?)?,
        name,
        size: rows::count(row, 6)?,
        synthetic: row.get(7)?,
        request_id: row.get::<_, Option<[u8; 8]>>(8)?.map(|id| RequestId(id).to_string()),
        deliveries: Vec::new(),
        workers: Vec::new(),
    };
    Ok(Some((row.get(0)?, record)))
}

/// The deliveries without their attempts, and how long the commit had taken.
fn deliveries(db: &Connection, event: i64) -> Result<Vec<(DeliveryRecord, Option<u64>)>, Problem> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT d.id, d.due_at, d.commit_micros, d.redriven, d.replay, {STANDING}, {NAMED}
         FROM deliveries d {WHO} WHERE d.event = ? ORDER BY d.replay, d.id"
    ))?;
    let mut rows = statement.query([event])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (state, ended) = standing(row, 5)?;
        let due = UnixMillis(row.get(1)?);
        let (worker_id, worker, claim) = who(row, 12)?;
        let skipped = ended.as_ref().filter(|_| state == DeliveryState::Skipped);
        let skipped = skipped.map(|ended| -> Result<_, Problem> {
            Ok(Skipped { by: rows::named(&ended.by, "who skipped a delivery")?, at: ended.at })
        });
        let record = DeliveryRecord {
            id: DeliveryId::from_bytes(row.get(0)?),
            worker_id,
            worker,
            claim,
            state,
            waits_for: None,
            next_attempt_at: Some(due).filter(|_| state == DeliveryState::Pending),
            skipped: skipped.transpose()?,
            ended,
            redriven: row.get(3)?,
            replay: row.get(4)?,
            attempts: Vec::new(),
            reports: Vec::new(),
        };
        let micros = row.get::<_, Option<i64>>(2)?.and_then(|micros| u64::try_from(micros).ok());
        found.push((record, micros));
    }
    Ok(found)
}

pub(super) fn attempts(
    db: &Connection,
    event: i64,
    delivery: DeliveryId,
) -> Result<Vec<AttemptRecord>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT number, at, micros, outcome, status, error, answer FROM attempts
         WHERE event = ? AND delivery = ? ORDER BY number",
    )?;
    let mut rows = statement.query(params![event, delivery.to_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(attempt(row)?);
    }
    Ok(found)
}

/// The last attempt of a delivery.
pub(super) fn last_attempt(
    db: &Connection,
    event: i64,
    delivery: DeliveryId,
) -> Result<Option<AttemptRecord>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT number, at, micros, outcome, status, error, answer FROM attempts
         WHERE event = ? AND delivery = ? ORDER BY number DESC LIMIT 1",
    )?;
    let mut rows = statement.query(params![event, delivery.to_bytes()])?;
    rows.next()?.map(attempt).transpose()
}

fn attempt(row: &Row<'_>) -> Result<AttemptRecord, Problem> {
    Ok(AttemptRecord {
        number: row.get(0)?,
        at: UnixMillis(row.get(1)?),
        micros: rows::count(row, 2)?,
        outcome: rows::named(&row.get::<_, String>(3)?, "an attempt's outcome")?,
        status: row.get(4)?,
        error: row.get(5)?,
        answer: row.get(6)?,
    })
}
