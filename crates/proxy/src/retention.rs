//! Deletes what is older than it is kept, in small batches, so that nobody
//! waits for it; and the secrets that were replaced, once their time is over.
//! Idempotent, by timer.

use crate::store::Store;
use postern_protocol::{Clock, UnixMillis};
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
        drop_old_secrets(store.as_ref(), clock.now()).await;
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

/// They count no more already; here they go.
async fn drop_old_secrets(store: &dyn Store, now: UnixMillis) {
    match store.drop_old_secrets(now).await {
        Ok(0) => {}
        Ok(owners) => tracing::info!(owners, "replaced secrets are dropped: their time is over"),
        Err(error) => {
            let error = crate::http::error::chain(&error);
            tracing::error!(%error, "cannot drop replaced secrets; trying again");
        }
    }
}
