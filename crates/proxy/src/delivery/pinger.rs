//! Pings the workers whose circuit is open for long enough, and, where that is
//! configured, those nothing has reached for a while. Looks whenever the
//! scheduler does; each worker is pinged once at a time.

use super::sender::Sender;
use crate::bus::Bus;
use postern_protocol::UnixMillis;
use postern_protocol::id::WorkerId;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many pings may be under way.
const MOST: usize = 64;
/// How often idle workers are looked for, in milliseconds.
const IDLE_LOOK: i64 = 1_000;

/// Pings workers.
pub(super) struct Pinger {
    sender: Arc<Sender>,
    bus: Arc<dyn Bus>,
    tasks: TaskTracker,
    cut: CancellationToken,
    under_way: Arc<Mutex<HashSet<WorkerId>>>,
    looked_for_idle: UnixMillis,
}

impl Pinger {
    pub(super) fn new(
        sender: Arc<Sender>,
        bus: Arc<dyn Bus>,
        tasks: TaskTracker,
        cut: CancellationToken,
    ) -> Self {
        Self { sender, bus, tasks, cut, under_way: Arc::default(), looked_for_idle: UnixMillis(0) }
    }

    /// Sends what pings are due.
    pub(super) async fn look(&mut self) {
        let now = self.sender.clock.now();
        let idle_since = self.idle_since(now);
        let due = match self.sender.store.pings_due(now, idle_since, MOST).await {
            Ok(due) => due,
            Err(error) => {
                let error = crate::http::error::chain(&error);
                return tracing::error!(error, "cannot tell who is to be pinged; trying again");
            }
        };
        for ping in due {
            let worker = ping.worker;
            let mut under_way = lock(&self.under_way);
            if under_way.len() >= MOST || !under_way.insert(worker) {
                continue;
            }
            drop(under_way);
            let (sender, bus, cut) = (self.sender.clone(), self.bus.clone(), self.cut.clone());
            let place = Place { worker, under_way: self.under_way.clone() };
            self.tasks.spawn(async move {
                cut.run_until_cancelled(sender.ping(ping)).await;
                drop(place);
                // What waited may flow.
                bus.wake();
            });
        }
    }

    /// Since when a worker must have been idle, when it is time to look.
    fn idle_since(&mut self, now: UnixMillis) -> Option<UnixMillis> {
        let interval = i64::try_from(self.sender.settings.circuit.health_interval.as_millis()).ok()?;
        if interval == 0 || now.since(self.looked_for_idle).abs() < IDLE_LOOK {
            return None;
        }
        self.looked_for_idle = now;
        Some(now.plus(-interval))
    }
}

/// Among those under way while it lives.
struct Place {
    worker: WorkerId,
    under_way: Arc<Mutex<HashSet<WorkerId>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.worker);
    }
}

fn lock(under_way: &Mutex<HashSet<WorkerId>>) -> std::sync::MutexGuard<'_, HashSet<WorkerId>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}
