//! `PATCH /v1/workers/{id}`: how a worker is delivered to, set by somebody
//! else than the worker itself.

use super::Registry;
use super::lease::bad_policy;
use crate::http::auth;
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::store::Scope;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::HeaderMap;
use postern_protocol::ErrorCode;
use postern_protocol::api::{PolicyChange, WorkerPolicy, WorkerState};
use postern_protocol::id::WorkerId;
use std::sync::Arc;

/// Change how a worker is delivered to: retries, concurrency, rate.
///
/// Scope `workers:write`. It counts from the next attempt on.
#[utoipa::path(
    patch,
    path = "/v1/workers/{id}",
    tag = "workspace",
    params(("id" = WorkerId, Path, description = "Its id.")),
    request_body(content = PolicyChange, description = "What is to change."),
    responses((status = 200, description = "What it is now.", body = WorkerPolicy), Refusals),
)]
pub(crate) async fn change(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<WorkerPolicy>, ApiError> {
    let store = registry.store.as_ref();
    let token = auth::calling_token(store, &headers, Scope::WorkersWrite, registry.clock.now()).await?;
    let change: PolicyChange = registry.bodies.json(&headers, body, JSON_LIMIT).await?;
    let unknown = || ApiError::new(ErrorCode::NotFound, "there is no such worker");
    let id: WorkerId = id.parse().map_err(|_| unknown())?;
    let worker = store.worker(id).await?;
    let worker = worker.filter(|w| w.workspace == token.workspace && w.state != WorkerState::Gone);
    let policy = change.apply(&worker.ok_or_else(unknown)?.policy).map_err(bad_policy)?;
    if !store.set_policy(id, policy.clone()).await? {
        return Err(unknown());
    }
    registry.bus.wake();
    tracing::info!(worker = %id, token = %token.id, "its delivery settings were changed");
    Ok(Json(policy))
}
