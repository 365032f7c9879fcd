//! `POST /hooks/{source}`: one source's webhooks. Slack's question whether the
//! URL is ours is answered, and not stored.

use super::{Ingest, Origin, Posted, Receipt, kept};
use crate::http::error::ApiError;
use crate::store::{RequestId, Source};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use postern_protocol::ErrorCode;
use postern_protocol::signature::{Scheme, slack};
use std::sync::Arc;

/// 200 once the event is committed, or was before, or is a challenge.
pub(crate) async fn receive(
    State(ingest): State<Arc<Ingest>>,
    Extension(request): Extension<RequestId>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let received = take(&ingest, &source, &headers, body, request).await;
    received.inspect_err(|error| ingest.metrics.rejected(error.code()))
}

async fn take(
    ingest: &Ingest,
    source: &str,
    headers: &HeaderMap,
    body: Body,
    request: RequestId,
) -> Result<Response, ApiError> {
    let source = find(ingest, source).await?;
    ingest.rates.take(source.id, ingest.clock.now())?;
    let body = ingest.bodies.read(headers, body, ingest.largest(source.provider())).await?;
    let posted = Posted { headers: kept(headers), body: body.bytes.clone(), received_at: ingest.clock.now() };
    let verified = ingest.verify_of(&source, posted).await?;
    if source.scheme == Scheme::Slack
        && let Some(challenge) = slack::challenge(verified.body())
    {
        // Text: axum says `text/plain; charset=utf-8`.
        return Ok(challenge.into_response());
    }
    let receipt: Receipt = ingest.commit(&source, verified, Origin::of(request)).await?;
    Ok(Json(receipt).into_response())
}

async fn find(ingest: &Ingest, source: &str) -> Result<Source, ApiError> {
    let found = match source.parse() {
        Ok(id) => ingest.store.source(id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such source"))
}
