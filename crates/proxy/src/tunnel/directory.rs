//! Who holds which tunnel.

use metrics::{Gauge, describe_gauge, gauge};
use postern_protocol::id::WorkerId;
use postern_tunnel::{Goodbye, Link};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Knows the workers' tunnels. One worker has at most one; of two links the
/// one with the higher epoch is it.
pub(crate) trait Directory: Send + Sync + 'static {
    /// An epoch higher than all given before.
    fn next_epoch(&self) -> u64;

    /// `link` is the worker's tunnel, unless a newer one is. The older of the
    /// two is told that another took over, and ends.
    fn hold(&self, worker: WorkerId, link: Link);

    /// The worker's link of this epoch has ended. Another that took its place
    /// stays.
    fn forget(&self, worker: WorkerId, epoch: u64);

    /// The worker's tunnel, while it takes requests.
    fn link(&self, worker: WorkerId) -> Option<Link>;

    /// All of them.
    fn all(&self) -> Vec<(WorkerId, Link)>;
}

/// The directory of a proxy that is alone.
pub(crate) struct InProcess {
    links: Mutex<HashMap<WorkerId, Link>>,
    epochs: AtomicU64,
    count: Gauge,
}

impl InProcess {
    /// An empty one, measured by the recorder that is set.
    pub(crate) fn new() -> Self {
        const COUNT: &str = "postern_tunnels_connected";
        describe_gauge!(COUNT, "Workers connected by a tunnel");
        Self { links: Mutex::default(), epochs: AtomicU64::new(0), count: gauge!(COUNT) }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<WorkerId, Link>) -> T) -> T {
        let mut links = self.links();
        let result = change(&mut links);
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        self.count.set(links.len() as f64);
        result
    }

    fn links(&self) -> MutexGuard<'_, HashMap<WorkerId, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for InProcess {
    fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn hold(&self, worker: WorkerId, link: Link) {
        let older = self.change(|links| match links.entry(worker) {
            Entry::Occupied(held) if held.get().epoch() > link.epoch() => Some(link),
            Entry::Occupied(mut held) => Some(held.insert(link)),
            Entry::Vacant(free) => {
                free.insert(link);
                None
            }
        });
        if let Some(older) = older {
            older.shutdown(Goodbye::TakenOver);
        }
    }

    fn forget(&self, worker: WorkerId, epoch: u64) {
        self.change(|links| {
            if links.get(&worker).is_some_and(|held| held.epoch() == epoch) {
                links.remove(&worker);
            }
        });
    }

    fn link(&self, worker: WorkerId) -> Option<Link> {
        self.links().get(&worker).filter(|link| link.closing().is_none()).cloned()
    }

    fn all(&self) -> Vec<(WorkerId, Link)> {
        self.links().iter().map(|(worker, link)| (*worker, link.clone())).collect()
    }
}
