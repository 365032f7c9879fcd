//! How much goes through a tunnel, over the last minutes.

use crate::api::TunnelTraffic;
use postern_protocol::api::tunnels::TunnelName;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
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
        self.change(|counts| {
            let at = counts.turn(Instant::now());
            if let Some(spark) = counts.sparks.get_mut(at) {
                *spark += 1;
            }
            counts.total += 1;
            counts.under_way += 1;
        });
    }

    /// Its answer began.
    pub(super) fn answered(&self, after: Duration) {
        self.change(|counts| {
            if counts.times.len() == TIMES {
                counts.times.pop_front();
            }
            counts.times.push_back((Instant::now(), u32::try_from(after.as_micros()).unwrap_or(u32::MAX)));
        });
    }

    /// It is over.
    pub(super) fn went(&self, failed: bool) {
        self.change(|counts| {
            counts.under_way = counts.under_way.saturating_sub(1);
            counts.failed += u64::from(failed);
        });
    }

    pub(super) fn report(&self, name: &TunnelName) -> TunnelTraffic {
        self.change(|counts| {
            let now = Instant::now();
            counts.turn(now);
            let span = SPARK * SPARKS as u32;
            let mut times: Vec<u32> = counts
                .times
                .iter()
                .filter(|(at, _)| now.duration_since(*at) <= span)
                .map(|(_, micros)| *micros)
                .collect();
            times.sort_unstable();
            let quantile =
                |q: usize| times.get((times.len() * q / 100).min(times.len().saturating_sub(1))).copied();
            let sparks =
                std::iter::repeat_n(0, SPARKS - counts.sparks.len()).chain(counts.sparks.iter().copied());
            TunnelTraffic {
                name: name.clone(),
                spark_seconds: SPARK.as_secs() as u32,
                sparks: sparks.collect(),
                p50_micros: quantile(50),
                p95_micros: quantile(95),
                total: counts.total,
                failed: counts.failed,
                under_way: counts.under_way,
            }
        })
    }

    fn change<T>(&self, how: impl FnOnce(&mut Counts) -> T) -> T {
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counts {
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

    #[tokio::test(start_paused = true)]
    async fn sparks_move_on_and_times_are_ranked() {
        let meter = Meter::default();
        let name: TunnelName = "app".parse().unwrap();
        for millis in 1..=100 {
            meter.came();
            meter.answered(Duration::from_millis(millis));
            meter.went(millis == 1);
        }
        tokio::time::advance(Duration::from_secs(12)).await;
        meter.came();
        let report = meter.report(&name);
        assert_eq!(report.sparks.len(), 60);
        assert_eq!(report.sparks[57..], [100, 0, 1]);
        assert_eq!((report.p50_micros, report.p95_micros), (Some(51_000), Some(96_000)));
        assert_eq!((report.total, report.failed, report.under_way), (101, 1, 1));
        tokio::time::advance(Duration::from_secs(3600)).await;
        let report = meter.report(&name);
        assert_eq!(report.sparks, vec![0; 60]);
        assert_eq!((report.p50_micros, report.total), (None, 101));
    }
}
