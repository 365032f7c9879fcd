//! How deliveries are made: schedule, timeouts, concurrency.

use super::{ConfigError, units};
use crate::circuit::Breaker;
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
    /// How long a member of a claim group holds an entity without a report.
    #[serde(deserialize_with = "units::duration")]
    pub claim_lease: Duration,
    /// Whether webhooks are sent while they are committed, where that is sound.
    pub early_dispatch: bool,
    /// When a worker is left alone, and for how long.
    pub circuit: CircuitSettings,
}

/// When a worker's circuit opens, and for how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitSettings {
    /// How long it stays open before the first ping.
    #[serde(deserialize_with = "units::duration")]
    pub open_min: Duration,
    /// How long it stays open between pings at most.
    #[serde(deserialize_with = "units::duration")]
    pub open_max: Duration,
    /// Over how long answered failures are counted.
    #[serde(deserialize_with = "units::duration")]
    pub window: Duration,
    /// How many attempts the window must have seen to say anything.
    pub min_attempts: u32,
    /// From which part of failures on it opens: above 0 to 1.
    pub failure_ratio: f64,
    /// How long a worker may be idle before it is pinged; zero: for ever.
    #[serde(deserialize_with = "units::duration")]
    pub health_interval: Duration,
}

impl CircuitSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key: &str, value: String, cure: &str| Err(ConfigError::invalid(key, value, cure));
        if self.open_min.is_zero() || self.open_max < self.open_min {
            let cure = "make it at least delivery.circuit.open_min, which must be above 0";
            return invalid("delivery.circuit.open_max", format!("{:?}", self.open_max), cure);
        }
        if self.window < Duration::from_secs(1) {
            return invalid("delivery.circuit.window", format!("{:?}", self.window), "make it at least 1s");
        }
        if self.min_attempts == 0 {
            return invalid("delivery.circuit.min_attempts", "0".into(), "write at least 1");
        }
        if !(self.failure_ratio > 0.0 && self.failure_ratio <= 1.0) {
            let cure = "write a number above 0, and at most 1";
            return invalid("delivery.circuit.failure_ratio", self.failure_ratio.to_string(), cure);
        }
        if !self.health_interval.is_zero() && self.health_interval < Duration::from_secs(1) {
            let cure = "write \"0s\" for no checks, or at least \"1s\"";
            return invalid("delivery.circuit.health_interval", format!("{:?}", self.health_interval), cure);
        }
        Ok(())
    }
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
        if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&self.claim_lease) {
            return invalid(
                "delivery.claim_lease",
                format!("{:?}", self.claim_lease),
                "write \"1s\" to \"24h\"",
            );
        }
        self.circuit.check()
    }

    /// By what circuits are judged.
    pub(crate) fn breaker(&self) -> Breaker {
        let CircuitSettings { open_min, open_max, window, min_attempts, failure_ratio, .. } = self.circuit;
        Breaker { window, min_attempts, failure_ratio, open_min, open_max, jitter: self.jitter }
    }
}
