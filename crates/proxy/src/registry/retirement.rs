//! Retires workers that stayed away too long: they are gone, and what waits for
//! them becomes dead letters. One that returns later registers anew. Idempotent,
//! by timer; the truth is in the store.

use crate::store::{Store, StoreError};
use postern_protocol::id::WorkerId;
use postern_protocol::{Clock, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(3600);

/// Works until `stop`. The first look is an hour after the start: after a long
/// standstill of the proxy the workers come back first.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    after: Duration,
    stop: CancellationToken,
) {
    let mut retirement = Retirement { after, looked: clock.now() };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        match retirement.look(store.as_ref(), clock.now()).await {
            Ok(gone) => gone.iter().for_each(|worker| tracing::info!(%worker, "retired: away for too long")),
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%error, "cannot retire abandoned workers; trying again");
            }
        }
    }
}

struct Retirement {
    /// How long a worker may be away.
    after: Duration,
    /// When the last look was.
    looked: UnixMillis,
}

impl Retirement {
    /// Retires whoever is away for too long, unless more time has passed than
    /// between two looks: the machine slept then, or its clock was set, and that
    /// nobody renewed means nothing.
    async fn look(&mut self, store: &dyn Store, now: UnixMillis) -> Result<Vec<WorkerId>, StoreError> {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let passed = now.since(std::mem::replace(&mut self.looked, now));
        if passed > 2 * millis(EVERY) {
            return Ok(Vec::new());
        }
        store.retire_abandoned(now.plus(-millis(self.after)), now).await
    }
}

#[cfg(test)]
mod tests;
