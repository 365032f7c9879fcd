//! Who is asking: a workspace token, or a worker's credential. Both travel as
//! `Authorization: Bearer …` and are known to the store by their hash alone.

use super::error::ApiError;
use crate::entropy::credential_hash;
use crate::store::{Scope, Store, Token, Worker};
use http::{HeaderMap, header};
use postern_protocol::api::WorkerState;
use postern_protocol::id::WorkspaceId;
use postern_protocol::{ErrorCode, Secret, UnixMillis};

/// How a worker's credential begins; anything else is taken for a token.
pub(crate) const CREDENTIAL_PREFIX: &str = "psw_";

/// Whoever asks, after the proof.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A holder of a workspace token.
    Token(Token),
    /// A worker, with the token it registered with.
    Worker(Box<Worker>, Token),
}

impl Caller {
    /// The workspace the caller belongs to.
    pub(crate) fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Token(token) => token.workspace,
            Self::Worker(worker, _) => worker.workspace,
        }
    }
}

/// The bearer secret of a request, when there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<Secret>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().and_then(|v| v.split_once(' '));
    match text {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") && !secret.trim().is_empty() => {
            Ok(Some(Secret::new(secret.trim())))
        }
        _ => Err(ApiError::new(
            ErrorCode::Unauthorized,
            "the header Authorization is not `Bearer` and a credential",
        )),
    }
}

/// The caller, by token or by credential.
pub(crate) async fn caller(
    store: &dyn Store,
    headers: &HeaderMap,
    now: UnixMillis,
) -> Result<Caller, ApiError> {
    let secret = required(headers)?;
    if secret.reveal().starts_with(CREDENTIAL_PREFIX) {
        let (worker, token) = worker(store, &secret, now).await?;
        Ok(Caller::Worker(Box::new(worker), token))
    } else {
        token(store, &secret, now).await.map(Caller::Token)
    }
}

/// The worker whose credential the request carries.
pub(crate) async fn calling_worker(
    store: &dyn Store,
    headers: &HeaderMap,
    now: UnixMillis,
) -> Result<(Worker, Token), ApiError> {
    worker(store, &required(headers)?, now).await
}

/// The token of the request, which must have `scope`.
pub(crate) async fn calling_token(
    store: &dyn Store,
    headers: &HeaderMap,
    scope: Scope,
    now: UnixMillis,
) -> Result<Token, ApiError> {
    scoped(token(store, &required(headers)?, now).await?, scope)
}

/// The token, when it is good now.
pub(crate) async fn token(store: &dyn Store, secret: &Secret, now: UnixMillis) -> Result<Token, ApiError> {
    let token = store
        .token_by_hash(credential_hash(secret.reveal()), now)
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "this token is not known"))?;
    good(token, now)
}

/// The token, when it has `scope`.
pub(crate) fn scoped(token: Token, scope: Scope) -> Result<Token, ApiError> {
    if token.scopes.contains(&scope) {
        return Ok(token);
    }
    Err(ApiError::new(ErrorCode::Forbidden, format!("this token lacks the scope {}", scope.as_str())))
}

/// The worker with this credential, when it has not left and the token it
/// registered with is still good: revoking a token ends its workers.
pub(crate) async fn worker(
    store: &dyn Store,
    credential: &Secret,
    now: UnixMillis,
) -> Result<(Worker, Token), ApiError> {
    let worker = store
        .worker_by_credential(credential_hash(credential.reveal()))
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "this worker credential is not known"))?;
    if worker.state == WorkerState::Gone {
        return Err(ApiError::new(
            ErrorCode::TokenRevoked,
            "this worker has left; register again without its credential",
        ));
    }
    let tokens = store.tokens(worker.workspace).await?;
    let token = tokens.into_iter().find(|t| t.id == worker.token).ok_or_else(|| {
        ApiError::new(ErrorCode::TokenRevoked, "the token this worker registered with is no longer there")
    })?;
    Ok((worker, good(token, now)?))
}

fn required(headers: &HeaderMap) -> Result<Secret, ApiError> {
    bearer(headers)?
        .ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "the header Authorization is missing"))
}

fn good(token: Token, now: UnixMillis) -> Result<Token, ApiError> {
    if token.revoked_at.is_some() {
        return Err(ApiError::new(ErrorCode::TokenRevoked, "the token was revoked; ask for a new one"));
    }
    if token.expires_at.is_some_and(|end| end <= now) {
        return Err(ApiError::new(ErrorCode::TokenRevoked, "the token has expired; ask for a new one"));
    }
    Ok(token)
}
