//! Taking a webhook in: dedupe, event, deliveries, in one transaction.

use super::SqliteStore;
use super::ahead::Release;
use super::dedupe::{self, Key};
use super::deliveries::QUEUED;
use super::order;
use super::problem::Problem;
use super::roster::{Inserted, Taker};
use super::writer::{Batch, Tx};
use crate::store::{Accepted, NewEvent, StoreError};
use postern_protocol::Provider;
use postern_protocol::api::WorkerState;
use rusqlite::params;
use std::sync::Arc;
use std::time::Instant;

impl SqliteStore {
    pub(super) async fn accept_event(&self, event: NewEvent) -> Result<Accepted, StoreError> {
        // However it ends, what was claimed ahead of it is settled by then.
        let ahead = Release(Arc::clone(&self.memory), event.id);
        self.serving()?;
        let began = Instant::now();
        // What can be done here need not be done on the one thread that writes.
        let key = event.dedupe.as_ref().map(|key| dedupe::key(event.source, &key.as_text()));
        let headers =
            serde_json::to_string(&event.headers).map_err(|error| StoreError::Failed(error.into()))?;
        let event = Arc::new(event);
        let accept = move |tx: &mut Tx<'_>| {
            let _settles = &ahead;
            accept(tx, &event, key, &headers, began)
        };
        self.writer.write(Batch::Joins, accept).await
    }
}

fn accept(
    tx: &mut Tx<'_>,
    event: &Arc<NewEvent>,
    key: Option<Key>,
    headers: &str,
    began: Instant,
) -> Result<Accepted, Problem> {
    let workers = takers(tx, event)?;
    if workers.is_empty() && event.provider == Provider::Postern {
        return Ok(Accepted::Unasked);
    }
    let seq = *tx.last_event + 1;
    if let Some(key) = key
        && let Some(of) = dedupe::repeated(tx, key, seq, event.dedupe_since)?
    {
        return Ok(Accepted::Duplicate { of });
    }
    *tx.last_event = seq;
    insert_event(tx, seq, event, key, headers)?;
    let mut deliver = tx.db.prepare_cached(
        "INSERT INTO deliveries (event, id, worker, accepted_at, due_at, state, lane)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
    )?;
    let mut deliveries = Vec::with_capacity(workers.len());
    let ahead = tx.memory.look(|memory| memory.roster.ahead(event.id));
    for worker in &workers {
        let early = ahead.iter().find(|(no, _)| *no == worker.no && !worker.ordered);
        let id = early.map_or_else(|| (event.new_delivery)(event.received_at), |(_, id)| *id);
        let lane = event.described.entity.as_deref().filter(|_| worker.ordered);
        let queued = lane.map_or(Ok(false), |lane| order::behind(tx, worker.no, lane))?;
        let state = if queued { QUEUED } else { 0 };
        deliver.execute(params![seq, id.to_bytes(), worker.no, event.received_at.0, state, lane])?;
        deliveries.push(Inserted {
            no: worker.no,
            id,
            in_line: lane.is_some(),
            queued,
            ahead: early.is_some(),
        });
    }
    drop(deliver);
    if !ahead.is_empty() {
        tx.memory.change(|memory| memory.roster.write_ahead(event.id, seq));
    }

    let ids = workers.iter().map(|worker| worker.id).collect();
    let event = Arc::clone(event);
    tx.after_commit(move |memory| {
        memory.note_commit(event.id, u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        memory.roster.delivered_to(seq, event, &deliveries);
    });
    Ok(Accepted::Stored { workers: ids })
}

fn takers(tx: &Tx<'_>, event: &NewEvent) -> Result<Vec<Taker>, Problem> {
    tx.memory.look(|memory| match event.only {
        None => Ok(memory.roster.takers(event.workspace, event.provider, &event.described, &event.body)),
        Some(id) => memory
            .roster
            .by_id(id)
            .filter(|member| member.workspace == event.workspace && member.state != WorkerState::Gone)
            .map(|member| vec![member.alone()])
            .ok_or_else(|| Problem::Missing(format!("the worker {id}"))),
    })
}

fn insert_event(
    tx: &Tx<'_>,
    seq: i64,
    event: &NewEvent,
    key: Option<Key>,
    headers: &str,
) -> Result<(), Problem> {
    tx.db
        .prepare_cached(
            "INSERT INTO events (seq, id, workspace, source, source_name, provider, received_at, kept_from,
                                 synthetic, dedupe, event_type, action, entity, subject, detail, headers, body, request)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            seq,
            event.id.to_bytes(),
            event.workspace.to_bytes(),
            event.source.to_bytes(),
            event.source_name,
            event.provider.as_str(),
            event.received_at.0,
            event.synthetic,
            key,
            event.described.event_type,
            event.described.action,
            event.described.entity,
            event.described.subject,
            event.described.detail,
            headers,
            &event.body[..],
            event.request.map(|id| id.0),
        ])?;
    Ok(())
}
