//! Token buckets: so many at once, so many per second after that, for each
//! key. Kept in memory and bounded: full buckets are forgotten, they say
//! nothing.

use super::error::ApiError;
use crate::bucket::{Bucket, Flow};
use postern_protocol::{ErrorCode, UnixMillis};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// How many keys are kept before full buckets are swept out.
const SWEEP_ABOVE: usize = 10_000;
/// How many keys are kept at all; beyond, all are forgotten.
const KEEP_AT_MOST: usize = 100_000;

/// A bucket for each key.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    /// Absent: no limit.
    flow: Option<Flow>,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// `burst` at once (at least one), `per_second` after that; a rate of zero
    /// or less is no limit.
    pub(crate) fn new(per_second: f64, burst: f64) -> Self {
        let flow = (per_second > 0.0).then_some(Flow { per_second, burst: burst.max(1.0) });
        Self { flow, buckets: Mutex::default() }
    }

    /// Takes one for `key`, or answers 429 with when to come again.
    pub(crate) fn take(&self, key: K, now: UnixMillis) -> Result<(), ApiError> {
        let Some(flow) = self.flow else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut buckets, flow, now);
        let bucket = buckets.entry(key).or_insert_with(|| Bucket::full(flow, now));
        if bucket.look(flow, now) >= 1.0 {
            bucket.take();
            return Ok(());
        }
        let wait = u64::try_from(bucket.next(flow).since(now)).unwrap_or(0);
        let seconds = wait.div_ceil(1000).clamp(1, 3600);
        Err(ApiError::new(ErrorCode::RateLimited, format!("too many requests; try again in {seconds} s"))
            .retry_after(seconds))
    }
}

fn make_room<K: Eq + Hash>(buckets: &mut HashMap<K, Bucket>, flow: Flow, now: UnixMillis) {
    if buckets.len() > SWEEP_ABOVE {
        buckets.retain(|_, bucket| !bucket.is_full(flow, now));
    }
    if buckets.len() > KEEP_AT_MOST {
        buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let buckets = Buckets::new(2.0, 3.0);
        let at = |ms: i64| UnixMillis(1_000_000 + ms);
        assert_eq!((0..5).filter(|_| buckets.take("a", at(0)).is_ok()).count(), 3);
        assert!(buckets.take("b", at(0)).is_ok(), "each key has its own");
        assert!(buckets.take("a", at(499)).is_err());
        assert!(buckets.take("a", at(500)).is_ok());
        assert!(buckets.take("a", at(500)).is_err());
    }

    #[test]
    fn a_clock_set_back_grants_nothing_and_takes_nothing() {
        let buckets = Buckets::new(1.0, 1.0);
        assert!(buckets.take((), UnixMillis(10_000)).is_ok());
        assert!(buckets.take((), UnixMillis(5_000)).is_err());
        assert!(buckets.take((), UnixMillis(6_000)).is_ok());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let buckets = Buckets::new(0.0, 0.0);
        assert!((0..1000).all(|_| buckets.take((), UnixMillis(0)).is_ok()));
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let buckets = Buckets::new(1.0, 1.0);
        for key in 0..=SWEEP_ABOVE {
            assert!(buckets.take(key, UnixMillis(0)).is_ok());
        }
        assert!(buckets.take(usize::MAX, UnixMillis(10_000)).is_ok());
        assert_eq!(buckets.buckets.lock().unwrap().len(), 1);
    }
}
