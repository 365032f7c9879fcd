//! The API's handlers: each reads a request and calls the operation.

use crate::EdgeHandle;
use crate::api::{self, ApiError};
use axum::Json;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use postern_protocol::filter::Filter;
use postern_protocol::{ErrorCode, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::convert::Infallible;

#[derive(Deserialize)]
pub(super) struct Exchange {
    token: Secret,
}

#[derive(Serialize)]
pub(super) struct Bearer {
    #[serde(serialize_with = "postern_protocol::secret::expose")]
    bearer: Secret,
}

#[derive(Serialize)]
pub(super) struct Token {
    #[serde(serialize_with = "postern_protocol::secret::expose")]
    token: Secret,
}

/// `POST /api/session`.
pub(super) async fn session(
    State(edge): State<EdgeHandle>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Bearer>, ApiError> {
    let exchange: Exchange = serde_json::from_slice(&whole(body)?)
        .map_err(|_| ApiError::new(ErrorCode::BadRequest, "the body must be {\"token\": \"…\"}"))?;
    let exchanged = tokio::task::spawn_blocking(move || {
        edge.shared.access.exchange(exchange.token.reveal(), edge.shared.now())
    });
    match exchanged.await.unwrap_or_default() {
        Some(bearer) => Ok(Json(Bearer { bearer })),
        None => {
            let message = "the token is not known: it works once, for five minutes; ask for a new address";
            Err(ApiError::new(ErrorCode::Unauthorized, message))
        }
    }
}

/// `POST /api/token`.
pub(super) async fn token(State(edge): State<EdgeHandle>) -> Json<Token> {
    Json(Token { token: edge.mint_token() })
}

/// `POST /api/{op}`.
pub(super) async fn call(
    State(edge): State<EdgeHandle>,
    Path(op): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let body = whole(body)?;
    let args = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body)
            .map_err(|e| ApiError::new(ErrorCode::BadRequest, format!("the body is not JSON: {e}")))?
    };
    api::call(&edge, &op, args).await.map(Json)
}

#[derive(Deserialize)]
pub(super) struct Listening {
    after: Option<u64>,
    listen: Option<String>,
    /// Capability terms for `listen`, one to a line.
    filter: Option<String>,
}

/// `GET /api/live`.
pub(super) async fn live(
    State(edge): State<EdgeHandle>,
    query: Result<Query<Listening>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::new(ErrorCode::BadRequest, e.body_text()))?;
    let terms: Vec<_> = query.filter.iter().flat_map(|terms| terms.lines()).collect();
    let filter = Filter::parse(&terms).map_err(|e| ApiError::new(ErrorCode::FilterInvalid, e.to_string()))?;
    let listener = query.listen.as_deref().map(|target| edge.add_listener(target, filter)).transpose()?;
    let events = edge.live(query.after).map(move |live| {
        // The temporary target lives as long as the stream.
        let _ = &listener;
        Ok(Event::default().data(serde_json::to_string(&live).unwrap_or_default()))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|e| {
        let code = if e.status() == 413 { ErrorCode::TooLarge } else { ErrorCode::BadRequest };
        ApiError::new(code, e.body_text())
    })
}
