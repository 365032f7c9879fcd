//! A local server that someone forwards to: keeps every request as it came
//! and answers as told.

use crate::within;
use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use postern_protocol::HeaderList;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Every header, in order.
    pub headers: HeaderList,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A bare status.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }
}

/// The server; gone when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Seen>,
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct Seen {
    requests: Vec<Request>,
    /// What the next requests are answered, before `always`.
    next: VecDeque<Answer>,
    always: Answer,
}

impl Receiver {
    /// Listens on a free port of loopback and answers 200 until told otherwise.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens at `address`: what an earlier receiver left is taken up again.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn start_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            seen: Mutex::new(Seen {
                requests: Vec::new(),
                next: VecDeque::new(),
                always: Answer::status(StatusCode::OK),
            }),
            count: watch::Sender::new(0),
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // Ends with the test.
            let _ = axum::serve(listener, app).await;
        });
        Self { address, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `path` (with its leading `/`) at this receiver.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next request so, the one after it by the next call's answer.
    pub fn answer_next(&self, answer: Answer) {
        self.shared.seen().next.push_back(answer);
    }

    /// Answers so whatever no [`Receiver::answer_next`] was said for.
    pub fn answer_always(&self, answer: Answer) {
        self.shared.seen().always = answer;
    }

    /// The n-th request, from 1, as soon as it has come.
    ///
    /// # Panics
    /// When it does not come before the deadline.
    pub async fn nth(&self, n: usize) -> Request {
        let mut count = self.shared.count.subscribe();
        let came =
            within(&format!("request {n} at {}", self.address), count.wait_for(|count| *count >= n)).await;
        drop(came.expect("the receiver outlives its own wait"));
        self.shared.seen().requests[n - 1].clone()
    }

    /// Hands every request to `done`, old ones first, each once, until it
    /// says that it has seen enough.
    ///
    /// # Panics
    /// When it has not before the deadline.
    pub async fn until(&self, what: &str, mut done: impl FnMut(&Request) -> bool) {
        let mut count = self.shared.count.subscribe();
        let mut looked_at = 0;
        within(what, async {
            loop {
                let now = *count.borrow_and_update();
                let fresh = self.shared.seen().requests[looked_at..now].to_vec();
                if fresh.iter().any(&mut done) {
                    return;
                }
                looked_at = now;
                count.changed().await.expect("the receiver outlives its own wait");
            }
        })
        .await;
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen().requests.clone()
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    // A body that broke off is no request: whoever sends it tries again.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let request = Request {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        body,
    };
    let answer = {
        let mut seen = shared.seen();
        seen.requests.push(request);
        seen.next.pop_front().unwrap_or_else(|| seen.always.clone())
    };
    shared.count.send_modify(|count| *count += 1);
    let mut response = (answer.status, answer.body).into_response();
    for (name, value) in answer.headers {
        let value = value.parse().expect("a test answers with valid header values");
        response.headers_mut().append(name, value);
    }
    response
}
