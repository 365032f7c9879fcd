//! `POST /edge/workers/{id}/secret`: a worker's signing secret is replaced. The
//! old one signs beside the new one for `registration.secret_grace`, so that
//! whatever is on its way, or the worker does not know yet, still verifies.

use super::Registry;
use super::lease::own;
use crate::entropy;
use crate::http::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use postern_protocol::api::RotatedSecret;
use postern_protocol::signature::standard;
use std::sync::Arc;

/// 200 with the new secret, which signs from now on.
pub(crate) async fn rotate(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RotatedSecret>, ApiError> {
    let worker = own(&registry, &id, &headers).await?;
    let now = registry.clock.now();
    registry.by_token.take(worker.token, now)?;
    // A challenge must not settle what it did not ask about.
    let _gate = registry.challenger.gate(worker.id).await;
    let grace = i64::try_from(registry.settings.secret_grace.as_millis()).unwrap_or(i64::MAX);
    let (secret, previous_until) = (standard::new_secret(entropy::bytes()), now.plus(grace));
    registry.store.rotate_worker_secret(worker.id, secret.clone(), previous_until).await?;
    tracing::info!(worker = %worker.id, "has a new signing secret");
    Ok(Json(RotatedSecret { secret, previous_until }))
}
