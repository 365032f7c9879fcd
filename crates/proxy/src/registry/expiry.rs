//! Marks workers whose lease ran out as away: their events are held from then
//! on. Idempotent, by timer; the truth is in the store.

use crate::notices::Notices;
use crate::store::Store;
use postern_protocol::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long after its lease's end a worker is noticed to be away, at most.
const EVERY: Duration = Duration::from_secs(1);

/// Works until `stop`.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    notices: Arc<Notices>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match store.expire_leases(clock.now()).await {
            Ok(away) => {
                for worker in away {
                    tracing::info!(%worker, "away: its lease ran out");
                    notices.away(worker).await;
                }
            }
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%error, "cannot end leases; trying again");
            }
        }
    }
}
