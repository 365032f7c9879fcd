//! Deletes what is older than it is kept, in small batches, so that nobody
//! waits for it. Idempotent, by timer.

use crate::store::Store;
use postern_protocol::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(300);
/// How many events go in one transaction.
const BATCH: u32 = 200;
/// The rest between two batches.
const REST: Duration = Duration::from_millis(50);

/// Works until `stop`.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keep: Duration,
    stop: CancellationToken,
) {
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = match store.prune(clock.now(), keep, BATCH).await {
            Ok(events) => {
                tracing::debug!(events, "deleted or expired: past their retention");
                if events < u64::from(BATCH) { EVERY } else { REST }
            }
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%error, "cannot delete what is past its retention; trying again");
                EVERY
            }
        };
    }
}
