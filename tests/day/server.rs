//! A server of the team's own that is a worker: it proves itself, verifies what
//! comes with the secrets it has, keeps it, and renews its lease.

use crate::central::Central;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use postern_protocol::api::{CatchUp, Challenge, ChallengeAnswer, RegisterResponse, WorkerState};
use postern_protocol::signature::standard;
use postern_protocol::{HeaderList, Secret, UnixMillis};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Between two renewals: several before a lease runs out.
const RENEW: Duration = Duration::from_secs(1);

/// A delivery that came.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// Its `webhook-id`.
    pub(crate) id: String,
    pub(crate) headers: HeaderList,
    pub(crate) body: Bytes,
    /// Whether it was answered 200.
    pub(crate) taken: bool,
}

pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) id: String,
    pub(crate) credential: Secret,
    shared: Arc<Shared>,
    renewing: Option<AbortOnDropHandle<()>>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// Any of them may have signed.
    secrets: watch::Sender<Vec<Secret>>,
    arrived: Mutex<Vec<Arrived>>,
    broken: AtomicBool,
}

impl Server {
    /// Registers with this filter, answers the challenge, and is active.
    pub(crate) async fn start(central: &Central, name: &'static str, registration: Value) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            secrets: watch::Sender::new(Vec::new()),
            arrived: Mutex::default(),
            broken: AtomicBool::new(false),
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&shared));
        // Ends with the test.
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut body = json!({
            "webhookUrl": url, "token": central.token.reveal(), "name": name, "protocolVersion": "1.0",
        });
        body.as_object_mut().unwrap().extend(registration.as_object().unwrap().clone());
        let answer = central.post("/edge/register", None, &body).await;
        let registered: RegisterResponse = serde_json::from_value(answer).unwrap();
        shared.secrets.send_replace(vec![registered.secret]);
        let mut this = Self {
            name,
            id: registered.worker_id.to_string(),
            credential: registered.credential,
            shared,
            renewing: None,
            _serving: AbortOnDropHandle::new(serving),
        };
        this.renews(central, CatchUp::All);
        central.worker(&this.id, "an active server", |worker| worker.state == WorkerState::Active).await;
        this
    }

    /// Renews its lease from now on, whatever the proxy is up to.
    pub(crate) fn renews(&mut self, central: &Central, catch_up: CatchUp) {
        let url = format!("{}{}", central.url, self.lease());
        let (client, credential) = (central.client.clone(), self.credential.clone());
        self.renewing = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut again = tokio::time::interval(RENEW);
            loop {
                again.tick().await;
                let renewal = client.post(&url).bearer_auth(credential.reveal());
                // Not answered, or not now: the next one is.
                let _ = renewal.json(&json!({ "catchUp": catch_up })).send().await;
            }
        })));
    }

    /// Does not renew its lease any more.
    pub(crate) fn falls_silent(&mut self) {
        self.renewing = None;
    }

    /// Where its lease is renewed.
    pub(crate) fn lease(&self) -> String {
        format!("/edge/workers/{}/lease", self.id)
    }

    /// Answers 500 from now on, or 200 again.
    pub(crate) fn has_a_bug(&self, bug: bool) {
        self.shared.broken.store(bug, Ordering::SeqCst);
    }

    /// The secrets it verifies with, newest first.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.shared.secrets.borrow().clone()
    }

    /// Verifies with this one too.
    pub(crate) fn learns(&self, secret: Secret) {
        self.shared.secrets.send_modify(|secrets| secrets.insert(0, secret));
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came of this event, the last time.
    pub(crate) fn arrival(&self, id: &str) -> Option<Arrived> {
        self.arrived().into_iter().rev().find(|arrived| arrived.id == id)
    }
}

async fn take(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A body that broke off is no delivery: the proxy makes it again.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let headers: HeaderList =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    // The challenge may come before the answer to the registration does.
    let known = shared.secrets.subscribe().wait_for(|secrets| !secrets.is_empty()).await.map(|s| s.clone());
    let Ok(secrets) = known else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    if standard::verify(&secrets, &headers, &body, None).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if headers.get("postern-kind") == Some("challenge") {
        let asked: Challenge = serde_json::from_slice(&body).unwrap();
        let answer = standard::sign(&secrets[..1], "challenge", UnixMillis(0), asked.challenge.as_bytes());
        return Json(ChallengeAnswer { answer }).into_response();
    }
    if headers.get("postern-kind").is_some() {
        return StatusCode::OK.into_response();
    }
    let taken = !shared.broken.load(Ordering::SeqCst);
    let id = headers.get("webhook-id").unwrap_or_default().to_owned();
    let arrived = Arrived { id, headers, body, taken };
    shared.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(arrived);
    if taken { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }.into_response()
}
