//! The hops of a tested path with their times.
//!
//! The proxy's clock and this machine's are never compared to time a hop. What
//! happens at the proxy is timed by the proxy, what happens here is timed here.
//! A way between the two is half of what is left of a round trip when the time
//! spent at its far end is taken off: of this machine's call, without what the
//! proxy did meanwhile, and of the proxy's post, without what happened here.

use super::Arrived;
use crate::api::{HandlerRun, Hop, HopPlace, HopState, PathTest};
use postern_protocol::UnixMillis;
use postern_protocol::api::CanaryReport;
use tokio::time::Instant;

/// What was seen here.
#[derive(Debug)]
pub(super) struct Seen {
    /// When the test began.
    pub(super) at: UnixMillis,
    /// When the proxy was asked.
    pub(super) asked: Instant,
    /// When it had answered.
    pub(super) answered: Instant,
    /// When the canary was here.
    pub(super) arrived: Option<Arrived>,
    /// Why it is not.
    pub(super) missing: Option<String>,
    /// What became of it here.
    pub(super) handled: Option<Handled>,
    /// Where events are forwarded to.
    pub(super) target: Option<String>,
}

/// What a handler made of it.
#[derive(Debug)]
pub(super) enum Handled {
    /// No handler takes it.
    Nobody,
    /// One did.
    Run {
        /// Its run.
        run: Box<HandlerRun>,
        /// When it was over.
        at: Instant,
    },
}

/// Whether a handler is through.
pub(super) enum Answered {
    NotYet,
    Done,
}

/// All hops, in order.
pub(super) fn hops(report: &CanaryReport, seen: &Seen) -> PathTest {
    let called = micros(seen.asked, seen.answered);
    let way = called.saturating_sub(report.reported) / 2;
    let here = seen.arrived.map(|a| micros(a.received, a.stored.unwrap_or(a.verified)));
    let posted = report.answered.zip(report.sent).map(|(answered, sent)| answered.saturating_sub(sent));
    let post_way = posted.zip(here).map(|(posted, here)| posted.saturating_sub(here) / 2);
    let mut line = Line { hops: Vec::new(), problem: seen.missing.clone() };
    line.hop(
        "Asked the proxy",
        HopPlace::Network,
        Some(way),
        "half of the call's round trip, without the proxy's work",
    );
    line.hop(
        "Signature verified",
        HopPlace::Proxy,
        report.verified,
        "signed and verified as a provider's webhook is",
    );
    line.hop(
        "Committed",
        HopPlace::Proxy,
        between(report.verified, report.committed),
        "on the proxy's disk, with its delivery",
    );
    line.hop(
        "Claimed",
        HopPlace::Proxy,
        between(report.committed, report.claimed),
        "taken up by the delivery",
    );
    line.hop("Sent", HopPlace::Proxy, between(report.claimed, report.sent), "signed for this machine");
    line.hop("Arrived", HopPlace::Network, post_way, "half of the post's round trip, without the work here");
    let verified = seen.arrived.map(|a| micros(a.received, a.verified));
    line.hop(
        "Signature verified",
        HopPlace::ThisMachine,
        verified,
        "the proxy's signature, by the worker's secret",
    );
    let stored = seen.arrived.and_then(|a| a.stored.map(|stored| micros(a.verified, stored)));
    line.hop("Stored", HopPlace::ThisMachine, stored, "on this machine's disk; the answer says so");
    line.hop("Answer at the proxy", HopPlace::Network, post_way, "the way back, likewise half");
    let end = line.handler(seen);
    let passed = line.hops.iter().all(|hop| hop.state != HopState::Failed);
    PathTest {
        at: seen.at,
        event_id: report.event_id.map(|id| id.to_string()),
        passed,
        total_micros: passed.then(|| micros(seen.asked, end.unwrap_or(seen.answered))),
        skew_ms: Some(skew(report, seen, called)),
        hops: line.hops,
    }
}

/// The proxy's clock minus ours, in the middle of the call.
fn skew(report: &CanaryReport, seen: &Seen, called: u64) -> i64 {
    let half = |micros: u64| i64::try_from(micros / 2000).unwrap_or(0);
    report.accepted_at.plus(half(report.reported)).since(seen.at.plus(half(called)))
}

struct Line {
    hops: Vec<Hop>,
    /// Goes to the first hop that was not reached.
    problem: Option<String>,
}

