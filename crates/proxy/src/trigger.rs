//! `POST /v1/events/trigger`: a synthetic event that takes the whole path. It
//! is signed with the source's own secret, as its provider would, and goes
//! through the same verification and the same commit as a webhook, so that
//! what works with it works with the real thing.

use crate::http::auth::{self, Caller};
use crate::http::body::BodyReader;
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::ingest::{Ingest, Origin, Posted, Terms, kept};
use crate::store::{RequestId, Scope, Store};
use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use http::{HeaderMap, HeaderName, HeaderValue};
use postern_protocol::api::{TriggerRequest, TriggerResponse, WorkerState};
use postern_protocol::id::WorkerId;
use postern_protocol::{Clock, ErrorCode};
use std::sync::Arc;

mod sign;
mod source;

/// Room for a body's escapes in JSON: the request may be this many times as
/// large as the event's body.
const ESCAPED: usize = 2;

/// Makes synthetic events.
pub(crate) struct Trigger {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bodies: BodyReader,
    pub(crate) ingest: Arc<Ingest>,
}

/// Makes a synthetic event that takes the whole path.
///
/// Answers once the event is committed. Scope `events:trigger`; a worker may
/// address itself without it.
#[utoipa::path(
    post,
    path = "/v1/events/trigger",
    tag = "events",
    request_body = TriggerRequest,
    responses((status = 200, description = "The event made.", body = TriggerResponse), Refusals),
)]
pub(crate) async fn trigger(
    State(trigger): State<Arc<Trigger>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TriggerResponse>, ApiError> {
    let now = trigger.clock.now();
    let caller = auth::caller(trigger.store.as_ref(), &headers, now).await?;
    let largest = |provider| trigger.ingest.largest(provider);
    let limit = ESCAPED * largest(postern_protocol::Provider::Github);
    let request: TriggerRequest = trigger.bodies.json(&headers, body, limit).await?;
    if request.body.len() > largest(request.provider) {
        let message = format!("the body is larger than the {} bytes allowed here", largest(request.provider));
        return Err(ApiError::new(ErrorCode::TooLarge, message));
    }
    let only = addressee(trigger.store.as_ref(), &caller, &request).await?;
    let named = provider_headers(&request.headers)?;
    let source = source::find(trigger.store.as_ref(), caller.workspace(), &request, now).await?;
    let headers = sign::signed(&source, kept(&named), request.body.as_bytes(), now)?;
    let posted = Posted { headers, body: request.body.into(), received_at: now };
    let verified = trigger.ingest.verify(posted, Terms::of(&source, now)).await?;
    let origin = Origin { synthetic: true, only, ..Origin::of(request_id) };
    let receipt = trigger.ingest.commit(&source, verified, origin).await?;
    let deliveries = u32::try_from(receipt.deliveries).unwrap_or(u32::MAX);
    Ok(Json(TriggerResponse { event_id: receipt.event_id, deliveries }))
}

/// The one worker it is for; `None` is every worker whose filter takes it. A
/// worker may address itself; whoever addresses others needs the scope.
async fn addressee(
    store: &dyn Store,
    caller: &Caller,
    request: &TriggerRequest,
) -> Result<Option<WorkerId>, ApiError> {
    let own = match caller {
        Caller::Worker(worker, _) => Some(worker.id),
        Caller::Token(_) => None,
    };
    let addressed = if request.all { None } else { request.worker.or(own) };
    if addressed.is_none() || addressed != own {
        let (Caller::Token(token) | Caller::Worker(_, token)) = caller;
        auth::scoped(token.clone(), Scope::EventsTrigger)?;
    }
    match addressed {
        None if request.all => Ok(None),
        None => Err(ApiError::new(ErrorCode::BadRequest, "say which `worker` it is for, or `all`")),
        Some(id) if Some(id) == own => Ok(own),
        Some(id) => {
            let worker = store.worker(id).await?;
            worker
                .filter(|w| w.workspace == caller.workspace() && w.state != WorkerState::Gone)
                .map(|w| Some(w.id))
                .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such worker"))
        }
    }
}

fn provider_headers(named: &[(String, String)]) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        let wrong =
            || ApiError::new(ErrorCode::BadRequest, format!("`{}` is no header", name.escape_debug()));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.append(key, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?);
    }
    Ok(headers)
}
