//! How long to wait.

use std::time::Duration;

/// After the proxy has refused the token, unless somebody signs in.
pub(super) const REFUSED: Duration = Duration::from_secs(300);
/// What a proxy asks for is honoured up to here.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// Waits that grow with each failure in a row.
#[derive(Debug)]
pub(super) struct Pace {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new((shortest, longest): (Duration, Duration)) -> Self {
        Self { shortest, longest, failures: 0 }
    }

    /// It has worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing has failed of late.
    pub(super) fn is_calm(&self) -> bool {
        self.failures == 0
    }

    /// The wait after one more failure; at least what the proxy asked for.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = backoff(self.shortest, self.longest, self.failures, rand::random());
        asked.map_or(wait, |asked| asked.min(LONGEST_ASKED).max(wait))
    }
}

/// Full jitter: anything between `shortest` and a ceiling that doubles with
/// each failure, up to `longest`. `random` is in 0–1.
fn backoff(shortest: Duration, longest: Duration, failures: u32, random: f64) -> Duration {
    let ceiling = shortest.saturating_mul(1 << failures.min(16)).min(longest).max(shortest);
    shortest + (ceiling - shortest).mul_f64(random)
}

/// When to renew a lease of `seconds`: at a third, ± 10 %, so that two
/// renewals may fail before it runs out and many workers do not come together.
/// `random` is in 0–1.
pub(super) fn renewal(seconds: u32, random: f64) -> Duration {
    Duration::from_secs(u64::from(seconds.max(1))).div_f64(3.0).mul_f64(0.9 + 0.2 * random)
}

/// When to ask again while the challenge is out: `first`, doubling.
pub(super) fn poll(first: Duration, longest: Duration, polls: u32) -> Duration {
    first.saturating_mul(1 << polls.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn waits_grow_to_the_longest() {
        let most = |failures| backoff(S, 60 * S, failures, 1.0);
        assert_eq!([most(1), most(2), most(3), most(6), most(99)], [2 * S, 4 * S, 8 * S, 60 * S, 60 * S]);
        assert_eq!(backoff(S, 60 * S, 9, 0.0), S);
    }

    #[test]
    fn a_wait_asked_for_is_honoured_within_reason() {
        let mut pace = Pace::new((S, 2 * S));
        assert_eq!(pace.wait(Some(30 * S)), 30 * S);
        assert_eq!(pace.wait(Some(100_000 * S)), LONGEST_ASKED);
        assert!(pace.wait(None) <= 2 * S);
    }

    proptest! {
        #[test]
        fn a_lease_is_renewed_well_before_its_end(seconds in 1u32..100_000, random in 0.0..1.0) {
            let lease = Duration::from_secs(u64::from(seconds));
            let at = renewal(seconds, random);
            prop_assert!(at > lease.mul_f64(0.29) && at < lease.mul_f64(0.37));
        }

        #[test]
        fn waits_stay_in_their_bounds(failures in 0u32.., random in 0.0..1.0) {
            let wait = backoff(S, 60 * S, failures, random);
            prop_assert!((S..=60 * S).contains(&wait));
        }
    }
}
