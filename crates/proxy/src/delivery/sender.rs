//! Takes one claimed delivery through its steps: sign, send, decide, record.
//! A panic on the way is caught and recorded as a failure of that attempt.
//! Pings go the same way: sign, send, report.

use super::canaries::Canaries;
use super::circuits::CircuitWatch;
use super::client::{Outbound, Unanswered};
use super::heard::Heard;
use super::metrics::DeliveryMetrics;
use super::ping;
use super::retry::{self, Outcome, Past, Policy};
use super::send::{self, Sent};
use super::sign::{self, Ticket};
use super::tunnel::Tunnelled;
use crate::circuit::{CircuitChange, Observation, Observed, Observer};
use crate::config::Delivery;
use crate::notices::Notices;
use crate::store::{Claimed, Committed, DeadReason, FinishAttempt, Next, Ping, Store, StoreError};
use futures_util::FutureExt;
use postern_protocol::Clock;
use postern_protocol::api::{AttemptOutcome, CircuitState};
use postern_protocol::id::WorkerId;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before recording is tried again, at first and at most.
const RECORD_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How often recording is tried again when the store does not merely lack
/// room or answer, but fails.
const RECORD_FAILURES: u32 = 5;

/// How long to wait before a worker is pinged again whose ping could not be
/// recorded.
const PING_AGAIN: Duration = Duration::from_secs(1);

/// Makes attempts.
pub(crate) struct Sender {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) client: Outbound,
    pub(crate) tunnels: Tunnelled,
    pub(crate) settings: Delivery,
    pub(crate) metrics: DeliveryMetrics,
    pub(crate) heard: Heard,
    pub(crate) circuits: CircuitWatch,
    pub(crate) notices: Arc<Notices>,
    pub(crate) canaries: Arc<Canaries>,
}

/// An attempt and what follows from it: what can be recorded.
struct Decided {
    ticket: Ticket,
    finish: FinishAttempt,
}

impl Sender {
    /// One attempt, from claim to record. Whether it delivered. What is to wait
    /// for its `commit` is made ready and sent after it, or not at all.
    pub(crate) async fn attempt(&self, claimed: Claimed, commit: Option<Committed>) -> bool {
        let ticket = Ticket::from(&claimed);
        let worker = ticket.worker;
        let (tunnel, heard) = (self.tunnels.epoch(worker), self.heard.so_far(worker));
        self.metrics.in_flight.increment(1);
        self.canaries.claimed(ticket.event);
        let sent = match AssertUnwindSafe(self.send(claimed, commit)).catch_unwind().await {
            Ok(Some(sent)) => sent,
            Ok(None) => {
                self.metrics.in_flight.decrement(1);
                return false;
            }
            Err(_) => {
                tracing::error!(delivery = %ticket.delivery, "an attempt panicked");
                send::defect(
                    ticket,
                    self.clock.now(),
                    "the proxy failed while sending; its log says why".into(),
                )
            }
        };
        self.canaries.answered(sent.ticket.event, &sent.record);
        let decided = self.decide(sent, heard);
        let unreached = decided.finish.next == Next::NotReached;
        let delivered = decided.finish.next == Next::Delivered;
        self.record(decided).await;
        if unreached && self.tunnels.epoch(worker) > tunnel {
            self.reachable_again(worker).await;
        }
        self.metrics.in_flight.decrement(1);
        delivered
    }

    /// A tunnel came up while the attempt, or the ping, failed on the one
    /// before, or on none: that failure, recorded after the new tunnel had a
    /// ping fall due, must not hold up what waits.
    async fn reachable_again(&self, worker: WorkerId) {
        if let Err(error) = self.store.heard_of(worker).await {
            let error = crate::http::error::chain(&error);
            tracing::error!(%worker, %error, "a worker just connected is left alone for longer than need be");
        }
    }

    /// `None`: the commit that it was to wait for did not come.
    async fn send(&self, claimed: Claimed, commit: Option<Committed>) -> Option<Sent> {
        let ticket = Ticket::from(&claimed);
        let at = self.clock.now();
        let signed = sign::sign(claimed, at);
        if let Some(commit) = commit {
            commit.await.ok()?;
        }
        Some(match signed {
            Ok(signed) => {
                self.canaries.sent(ticket.event);
                send::send(&self.client, &self.tunnels, signed).await
            }
            Err(error) => send::defect(ticket, at, error.to_string()),
        })
    }

