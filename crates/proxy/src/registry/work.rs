//! `POST /edge/events/{event}/status`: a worker says how its work on an event
//! stands, for those who look at the event's record.

use super::Registry;
use crate::http::auth;
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use postern_protocol::ErrorCode;
use postern_protocol::api::{ReportWork, WorkReport};
use postern_protocol::id::EventId;
use std::sync::Arc;

/// 204: kept, or known already.
pub(crate) async fn report(
    State(registry): State<Arc<Registry>>,
    Path(event): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let now = registry.clock.now();
    let (worker, _) = auth::calling_worker(registry.store.as_ref(), &headers, now).await?;
    let request: ReportWork = registry.bodies.json(&headers, body, JSON_LIMIT).await?;
    let ReportWork { status, reason } = request;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > ReportWork::LONGEST_REASON) {
        let message = format!("reason: at most {} characters", ReportWork::LONGEST_REASON);
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let unknown = || ApiError::new(ErrorCode::NotFound, "there is no such event for this worker");
    let (event, replay) = webhook_id(&event).ok_or_else(unknown)?;
    let report = WorkReport { at: now, status, reason };
    if registry.store.report_work(worker.id, event, replay, report).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

/// `evt_…`, or of a replay `evt_….r2`.
fn webhook_id(text: &str) -> Option<(EventId, u32)> {
    match text.split_once(".r") {
        None => Some((text.parse().ok()?, 0)),
        Some((event, replay)) => Some((event.parse().ok()?, replay.parse().ok().filter(|n| *n > 0)?)),
    }
}
