//! Names of public tunnels: reserved, listed, changed and released, by workers
//! under `/edge/tunnels` and by the workspace's clients under `/v1/tunnels`.

use super::address::Address;
use super::names::Names;
use super::options;
use crate::entropy;
use crate::http::auth::{self, Caller};
use crate::http::body::{BodyReader, JSON_LIMIT};
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::store::{MOST_NAMES, ReservedTunnel, Scope, Store, Token, TunnelKept};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use postern_protocol::api::tunnels::{ReserveTunnel, TunnelInfo, TunnelList, TunnelName, TunnelOptions};
use postern_protocol::id::WorkspaceId;
use postern_protocol::{Clock, ErrorBody, ErrorCode};
use std::sync::Arc;

/// Without letters and digits that look alike; 32 of them.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a random name: 80 bits.
const RANDOM: usize = 16;

/// Keeps the names.
pub(crate) struct Reservations {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bodies: BodyReader,
    pub(crate) names: Arc<Names>,
    pub(crate) address: Arc<Address>,
}

/// The names of public tunnels that the workspace has reserved.
///
/// Scope `events:read`.
#[utoipa::path(
    get,
    path = "/v1/tunnels",
    tag = "workspace",
    responses((status = 200, description = "All of them.", body = TunnelList), Refusals),
)]
pub(crate) async fn list(
    State(reservations): State<Arc<Reservations>>,
    headers: HeaderMap,
) -> Result<Json<TunnelList>, ApiError> {
    let token = reservations.client(&headers, Scope::EventsRead).await?;
    reservations.list(token.workspace).await.map(Json)
}

/// Reserve a name for a public tunnel.
///
/// Scope `tunnels:write`. A name stays the workspace's until it is released,
/// whether it is served or not. One that is the workspace's already is
/// answered as it is, with the options where some are given.
#[utoipa::path(
    post,
    path = "/v1/tunnels",
    tag = "workspace",
    request_body(content = ReserveTunnel, description = "The name, or none for a random one."),
    responses(
        (status = 200, description = "It is reserved.", body = TunnelInfo),
        (status = 409, description = "`tunnel.name_taken`", body = ErrorBody),
        Refusals,
    ),
)]
pub(crate) async fn reserve(
    State(reservations): State<Arc<Reservations>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TunnelInfo>, ApiError> {
    let token = reservations.client(&headers, Scope::TunnelsWrite).await?;
    let request = reservations.bodies.json(&headers, body, JSON_LIMIT).await?;
    reservations.reserve(token.workspace, request).await.map(Json)
}

/// Change what applies to the visitors of a public tunnel.
///
/// Scope `tunnels:write`. All options are replaced; a secret that is left out
/// stays.
#[utoipa::path(
    put,
    path = "/v1/tunnels/{name}/options",
    tag = "workspace",
    params(("name" = TunnelName, Path, description = "Its name.")),
    request_body(content = TunnelOptions, description = "What is to apply."),
    responses((status = 200, description = "How it is now.", body = TunnelInfo), Refusals),
)]
pub(crate) async fn change(
    State(reservations): State<Arc<Reservations>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TunnelInfo>, ApiError> {
    let token = reservations.client(&headers, Scope::TunnelsWrite).await?;
    let options = reservations.bodies.json(&headers, body, JSON_LIMIT).await?;
    reservations.change(token.workspace, &name, options).await.map(Json)
}

/// Release the name of a public tunnel.
///
/// Scope `tunnels:write`. It ends at once, and is the workspace's alone to
/// take back for 30 days.
#[utoipa::path(
    delete,
    path = "/v1/tunnels/{name}",
    tag = "workspace",
    params(("name" = TunnelName, Path, description = "Its name.")),
    responses((status = 204, description = "It is released."), Refusals),
)]
pub(crate) async fn release(
    State(reservations): State<Arc<Reservations>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let token = reservations.client(&headers, Scope::TunnelsWrite).await?;
    reservations.release(token.workspace, &name).await
}

/// `GET /edge/tunnels`.
pub(crate) async fn list_for_worker(
    State(reservations): State<Arc<Reservations>>,
    headers: HeaderMap,
) -> Result<Json<TunnelList>, ApiError> {
    let workspace = reservations.worker(&headers, None).await?;
    reservations.list(workspace).await.map(Json)
}