impl Line {
    fn hop(&mut self, name: &str, place: HopPlace, took: Option<u64>, how: &str) {
        let (state, note) = match (took, self.problem.take()) {
            (Some(_), problem) => {
                self.problem = problem;
                (HopState::Passed, how.to_owned())
            }
            (None, Some(problem)) => (HopState::Failed, problem),
            (None, None) => (HopState::Skipped, "not reached".to_owned()),
        };
        self.hops.push(Hop { name: name.to_owned(), place, state, took_micros: took, note });
    }

    /// The last one; says when it was over.
    fn handler(&mut self, seen: &Seen) -> Option<Instant> {
        let (state, took, note, end) = match (&seen.handled, seen.arrived) {
            (Some(Handled::Nobody), _) => (HopState::Skipped, None, "no handler takes it".to_owned(), None),
            (Some(Handled::Run { run, at }), _) => {
                let note = format!("{} · {}", run.target, run.error.as_deref().unwrap_or(&run.outcome.label));
                // That it refuses what is not its provider's proves that it is there.
                let state = if run.status.is_some() { HopState::Passed } else { HopState::Failed };
                (state, run.micros, note, Some(*at))
            }
            (None, Some(_)) => {
                let target = seen.target.as_deref().unwrap_or("the handler");
                (HopState::Failed, None, format!("{target} did not answer in time"), None)
            }
            (None, None) => (HopState::Skipped, None, "not reached".to_owned(), None),
        };
        let name = "Handler answered".to_owned();
        self.hops.push(Hop { name, place: HopPlace::Target, state, took_micros: took, note });
        end
    }
}

fn between(from: Option<u64>, to: Option<u64>) -> Option<u64> {
    to.zip(from).map(|(to, from)| to.saturating_sub(from))
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::api::AttemptOutcome;
    use std::time::Duration;

    fn report() -> CanaryReport {
        CanaryReport {
            event_id: None,
            accepted_at: UnixMillis(5_000),
            verified: Some(100),
            committed: Some(1_100),
            claimed: Some(1_300),
            sent: Some(1_400),
            answered: Some(11_400),
            reported: 12_000,
            outcome: Some(AttemptOutcome::Delivered),
            status: Some(200),
            error: None,
        }
    }

    /// Asked at 0; the call took 20 ms; here the canary took 4 ms.
    fn seen() -> Seen {
        let asked = Instant::now();
        let at = |micros| asked + Duration::from_micros(micros);
        let arrived = Arrived { received: at(8_000), verified: at(8_500), stored: Some(at(12_000)) };
        Seen {
            at: UnixMillis(1_000),
            asked,
            answered: at(20_000),
            arrived: Some(arrived),
            missing: None,
            handled: Some(Handled::Nobody),
            target: None,
        }
    }

    #[test]
    fn no_hop_is_timed_by_comparing_two_clocks() {
        let test = hops(&report(), &seen());
        let took: Vec<_> = test.hops.iter().map(|hop| hop.took_micros.unwrap_or(0)).collect();
        assert_eq!(took, [4_000, 100, 1_000, 200, 100, 3_000, 500, 3_500, 3_000, 0]);
        assert!(test.passed);
        assert_eq!(test.total_micros, Some(20_000));
        // In the middle of the call it was 1010 here and 5006 there.
        assert_eq!(test.skew_ms, Some(3_996));
        let skewed = hops(&CanaryReport { accepted_at: UnixMillis(-7), ..report() }, &seen());
        let skewed: Vec<_> = skewed.hops.iter().map(|hop| hop.took_micros.unwrap_or(0)).collect();
        assert_eq!(skewed, took);
    }

    #[test]
    fn the_first_hop_not_reached_says_why() {
        let refused = CanaryReport {
            outcome: Some(AttemptOutcome::Connect),
            status: None,
            error: Some("connection refused".into()),
            ..report()
        };
        let nothing =
            Seen { arrived: None, missing: Some("connection refused".into()), handled: None, ..seen() };
        let test = hops(&refused, &nothing);
        let failed: Vec<_> = test.hops.iter().filter(|hop| hop.state == HopState::Failed).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].name.as_str(), failed[0].note.as_str()), ("Arrived", "connection refused"));
        assert_eq!((test.passed, test.total_micros), (false, None));
        assert!(test.hops[6..].iter().all(|hop| hop.state == HopState::Skipped));
    }
}
