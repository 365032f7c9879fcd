//! `POST /edge/events/{event}/status`: a worker says how its work on an event
//! stands. For those who look at the event's record; and, where the worker has
//! it as a member of a claim group, for the group: `processing` keeps it,
//! `completed` finishes the delivery, `failed` gives it back.
//!
//! Of what nothing is reported in time is as failed, and due at once for
//! another member.

use crate::bus::Bus;
use crate::config::Delivery;
use crate::delivery::retry::{self, Outcome, Past, Policy};
use crate::delivery::sign::Ticket;
use crate::http::auth;
use crate::http::body::{BodyReader, JSON_LIMIT};
use crate::http::error::{ApiError, chain};
use crate::notices::Notices;
use crate::store::{DeadReason, Grant, GrantReport, GrantSought, GrantStep, Next, Store, StoreError};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use postern_protocol::api::{AttemptOutcome, ClaimRenewed, ReportWork, WorkReport, WorkStatus};
use postern_protocol::id::{EventId, WorkerId};
use postern_protocol::{Clock, ErrorCode, UnixMillis};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long after its end a lease is noticed to be over, at most.
const EVERY: Duration = Duration::from_secs(1);
/// For longer than this nobody could report: the proxy did not run.
const STOOD_STILL: Duration = Duration::from_secs(5);

/// Takes reports.
pub(crate) struct Work {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) bodies: BodyReader,
    pub(crate) settings: Delivery,
    pub(crate) notices: Arc<Notices>,
    pub(crate) metrics: WorkMetrics,
}

/// 204: kept, or known already. Of a claim group's: 200 with the lease.
pub(crate) async fn report(
    State(work): State<Arc<Work>>,
    Path(event): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let now = work.clock.now();
    let store = work.store.as_ref();
    let (worker, _) = auth::calling_worker(store, &headers, now).await?;
    let ReportWork { status, reason, claim } = work.bodies.json(&headers, body, JSON_LIMIT).await?;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > ReportWork::LONGEST_REASON) {
        let message = format!("reason: at most {} characters", ReportWork::LONGEST_REASON);
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    if status == WorkStatus::Expired {
        let message = "status: `expired` is said by the proxy; write processing, completed or failed";
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let unknown = || ApiError::new(ErrorCode::NotFound, "there is no such event for this worker");
    let (event, replay) = webhook_id(&event).ok_or_else(unknown)?;
    let report = WorkReport { at: now, status, reason, worker_id: None };
    match store.find_grant(worker.id, event, replay, claim).await? {
        GrantSought::None => {
            let known = claim.is_none() && store.report_work(worker.id, event, replay, report).await?;
            if known { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(unknown()) }
        }
        // Said once more, since the answer was lost.
        GrantSought::Completed if status == WorkStatus::Completed => Ok(work.renewed()),
        GrantSought::Completed | GrantSought::Lost => Err(work.lost(worker.id, event)),
        GrantSought::Held(grant) => {
            let step = match status {
                WorkStatus::Processing => GrantStep::Renew,
                WorkStatus::Completed => GrantStep::Complete,
                WorkStatus::Failed | WorkStatus::Expired => GrantStep::Fail(work.after_failure(&grant, now)),
            };
            if work.apply(&grant, step, report).await? {
                Ok(work.renewed())
            } else {
                Err(work.lost(worker.id, event))
            }
        }
    }
}

impl Work {
    /// Watches leases until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looked: Option<Instant> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Whoever could not report has not failed to.
            let still = looked.is_none_or(|at| at.elapsed() > STOOD_STILL);
            match if still { self.extend().await } else { self.expire().await } {
                Ok(()) => looked = Some(Instant::now()),
                Err(error) => {
                    looked = None;
                    tracing::error!(error = chain(&error), "cannot end claims; trying again");
                }
            }
        }
    }

    async fn extend(&self) -> Result<(), StoreError> {
        self.store.extend_grants(self.until(self.clock.now())).await
    }

    async fn expire(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for grant in self.store.expired_grants(now).await? {
            let next = match self.after_failure(&grant, now) {
                Next::RetryAt(_) => Next::RetryAt(now),
                other => other,
            };
            let reason = format!("no report within {} s", self.settings.claim_lease.as_secs_f32());
            let (status, reason) = (WorkStatus::Expired, Some(reason));
            let report = WorkReport { at: now, status, reason, worker_id: None };
            if self.apply(&grant, GrantStep::Fail(next), report).await? {
                tracing::info!(delivery = %grant.delivery, worker = %grant.worker, "a claim ran out");
            }
        }
        Ok(())
    }

    /// What follows from a failure, as from one that was answered.
    fn after_failure(&self, grant: &Grant, now: UnixMillis) -> Next {
        let policy = Policy::new(&self.settings, grant.retry.as_deref());
        let policy = if grant.ordered { policy.at_most(retry::ORDERED_ATTEMPTS) } else { policy };
        let past = Past { failures: grant.failures, unanswered: 0, counts_from: grant.counts_from };
        let outcome =
            Outcome { kind: AttemptOutcome::Refused, status: None, retry_after: None, lively: true };
        retry::decide(policy, past, outcome, now, crate::entropy::fraction())
    }

    async fn apply(&self, grant: &Grant, step: GrantStep, report: WorkReport) -> Result<bool, StoreError> {
        let exhausted = step == GrantStep::Fail(Next::Dead(DeadReason::Exhausted));
        let (until, status, renews) = (self.until(report.at), report.status, step == GrantStep::Renew);
        let report = GrantReport {
            worker: grant.worker,
            event: grant.event,
            replay: grant.replay,
            number: grant.number,
            step,
            until,
            report,
        };
        if !self.store.report_grant(report).await? {
            return Ok(false);
        }
        self.metrics.reported(status);
        if !renews {
            // The next of its entity, or another member's turn.
            self.bus.wake();
        }
        if exhausted {
            self.notices.exhausted(&Ticket::from(grant)).await;
        }
        Ok(true)
    }

    fn until(&self, now: UnixMillis) -> UnixMillis {
        now.plus(i64::try_from(self.settings.claim_lease.as_millis()).unwrap_or(i64::MAX))
    }

    fn renewed(&self) -> Response {
        let lease_seconds = u32::try_from(self.settings.claim_lease.as_secs()).unwrap_or(u32::MAX);
        Json(ClaimRenewed { lease_seconds }).into_response()
    }

    fn lost(&self, worker: WorkerId, event: EventId) -> ApiError {
        self.metrics.refused();
        tracing::info!(%worker, %event, "a report is refused: the claim is lost");
        let message = "this worker does not hold the event any more: it did not report in time, \
                       or the event was given back; what it reports does not count";
        ApiError::new(ErrorCode::ClaimLost, message)
    }
}

