//! A token bucket: so many at once, so many per second after that. The time is
//! handed in.

use postern_protocol::UnixMillis;

/// What is as good as a whole token: sums of fractions fall short of it.
const ROUNDING: f64 = 1e-6;

/// How a bucket is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flow {
    /// Tokens a second, above 0.
    pub(crate) per_second: f64,
    /// Tokens it holds, at least 1.
    pub(crate) burst: f64,
}

/// What a bucket held when it was last looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: UnixMillis,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(flow: Flow, now: UnixMillis) -> Self {
        Self { tokens: flow.burst, at: now }
    }

    /// How many tokens there are at `now`, rounding aside. A clock set back adds none and
    /// takes none.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two looks")]
    pub(crate) fn look(&mut self, flow: Flow, now: UnixMillis) -> f64 {
        let elapsed = now.since(self.at).max(0) as f64 / 1000.0;
        *self = Self { tokens: (self.tokens + elapsed * flow.per_second).min(flow.burst), at: now };
        self.tokens + ROUNDING
    }

    /// Takes one, which must have been there at the last look.
    pub(crate) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    /// From when on it holds one, as of the last look.
    #[expect(clippy::cast_possible_truncation, reason = "far from the limits, and it saturates")]
    pub(crate) fn next(&self, flow: Flow) -> UnixMillis {
        let missing = (1.0 - self.tokens).max(0.0);
        self.at.plus((missing / flow.per_second * 1000.0).ceil() as i64)
    }

    /// The clock was set back by so many milliseconds, to `now`.
    pub(crate) fn set_back(&mut self, now: UnixMillis, by: i64) {
        if self.at > now {
            self.at = self.at.plus(-by);
        }
    }

    /// Whether it is full at `now`.
    pub(crate) fn is_full(mut self, flow: Flow, now: UnixMillis) -> bool {
        self.look(flow, now) >= flow.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the pattern of asking: never more than the burst and what
        /// has flowed in since.
        #[test]
        fn never_more_than_the_rate(
            per_second in 0.01f64..1_000.0, burst in 1.0f64..1_000.0,
            steps in proptest::collection::vec((0i64..10_000, 1u32..20), 1..100),
        ) {
            let (flow, start) = (Flow { per_second, burst }, UnixMillis(1_000_000));
            let (mut bucket, mut now, mut taken) = (Bucket::full(flow, start), start, 0.0);
            for (pass, wanted) in steps {
                now = now.plus(pass);
                for _ in 0..wanted {
                    if bucket.look(flow, now) >= 1.0 {
                        bucket.take();
                        taken += 1.0;
                    } else {
                        let mut later = bucket;
                        prop_assert!(later.look(flow, bucket.next(flow)) >= 1.0);
                        break;
                    }
                }
                #[expect(clippy::cast_precision_loss, reason = "a test's times")]
                let most = burst + now.since(start) as f64 / 1000.0 * per_second;
                prop_assert!(taken <= most + 1e-2);
            }
        }
    }
}
