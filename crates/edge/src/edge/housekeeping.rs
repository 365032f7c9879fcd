//! Forgetting what has been kept long enough.

use crate::state::Shared;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(3600);
/// How long an id is remembered, in milliseconds: 90 days, three times what
/// the proxy keeps events for.
const SEEN: i64 = 90 * 24 * 3600 * 1000;

/// Looks at start and every hour, and works in small batches.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match shared.history.forget_seen(shared.now().plus(-SEEN)).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(e) => tracing::warn!(error = %e, "old ids could not be forgotten"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}
