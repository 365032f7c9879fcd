//! What workspace clients and edges may read: the workspace, its sources and
//! its workers without their secrets, and what the proxy did with an event.

use crate::http::auth::{self, Caller};
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::linear::LinearSignIn;
use crate::store::{Scope, Store, Token};
use crate::tunnel::Directory;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use http::HeaderMap;
use postern_protocol::api::{
    CircuitCause, EventRecord, SourceInfo, SourceList, TunnelState, WorkerInfo, WorkerList, WorkerState,
    WorkspaceInfo,
};
use postern_protocol::id::{EventId, WorkerId};
use postern_protocol::{Clock, ErrorCode};
use std::net::SocketAddr;
use std::sync::Arc;

/// Reads for callers.
pub(crate) struct Reader {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) linear: Arc<LinearSignIn>,
    pub(crate) tunnels: Arc<dyn Directory>,
    /// The address under which providers reach the proxy, without a slash at
    /// the end.
    pub(crate) public_url: String,
}

/// The workspace that the credential belongs to.
///
/// Needs no scope: any token or credential of the workspace may ask, and a
/// member of a linked Linear organisation, who is signed in by it.
#[utoipa::path(
    get,
    path = "/v1/workspace",
    tag = "workspace",
    responses((status = 200, description = "Its id and name.", body = WorkspaceInfo), Refusals),
)]
pub(crate) async fn workspace(
    State(reader): State<Arc<Reader>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<WorkspaceInfo>, ApiError> {
    if let Some(key) = auth::bearer(&headers)? {
        reader.linear.admit(&key, peer.ip()).await?;
    }
    let workspace = auth::caller(reader.store.as_ref(), &headers, reader.clock.now()).await?.workspace();
    let all = reader.store.workspaces().await?;
    let found = all.into_iter().find(|w| w.id == workspace);
    let found =
        found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "the workspace is no longer there"))?;
    Ok(Json(WorkspaceInfo { id: found.id, name: found.name }))
}

/// The sources, oldest first, without their secrets.
///
/// Scope `events:read`.
#[utoipa::path(
    get,
    path = "/v1/sources",
    tag = "workspace",
    responses((status = 200, description = "All of them.", body = SourceList), Refusals),
)]
pub(crate) async fn sources(
    State(reader): State<Arc<Reader>>,
    headers: HeaderMap,
) -> Result<Json<SourceList>, ApiError> {
    let token = reader.reading(&headers).await?;
    let sources = reader.store.sources(token.workspace).await?;
    let info = |source: crate::store::Source| SourceInfo {
        id: source.id,
        url: format!("{}/hooks/{}", reader.public_url, source.id),
        provider: source.provider(),
        name: source.name,
        secrets: u32::try_from(source.secrets.len()).unwrap_or(u32::MAX),
        scheme: Some(source.scheme),
        id_from: source.id_from,
    };
    Ok(Json(SourceList { sources: sources.into_iter().map(info).collect() }))
}

/// The workers that have not left, oldest first.
///
/// Scope `events:read`; any worker may see its colleagues.
#[utoipa::path(
    get,
    path = "/v1/workers",
    tag = "workspace",
    responses((status = 200, description = "All of them.", body = WorkerList), Refusals),
)]
pub(crate) async fn workers(
    State(reader): State<Arc<Reader>>,
    headers: HeaderMap,
) -> Result<Json<WorkerList>, ApiError> {
    let now = reader.clock.now();
    let workspace = match auth::caller(reader.store.as_ref(), &headers, now).await? {
        Caller::Token(token) => auth::scoped(token, Scope::EventsRead)?.workspace,
        Caller::Worker(worker, _) => worker.workspace,
    };
    let mut workers = Vec::new();
    for worker in reader.store.workers(workspace).await? {
        if worker.state == WorkerState::Gone {
            continue;
        }
        // As it was written, though an id is what is kept.
        let filter = match reader.store.linear_user(worker.token).await? {
            Some(me) => worker.filter.with_me(&me),
            None => worker.filter,
        };
        workers.push(WorkerInfo {
            waiting: crate::registry::waiting(reader.store.as_ref(), worker.id).await?,
            tunnel: worker.url.is_none().then(|| reader.tunnel(worker.id)),
            id: worker.id,
            name: worker.name,
            state: worker.state,
            capabilities: filter.into(),
            ordering: worker.ordering,
            catch_up: worker.catch_up,
            group: worker.group,
            leased_until: worker.leased_until,
            created_at: worker.created_at,
            challenge_error: worker.challenge_error,
            transport_failures: match worker.circuit.cause {
                Some(CircuitCause::Unreachable) => worker.circuit.trips,
                _ => 0,
            },
            transport_error: worker.circuit.error.clone(),
            circuit: Some(worker.circuit),
            throttled_until: worker.throttled_until.filter(|until| *until > now),
            policy: worker.policy,
        });
    }
    Ok(Json(WorkerList { workers }))
}

/// `GET /edge/events/{event}`: an event, named by its id or by the
/// `webhook-id` under which it was replayed.
pub(crate) async fn event_for_worker(
    State(reader): State<Arc<Reader>>,
    Path(event): Path<String>,
    headers: HeaderMap,
) -> Result<Json<EventRecord>, ApiError> {
    let (worker, _) = auth::calling_worker(reader.store.as_ref(), &headers, reader.clock.now()).await?;
    let found = match EventId::of_webhook_id(&event) {
        Ok(id) => reader.store.event_record(worker.workspace, id).await?,
        Err(_) => None,
    };
    found.map(Json).ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such event"))
}

impl Reader {
    fn tunnel(&self, worker: WorkerId) -> TunnelState {
        match self.tunnels.link(worker) {
            Some(_) => TunnelState::Up,
            None => TunnelState::Down,
        }
    }

    async fn reading(&self, headers: &HeaderMap) -> Result<Token, ApiError> {
        auth::calling_token(self.store.as_ref(), headers, Scope::EventsRead, self.clock.now()).await
    }
}
