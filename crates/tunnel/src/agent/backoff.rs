//! When to dial again: exponential bounds, and full jitter under them, so that
//! ten thousand agents that lost one proxy do not come back in one second.

use crate::settings::Timing;
use std::time::Duration;

/// Counts failed dials in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause. `random` is uniform in 0 … 1.
    pub(super) fn next(&mut self, timing: &Timing, random: f64) -> Duration {
        let bound = timing.backoff_base.saturating_mul(2u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        bound.min(timing.backoff_cap).mul_f64(random.clamp(0.0, 1.0))
    }

    /// Starts over.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use crate::settings::Timing;
    use std::time::Duration;

    #[test]
    fn bounds_double_up_to_the_cap_and_start_over() {
        let (timing, mut backoff) = (Timing::default(), Backoff::default());
        let bounds: Vec<_> = (0..8).map(|_| backoff.next(&timing, 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30, 30]);
        for _ in 0..100 {
            assert_eq!(backoff.next(&timing, 0.5), Duration::from_secs(15));
        }
        backoff.reset();
        assert_eq!(backoff.next(&timing, 0.25), Duration::from_millis(250));
        assert_eq!(backoff.next(&timing, 0.0), Duration::ZERO);
        assert_eq!(backoff.next(&timing, f64::INFINITY), Duration::from_secs(4));
    }
}
