//! `POST /webhooks/linear/{app}`: a Linear OAuth app that serves many
//! organisations. Verified with the app's secrets first; then the body says
//! which organisation it is, and so which source. An organisation nobody
//! linked is answered 200, or Linear would disable the app's webhook for all
//! others; it is counted and not stored.

use super::{Ingest, Origin, Posted, Receipt, Terms, kept};
use crate::http::error::ApiError;
use crate::store::RequestId;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use postern_protocol::signature::Scheme;
use postern_protocol::{ErrorCode, Provider};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// 200 once the event is committed, was before, or is nobody's.
pub(crate) async fn receive(
    State(ingest): State<Arc<Ingest>>,
    Extension(request): Extension<RequestId>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    match take(&ingest, &app, &headers, body, request).await {
        Ok(Some(receipt)) => Ok(Json(receipt).into_response()),
        Ok(None) => Ok(Json(serde_json::json!({"ignored": "no workspace is linked to this organization"}))
            .into_response()),
        Err(error) => {
            ingest.metrics.rejected(error.code());
            Err(error)
        }
    }
}

async fn take(
    ingest: &Ingest,
    app: &str,
    headers: &HeaderMap,
    body: Body,
    request: RequestId,
) -> Result<Option<Receipt>, ApiError> {
    let app = ingest
        .store
        .linear_app(app)
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such Linear app"))?;
    let body = ingest.bodies.read(headers, body, ingest.largest(Provider::Linear)).await?;
    let posted = Posted { headers: kept(headers), body: body.bytes.clone(), received_at: ingest.clock.now() };
    let terms = Terms {
        of: app.slug.clone(),
        scheme: Scheme::Linear,
        id_from: None,
        secrets: app.accepted(posted.received_at).to_vec(),
    };
    let verified = ingest.verify(posted, terms).await?;
    let organization = organization(verified.body());
    let linked = organization.and_then(|id| app.organizations.iter().find(|(known, _)| *known == id));
    let source = match linked {
        Some((_, source)) => ingest.store.source(*source).await?,
        None => None,
    };
    let Some(source) = source else {
        ingest.metrics.unlinked();
        return Ok(None);
    };
    ingest.rates.take(source.id, ingest.clock.now())?;
    ingest.commit(&source, verified, Origin::of(request)).await.map(Some)
}

#[derive(Deserialize)]
struct Envelope<'b> {
    #[serde(borrow, rename = "organizationId")]
    organization: Option<Cow<'b, str>>,
}

/// The organisation a body says it is from.
fn organization(body: &[u8]) -> Option<Cow<'_, str>> {
    serde_json::from_slice::<Envelope<'_>>(body).ok()?.organization
}
