//! Takes one claimed delivery through its steps: sign, send, decide, record.
//! A panic on the way is caught and recorded as a failure of that attempt.

use super::client::Outbound;
use super::metrics::DeliveryMetrics;
use super::retry::{self, Outcome, Past};
use super::send::{self, Sent};
use super::sign::{self, Ticket};
use super::tunnel::Tunnelled;
use crate::config::Delivery;
use crate::store::{Claimed, FinishAttempt, Next, Store, StoreError};
use futures_util::FutureExt;
use postern_protocol::Clock;
use postern_protocol::id::WorkerId;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before recording is tried again, at first and at most.
const RECORD_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How often recording is tried again when the store does not merely lack
/// room or answer, but fails.
const RECORD_FAILURES: u32 = 5;

/// Makes attempts.
pub(crate) struct Sender {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) client: Outbound,
    pub(crate) tunnels: Tunnelled,
    pub(crate) policy: Delivery,
    pub(crate) metrics: DeliveryMetrics,
}

/// An attempt and what follows from it: what can be recorded.
struct Decided {
    ticket: Ticket,
    finish: FinishAttempt,
}

impl Sender {
    /// One attempt, from claim to record.
    pub(crate) async fn attempt(&self, claimed: Claimed) {
        let ticket = Ticket::from(&claimed);
        let tunnel = self.tunnels.epoch(ticket.worker);
        self.metrics.in_flight.increment(1);
        let sent = match AssertUnwindSafe(self.send(claimed)).catch_unwind().await {
            Ok(sent) => sent,
            Err(_) => {
                tracing::error!(delivery = %ticket.delivery, "an attempt panicked");
                send::defect(
                    ticket,
                    self.clock.now(),
                    "the proxy failed while sending; its log says why".into(),
                )
            }
        };
        let decided = self.decide(sent);
        let unreachable = matches!(decided.finish.next, Next::WorkerUnreachableUntil(_));
        self.record(decided).await;
        if unreachable && self.tunnels.epoch(ticket.worker) > tunnel {
            self.reachable_again(ticket.worker).await;
        }
        self.metrics.in_flight.decrement(1);
    }

    /// A tunnel came up while the attempt failed on the one before, or on none:
    /// that failure, recorded after the new tunnel had cleared the worker's
    /// mark, must not hold up what waits.
    async fn reachable_again(&self, worker: WorkerId) {
        if let Err(error) = self.store.clear_unreachable(worker).await {
            let error = crate::http::error::chain(&error);
            tracing::error!(%worker, %error, "a worker just connected is left alone for longer than need be");
        }
    }

    async fn send(&self, claimed: Claimed) -> Sent {
        let ticket = Ticket::from(&claimed);
        let at = self.clock.now();
        match sign::sign(claimed, at) {
            Ok(signed) => send::send(&self.client, &self.tunnels, signed).await,
            Err(error) => send::defect(ticket, at, error.to_string()),
        }
    }

    fn decide(&self, sent: Sent) -> Decided {
        let Sent { ticket, record, retry_after } = sent;
        let past = Past {
            failures: ticket.failures,
            transport_failures: ticket.transport_failures,
            ordered: ticket.ordered,
            first_attempt_at: ticket.first_attempt_at,
        };
        let outcome =
            Outcome { kind: record.outcome, status: record.status, retry_after: retry_after.as_deref() };
        let now = self.clock.now();
        let next = retry::decide(&self.policy, past, outcome, now, random());
        self.metrics.attempt(record.outcome, record.micros);
        self.metrics.followed_by(&next, ticket.attempt, ticket.received_at, now);
        let finish =
            FinishAttempt { delivery: ticket.delivery, worker: ticket.worker, attempt: record, next };
        Decided { ticket, finish }
    }

    /// Until it is recorded the claim stands, so an outage is waited out: what
    /// was delivered must not be delivered again for want of a record.
    async fn record(&self, decided: Decided) {
        let Decided { ticket, finish } = decided;
        log(&ticket, &finish);
        let (mut wait, longest) = RECORD_AGAIN;
        let mut failures = 0;
        while let Err(error) = self.store.finish_attempt(finish.clone()).await {
            let text = crate::http::error::chain(&error);
            failures += u32::from(!matches!(error, StoreError::Unavailable(_)));
            if matches!(error, StoreError::Missing(_)) || failures > RECORD_FAILURES {
                tracing::error!(delivery = %ticket.delivery, error = text, "an attempt is not recorded");
                return;
            }
            tracing::error!(delivery = %ticket.delivery, error = text, "cannot record an attempt; trying again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }
}

fn log(ticket: &Ticket, finish: &FinishAttempt) {
    let (delivery, event, worker, number) = (ticket.delivery, ticket.event, ticket.worker, ticket.attempt);
    let outcome = finish.attempt.outcome;
    match &finish.next {
        Next::Delivered => tracing::debug!(%delivery, %event, %worker, number, "delivered"),
        Next::Dead(reason) => {
            tracing::warn!(%delivery, %event, %worker, number, reason = reason.as_str(), "now a dead letter");
        }
        Next::WorkerGone => tracing::info!(%delivery, %event, %worker, "the worker answered 410 and is gone"),
        Next::RetryAt(at) | Next::HoldUntil(at) | Next::WorkerUnreachableUntil(at) => {
            let (status, error, again) = (finish.attempt.status, finish.attempt.error.as_deref(), at.0);
            tracing::info!(%delivery, %event, %worker, number, ?outcome, status, error, again, "not delivered yet");
        }
    }
}

/// From 0 to 1.
fn random() -> f64 {
    f64::from(u32::from_le_bytes(crate::entropy::bytes())) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
