//! What was accepted a moment ago, kept in memory for the claim that follows:
//! it need not read back what was just written, nor leave its thread.
//!
//! The queue of a worker holds only what nothing in the database comes before,
//! and it is a copy: whatever changes the worker or what waits for it drops
//! the queue, and the claim reads the database. All queues together share a
//! fixed room, so that a backlog takes none.

use super::roster::Member;
use crate::store::{Claimed, NewEvent};
use postern_protocol::api::WorkerState;
use postern_protocol::id::DeliveryId;
use postern_protocol::{Secret, UnixMillis};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that all queues may take together: 16 MiB.
const ROOM: usize = 16 << 20;
/// What an event takes beside its body, and what each of its deliveries takes,
/// in bytes, about.
const EVENT: usize = 1024;
const DELIVERY: usize = 64;

/// The room of all queues.
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

/// An event and its share of the room.
struct Event {
    seq: i64,
    event: Arc<NewEvent>,
    _room: OwnedSemaphorePermit,
}

/// A delivery that was just committed.
#[derive(Clone)]
pub(super) struct Fresh {
    delivery: DeliveryId,
    event: Arc<Event>,
}

impl Room {
    /// A copy of each delivery of an event; none while there is no room.
    pub(super) fn keep(
        &self,
        seq: i64,
        event: Arc<NewEvent>,
        deliveries: usize,
    ) -> Option<impl Fn(DeliveryId) -> Fresh + use<>> {
        let size = u32::try_from(event.body.len() + EVENT + deliveries * DELIVERY).ok()?;
        let room = Arc::clone(&self.0).try_acquire_many_owned(size).ok()?;
        let event = Arc::new(Event { seq, event, _room: room });
        Some(move |delivery| Fresh { delivery, event: Arc::clone(&event) })
    }
}

impl Fresh {
    /// The event's number.
    pub(super) fn seq(&self) -> i64 {
        self.event.seq
    }

    /// When it is due: at once.
    pub(super) fn due(&self) -> UnixMillis {
        self.event.event.received_at
    }

    /// The delivery, claimed for the first attempt.
    pub(super) fn claimed(&self, member: &Member, now: UnixMillis) -> Claimed {
        claimed(&self.event.event, self.delivery, member, now)
    }
}

/// A new event's delivery, claimed for the first attempt.
pub(super) fn claimed(event: &NewEvent, delivery: DeliveryId, member: &Member, now: UnixMillis) -> Claimed {
    let described = &event.described;
    Claimed {
        delivery,
        event: event.id,
        webhook_id: event.id.to_string(),
        redriven: 0,
        worker: member.id,
        url: member.url.clone(),
        secrets: member.secrets(now),
        style: member.style.clone(),
        attempt: 1,
        failures: 0,
        // What keeps an order is read from the database.
        entity: None,
        granted: None,
        counts_from: None,
        retry: member.retry.clone(),
        workspace: event.workspace,
        source_name: event.source_name.clone(),
        provider: event.provider,
        event_name: match &described.action {
            Some(action) => format!("{}.{action}", described.event_type),
            None => described.event_type.clone(),
        },
        received_at: event.received_at,
        synthetic: event.synthetic,
        request: event.request,
        headers: event.headers.clone(),
        body: event.body.clone(),
    }
}

impl Member {
    /// Whether a delivery that is due then and was just committed may be kept:
    /// nothing that the database has comes before it, and no claim is reading
    /// that might find it there.
    pub(super) fn may_keep(&self, due: UnixMillis) -> bool {
        self.state == WorkerState::Active
            && !self.reading
            && self.next_due.is_none_or(|stored| stored > due)
            && self.fresh.back().is_none_or(|last| last.due() <= due)
    }

    /// Drops the queue: the database says what there is.
    pub(super) fn forget_fresh(&mut self) {
        if let Some(first) = self.fresh.front() {
            let due = first.due();
            self.fresh.clear();
            self.due(due);
        }
    }

    /// The secrets to sign with: the present one, then one in its grace.
    pub(super) fn secrets(&self, now: UnixMillis) -> Vec<Secret> {
        let previous = self.previous_secret.iter().filter(|(_, until)| *until > now);
        std::iter::once(self.secret.clone()).chain(previous.map(|(secret, _)| secret.clone())).collect()
    }
}
