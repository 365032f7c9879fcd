//! Forgetting what has been kept long enough.

use crate::history::{HistoryError, SPARE_PAGES};
use crate::state::Shared;
use postern_protocol::UnixMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often to look: often enough that a flood does not fill the disk.
const INTERVAL: Duration = Duration::from_secs(60);
/// Between two pieces of work: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// A day in milliseconds.
const DAY: i64 = 24 * 3600 * 1000;
/// How long an id is remembered, in milliseconds: 90 days, three times what
/// the proxy keeps events for; longer where its event is.
const SEEN: i64 = 90 * DAY;

/// Looks at start, every minute and when the setting changes, and works in
/// small pieces.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut settings = shared.settings.subscribe();
    loop {
        settings.mark_unchanged();
        tokio::select! {
            done = tidy(&shared) => if let Err(e) = done {
                tracing::warn!(error = %e, "what is old could not be forgotten");
            },
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            Ok(()) = settings.changed() => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn tidy(shared: &Shared) -> Result<(), HistoryError> {
    let history = &shared.history;
    let ago = |millis: i64| -> UnixMillis { shared.now().plus(-millis) };
    // Read anew for each piece: the setting may change meanwhile.
    let keep = || shared.settings.borrow().keep;
    while let Some(days) = keep().days
        && history.forget_before(ago(i64::from(days) * DAY)).await?
    {
        tokio::time::sleep(PAUSE).await;
    }
    while let Some(gib) = keep().gib
        && history.forget_beyond(u64::from(gib) << 30).await?
    {
        tokio::time::sleep(PAUSE).await;
    }
    while history.forget_seen(ago(SEEN)).await? || history.give_back(SPARE_PAGES).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
