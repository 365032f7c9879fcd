//! The ownership challenge: the proxy posts a random text, signed, to the
//! worker's URL; only who holds the worker's secret can answer it. Without it
//! the proxy could be made to post to anybody. A worker without a URL needs
//! none.
//!
//! One challenge per worker at a time; a newer registration takes the place of
//! an older one's challenge. What a challenge found counts only while URL and
//! secret are still those it asked about: [`Challenger::gate`] keeps a change
//! out meanwhile.

use super::lasting;
use crate::bus::Bus;
use crate::config::Registration;
use crate::delivery::client::Outbound;
use crate::store::{Store, StoreError, Worker};
use postern_protocol::Clock;
use postern_protocol::UnixMillis;
use postern_protocol::api::WorkerState;
use postern_protocol::id::WorkerId;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod ask;

/// The pauses before each try: a worker may need a moment to keep its secret.
const TRIES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1500)];
/// How many ended challenges are remembered before old ones are forgotten.
const REMEMBERED: usize = 10_000;
/// How many gates there are; workers share them by hash.
const GATES: usize = 64;

/// Challenges workers.
pub(crate) struct Challenger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    bus: Arc<dyn Bus>,
    client: Outbound,
    settings: Registration,
    tasks: TaskTracker,
    stop: CancellationToken,
    latest: Mutex<HashMap<WorkerId, Latest>>,
    gates: [tokio::sync::Mutex<()>; GATES],
}

/// A worker's latest challenge.
struct Latest {
    began: UnixMillis,
    replaced: CancellationToken,
    ended: bool,
}

impl Challenger {
    /// Challenges run in `tasks` and end with `stop`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        bus: Arc<dyn Bus>,
        client: Outbound,
        settings: Registration,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let gates = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        Self { store, clock, bus, client, settings, tasks, stop, latest: Mutex::default(), gates }
    }

    /// Challenges a worker just registered; an earlier challenge is dropped.
    pub(crate) fn start(self: &Arc<Self>, worker: Worker) {
        let replaced = self.stop.child_token();
        let latest = Latest { began: self.clock.now(), replaced: replaced.clone(), ended: false };
        let earlier = self.latest().insert(worker.id, latest);
        if let Some(earlier) = earlier {
            earlier.replaced.cancel();
        }
        let this = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = replaced.cancelled() => {}
                () = this.run(&worker) => this.ended(worker.id, &replaced),
            }
        });
    }

    /// A worker without a URL is asked nothing: nobody is posted to before it
    /// connects with its credential. It is active at once; an earlier URL's
    /// challenge counts no more. Returns how it stands now.
    pub(crate) async fn waive(&self, worker: Worker) -> Result<Worker, StoreError> {
        let _gate = self.gate(worker.id).await;
        self.settle(&worker, Ok(())).await?;
        self.bus.wake();
        Ok(self.store.worker(worker.id).await?.unwrap_or(worker))
    }

    /// Challenges a pending worker again, unless it is being challenged or the
    /// last challenge began less than `pause` milliseconds ago.
    pub(crate) fn repeat(self: &Arc<Self>, worker: Worker, pause: i64) {
        let now = self.clock.now();
        let due = self
            .latest()
            .get(&worker.id)
            .is_none_or(|latest| latest.ended && now.since(latest.began) >= pause);
        if due {
            self.start(worker);
        }
    }

    /// Held while a worker's URL or secret changes, and while a challenge is
    /// settled.
    pub(crate) async fn gate(&self, worker: WorkerId) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        worker.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let index = hasher.finish() as usize % GATES;
        self.gates[index].lock().await
    }

    async fn run(&self, worker: &Worker) {
        let mut outcome = Ok(());
        for pause in TRIES {
            tokio::time::sleep(pause).await;
            outcome = ask::ask(&self.client, worker, self.clock.now()).await;
            if outcome.is_ok() {
                break;
            }
        }
        if let Err(reason) = &outcome {
            tracing::info!(worker = %worker.id, reason, "the ownership challenge failed");
        }
        let _gate = self.gate(worker.id).await;
        match self.settle(worker, outcome).await {
            Ok(()) => self.bus.wake(),
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(worker = %worker.id, %error, "cannot settle a challenge; the next renewal repeats it");
            }
        }
    }

    async fn settle(&self, asked: &Worker, outcome: Result<(), String>) -> Result<(), StoreError> {
        let Some(present) = self.store.worker(asked.id).await? else { return Ok(()) };
        let same = present.url == asked.url && present.secret == asked.secret && present.style == asked.style;
        if !same || present.state == WorkerState::Gone {
            return Ok(());
        }
        let now = self.clock.now();
        if outcome.is_ok() {
            // It may have been away before it registered anew.
            self.store.end_absence(asked.id, now).await?;
        }
        let until = match present.leased_until {
            never if lasting::lasts(never) => never,
            _ => super::leased_until(&self.settings, now),
        };
        self.store.settle_challenge(asked.id, outcome.map(|()| until)).await
    }

    fn ended(&self, worker: WorkerId, which: &CancellationToken) {
        let mut all = self.latest();
        if let Some(latest) = all.get_mut(&worker)
            && !which.is_cancelled()
        {
            latest.ended = true;
        }
        if all.len() > REMEMBERED {
            all.retain(|_, latest| !latest.ended);
        }
    }

    fn latest(&self) -> std::sync::MutexGuard<'_, HashMap<WorkerId, Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
