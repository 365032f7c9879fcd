//! `/v1/deliveries`: each event's way to each worker.

use super::{Api, allowed, id, missing, own, own_or_allowed};
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::http::paging::{DeliveryPaging, Listing};
use crate::store::Scope;
use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use postern_protocol::api::{DeliveryDetail, DeliveryFilter, DeliveryList};
use postern_protocol::id::DeliveryId;
use std::sync::Arc;

/// The deliveries, those of the newest events first.
///
/// Scope `events:read`; a worker may see its own without it.
///
/// A request looks at a bounded number of rows, so that it ends soon: under a
/// rare filter a page may be short, or empty, and still have a `next`.
#[utoipa::path(
    get,
    path = "/v1/deliveries",
    tag = "deliveries",
    params(DeliveryFilter, DeliveryPaging),
    responses((status = 200, description = "A page of them.", body = DeliveryList), Refusals),
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    listing: Listing<DeliveryFilter, 24>,
) -> Result<Json<DeliveryList>, ApiError> {
    let caller = api.caller(&headers).await?;
    own_or_allowed(&caller, listing.filter.worker, Scope::EventsRead)?;
    let Listing { filter, from, limit } = listing;
    let page = api.store.list_deliveries(caller.workspace(), filter, from, limit).await?;
    Ok(Json(DeliveryList { deliveries: page.items, next: page.next.map(|next| next.to_string()) }))
}

/// A delivery with its attempts.
///
/// Scope `events:read`; a worker may see its own without it.
#[utoipa::path(
    get,
    path = "/v1/deliveries/{delivery}",
    tag = "deliveries",
    params(("delivery" = DeliveryId, Path, description = "Its id.")),
    responses((status = 200, description = "The delivery.", body = DeliveryDetail), Refusals),
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path(delivery): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DeliveryDetail>, ApiError> {
    let caller = api.caller(&headers).await?;
    if own(&caller).is_none() {
        allowed(&caller, Scope::EventsRead)?;
    }
    let found = match id(&delivery, "delivery") {
        Ok(id) => api.store.delivery(caller.workspace(), id).await?,
        Err(error) => return Err(error),
    };
    let found = found.ok_or_else(|| missing("delivery"))?;
    if own(&caller).is_none_or(|own| found.delivery.worker_id != Some(own)) {
        allowed(&caller, Scope::EventsRead)?;
    }
    Ok(Json(found))
}
