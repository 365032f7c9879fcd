//! The API's handlers: each reads a request and calls the operation.

use super::arguments::Arguments;
use super::body;
use crate::EdgeHandle;
use crate::api::{self, ApiError, TunnelHold};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use postern_protocol::api::tunnels::TunnelName;
use postern_protocol::filter::Filter;
use postern_protocol::{ErrorCode, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::convert::Infallible;

/// Arguments of operations are small, in bytes.
const ARGUMENTS_LIMIT: usize = 1 << 20;
/// A token is smaller, and whoever sends it is not known yet.
const SESSION_LIMIT: usize = 4 << 10;

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
pub(super) async fn session(State(edge): State<EdgeHandle>, body: Body) -> Result<Json<Bearer>, ApiError> {
    let body = body::read(body, SESSION_LIMIT, &edge.shared.config.timing).await?;
    let exchange: Exchange = serde_json::from_slice(&body)
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

/// Which profile a request is about; absent: the one that is shown.
#[derive(Deserialize)]
pub(super) struct Addressed {
    profile: Option<String>,
}

impl Addressed {
    fn of(&self, edge: &EdgeHandle) -> Result<EdgeHandle, ApiError> {
        self.profile.as_deref().map_or_else(|| Ok(edge.clone()), |name| edge.named(name))
    }
}

/// `POST /api/{op}`.
pub(super) async fn call(
    State(edge): State<EdgeHandle>,
    Path(op): Path<String>,
    addressed: Result<Query<Addressed>, QueryRejection>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = body::read(body, ARGUMENTS_LIMIT, &edge.shared.config.timing).await?;
    let args = if body.is_empty() {
        Map::new()
    } else {
        let Arguments(args) = serde_json::from_slice(&body).map_err(|e| {
            ApiError::new(ErrorCode::BadRequest, format!("the body cannot be read as arguments: {e}"))
        })?;
        args
    };
    let Query(addressed) = addressed.map_err(|e| ApiError::new(ErrorCode::BadRequest, e.body_text()))?;
    let edge = addressed.of(&edge)?;
    api::call(&edge, &op, Value::Object(args)).await.map(Json)
}

#[derive(Deserialize)]
pub(super) struct Listening {
    after: Option<u64>,
    listen: Option<String>,
    /// Capability terms for `listen`, one to a line.
    filter: Option<String>,
    /// Public tunnels to serve meanwhile, their names separated by commas.
    tunnels: Option<String>,
    /// Whether to take them from other workers that serve them.
    #[serde(default)]
    take_over: bool,
    profile: Option<String>,
}

/// `GET /api/live`.
pub(super) async fn live(
    State(edge): State<EdgeHandle>,
    query: Result<Query<Listening>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::new(ErrorCode::BadRequest, e.body_text()))?;
    let terms: Vec<_> = query.filter.iter().flat_map(|terms| terms.lines()).collect();
    let filter = Filter::parse(&terms).map_err(|e| ApiError::new(ErrorCode::FilterInvalid, e.to_string()))?;
    let edge = Addressed { profile: query.profile }.of(&edge)?;
    let listener = query.listen.as_deref().map(|target| edge.add_listener(target, filter)).transpose()?;
    let tunnels = query.tunnels.as_deref().map(|names| hold(&edge, names, query.take_over)).transpose()?;
    let events = edge.live(query.after).map(move |live| {
        // They live as long as the stream.
        let _ = (&listener, &tunnels);
        Ok(Event::default().data(serde_json::to_string(&live).unwrap_or_default()))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn hold(edge: &EdgeHandle, names: &str, take_over: bool) -> Result<TunnelHold, ApiError> {
    let names: Result<Vec<TunnelName>, _> = names.split(',').map(str::parse).collect();
    let names = names.map_err(|e| ApiError::new(ErrorCode::BadRequest, format!("`tunnels`: {e}")))?;
    edge.hold_tunnels(&names, take_over)
}
