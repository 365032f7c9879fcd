//! How deliveries are made: schedule, timeouts, concurrency.

use super::{ConfigError, units};
use serde::Deserialize;
use std::time::Duration;

/// How deliveries are made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The waits before each attempt, the first included; its length is the
    /// number of attempts. Only answered failures use it up.
    #[serde(deserialize_with = "units::schedule")]
    pub schedule: Vec<Duration>,
    /// No attempt later than this after the first.
    #[serde(deserialize_with = "units::duration")]
    pub give_up_after: Duration,
    /// How much each wait is varied at random, as a fraction: 0 to 0.5.
    pub jitter: f64,
    /// How long one attempt may take.
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// Attempts under way at once to one worker.
    pub per_worker: u32,
    /// Attempts under way at once in all.
    pub total: u32,
    /// Memory for the bodies of all attempts under way, in bytes; the last one
    /// may exceed it.
    #[serde(deserialize_with = "units::size")]
    pub inflight: u64,
    /// How long an unreachable worker is left alone at first.
    #[serde(deserialize_with = "units::duration")]
    pub backoff_min: Duration,
    /// How long an unreachable worker is left alone at most.
    #[serde(deserialize_with = "units::duration")]
    pub backoff_max: Duration,
}

impl Delivery {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key: &str, value: String, cure: &str| Err(ConfigError::invalid(key, value, cure));
        let attempts = self.schedule.len();
        if attempts == 0 || attempts > 12 {
            return invalid("delivery.schedule", format!("{attempts} attempts"), "list 1 to 12 waits");
        }
        if !(0.0..=0.5).contains(&self.jitter) {
            return invalid("delivery.jitter", self.jitter.to_string(), "write a number from 0 to 0.5");
        }
        if self.timeout.is_zero() {
            return invalid("delivery.timeout", "\"0s\"".into(), "make it longer than nothing");
        }
        if self.per_worker == 0 || self.per_worker > 1_000 {
            return invalid("delivery.per_worker", self.per_worker.to_string(), "write 1 to 1000");
        }
        if self.total < self.per_worker || self.total > 10_000 {
            let cure = "write at least delivery.per_worker and at most 10000";
            return invalid("delivery.total", self.total.to_string(), cure);
        }
        if self.inflight == 0 {
            return invalid("delivery.inflight", "\"0B\"".into(), "make it more than nothing");
        }
        if self.backoff_min.is_zero() || self.backoff_max < self.backoff_min {
            let value = format!("{:?}", self.backoff_max);
            return invalid(
                "delivery.backoff_max",
                value,
                "make it at least delivery.backoff_min, which must be above 0",
            );
        }
        Ok(())
    }
}