/// `evt_…`, or of a replay `evt_….r2`.
fn webhook_id(text: &str) -> Option<(EventId, u32)> {
    match text.split_once(".r") {
        None => Some((text.parse().ok()?, 0)),
        Some((event, replay)) => Some((event.parse().ok()?, replay.parse().ok().filter(|n| *n > 0)?)),
    }
}

/// What reports on claims are measured by.
pub(crate) struct WorkMetrics {
    processing: metrics::Counter,
    completed: metrics::Counter,
    failed: metrics::Counter,
    expired: metrics::Counter,
    refused: metrics::Counter,
}

impl WorkMetrics {
    /// Registers them with the recorder that is set.
    pub(crate) fn new() -> Self {
        const REPORTS: &str = "postern_claim_reports_total";
        metrics::describe_counter!(
            REPORTS,
            "Reports of claim groups' members on what they hold, by outcome: expired, none came in time; lost, it was not theirs any more"
        );
        let reports = |outcome: &'static str| metrics::counter!(REPORTS, "outcome" => outcome);
        Self {
            processing: reports("processing"),
            completed: reports("completed"),
            failed: reports("failed"),
            expired: reports("expired"),
            refused: reports("lost"),
        }
    }

    fn reported(&self, status: WorkStatus) {
        match status {
            WorkStatus::Processing => &self.processing,
            WorkStatus::Completed => &self.completed,
            WorkStatus::Failed => &self.failed,
            WorkStatus::Expired => &self.expired,
        }
        .increment(1);
    }

    fn refused(&self) {
        self.refused.increment(1);
    }
}
