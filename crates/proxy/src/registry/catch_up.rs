//! `POST /edge/workers/{id}/catch-up` and `POST /edge/events/{event}/redeliver`:
//! a worker says what becomes of what was held for it, and has an event that
//! was skipped or given up delivered after all.

use super::Registry;
use super::lease::own;
use crate::http::auth;
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use crate::store::Redelivery;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use postern_protocol::ErrorCode;
use postern_protocol::api::{CatchUpChoice, CatchUpRequest, CaughtUp, DeliveryState};
use postern_protocol::id::EventId;
use std::sync::Arc;

/// How many events may be named at once.
const MOST_EVENTS: usize = 1_000;

/// Does what was chosen, and says how many deliveries it concerned.
pub(crate) async fn choose(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CaughtUp>, ApiError> {
    let worker = own(&registry, &id, &headers).await?;
    let request: CatchUpRequest = registry.bodies.json(&headers, body, JSON_LIMIT).await?;
    if matches!(&request.choice, CatchUpChoice::Events(events) if events.len() > MOST_EVENTS) {
        let message = format!("choice: name at most {MOST_EVENTS} events at once");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let now = registry.clock.now();
    let caught_up = registry.store.catch_up(worker.id, request.choice, now).await?;
    if caught_up.delivering > 0 {
        registry.bus.wake();
    }
    tracing::info!(worker = %worker.id, ?caught_up, "chose what becomes of held events");
    Ok(Json(caught_up))
}

/// 204: the event is on its way.
pub(crate) async fn redeliver(
    State(registry): State<Arc<Registry>>,
    Path(event): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let now = registry.clock.now();
    let (worker, _) = auth::calling_worker(registry.store.as_ref(), &headers, now).await?;
    let unknown = || ApiError::new(ErrorCode::NotFound, "there is no such event for this worker");
    let event: EventId = EventId::of_webhook_id(&event).map_err(|_| unknown())?;
    match registry.store.redeliver(worker.id, event, now).await? {
        Redelivery::Due => registry.bus.wake(),
        Redelivery::Unknown => return Err(unknown()),
        Redelivery::Already(DeliveryState::Delivered) => {
            let message = "this event was delivered to the worker already; replay it there";
            return Err(ApiError::new(ErrorCode::Unsupported, message));
        }
        // It is on its way as it is.
        Redelivery::Already(_) => {}
    }
    Ok(StatusCode::NO_CONTENT)
}
