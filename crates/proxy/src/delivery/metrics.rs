//! What deliveries are measured by.

use crate::circuit::Observed;
use crate::store::Next;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use postern_protocol::UnixMillis;
use postern_protocol::api::AttemptOutcome;

/// The deliveries' metrics. Made where a recorder is set.
#[derive(Clone)]
pub(crate) struct DeliveryMetrics {
    /// Attempts under way.
    pub(crate) in_flight: Gauge,
    delivered: Counter,
    refused: Counter,
    dns: Counter,
    connect: Counter,
    tls: Counter,
    timeout: Counter,
    clock_skew: Counter,
    pings: [Counter; 3],
    dead: Counter,
    /// Of deliveries made by the first attempt, and by a later one.
    latency: [Histogram; 2],
    attempt: Histogram,
}

impl DeliveryMetrics {
    /// Registers them with the recorder that is set.
    pub(crate) fn new() -> Self {
        const ATTEMPTS: &str = "postern_delivery_attempts_total";
        describe_counter!(ATTEMPTS, "Delivery attempts, by outcome");
        const PINGS: &str = "postern_pings_total";
        describe_counter!(PINGS, "Pings of workers, by what came of them");
        describe_counter!(
            "postern_deliveries_dead_total",
            "Deliveries that became dead letters after an attempt"
        );
        describe_gauge!("postern_delivery_attempts_in_flight", "Delivery attempts under way");
        describe_histogram!(
            "postern_delivery_latency_seconds",
            "From a webhook's receipt to a worker's 2xx, by whether the first attempt brought it"
        );
        describe_histogram!("postern_delivery_attempt_seconds", "How long attempts took");
        let attempts = |outcome: &'static str| counter!(ATTEMPTS, "outcome" => outcome);
        Self {
            in_flight: gauge!("postern_delivery_attempts_in_flight"),
            delivered: attempts("delivered"),
            refused: attempts("refused"),
            dns: attempts("dns"),
            connect: attempts("connect"),
            tls: attempts("tls"),
            timeout: attempts("timeout"),
            clock_skew: attempts("clock_skew"),
            pings: ["answered", "failing", "unreachable"]
                .map(|outcome| counter!(PINGS, "outcome" => outcome)),
            dead: counter!("postern_deliveries_dead_total"),
            latency: ["first", "later"]
                .map(|attempt| histogram!("postern_delivery_latency_seconds", "attempt" => attempt)),
            attempt: histogram!("postern_delivery_attempt_seconds"),
        }
    }

    /// Counts an attempt.
    #[expect(clippy::cast_precision_loss, reason = "durations")]
    pub(crate) fn attempt(&self, outcome: AttemptOutcome, micros: u64) {
        self.attempt.record(micros as f64 / 1e6);
        match outcome {
            AttemptOutcome::Delivered => &self.delivered,
            AttemptOutcome::Refused => &self.refused,
            AttemptOutcome::Dns => &self.dns,
            AttemptOutcome::Connect => &self.connect,
            AttemptOutcome::Tls => &self.tls,
            AttemptOutcome::Timeout => &self.timeout,
            AttemptOutcome::ClockSkew => &self.clock_skew,
        }
        .increment(1);
    }

    /// Counts a ping.
    pub(crate) fn ping(&self, observed: Observed) {
        let [answered, failing, unreachable] = &self.pings;
        match observed {
            Observed::Well => answered,
            Observed::Badly => failing,
            Observed::Unreached => unreachable,
        }
        .increment(1);
    }

    /// Counts what followed.
    #[expect(clippy::cast_precision_loss, reason = "durations")]
    pub(crate) fn followed_by(&self, next: &Next, attempt: u32, received_at: UnixMillis, now: UnixMillis) {
        match next {
            Next::Delivered => {
                self.latency[usize::from(attempt > 1)].record(now.since(received_at).max(0) as f64 / 1e3)
            }
            Next::Dead(_) => self.dead.increment(1),
            Next::RetryAt(_) | Next::HoldUntil(_) | Next::NotReached | Next::WorkerGone => {}
        }
    }
}
