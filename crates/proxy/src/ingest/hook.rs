//! `POST /hooks/{source}`: one source's webhooks.

use super::{Ingest, Origin, Posted, Receipt, kept};
use crate::http::error::ApiError;
use crate::store::Source;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::HeaderMap;
use postern_protocol::ErrorCode;
use std::sync::Arc;

/// 200 once the event is committed, or was before.
pub(crate) async fn receive(
    State(ingest): State<Arc<Ingest>>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, ApiError> {
    let received = take(&ingest, &source, &headers, body).await;
    received.map(Json).inspect_err(|error| ingest.metrics.rejected(error.code()))
}

async fn take(ingest: &Ingest, source: &str, headers: &HeaderMap, body: Body) -> Result<Receipt, ApiError> {
    let source = find(ingest, source).await?;
    ingest.rates.take(source.id, ingest.clock.now())?;
    let body = ingest.bodies.read(headers, body, ingest.largest(source.provider)).await?;
    let posted = Posted {
        provider: source.provider,
        headers: kept(headers),
        body: body.bytes.clone(),
        received_at: ingest.clock.now(),
    };
    let verified = ingest.verify(posted, &source.secrets).await?;
    ingest.commit(&source, verified, Origin::default()).await
}

async fn find(ingest: &Ingest, source: &str) -> Result<Source, ApiError> {
    let found = match source.parse() {
        Ok(id) => ingest.store.source(id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such source"))
}
