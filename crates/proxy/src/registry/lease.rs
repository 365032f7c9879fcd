//! `POST /edge/workers/{id}/lease` and `DELETE /edge/workers/{id}`: a worker
//! stays, pauses, comes back, or leaves. Its own credential says it is itself.

use super::Registry;
use crate::http::auth;
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use crate::store::{DeadReason, Worker};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use postern_protocol::ErrorCode;
use postern_protocol::api::{InvalidPolicy, LeaseRequest, LeaseResponse, WorkerState};
use std::sync::Arc;

/// How long a pending worker's renewals start no new challenge, in milliseconds.
const REPEAT_AFTER_MILLIS: i64 = 5_000;

/// Renews; what waits flows at once, what was held during an absence as the
/// worker's `catchUp` says. A worker still pending is challenged again.
pub(crate) async fn renew(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<LeaseResponse>, ApiError> {
    let before = own(&registry, &id, &headers).await?;
    let request: LeaseRequest =
        registry.bodies.json_or_none(&headers, body, JSON_LIMIT).await?.unwrap_or_default();
    let now = registry.clock.now();
    if let Some(catch_up) = request.catch_up.filter(|wanted| *wanted != before.catch_up) {
        registry.store.set_catch_up(before.id, catch_up).await?;
    }
    if let Some(ordering) = request.ordering.filter(|wanted| *wanted != before.ordering) {
        registry.store.set_ordering(before.id, ordering).await?;
    }
    if let Some(group) = request.group.filter(|wanted| *wanted != before.group) {
        registry.store.set_group(before.id, group, now).await?;
    }
    if !request.policy.is_empty() {
        let policy = request.policy.apply(&before.policy).map_err(bad_policy)?;
        registry.store.set_policy(before.id, policy).await?;
    }
    if before.state == WorkerState::Away {
        registry.store.end_absence(before.id, now).await?;
    }
    let until = registry.leased_until(now);
    let mut worker =
        registry.store.renew_lease(before.id, until, request.paused).await?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::TokenRevoked,
                "this worker has left; register again without its credential",
            )
        })?;
    if worker.state == WorkerState::Pending && worker.url.is_none() {
        // Its registration was cut short.
        worker = registry.challenger.waive(worker).await?;
    }
    let answer = LeaseResponse {
        lease_seconds: registry.settings.lease_seconds,
        state: worker.state,
        waiting: super::waiting(registry.store.as_ref(), worker.id).await?,
        now,
        challenge_error: worker.challenge_error.clone(),
        last_transport_error: before.circuit.error,
    };
    if worker.state == WorkerState::Pending {
        registry.challenger.repeat(worker, REPEAT_AFTER_MILLIS);
    } else {
        registry.bus.wake();
    }
    Ok(Json(answer))
}

/// Leaves: 204.
pub(crate) async fn leave(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let worker = own(&registry, &id, &headers).await?;
    registry.store.remove_worker(worker.id, DeadReason::WorkerLeft, registry.clock.now()).await?;
    tracing::info!(worker = %worker.id, "left");
    Ok(StatusCode::NO_CONTENT)
}

/// A policy that cannot be had.
pub(super) fn bad_policy(error: InvalidPolicy) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, error.to_string())
}

/// The worker that asks, which must be the one the path names.
pub(super) async fn own(registry: &Registry, id: &str, headers: &HeaderMap) -> Result<Worker, ApiError> {
    let (worker, _) = auth::calling_worker(registry.store.as_ref(), headers, registry.clock.now()).await?;
    if worker.id.to_string() == id {
        Ok(worker)
    } else {
        Err(ApiError::new(ErrorCode::Forbidden, "this credential is another worker's"))
    }
}
