//! Claims on deliveries whose event is being committed: they are made ready
//! meanwhile, and sent once it is, or sent at once. Only what nobody has to wait
//! for is claimed ahead: a worker that is there, keeps no order, has room and
//! has nothing waiting; and what is sent at once, only if nobody could have had
//! it before: a key that no event has or is just taking.
//!
//! The rows are inserted with the ids claimed here; what an attempt comes to is
//! recorded after them, since one thread writes, in turn. Where nothing is
//! committed the claims end, and nothing of them is recorded: the webhook
//! comes again, as another event.

use super::SqliteStore;
use super::connection;
use super::dedupe::{self, Key};
use super::fresh;
use super::memory::SharedMemory;
use super::problem::Problem;
use super::roster::{Flight, Member, Roster, WorkerNo};
use crate::store::{Claim, ClaimedAhead, NewEvent};
use postern_protocol::UnixMillis;
use postern_protocol::api::CircuitState;
use postern_protocol::id::{DeliveryId, EventId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// The number of an event that is not written yet; real ones begin at 1.
pub(super) const UNWRITTEN: i64 = 0;

/// Events that are being committed, of which deliveries may have been claimed.
#[derive(Default)]
pub(super) struct Ahead {
    events: HashMap<EventId, Early>,
    keys: HashSet<Key>,
}

struct Early {
    key: Option<Key>,
    /// Each with whom to tell of the commit.
    deliveries: Vec<(WorkerNo, DeliveryId, oneshot::Sender<()>)>,
}

/// Ends the claims on an event's deliveries when it is dropped, but for what
/// was committed before.
pub(super) struct Release(pub(super) Arc<SharedMemory>, pub(super) EventId);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.change(|memory| memory.roster.end_ahead(self.1, &[]));
    }
}

/// Where keys are looked up; its lock is not waited for.
pub(super) struct Keys {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl Keys {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connection: Mutex::default() }
    }

    /// Whether the table has the key, or may have it.
    fn seen(&self, key: Key) -> Result<bool, Problem> {
        let Ok(mut connection) = self.connection.try_lock() else { return Ok(true) };
        let open = match connection.take() {
            Some(open) => open,
            None => connection::for_reading(&self.path)?,
        };
        let found = open
            .prepare_cached("SELECT 1 FROM dedupe WHERE key = ?")?
            .query_row([key], |_| Ok(()))
            .optional()?;
        *connection = Some(open);
        Ok(found.is_some())
    }
}

impl SqliteStore {
    pub(super) fn claim_ahead(&self, event: &NewEvent, claim: Claim, early: bool) -> Vec<ClaimedAhead> {
        if !early && self.memory.look(|memory| !memory.roster.ahead.events.is_empty()) {
            return Vec::new();
        }
        let key = event.dedupe.as_ref().map(|key| dedupe::key(event.source, &key.as_text()));
        if early && key.is_none() {
            return Vec::new();
        }
        let claimed = self.memory.change(|memory| memory.roster.claim_ahead(event, key, claim));
        let Some(key) = key.filter(|_| early && !claimed.is_empty()) else { return claimed };
        // Looked up after it was marked as being taken: whoever takes it before
        // that has it in memory or, from before, in the database by now.
        let seen = self.memory.look(|memory| memory.keys.has(&key)) || self.keys.seen(key).unwrap_or(true);
        if seen {
            self.memory.change(|memory| memory.roster.release_ahead(event.id));
            return Vec::new();
        }
        claimed
    }
}

impl Roster {
    /// Marks the event's key as being taken, and claims what may be sent.
    fn claim_ahead(&mut self, event: &NewEvent, key: Option<Key>, claim: Claim) -> Vec<ClaimedAhead> {
        if event.only.is_some() || key.is_some_and(|key| !self.ahead.keys.insert(key)) {
            return Vec::new();
        }
        let (mut deliveries, mut claimed) = (Vec::new(), Vec::new());
        for taker in self.takers(event.workspace, event.provider, &event.described, &event.body) {
            let bytes = (claimed.len() * event.body.len()) as u64;
            if taker.ordered || claimed.len() == claim.limit as usize || bytes >= claim.bytes {
                continue;
            }
            let mut claimable = false;
            self.update(taker.no, |member| claimable = member.may_be_ahead(event.received_at, claim));
            let Some(member) = self.get(taker.no).filter(|_| claimable) else { continue };
            let id = (event.new_delivery)(event.received_at);
            let (tell, committed) = oneshot::channel();
            claimed.push(ClaimedAhead { delivery: fresh::claimed(event, id, member, claim.now), committed });
            deliveries.push((taker.no, id, tell));
            self.claim(
                id,
                Flight {
                    event: UNWRITTEN,
                    id: Some(event.id),
                    worker: taker.no,
                    lane: None,
                    bytes: event.body.len() as u64,
                    granted: None,
                },
            );
        }
        self.ahead.events.insert(event.id, Early { key, deliveries });
        claimed
    }

    /// The ids that an event's deliveries were claimed by.
    pub(super) fn ahead(&self, event: EventId) -> Vec<(WorkerNo, DeliveryId)> {
        let early = self.ahead.events.get(&event);
        early.into_iter().flat_map(|early| &early.deliveries).map(|(no, id, _)| (*no, *id)).collect()
    }

    /// The transaction under way writes the event by this number. If it fails,
    /// what else it would have written fails too.
    pub(super) fn write_ahead(&mut self, event: EventId, seq: i64) {
        let Some(early) = self.ahead.events.get(&event) else { return };
        for (_, delivery, _) in &early.deliveries {
            if let Some(flight) = self.flights.get_mut(delivery) {
                flight.event = seq;
            }
        }
    }

    /// Nothing is to be sent before the commit; the key is still being taken.
    fn release_ahead(&mut self, event: EventId) {
        let Some(early) = self.ahead.events.get_mut(&event) else { return };
        for (_, delivery, _) in std::mem::take(&mut early.deliveries) {
            self.release(delivery);
        }
    }

    /// The event's commit is over; these of its deliveries are written.
    pub(super) fn end_ahead(&mut self, event: EventId, written: &[DeliveryId]) {
        let Some(Early { key, deliveries }) = self.ahead.events.remove(&event) else { return };
        if let Some(key) = key {
            self.ahead.keys.remove(&key);
        }
        for (_, delivery, tell) in deliveries {
            if written.contains(&delivery) {
                // Who sent it at once does not listen.
                let _ = tell.send(());
            } else {
                self.release(delivery);
            }
        }
    }
}

impl Member {
    /// Whether a delivery to it that is due then may be sent before it is
    /// committed.
    fn may_be_ahead(&mut self, due: UnixMillis, claim: Claim) -> bool {
        self.fill(claim.now);
        self.circuit.state == CircuitState::Closed
            && self.fresh.is_empty()
            && self.may_keep(due)
            && self.allowance(claim) > 0
    }
}
