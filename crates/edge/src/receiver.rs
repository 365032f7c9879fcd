//! Where deliveries arrive: verify → dedupe → store → 200.
//!
//! A 200 means *stored here*: the event is on the disk, now or from an earlier
//! attempt. Everything else is a precise refusal, and is remembered with its
//! reason so that people see it; how often per sender is bounded, so that a
//! flood of junk fills no disk.

use crate::canary::Arrived;
use crate::state::{Account, Session, Shared};
use axum::Extension;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{Method, StatusCode};
use std::sync::Arc;
use tokio::time::Instant;

mod answer;
mod body;
mod challenge;
mod peer;
mod rejections;
mod store;
mod verify;

use answer::Refusal;
use body::Budget;
pub(crate) use peer::Peer;
pub(crate) use rejections::{Rejections, record};

/// What the receiver's handlers share.
#[derive(Clone)]
struct Receiver {
    shared: Arc<Shared>,
    budget: Arc<Budget>,
    rejections: Rejections,
}

/// The receiver's routes: one path per profile.
pub(crate) fn routes(shared: Arc<Shared>, rejections: Rejections) -> Router {
    let budget = Arc::new(Budget::new(shared.config.timing.body_limit));
    Router::new().route("/hook/{key}", any(receive)).fallback(unknown).with_state(Receiver {
        shared,
        budget,
        rejections,
    })
}

async fn receive(
    State(receiver): State<Receiver>,
    Extension(peer): Extension<Peer>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    let session = match session(&receiver.shared, &key) {
        Ok(session) => session,
        Err(refusal) => return receiver.refuse(None, peer, "/hook/…", request.method(), refusal),
    };
    let method = request.method().clone();
    match receiver.admit(&session, request).await {
        Ok(response) => response,
        Err(refusal) => receiver.refuse(Some(&session), peer, "/hook", &method, refusal),
    }
}

async fn unknown(
    State(receiver): State<Receiver>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    receiver.refuse(None, peer, "…", request.method(), Refusal::unknown())
}

/// The session a path names.
fn session(shared: &Shared, key: &str) -> Result<Arc<Session>, Refusal> {
    match &*shared.account.borrow() {
        Account::SignedIn(session) if session.profile.hook_key == key => Ok(Arc::clone(session)),
        // Its secrets will be read; until then nothing can be verified.
        Account::Locked(profile) if profile.hook_key == key => Err(Refusal::not_ready()),
        Account::Unresolved { .. } => Err(Refusal::not_ready()),
        _ => Err(Refusal::unknown()),
    }
}

impl Receiver {
    /// The whole way of a delivery.
    async fn admit(&self, session: &Arc<Session>, request: Request) -> Result<Response, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::method(request.method()));
        }
        let received = Instant::now();
        let (parts, body) = request.into_parts();
        let headers = verify::headers(&parts.headers);
        verify::required(&headers)?;
        let body = body::read(body, &parts.headers, &self.budget, &self.shared.config.timing).await?;
        let delivery = verify::verify(&self.shared, session, headers, body.bytes.clone()).await?;
        let verified = Instant::now();
        if delivery.is_challenge() {
            return challenge::answer(session, &delivery, self.shared.now());
        }
        if delivery.is_ping() {
            // That it was verified here is the answer. It leaves no trace.
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let canary = delivery.canary();
        let arrived = |stored| Arrived { received, verified, stored };
        if let Some(canary) = canary.as_ref().filter(|_| delivery.is_quiet_canary()) {
            if session.expected.arrived(&canary.nonce, arrived(None)) {
                session.proof.made(self.shared.now());
            }
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let stored = store::store(&self.shared, session, delivery).await?;
        session.proof.made(self.shared.now());
        if let Some(canary) = canary {
            session.expected.arrived(&canary.nonce, arrived(Some(Instant::now())));
        }
        Ok(stored)
    }

    fn refuse(
        &self,
        session: Option<&Session>,
        peer: Peer,
        path: &str,
        method: &Method,
        refusal: Refusal,
    ) -> Response {
        let profile = session.map(|session| session.profile.id);
        // Other methods are as long as the sender likes.
        let method: String = method.as_str().chars().take(16).collect();
        let request = format!("{method} {path}");
        self.rejections.add(refusal.record(profile, peer, request, self.shared.now()));
        refusal.response()
    }
}
