//! Operational events: what an operator should know, as webhooks of provider
//! `postern`, accepted and delivered like any other, to the workers whose
//! filter names them and to nobody else. Where nobody asks, none are made.
//!
//! One for each subject (a worker, a source, the database) and kind in an
//! hour: the store drops the rest as repetitions. A delivery of one of these
//! that is given up makes no further one, so that they cannot feed themselves.
//! Making one never fails what it speaks of; that it could not be made is
//! logged.

use crate::bus::Bus;
use crate::circuit::CircuitChange;
use crate::delivery::sign::Ticket;
use crate::http::error::chain;
use crate::ingest::failing::{Seen, WINDOW};
use crate::store::{Accepted, NewEvent, Source, Store, StoreError};
use postern_protocol::dedupe::DedupeKey;
use postern_protocol::id::{SourceId, WorkerId, WorkspaceId};
use postern_protocol::{Clock, ErrorCode, HeaderList, Provider, line};
use serde_json::{Value, json};
use std::sync::Arc;

/// For how long one event speaks for all of its kind and subject, in
/// milliseconds.
const QUIET: i64 = 3_600_000;

/// Makes operational events.
pub(crate) struct Notices {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    bus: Arc<dyn Bus>,
}

impl Notices {
    /// Into `store`; `bus` wakes whoever delivers.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, bus: Arc<dyn Bus>) -> Self {
        Self { store, clock, bus }
    }

    /// `worker.away`: its lease ran out.
    pub(crate) async fn away(&self, id: WorkerId) {
        self.logged("worker.away", self.tell_away(id).await);
    }

    async fn tell_away(&self, id: WorkerId) -> Result<(), StoreError> {
        let Some(worker) = self.store.worker(id).await? else { return Ok(()) };
        let data = json!({"workerId": id, "worker": worker.name, "leasedUntil": worker.leased_until});
        self.tell(worker.workspace, "worker.away", &id.to_string(), data).await
    }

    /// `worker.circuit_opened`: it cannot be reached, or takes next to nothing.
    pub(crate) async fn circuit_opened(&self, change: &CircuitChange) {
        let CircuitChange { worker, workspace, name, to, .. } = change;
        let data = json!({
            "workerId": worker, "worker": name, "cause": to.cause, "error": to.error, "since": to.since,
        });
        let kind = "worker.circuit_opened";
        self.logged(kind, self.tell(*workspace, kind, &worker.to_string(), data).await);
    }

    /// `delivery.exhausted`: the schedule of a delivery is used up.
    pub(crate) async fn exhausted(&self, ticket: &Ticket) {
        self.logged("delivery.exhausted", self.tell_exhausted(ticket).await);
    }

    async fn tell_exhausted(&self, ticket: &Ticket) -> Result<(), StoreError> {
        let Some(event) = self.store.event_record(ticket.workspace, ticket.event).await? else {
            return Ok(());
        };
        let delivery = event.deliveries.iter().find(|delivery| delivery.id == ticket.delivery);
        let Some(delivery) = delivery.filter(|_| event.provider != Provider::Postern) else { return Ok(()) };
        let data = json!({
            "workerId": ticket.worker, "worker": delivery.worker, "deliveryId": ticket.delivery,
            "eventId": ticket.event, "source": event.source, "event": event.name, "attempts": ticket.attempt,
            "error": delivery.attempts.last().and_then(|attempt| attempt.error.as_deref()),
            "requestId": event.request_id,
        });
        self.tell(ticket.workspace, "delivery.exhausted", &ticket.worker.to_string(), data).await
    }

    /// `source.signature_failing`: of what comes to a source, no less is
    /// refused for its signature than is taken; the last with this code.
    pub(crate) async fn signature_failing(&self, source: &Source, seen: Seen, code: ErrorCode) {
        let data = json!({
            "sourceId": source.id, "source": source.name, "provider": source.provider(),
            "refused": seen.refused, "accepted": seen.accepted, "seconds": WINDOW.as_secs(),
            "code": code.as_str(),
        });
        let kind = "source.signature_failing";
        self.logged(kind, self.tell(source.workspace, kind, &source.id.to_string(), data).await);
    }

    /// `retention.size_reached`: events were deleted before their time, since
    /// the database uses more than `limit` bytes. Told to each workspace.
    pub(crate) async fn size_reached(&self, limit: u64, deleted: u64) {
        self.logged("retention.size_reached", self.tell_size_reached(limit, deleted).await);
    }

    async fn tell_size_reached(&self, limit: u64, deleted: u64) -> Result<(), StoreError> {
        for workspace in self.store.workspaces().await? {
            let data = json!({"limit": limit, "deleted": deleted});
            self.tell(workspace.id, "retention.size_reached", &workspace.id.to_string(), data).await?;
        }
        Ok(())
    }

    async fn tell(
        &self,
        workspace: WorkspaceId,
        kind: &str,
        subject: &str,
        data: Value,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let body = json!({"type": kind, "at": now, "workspaceId": workspace, "data": data}).to_string();
        let headers: HeaderList = [("content-type", "application/json")].into_iter().collect();
        let event = NewEvent {
            id: crate::entropy::event_id(now),
            workspace,
            // It came in by none.
            source: SourceId::from_bytes([0; 16]),
            source_name: Provider::Postern.as_str().to_owned(),
            provider: Provider::Postern,
            received_at: now,
            dedupe: Some(DedupeKey::named(&format!("{kind}:{subject}"))),
            dedupe_since: now.plus(-QUIET),
            described: line::describe(Provider::Postern, &headers, body.as_bytes()),
            headers,
            body: body.into(),
            synthetic: false,
            request: None,
            only: None,
            new_delivery: crate::entropy::delivery_id,
        };
        let id = event.id;
        if let Accepted::Stored { workers } = self.store.accept_event(event).await? {
            tracing::info!(event = %id, kind, subject, workers = workers.len(), "told those who ask for it");
            self.bus.wake();
        }
        Ok(())
    }

    fn logged(&self, kind: &str, told: Result<(), StoreError>) {
        if let Err(error) = told {
            tracing::error!(kind, error = chain(&error), "an operational event is not made");
        }
    }
}
