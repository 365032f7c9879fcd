//! How much goes through a tunnel, over the last minutes.

use crate::api::TunnelTraffic;
use postern_protocol::api::tunnels::TunnelName;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A spark's width.
const SPARK: Duration = Duration::from_secs(5);
/// So many are kept: five minutes.
const SPARKS: usize = 60;
/// Of so many answers, the newest, the times are kept.
const TIMES: usize = 1_000;

/// Counts requests.
#[derive(Default)]
pub(super) struct Meter(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// When counting began.
    began: Option<Instant>,
    /// The number of the newest spark since then.
    newest: u64,
    /// Requests in each spark, the newest last.
    sparks: VecDeque<u32>,
    /// When answers began, and after how long, in microseconds.
    times: VecDeque<(Instant, u32)>,
    total: u64,
    failed: u64,
    under_way: u32,
}

impl Meter {
    /// A request came.
    pub(super) fn came(&self) {
        self.counts().came(Instant::now());
    }

    /// Its answer began.
    pub(super) fn answered(&self, after: Duration) {
        self.counts().answered(Instant::now(), after);
    }

    /// It is over.
    pub(super) fn went(&self, failed: bool) {
        let mut counts = self.counts();
        counts.under_way = counts.under_way.saturating_sub(1);
        counts.failed += u64::from(failed);
    }

    pub(super) fn report(&self, name: &TunnelName) -> TunnelTraffic {
        self.counts().report(Instant::now(), name)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn came(&mut self, now: Instant) {
        let at = self.turn(now);
        if let Some(spark) = self.sparks.get_mut(at) {
            *spark += 1;
        }
        self.total += 1;
        self.under_way += 1;
    }

    fn answered(&mut self, now: Instant, after: Duration) {
        if self.times.len() == TIMES {
            self.times.pop_front();
        }
        self.times.push_back((now, u32::try_from(after.as_micros()).unwrap_or(u32::MAX)));
    }

    fn report(&mut self, now: Instant, name: &TunnelName) -> TunnelTraffic {
        self.turn(now);
        let recent = self.times.iter().filter(|(at, _)| now.duration_since(*at) <= SPARK * SPARKS as u32);
        let mut times: Vec<u32> = recent.map(|(_, micros)| *micros).collect();
        times.sort_unstable();
        let quantile = |q: usize| times.get(times.len() * q / 100).copied();
        let sparks = std::iter::repeat_n(0, SPARKS - self.sparks.len()).chain(self.sparks.iter().copied());
        TunnelTraffic {
            name: name.clone(),
            spark_seconds: SPARK.as_secs() as u32,
            sparks: sparks.collect(),
            p50_micros: quantile(50),
            p95_micros: quantile(95),
            total: self.total,
            failed: self.failed,
            under_way: self.under_way,
        }
    }

    /// Begins the spark of `now`; says where it is.
    fn turn(&mut self, now: Instant) -> usize {
        let began = *self.began.get_or_insert(now);
        let number = now.duration_since(began).as_secs() / SPARK.as_secs();
        let missing = if self.sparks.is_empty() { 1 } else { number.saturating_sub(self.newest) };
        for _ in 0..missing.min(SPARKS as u64) {
            if self.sparks.len() == SPARKS {
                self.sparks.pop_front();
            }
            self.sparks.push_back(0);
        }
        self.newest = number;
        self.sparks.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparks_move_on_and_times_are_ranked() {
        let (mut counts, began) = (Counts::default(), Instant::now());
        let name: TunnelName = "app".parse().unwrap();
        for millis in 1..=100 {
            counts.came(began);
            counts.answered(began, Duration::from_millis(millis));
        }
        let later = began + Duration::from_secs(12);
        counts.came(later);
        let report = counts.report(later, &name);
        assert_eq!(report.sparks.len(), 60);
        assert_eq!(report.sparks[57..], [100, 0, 1]);
        assert_eq!((report.p50_micros, report.p95_micros), (Some(51_000), Some(96_000)));
        assert_eq!((report.total, report.under_way), (101, 101));
        let report = counts.report(later + Duration::from_secs(3600), &name);
        assert_eq!(report.sparks, vec![0; 60]);
        assert_eq!((report.p50_micros, report.total), (None, 101));
    }
}
