//! Deletes what is older than it is kept, in small batches, so that nobody
//! waits for it; and the secrets that were replaced, once their time is over.
//! Idempotent, by timer.

use crate::config::Retention;
use crate::notices::Notices;
use crate::store::{Store, StoreError};
use metrics::{Counter, counter, describe_counter};
use postern_protocol::{Clock, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(300);
/// How often there is one where the size is limited, too.
const EVERY_WITH_SIZE: Duration = Duration::from_secs(30);
/// How many events are handled between two rests.
const BATCH: u32 = 200;
/// The rest between two batches.
const REST: Duration = Duration::from_millis(50);

/// What retention is measured by. Made where a recorder is set.
pub(crate) struct RetentionMetrics {
    by_age: Counter,
    by_size: Counter,
}

impl RetentionMetrics {
    /// Registers them with the recorder that is set.
    pub(crate) fn new() -> Self {
        const DELETED: &str = "postern_retention_deleted_total";
        describe_counter!(DELETED, "Events deleted, or expired undelivered, by the limit they had reached");
        Self { by_age: counter!(DELETED, "limit" => "age"), by_size: counter!(DELETED, "limit" => "size") }
    }
}

/// Works until `stop`.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keep: Retention,
    metrics: RetentionMetrics,
    notices: Arc<Notices>,
    stop: CancellationToken,
) {
    let every = if keep.size == 0 { EVERY } else { EVERY_WITH_SIZE };
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        drop_old_secrets(store.as_ref(), clock.now()).await;
        pause = match prune(store.as_ref(), clock.now(), &keep, &metrics, &notices).await {
            Ok(true) => REST,
            Ok(false) => every,
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%error, "cannot delete what is past its retention; trying again");
                every
            }
        };
    }
}

/// A batch of what is too old, then, where that is all, of what is too much.
/// Whether there is more.
async fn prune(
    store: &dyn Store,
    now: UnixMillis,
    keep: &Retention,
    metrics: &RetentionMetrics,
    notices: &Notices,
) -> Result<bool, StoreError> {
    let events = store.prune(now, keep.events, BATCH).await?;
    tracing::debug!(events, "deleted or expired: past their retention");
    metrics.by_age.increment(events);
    if events >= u64::from(BATCH) || keep.size == 0 {
        return Ok(events >= u64::from(BATCH));
    }
    let events = store.prune_settled(keep.size, BATCH).await?;
    if events > 0 {
        metrics.by_size.increment(events);
        tracing::info!(events, limit = keep.size, "deleted before their time: retention.size is reached");
        notices.size_reached(keep.size, events).await;
    }
    Ok(events >= u64::from(BATCH))
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
