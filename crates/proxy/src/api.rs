//! The workspace API: lists of what was accepted and what became of it, dead
//! letters, replays, and a live tail. [`crate::workspace`] has what edges read
//! as well.
//!
//! Who may: a token with the route's scope; a worker whose token has it. A
//! worker may act on what is its own without the scope.

use crate::bus::Bus;
use crate::http::auth::{self, Caller};
use crate::http::body::BodyReader;
use crate::http::error::ApiError;
use crate::store::{Scope, Store, Token};
use http::HeaderMap;
use postern_protocol::id::WorkerId;
use postern_protocol::{Clock, ErrorCode};
use std::str::FromStr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod events;
pub(crate) mod live;
pub(crate) mod replay;

/// What the routes work with.
pub(crate) struct Api {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) bodies: BodyReader,
    /// Room for live tails.
    pub(crate) tails: Arc<Semaphore>,
    /// Ends the live tails.
    pub(crate) stop: CancellationToken,
}

impl Api {
    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        auth::caller(self.store.as_ref(), headers, self.clock.now()).await
    }

    /// Who reads anything of the workspace.
    async fn reading(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let caller = self.caller(headers).await?;
        allowed(&caller, Scope::EventsRead).map(|()| caller)
    }
}

/// Whether the caller's token, or the one the calling worker registered with,
/// has the scope.
fn allowed(caller: &Caller, scope: Scope) -> Result<(), ApiError> {
    auth::scoped(token(caller).clone(), scope).map(drop)
}

/// Whether the caller is this worker, or may act for any.
fn own_or_allowed(caller: &Caller, worker: Option<WorkerId>, scope: Scope) -> Result<(), ApiError> {
    match (own(caller), worker) {
        (Some(own), Some(worker)) if own == worker => Ok(()),
        _ => allowed(caller, scope),
    }
}

fn token(caller: &Caller) -> &Token {
    let (Caller::Token(token) | Caller::Worker(_, token)) = caller;
    token
}

/// The worker that asks, when one does.
fn own(caller: &Caller) -> Option<WorkerId> {
    match caller {
        Caller::Worker(worker, _) => Some(worker.id),
        Caller::Token(_) => None,
    }
}

/// The id in a path; a text that is none names nothing.
fn id<T: FromStr>(text: &str, what: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| missing(what))
}

fn missing(what: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("there is no such {what}"))
}
