//! `/v1/dead-letters`: what could not be delivered, or was not to be, and what
//! becomes of it. Work on many is done a part at a time; the answer says where
//! to go on, so that nothing runs on unseen and an interruption costs nothing.

use super::{Api, allowed, own, own_or_allowed, token};
use crate::http::auth::Caller;
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::http::paging::{DeliveryPaging, Listing};
use crate::store::{Bulk, BulkDone, Scope};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use postern_protocol::ErrorCode;
use postern_protocol::api::{
    DeadLetterFilter, DeliveryList, DiscardRequest, Progress, RedriveRequest, Which,
};
use postern_protocol::id::WorkerId;
use std::sync::Arc;

/// How many deliveries may be named at once.
const MOST_IDS: usize = 500;
/// How long a reason may be, in characters.
const LONGEST_REASON: usize = 200;

/// The dead letters, those of the newest events first.
///
/// Scope `events:read`; a worker may see its own without it. With `state` also
/// what was skipped or discarded.
///
/// A request looks at a bounded number of rows, so that it ends soon: under a
/// rare filter a page may be short, or empty, and still have a `next`.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    tag = "deliveries",
    params(DeadLetterFilter, DeliveryPaging),
    responses((status = 200, description = "A page of them.", body = DeliveryList), Refusals),
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    listing: Listing<DeadLetterFilter, 24>,
) -> Result<Json<DeliveryList>, ApiError> {
    let caller = api.caller(&headers).await?;
    own_or_allowed(&caller, listing.filter.worker, Scope::EventsRead)?;
    let Listing { filter, from, limit } = listing;
    let page = api.store.list_dead_letters(caller.workspace(), filter, from, limit).await?;
    Ok(Json(DeliveryList { deliveries: page.items, next: page.next.map(|next| next.to_string()) }))
}

/// Makes dead letters due again.
///
/// They go out at once, ahead of what waits for their workers and outside any
/// order, with the whole schedule before them, marked `postern-redriven`; their
/// `webhook-id` stays. At most 500 at a time: while the answer has a `next`,
/// repeat the request with it as `cursor`. Scope `deliveries:write`; a worker
/// may redrive its own without it.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/redrive",
    tag = "deliveries",
    request_body = RedriveRequest,
    responses((status = 200, description = "How many it was.", body = Progress), Refusals),
)]
pub(crate) async fn redrive(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Progress>, ApiError> {
    let caller = api.caller(&headers).await?;
    let request: RedriveRequest = api.bodies.json(&headers, body, JSON_LIMIT).await?;
    let bulk = bulk(&caller, request.which, request.dry_run, request.cursor.as_deref())?;
    let done = api.store.redrive(caller.workspace(), bulk, api.clock.now()).await?;
    if done.changed > 0 {
        api.bus.wake();
        tracing::info!(by = by(&caller), changed = done.changed, "dead letters were redriven");
    }
    Ok(Json(progress(done)))
}

/// Says that dead letters are not to be delivered.
///
/// Who did, when and why is kept with them until they are past their retention.
/// They can be redriven all the same. As with redriving, at most 500 at a time.
/// Scope `deliveries:write`; a worker may discard its own without it.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/discard",
    tag = "deliveries",
    request_body = DiscardRequest,
    responses((status = 200, description = "How many it was.", body = Progress), Refusals),
)]
pub(crate) async fn discard(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Progress>, ApiError> {
    let caller = api.caller(&headers).await?;
    let request: DiscardRequest = api.bodies.json(&headers, body, JSON_LIMIT).await?;
    let reason = request.reason;
    if !(1..=LONGEST_REASON).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        let message = format!("reason: say why in 1 to {LONGEST_REASON} characters, on one line");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let bulk = bulk(&caller, request.which, request.dry_run, request.cursor.as_deref())?;
    let done = api.store.discard(caller.workspace(), bulk, by(&caller), reason, api.clock.now()).await?;
    if done.changed > 0 {
        tracing::info!(by = by(&caller), changed = done.changed, "dead letters were discarded");
    }
    Ok(Json(progress(done)))
}

/// What a request is about, when the caller may.
fn bulk(caller: &Caller, which: Which, dry_run: bool, cursor: Option<&str>) -> Result<Bulk, ApiError> {
    let refused = |message: String| Err(ApiError::new(ErrorCode::BadRequest, message));
    let mut only: Option<WorkerId> = None;
    match &which {
        Which::Ids(ids) if ids.len() > MOST_IDS => {
            return refused(format!("which: name at most {MOST_IDS} deliveries at once"));
        }
        // Of those named, a worker without the scope reaches its own.
        Which::Ids(_) => {
            if let Err(error) = allowed(caller, Scope::DeliveriesWrite) {
                only = Some(own(caller).ok_or(error)?);
            }
        }
        Which::Filter(filter) => own_or_allowed(caller, filter.worker, Scope::DeliveriesWrite)?,
    }
    let from = match cursor.map(str::parse) {
        None => None,
        Some(Ok(from)) => Some(from),
        Some(Err(error)) => return refused(format!("cursor: {error}")),
    };
    Ok(Bulk { which, only, dry_run, from })
}

/// Who it was, for the record.
fn by(caller: &Caller) -> String {
    own(caller).map_or_else(|| token(caller).id.to_string(), |worker| worker.to_string())
}

fn progress(done: BulkDone) -> Progress {
    let BulkDone { matched, changed, unable, next } = done;
    Progress { matched, changed, unable, next: next.map(|next| next.to_string()) }
}
