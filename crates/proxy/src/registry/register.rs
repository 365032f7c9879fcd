//! `POST /edge/register`: a new worker, or, with a worker's credential, that
//! worker anew: other URL, name or capabilities, and a fresh secret beside
//! which the old one goes on signing for a while. Both are challenged after
//! the answer is out, where they have a URL.

use super::Registry;
use super::lease::bad_policy;
use super::request::{self, Wanted};
use crate::entropy;
use crate::http::after::after;
use crate::http::auth::{self, CREDENTIAL_PREFIX};
use crate::http::body::JSON_LIMIT;
use crate::http::error::ApiError;
use crate::store::{Scope, Token, Worker};
use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use postern_protocol::api::{Circuit, RegisterRequest, RegisterResponse, WorkerState, WorkspaceInfo};
use postern_protocol::id::WorkspaceId;
use postern_protocol::signature::standard;
use postern_protocol::{ErrorCode, Secret, UnixMillis};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// 200 with what the worker needs; the challenge follows.
pub(crate) async fn register(
    State(registry): State<Arc<Registry>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let now = registry.clock.now();
    registry.by_address.take(network(peer.ip()), now)?;
    let request: RegisterRequest = registry.bodies.json(&headers, body, JSON_LIMIT).await?;
    let store = registry.store.as_ref();
    registry.linear.admit(&request.token, network(peer.ip())).await?;
    let token = auth::scoped(auth::token(store, &request.token, now).await?, Scope::WorkersRegister)?;
    registry.by_token.take(token.id, now)?;
    let me = store.linear_user(token.id).await?;
    let wanted = request::check(&request, &registry.policy, me.as_deref())?;
    let workspace = workspace(&registry, token.workspace).await?;
    let (worker, credential) = match auth::bearer(&headers)? {
        None => registry.make(wanted, &token, now).await?,
        Some(credential) => registry.change(credential, wanted, &token, now).await?,
    };
    let worker = match worker.url {
        Some(_) => worker,
        None => registry.challenger.waive(worker).await?,
    };
    let answer = RegisterResponse {
        worker_id: worker.id,
        credential,
        secret: worker.secret.clone(),
        lease_seconds: registry.settings.lease_seconds,
        workspace,
        waiting: super::waiting(store, worker.id).await?,
        state: worker.state,
    };
    tracing::info!(worker = %worker.id, workspace = %worker.workspace, "registered");
    let answer = Json(answer).into_response();
    if worker.url.is_none() {
        return Ok(answer);
    }
    let challenger = registry.challenger.clone();
    Ok(after(answer, move || challenger.start(worker)))
}

impl Registry {
    async fn make(
        &self,
        wanted: Wanted,
        token: &Token,
        now: UnixMillis,
    ) -> Result<(Worker, Secret), ApiError> {
        let credential = entropy::credential(CREDENTIAL_PREFIX);
        let secret = standard::new_secret(entropy::bytes());
        let worker = wanted.worker(token, &credential, secret, self.leased_until(now), now)?;
        self.store.register_worker(worker.clone()).await?;
        Ok((worker, credential))
    }

    async fn change(
        &self,
        credential: Secret,
        wanted: Wanted,
        token: &Token,
        now: UnixMillis,
    ) -> Result<(Worker, Secret), ApiError> {
        let hash = entropy::credential_hash(credential.reveal());
        let unknown = || ApiError::new(ErrorCode::Unauthorized, "this worker credential is not known");
        let id = self.store.worker_by_credential(hash).await?.ok_or_else(unknown)?.id;
        // A challenge must not settle what it did not ask about.
        let _gate = self.challenger.gate(id).await;
        let worker = self.store.worker(id).await?.ok_or_else(unknown)?;
        if worker.workspace != token.workspace {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "the worker belongs to another workspace than the token",
            ));
        }
        if worker.state == WorkerState::Gone {
            let message = "this worker has left; register again without its credential";
            return Err(ApiError::new(ErrorCode::TokenRevoked, message));
        }
        if wanted.group != worker.group {
            self.store.set_group(id, wanted.group.clone(), now).await?;
        }
        let grace = i64::try_from(self.settings.secret_grace.as_millis()).unwrap_or(i64::MAX);
        let worker = Worker {
            token: token.id,
            name: wanted.name,
            url: wanted.url,
            secret: standard::new_secret(entropy::bytes()),
            previous_secret: Some((worker.secret.clone(), now.plus(grace))),
            filter: wanted.filter,
            ordering: wanted.ordering,
            catch_up: wanted.catch_up,
            group: wanted.group,
            style: wanted.style,
            state: WorkerState::Pending,
            leased_until: self.leased_until(now),
            challenge_error: None,
            circuit: Circuit::closed(now),
            policy: wanted.policy.apply(&worker.policy).map_err(bad_policy)?,
            ..worker
        };
        self.store.update_worker(worker.clone()).await?;
        Ok((worker, credential))
    }
}

async fn workspace(registry: &Registry, id: WorkspaceId) -> Result<WorkspaceInfo, ApiError> {
    let all = registry.store.workspaces().await?;
    let found = all.into_iter().find(|w| w.id == id).map(|w| WorkspaceInfo { id: w.id, name: w.name });
    found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "the token's workspace is no longer there"))
}

/// What counts as one address: of IPv6 the network a site is given, /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}
