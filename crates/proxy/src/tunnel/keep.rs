//! Ends tunnels: those whose worker has left or whose token is no longer good,
//! soon after that is so, whoever saw to it and in which process; and on
//! stopping all of them, in order.

use super::Directory;
use crate::http::error::chain;
use crate::store::Store;
use postern_protocol::Clock;
use postern_tunnel::Goodbye;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a tunnel outlives its worker's right to it, at most.
const EVERY: Duration = Duration::from_secs(2);

/// Looks after the tunnels until `stop`. Then the agents are told to dial
/// anew, what is in flight may take `drain` to finish, and `tasks`, one for each
/// tunnel, end.
pub(crate) async fn run(
    directory: Arc<dyn Directory>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    drain: Duration,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        revoke(directory.as_ref(), store.as_ref(), clock.as_ref()).await;
    }
    directory.all().into_iter().for_each(|(_, link)| link.drain(drain));
    tasks.close();
    tasks.wait().await;
}

async fn revoke(directory: &dyn Directory, store: &dyn Store, clock: &dyn Clock) {
    let links = directory.all();
    if links.is_empty() {
        return;
    }
    let workers = links.iter().map(|(worker, _)| *worker).collect();
    match store.without_access(workers, clock.now()).await {
        Ok(revoked) => {
            for (worker, link) in links.into_iter().filter(|(worker, _)| revoked.contains(worker)) {
                tracing::info!(%worker, "its tunnel ends: it may no longer connect");
                link.shutdown(Goodbye::Revoked);
            }
        }
        Err(error) => {
            let error = chain(&error);
            tracing::error!(%error, "cannot tell which tunnels must end; trying again");
        }
    }
}
