//! Workers without a lease's end: plain receivers, which an administrator made
//! and which cannot renew one. Whoever answers at their URL has still to prove
//! that it holds the secret; since such a worker does not ask for another
//! challenge, it is challenged again and again until it does, ever more rarely.
//! Idempotent, by timer; the truth is in the store.

use super::challenge::Challenger;
use crate::store::Store;
use postern_protocol::{Clock, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The end of a lease that does not end: the year 9999's, far enough for every
/// clock, and a time that clients can show.
pub(crate) const NEVER: UnixMillis = UnixMillis(253_402_300_799_000);
/// A clock that is set back takes leases with it: what lies beyond this, the
/// year 9000's beginning, does not end either.
const BEYOND: UnixMillis = UnixMillis(221_845_392_000_000);

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(5);
/// The pause between two challenges of a worker: a tenth of its age, within
/// these bounds, in milliseconds.
const SHORTEST: i64 = 4_000;
const LONGEST: i64 = 300_000;

/// Whether a lease that ends then does not end.
pub(crate) fn lasts(leased_until: UnixMillis) -> bool {
    leased_until >= BEYOND
}

/// Works until `stop`.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    challenger: Arc<Challenger>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match store.unproved_until(BEYOND).await {
            Ok(workers) => {
                for worker in workers {
                    let pause = (clock.now().since(worker.created_at) / 10).clamp(SHORTEST, LONGEST);
                    challenger.repeat(worker, pause);
                }
            }
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%error, "cannot challenge plain receivers; trying again");
            }
        }
    }
}
