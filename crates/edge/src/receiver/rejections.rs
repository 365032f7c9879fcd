//! Remembering refused requests without letting their number matter.
//!
//! Handlers put them into a short queue and never wait; what does not fit is
//! dropped. One task writes: at once when it is calm, else all that came in
//! the last half second, alike ones as one.

use crate::history::Rejection;
use crate::profiles::Profiles;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// So many wait to be written.
const QUEUE: usize = 1024;
/// The least time between two writes.
const INTERVAL: Duration = Duration::from_millis(500);

/// Where handlers put refused requests.
#[derive(Clone)]
pub(crate) struct Rejections {
    queue: mpsc::Sender<Rejection>,
}

impl Rejections {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Rejection>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { queue }, receiver)
    }

    pub(super) fn add(&self, rejection: Rejection) {
        let _ = self.queue.try_send(rejection);
    }
}

/// Writes what is refused until `stop`.
pub(crate) async fn record(
    profiles: Arc<Profiles>,
    mut queue: mpsc::Receiver<Rejection>,
    stop: CancellationToken,
) {
    loop {
        let first = tokio::select! {
            Some(first) = queue.recv() => first,
            () = stop.cancelled() => return,
            else => return,
        };
        let mut rows = vec![first];
        while let Ok(next) = queue.try_recv() {
            rows.push(next);
        }
        match profiles.shown().history.record_rejections(merged(rows)).await {
            Ok(_) => count(&profiles).await,
            Err(e) => tracing::debug!(error = %e, "refused requests could not be noted"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Has each profile say how many concern it.
async fn count(profiles: &Profiles) {
    for slot in profiles.all() {
        if let Ok(page) = slot.history.rejected(slot.profile_id(), None, 1).await {
            slot.rejected.send_replace(page.total);
            slot.touch();
        }
    }
}

/// Alike ones as one, the newest standing for all.
fn merged(rows: Vec<Rejection>) -> Vec<Rejection> {
    let mut alike: HashMap<(Option<i64>, &'static str, String), Rejection> = HashMap::new();
    for row in rows {
        match alike.entry((row.profile, row.code, row.peer_ip.clone())) {
            Entry::Vacant(entry) => {
                entry.insert(row);
            }
            Entry::Occupied(mut entry) => {
                let count = entry.get().count + row.count;
                entry.insert(Rejection { count, ..row });
            }
        }
    }
    let mut rows: Vec<_> = alike.into_values().collect();
    rows.sort_by_key(|row| row.at);
    rows
}
