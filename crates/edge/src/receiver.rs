//! Where deliveries arrive: verify → dedupe → store → 200.
//!
//! A 200 means *stored here*: the event is on the disk, now or from an earlier
//! attempt. Everything else is a precise refusal, and is remembered with its
//! reason so that people see it; how often per sender is bounded, so that a
//! flood of junk fills no disk.

use crate::canary::Arrived;
use crate::profiles::Profiles;
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
mod guess;
mod peer;
mod rejections;
mod store;
mod verify;

use answer::Refusal;
use body::Budget;
use guess::Guesses;
pub(crate) use peer::Peer;
pub(crate) use rejections::{Rejections, record};

/// What the receiver's handlers share.
#[derive(Clone)]
struct Receiver {
    profiles: Arc<Profiles>,
    budget: Arc<Budget>,
    rejections: Rejections,
    guesses: Arc<Guesses>,
}

/// The receiver's routes: one path per profile.
pub(crate) fn routes(profiles: Arc<Profiles>, rejections: Rejections) -> Router {
    let budget = Arc::new(Budget::new(profiles.shown().config.timing.body_limit));
    Router::new().route("/hook/{key}", any(receive)).fallback(unknown).with_state(Receiver {
        profiles,
        budget,
        rejections,
        guesses: Arc::default(),
    })
}

async fn receive(
    State(receiver): State<Receiver>,
    Extension(peer): Extension<Peer>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    let (slot, session) = match session(&receiver.profiles, &key) {
        Ok(found) => found,
        Err(refusal) => return receiver.refuse(None, peer, "/hook/…", request.method(), refusal),
    };
    let method = request.method().clone();
    match receiver.admit(&slot, &session, request).await {
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
fn session(profiles: &Profiles, key: &str) -> Result<(Arc<Shared>, Arc<Session>), Refusal> {
    for slot in profiles.all() {
        let account = slot.account.borrow().clone();
        match account {
            Account::SignedIn(session) if session.profile.hook_key == key => return Ok((slot, session)),
            // Its secrets will be read; until then nothing can be verified.
            Account::Locked(profile) if profile.hook_key == key => return Err(Refusal::not_ready()),
            Account::Unresolved { .. } => return Err(Refusal::not_ready()),
            _ => {}
        }
    }
    Err(Refusal::unknown())
}

impl Receiver {
    /// The whole way of a delivery.
    async fn admit(
        &self,
        shared: &Arc<Shared>,
        session: &Arc<Session>,
        request: Request,
    ) -> Result<Response, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::method(request.method()));
        }
        let received = Instant::now();
        let (parts, body) = request.into_parts();
        let headers = verify::headers(&parts.headers);
        verify::required(&headers)?;
        let body = body::read(body, &parts.headers, &self.budget, &shared.config.timing).await?;
        let delivery = verify::verify(shared, session, headers, body.bytes.clone(), &self.guesses).await?;
        let verified = Instant::now();
        if delivery.is_challenge() {
            return challenge::answer(session, &delivery, shared.now());
        }
        if delivery.is_ping() {
            // That it was verified here is the answer. It leaves no trace.
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let canary = delivery.canary();
        let arrived = |stored| Arrived { received, verified, stored };
        if let Some(canary) = canary.as_ref().filter(|_| delivery.is_quiet_canary()) {
            if session.expected.arrived(&canary.nonce, arrived(None)) {
                session.proof.made(shared.now());
            }
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let stored = store::store(shared, session, delivery).await?;
        session.proof.made(shared.now());
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
        self.rejections.add(refusal.record(profile, peer, request, self.profiles.shown().now()));
        refusal.response()
    }
}