/// `POST /edge/tunnels`.
pub(crate) async fn reserve_for_worker(
    State(reservations): State<Arc<Reservations>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TunnelInfo>, ApiError> {
    let workspace = reservations.worker(&headers, Some(Scope::TunnelsWrite)).await?;
    let request = reservations.bodies.json(&headers, body, JSON_LIMIT).await?;
    reservations.reserve(workspace, request).await.map(Json)
}

/// `PUT /edge/tunnels/{name}/options`.
pub(crate) async fn change_for_worker(
    State(reservations): State<Arc<Reservations>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TunnelInfo>, ApiError> {
    let workspace = reservations.worker(&headers, Some(Scope::TunnelsWrite)).await?;
    let options = reservations.bodies.json(&headers, body, JSON_LIMIT).await?;
    reservations.change(workspace, &name, options).await.map(Json)
}

/// `DELETE /edge/tunnels/{name}`.
pub(crate) async fn release_for_worker(
    State(reservations): State<Arc<Reservations>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let workspace = reservations.worker(&headers, Some(Scope::TunnelsWrite)).await?;
    reservations.release(workspace, &name).await
}

impl Reservations {
    /// The token of a workspace's client, or the one the calling worker
    /// registered with.
    async fn client(&self, headers: &HeaderMap, scope: Scope) -> Result<Token, ApiError> {
        let caller = auth::caller(self.store.as_ref(), headers, self.clock.now()).await?;
        let (Caller::Token(token) | Caller::Worker(_, token)) = caller;
        auth::scoped(token, scope)
    }

    /// The workspace of the calling worker.
    async fn worker(&self, headers: &HeaderMap, scope: Option<Scope>) -> Result<WorkspaceId, ApiError> {
        let (worker, token) = auth::calling_worker(self.store.as_ref(), headers, self.clock.now()).await?;
        if let Some(scope) = scope {
            auth::scoped(token, scope)?;
        }
        Ok(worker.workspace)
    }

    async fn list(&self, workspace: WorkspaceId) -> Result<TunnelList, ApiError> {
        let tunnels = self.store.tunnels(workspace).await?.into_iter();
        Ok(TunnelList { tunnels: tunnels.map(|tunnel| self.info(tunnel)).collect::<Result<_, _>>()? })
    }

    async fn reserve(&self, workspace: WorkspaceId, request: ReserveTunnel) -> Result<TunnelInfo, ApiError> {
        let ReserveTunnel { name, options } = request;
        if let Some(options) = &options {
            self.check(workspace, options).await?;
        }
        let name = name.map_or_else(random_name, Ok)?;
        self.url(&name)?;
        if self.address.keeps_back(&name) {
            let message = format!("`{name}` is kept back, so that nobody takes it for the operator's");
            return Err(ApiError::new(ErrorCode::TunnelNameTaken, message));
        }
        let kept = self.store.reserve_tunnel(workspace, name.clone(), options, self.clock.now()).await?;
        self.names.changed();
        self.answer(&name, kept)
    }

    async fn change(
        &self,
        workspace: WorkspaceId,
        name: &str,
        options: TunnelOptions,
    ) -> Result<TunnelInfo, ApiError> {
        let name = named(name)?;
        self.check(workspace, &options).await?;
        let kept = self.store.set_tunnel_options(workspace, name.clone(), options).await?;
        self.answer(&name, kept)
    }

    async fn release(&self, workspace: WorkspaceId, name: &str) -> Result<StatusCode, ApiError> {
        let name = named(name)?;
        if !self.store.release_tunnel(workspace, name.clone(), self.clock.now()).await? {
            return Err(not_reserved());
        }
        self.names.changed();
        tracing::info!(tunnel = %name, %workspace, "a tunnel's name was released");
        Ok(StatusCode::NO_CONTENT)
    }

    async fn check(&self, workspace: WorkspaceId, options: &TunnelOptions) -> Result<(), ApiError> {
        let sources = match options.only_signed {
            Some(_) => self.store.sources(workspace).await?,
            None => Vec::new(),
        };
        options::check(options, &sources)
    }

    fn answer(&self, name: &TunnelName, kept: TunnelKept) -> Result<TunnelInfo, ApiError> {
        let refuse = |code, message: String| Err(ApiError::new(code, message));
        match kept {
            TunnelKept::Yours(tunnel) => self.info(*tunnel),
            TunnelKept::Taken => refuse(
                ErrorCode::TunnelNameTaken,
                format!("`{name}` is another workspace's, or was until not long ago"),
            ),
            TunnelKept::TooMany => refuse(
                ErrorCode::Unsupported,
                format!("the workspace has {MOST_NAMES} names; those released count for 30 days"),
            ),
            TunnelKept::Unknown => Err(not_reserved()),
            TunnelKept::SecretMissing => refuse(
                ErrorCode::BadRequest,
                "`access` needs its secret: there is none of before to be kept".to_owned(),
            ),
        }
    }

    fn info(&self, tunnel: ReservedTunnel) -> Result<TunnelInfo, ApiError> {
        Ok(TunnelInfo {
            url: self.url(&tunnel.name)?,
            worker: self.names.worker(&tunnel.name),
            name: tunnel.name,
            options: tunnel.options.without_secrets(),
            created_at: tunnel.created_at,
            used_at: tunnel.used_at,
        })
    }

    fn url(&self, name: &TunnelName) -> Result<String, ApiError> {
        let message =
            "this proxy serves no public tunnels: neither `tunnel.domain` nor `tunnel.paths` is set";
        self.address.of(name).ok_or_else(|| ApiError::new(ErrorCode::Unsupported, message))
    }
}

fn random_name() -> Result<TunnelName, ApiError> {
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let name: String = entropy::bytes::<RANDOM>().into_iter().map(letter).collect();
    name.parse().map_err(ApiError::internal)
}

/// A name in a path; a text that is none names nothing.
fn named(text: &str) -> Result<TunnelName, ApiError> {
    text.parse().map_err(|_| not_reserved())
}

fn not_reserved() -> ApiError {
    ApiError::new(ErrorCode::TunnelNotReserved, "the workspace has not reserved this name")
}
