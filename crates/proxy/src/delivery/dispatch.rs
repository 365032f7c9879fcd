//! Starts attempts. The scheduler has it claim all that is due; whoever has
//! just accepted an event, or ended an attempt, has it claim what memory
//! holds, which takes no other task's turn: the request to the worker is
//! written before that call returns. One claims at a time, so that what is
//! counted as room is there; who comes meanwhile wakes the scheduler, which
//! looks again.

use super::sender::Sender;
use crate::bus::Bus;
use crate::store::{Claim, Claimed, ClaimedFresh, Committed, NewEvent, StoreError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many deliveries are claimed at once.
const BATCH: usize = 64;
/// How many requests are written by whoever had them claimed; the rest is left
/// to tasks of their own.
const AT_ONCE: usize = 8;

/// Which part of the memory for bodies one worker may take: a slow one that is
/// sent large bodies leaves room for others.
const WORKERS_SHARE: u64 = 4;

/// Starts attempts.
pub(crate) struct Dispatch {
    sender: Arc<Sender>,
    bus: Arc<dyn Bus>,
    /// The attempts under way, so that a drain can wait for them.
    tasks: TaskTracker,
    /// Ends the attempts under way where they are: what they had claimed is
    /// delivered after the next start.
    cut: CancellationToken,
    /// From then on no attempt is started.
    stop: CancellationToken,
    /// Who has it may claim.
    turn: Mutex<Room>,
}

impl Dispatch {
    /// Starts attempts by `sender` in `tasks`, until `stop`.
    pub(crate) fn new(
        sender: Arc<Sender>,
        bus: Arc<dyn Bus>,
        tasks: TaskTracker,
        cut: CancellationToken,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let turn = Mutex::new(Room::new(sender.settings.total, sender.settings.inflight));
        Arc::new(Self { sender, bus, tasks, cut, stop, turn })
    }

    /// Starts what is due, as far as there is room. `true`: there may be more.
    pub(super) async fn due(self: &Arc<Self>) -> Result<bool, StoreError> {
        let room = self.turn.lock().await;
        let Some(claim) = self.claim(&room) else { return Ok(false) };
        let claimed = self.sender.store.claim_due(claim).await?;
        let full = claimed.len() == claim.limit as usize;
        for delivery in claimed {
            self.tasks.spawn(self.clone().attempt(Taken::new(&room, delivery, None)));
        }
        Ok(full)
    }

    /// Starts what was accepted just now. What that leaves is the scheduler's.
    pub(crate) fn fresh(self: &Arc<Self>) {
        let Ok(room) = self.turn.try_lock() else { return self.bus.wake() };
        // Without room: the attempt that next makes some comes here.
        let Some(claim) = self.claim(&room) else { return };
        let ClaimedFresh { deliveries, more } = self.sender.store.claim_fresh(claim);
        if more {
            self.bus.wake();
        }
        let taken = deliveries.into_iter().map(|delivery| Taken::new(&room, delivery, None)).collect();
        drop(room);
        self.start(taken);
    }

    /// Claims what may be, of an event whose commit is to follow at once. What
    /// is `early` is sent meanwhile; the rest is signed, and sent after it.
    pub(crate) fn ahead(&self, event: &NewEvent, early: bool) -> Vec<Taken> {
        let Ok(room) = self.turn.try_lock() else { return Vec::new() };
        let Some(claim) = self.claim(&room) else { return Vec::new() };
        let claimed = self.sender.store.claim_ahead(event, claim, early).into_iter();
        claimed.map(|one| Taken::new(&room, one.delivery, (!early).then_some(one.committed))).collect()
    }

    /// Starts these attempts. The first requests, as far as they wait for no
    /// commit, are written before it returns.
    pub(crate) fn start(self: &Arc<Self>, taken: Vec<Taken>) {
        for (number, one) in taken.into_iter().enumerate() {
            let mut attempt: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(self.clone().attempt(one));
            // Its task polls it again, and is woken from then on.
            let mut nobody = Context::from_waker(Waker::noop());
            if number >= AT_ONCE || attempt.as_mut().poll(&mut nobody).is_pending() {
                self.tasks.spawn(attempt);
            }
        }
    }

    fn claim(&self, room: &Room) -> Option<Claim> {
        let free = room.places.available_permits().min(BATCH);
        let bytes = room.bytes.available_permits() as u64;
        if free == 0 || bytes == 0 || self.stop.is_cancelled() {
            return None;
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        let settings = &self.sender.settings;
        let (per_worker, lease) = (settings.per_worker, settings.claim_lease);
        let worker_bytes = (settings.inflight / WORKERS_SHARE).max(1);
        let now = self.sender.clock.now();
        Some(Claim { now, limit, per_worker, bytes, worker_bytes, lease })
    }

    async fn attempt(self: Arc<Self>, Taken { delivery, commit, place }: Taken) {
        let delivered = self.cut.run_until_cancelled(self.sender.attempt(delivery, commit)).await;
        drop(place);
        // There is room for another one, of this worker too.
        match delivered {
            Some(true) => self.fresh(),
            // It may be due again, or its worker to be pinged.
            _ => self.bus.wake(),
        }
    }
}

/// A claimed delivery, with its place among the attempts.
pub(crate) struct Taken {
    delivery: Claimed,
    /// What it waits for before it is sent.
    commit: Option<Committed>,
    place: Place,
}

impl Taken {
    fn new(room: &Room, delivery: Claimed, commit: Option<Committed>) -> Self {
        let place = room.take(delivery.body.len());
        Self { delivery, commit, place }
    }
}

type Place = [Option<OwnedSemaphorePermit>; 2];

/// The room of all attempts under way.
struct Room {
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Room {
    fn new(places: u32, bytes: u64) -> Self {
        let semaphore = |size: u64| {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS)))
        };
        Self { places: semaphore(places.into()), bytes: semaphore(bytes) }
    }

    /// The place of one attempt, and the bytes of its body as far as there are
    /// any left.
    fn take(&self, body: usize) -> Place {
        let bytes = body.min(self.bytes.available_permits());
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        [place, Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()]
    }
}
