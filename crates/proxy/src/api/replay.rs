//! `POST /v1/events/{event}/replay` and `POST /v1/workers/{worker}/recover`:
//! deliveries that someone wants once more, or that were never made.

use super::{Api, id, missing, own_or_allowed};
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::store::{Recovery, Scope};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::HeaderMap;
use postern_protocol::ErrorCode;
use postern_protocol::api::{RecoverRequest, Recovered, ReplayRequest, ReplayTo, Replayed, WorkerState};
use postern_protocol::id::{EventId, WorkerId};
use std::sync::Arc;

/// Delivers an event once more, as a new delivery.
///
/// Its `webhook-id` is the event's id with `.r{n}`, so that it arrives again
/// where the event has arrived. It goes out at once, outside any order. Scope
/// `deliveries:write`; a worker may have an event replayed to itself without it.
#[utoipa::path(
    post,
    path = "/v1/events/{event}/replay",
    tag = "events",
    params(("event" = EventId, Path, description = "Its id.")),
    request_body = ReplayRequest,
    responses((status = 200, description = "The replay's number.", body = Replayed), Refusals),
)]
pub(crate) async fn replay(
    State(api): State<Arc<Api>>,
    Path(event): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Replayed>, ApiError> {
    let caller = api.caller(&headers).await?;
    let request: ReplayRequest = api.bodies.json(&headers, body, JSON_LIMIT).await?;
    let to = match request.to {
        ReplayTo::All => None,
        ReplayTo::Worker(worker) => Some(worker),
    };
    own_or_allowed(&caller, to, Scope::DeliveriesWrite)?;
    let event: EventId = id(&event, "event")?;
    let now = api.clock.now();
    let replayed = api.store.replay(caller.workspace(), event, to, now, crate::entropy::delivery_id).await?;
    let replayed = replayed.ok_or_else(|| missing("event"))?;
    if replayed.deliveries > 0 {
        api.bus.wake();
    }
    tracing::info!(%event, replay = replayed.replay, deliveries = replayed.deliveries, "replayed");
    Ok(Json(replayed))
}

/// Has events that did not reach a worker delivered to it.
///
/// Its dead, expired and skipped deliveries, and events that had no delivery to
/// it and that its filter takes now; not what was discarded, nor what `trigger`
/// made for others. They go out at once, oldest first, outside any order, marked
/// `postern-redriven`. A part at a time: while the answer has a `next`, repeat
/// the request with it as `cursor`. Scope `deliveries:write`; the worker itself
/// needs none.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/recover",
    tag = "deliveries",
    params(("worker" = WorkerId, Path, description = "Its id.")),
    request_body = RecoverRequest,
    responses((status = 200, description = "How many it was.", body = Recovered), Refusals),
)]
pub(crate) async fn recover(
    State(api): State<Arc<Api>>,
    Path(worker): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Recovered>, ApiError> {
    let caller = api.caller(&headers).await?;
    let request: RecoverRequest = api.bodies.json(&headers, body, JSON_LIMIT).await?;
    let worker = id::<WorkerId>(&worker, "worker");
    own_or_allowed(&caller, worker.as_ref().ok().copied(), Scope::DeliveriesWrite)?;
    let found = api.store.worker(worker?).await?;
    let found = found.filter(|w| w.workspace == caller.workspace() && w.state != WorkerState::Gone);
    let worker = found.ok_or_else(|| missing("worker"))?.id;
    let from = match request.cursor.as_deref().map(str::parse) {
        None => None,
        Some(Ok(from)) => Some(from),
        Some(Err(error)) => return Err(ApiError::new(ErrorCode::BadRequest, format!("cursor: {error}"))),
    };
    let now = api.clock.now();
    let recovery = Recovery {
        since: request.since,
        until: request.until.unwrap_or(now),
        dry_run: request.dry_run,
        from,
        new_delivery: crate::entropy::delivery_id,
    };
    let done = api.store.recover(worker, recovery, now).await?;
    if done.delivering > 0 {
        api.bus.wake();
        tracing::info!(%worker, delivering = done.delivering, "recovered");
    }
    Ok(Json(Recovered {
        missing: done.missing,
        ended: done.ended,
        delivering: done.delivering,
        next: done.next.map(|next| next.to_string()),
    }))
}