    /// `heard`: how often the worker had answered when the attempt began.
    fn decide(&self, sent: Sent, heard: u64) -> Decided {
        let Sent { ticket, record, retry_after } = sent;
        let lively = self.heard.so_far(ticket.worker) > heard;
        let observed = match record.outcome {
            AttemptOutcome::Delivered | AttemptOutcome::ClockSkew => Observed::Well,
            AttemptOutcome::Refused => Observed::Badly,
            _ if lively => Observed::Badly,
            _ => Observed::Unreached,
        };
        if record.status.is_some() {
            self.heard.answer(ticket.worker);
        }
        let past = Past {
            failures: ticket.failures,
            unanswered: ticket.attempt.saturating_sub(1).saturating_sub(ticket.failures),
            counts_from: ticket.counts_from,
        };
        let (kind, status) = (record.outcome, record.status);
        let outcome = Outcome { kind, status, retry_after: retry_after.as_deref(), lively };
        let now = self.clock.now();
        let policy = Policy::new(&self.settings, ticket.retry.as_deref());
        // The next of its entity waits for it.
        let policy = if ticket.ordered { policy.at_most(retry::ORDERED_ATTEMPTS) } else { policy };
        let next = retry::decide(policy, past, outcome, now, crate::entropy::fraction());
        self.metrics.attempt(record.outcome, record.micros);
        self.metrics.followed_by(&next, ticket.attempt, ticket.received_at, now);
        let report = self.report(observed, Observer::Attempt(record.at), record.error.clone());
        let finish =
            FinishAttempt { delivery: ticket.delivery, worker: ticket.worker, attempt: record, next, report };
        Decided { ticket, finish }
    }

    fn report(&self, observed: Observed, by: Observer, error: Option<String>) -> Observation {
        let breaker = self.settings.breaker();
        Observation { observed, by, error, at: self.clock.now(), random: crate::entropy::fraction(), breaker }
    }

    /// Pings a worker, and says what came of it.
    pub(crate) async fn ping(&self, ping: Ping) {
        let worker = ping.worker;
        let tunnel = self.tunnels.epoch(worker);
        let answered = match ping::sign(&ping, self.clock.now()) {
            Some((to, headers, body)) => {
                send::post(&self.client, &self.tunnels, worker, to, headers, body).await
            }
            None => Err(Unanswered::Unsendable("the worker's URL cannot be posted to".into())),
        };
        let (observed, taken, error) = ping::judge(&answered);
        if answered.is_ok() {
            self.heard.answer(worker);
        }
        self.metrics.ping(observed);
        let report = self.report(observed, Observer::Ping { taken }, error);
        match self.store.report_ping(worker, report).await {
            Ok(changed) => {
                self.circuit_changed(changed).await;
                if observed == Observed::Unreached && self.tunnels.epoch(worker) > tunnel {
                    self.reachable_again(worker).await;
                }
            }
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%worker, error, "cannot record what a ping said; it is repeated");
                tokio::time::sleep(PING_AGAIN).await;
            }
        }
    }

    async fn circuit_changed(&self, change: Option<CircuitChange>) {
        let Some(change) = change else { return };
        self.circuits.changed(&change);
        if change.to.state == CircuitState::Open {
            self.notices.circuit_opened(&change).await;
        }
    }

    /// Until it is recorded the claim stands, so an outage is waited out: what
    /// was delivered must not be delivered again for want of a record.
    async fn record(&self, decided: Decided) {
        let Decided { ticket, finish } = decided;
        log(&ticket, &finish);
        let (mut wait, longest) = RECORD_AGAIN;
        let mut failures = 0;
        loop {
            let error = match self.store.finish_attempt(finish.clone()).await {
                Ok(changed) => break self.circuit_changed(changed).await,
                Err(error) => error,
            };
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
        if finish.next == Next::Dead(DeadReason::Exhausted) {
            self.notices.exhausted(&ticket).await;
        }
    }
}

fn log(ticket: &Ticket, finish: &FinishAttempt) {
    let (delivery, event, worker, number) = (ticket.delivery, ticket.event, ticket.worker, ticket.attempt);
    let request = ticket.request.map(tracing::field::display);
    let outcome = finish.attempt.outcome;
    match &finish.next {
        Next::Delivered => tracing::debug!(%delivery, %event, request, %worker, number, "delivered"),
        Next::Dead(reason) => {
            tracing::warn!(%delivery, %event, request, %worker, number, reason = reason.as_str(), "now a dead letter");
        }
        Next::WorkerGone => {
            tracing::info!(%delivery, %event, request, %worker, "the worker answered 410 and is gone")
        }
        Next::RetryAt(_) | Next::HoldUntil(_) | Next::NotReached => {
            let again = match &finish.next {
                Next::RetryAt(at) | Next::HoldUntil(at) => Some(at.0),
                _ => None,
            };
            let (status, error) = (finish.attempt.status, finish.attempt.error.as_deref());
            tracing::info!(%delivery, %event, request, %worker, number, ?outcome, status, error, again, "not delivered yet");
        }
    }
}

#[cfg(test)]
mod tests;
