//! The quiet canary: asked for when this machine became live, and then whenever
//! nothing has arrived for as long as the settings say, give or take a tenth.
//! None while paused, signed out or not connected: there the state says enough.
//!
//! One that does not arrive is followed by another soon, so that what was said
//! of the path is not wrong for long.

use super::Proof;
use crate::proxy_client::ProxyError;
use crate::state::{Session, Shared};
use postern_protocol::UnixMillis;
use postern_protocol::api::{AttemptOutcome, CanaryReport, CanaryRequest};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// After a canary that did not arrive.
const AGAIN: Duration = Duration::from_secs(30);

/// Looks every [`crate::Timing::canary`] until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(shared.config.timing.canary);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = Round::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some((session, every)) = round.due(&shared) else { continue };
        let asked = shared.now();
        tokio::select! {
            verdict = ask(&shared, &session) => {
                round.asked(&session, asked, every, verdict);
                shared.touch();
            }
            () = stop.cancelled() => return,
        }
    }
}

/// What came of asking.
enum Verdict {
    /// It arrived.
    Arrived,
    /// It did not.
    Missed(String),
    /// The proxy did not send one just now.
    None,
    /// This proxy knows no canaries.
    Unsupported,
}

/// Whose turn it was last.
#[derive(Default)]
struct Round {
    /// Whose: another sign-in starts afresh.
    session: Weak<Session>,
    /// When it was last asked for, and how long that is to last; absent: now.
    last: Option<(UnixMillis, Duration)>,
    unsupported: bool,
}

impl Round {
    /// The session a canary is due for, and how often.
    fn due(&mut self, shared: &Shared) -> Option<(Arc<Session>, Duration)> {
        let session = shared.session().ok();
        let every = Duration::from_secs(60 * u64::from(shared.settings.borrow().canary_minutes));
        let Some(session) = session.filter(|_| !every.is_zero() && shared.is_live()) else {
            self.last = None;
            return None;
        };
        if !std::ptr::eq(self.session.as_ptr(), Arc::as_ptr(&session)) {
            *self = Self { session: Arc::downgrade(&session), ..Self::default() };
        }
        (!self.unsupported && is_due(self.last, &session.proof, every, shared.now()))
            .then_some((session, every))
    }

    fn asked(&mut self, session: &Session, asked: UnixMillis, every: Duration, verdict: Verdict) {
        let wait = match verdict {
            Verdict::Arrived | Verdict::None => every,
            Verdict::Missed(problem) => {
                if session.proof.missed(asked, problem.clone()) {
                    tracing::warn!(problem, "a canary did not arrive");
                }
                AGAIN.min(every)
            }
            Verdict::Unsupported => {
                self.unsupported = true;
                every
            }
        };
        self.last = Some((asked, wait.mul_f64(0.9 + 0.2 * rand::random::<f64>())));
    }
}

/// Whether it is time: what arrived meanwhile has proven as much, unless the
/// wait is for another try.
fn is_due(last: Option<(UnixMillis, Duration)>, proof: &Proof, every: Duration, now: UnixMillis) -> bool {
    let Some((asked, wait)) = last else { return true };
    let from = proof.at().filter(|at| *at > asked).unwrap_or(asked);
    // The settings may ask for less than they did.
    let wait = i64::try_from(wait.min(every.mul_f64(1.1)).as_millis()).unwrap_or(i64::MAX);
    // Of a clock that was set back nothing is known.
    now.since(from) >= wait || now < asked
}

async fn ask(shared: &Shared, session: &Session) -> Verdict {
    let worker = session.worker.borrow().clone();
    let Some(worker) = worker else { return Verdict::None };
    let mut canary = session.expected.one();
    let request = CanaryRequest { nonce: canary.nonce.clone(), quiet: true };
    let mut account = shared.account.subscribe();
    let answer = tokio::select! {
        answer = session.proxy.canary(&worker.worker_id, &worker.credential, &request) => answer,
        _ = account.changed() => return Verdict::None,
    };
    if canary.arrived().is_some() {
        return Verdict::Arrived;
    }
    match answer {
        Ok(report) => Verdict::Missed(why(&report)),
        Err(ProxyError::Refused { status: 404 | 405, .. }) => Verdict::Unsupported,
        // The lease tells what is to be told.
        Err(ProxyError::Refused { status: 400..=499, .. }) => Verdict::None,
        Err(error) => Verdict::Missed(error.to_string()),
    }
}

/// Why a canary that the proxy sent is not here.
pub(super) fn why(report: &CanaryReport) -> String {
    match report.outcome {
        Some(AttemptOutcome::Delivered) => {
            "the proxy had an answer, but not from here: something else answers at this machine's address"
                .into()
        }
        _ => report.error.clone().unwrap_or_else(|| "the proxy does not say why".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);

    fn due(last: Option<(i64, u64)>, proven: i64, now: i64) -> bool {
        let proof = Proof::default();
        proof.made(UnixMillis(proven));
        let last = last.map(|(asked, wait)| (UnixMillis(asked), Duration::from_secs(wait)));
        is_due(last, &proof, EVERY, UnixMillis(now))
    }

    #[test]
    fn at_once_then_when_nothing_has_arrived_for_the_interval() {
        assert!(due(None, 0, 1_000_000));
        assert!(!due(Some((1_000_000, 300)), 0, 1_299_999));
        assert!(due(Some((1_000_000, 300)), 0, 1_300_000));
        assert!(!due(Some((1_000_000, 300)), 1_200_000, 1_499_999), "a delivery has proven it");
        assert!(due(Some((1_000_000, 300)), 1_200_000, 1_500_000));
        assert!(due(Some((1_000_000, 300)), 0, 900_000), "the clock was set back");
        assert!(due(Some((1_000_000, 86_400)), 0, 1_330_000), "the interval was shortened");
    }
}
