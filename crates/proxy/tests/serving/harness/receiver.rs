use super::soon;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use postern_protocol::api::{Challenge, ChallengeAnswer};
use postern_protocol::signature::{Freshness, Verdict, standard};
use postern_protocol::{HeaderList, Secret, UnixMillis};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How a receiver answers one delivery; 200 unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16, Vec<(&'static str, String)>, Bytes),
    /// Never.
    Hang,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, vec![], Bytes::new())
    }
}

/// How a receiver answers challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenges {
    Prove,
    Lie,
    Refuse,
}

/// A delivery that arrived.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Whether it is signed with this secret, and now.
    pub(crate) fn verify(&self, secret: &Secret, now: UnixMillis) -> Verdict {
        let headers: HeaderList = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let freshness = Some(Freshness { now, tolerance: 1_000 });
        standard::verify(std::slice::from_ref(secret), &headers, &self.body, freshness)
    }
}

struct Inner {
    replies: Mutex<VecDeque<Reply>>,
    always: Mutex<Option<Reply>>,
    challenges: Mutex<Challenges>,
    pings: Mutex<Option<Reply>>,
    secret: watch::Sender<Option<Secret>>,
    deliveries: mpsc::UnboundedSender<Received>,
}

/// A worker's endpoint on a free port.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    deliveries: mpsc::UnboundedReceiver<Received>,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address)
    }

    /// With this certificate and key.
    pub(crate) async fn start_tls(certificate: &Path, key: &Path) -> Self {
        let certificates = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(Tls { listener, acceptor: Arc::new(config).into() }, address)
    }

    fn serve<L: axum::serve::Listener<Addr = SocketAddr>>(listener: L, address: SocketAddr) -> Self {
        let (sender, deliveries) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            replies: Mutex::default(),
            always: Mutex::default(),
            challenges: Mutex::new(Challenges::Prove),
            pings: Mutex::default(),
            secret: watch::Sender::new(None),
            deliveries: sender,
        });
        let router = Router::new().fallback(receive).with_state(inner.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, deliveries, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn knows(&self, secret: &Secret) {
        self.inner.secret.send_replace(Some(secret.clone()));
    }

    pub(crate) fn challenges(&self, how: Challenges) {
        *self.inner.challenges.lock().unwrap() = how;
    }

    /// Pings are answered so, after they were verified.
    pub(crate) fn pings(&self, reply: Reply) {
        *self.inner.pings.lock().unwrap() = Some(reply);
    }

    /// The next deliveries are answered so, one after the other.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        self.inner.replies.lock().unwrap().extend(replies);
    }

    /// All deliveries without a reply of their own are answered so.
    pub(crate) fn always(&self, reply: Reply) {
        *self.inner.always.lock().unwrap() = Some(reply);
    }

    pub(crate) async fn delivery(&mut self) -> Received {
        soon("a delivery", self.deliveries.recv()).await.unwrap()
    }

    /// What arrived and was not asked for yet.
    pub(crate) fn unasked(&mut self) -> usize {
        std::iter::from_fn(|| self.deliveries.try_recv().ok()).count()
    }

    /// Closes the port. Connections go with it.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.server.abort();
        let _ = self.server.await;
        self.address
    }
}

/// A listener that speaks TLS.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = self.listener.accept().await.unwrap();
            // A client that breaks off the handshake is no connection.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn receive(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    if head.headers.get("postern-kind").is_some_and(|kind| kind == "challenge") {
        let how = *inner.challenges.lock().unwrap();
        return challenge(&inner, how, &head.headers, &body).await;
    }
    if head.headers.get("postern-kind").is_some_and(|kind| kind == "ping") {
        let secret = inner.secret.borrow().clone().unwrap();
        let list: HeaderList = head.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        standard::verify(std::slice::from_ref(&secret), &list, &body, None).unwrap();
        assert_eq!(body, br#"{"type":"postern.ping"}"#.as_slice());
        let reply = inner.pings.lock().unwrap().clone();
        return answer(reply).await;
    }
    inner.deliveries.send(Received { headers: head.headers, body }).unwrap();
    let next = inner.replies.lock().unwrap().pop_front().or_else(|| inner.always.lock().unwrap().clone());
    answer(next).await
}

async fn answer(reply: Option<Reply>) -> Response {
    match reply {
        None => StatusCode::OK.into_response(),
        Some(Reply::Hang) => std::future::pending().await,
        Some(Reply::Status(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
    }
}

async fn challenge(inner: &Inner, how: Challenges, headers: &HeaderMap, body: &[u8]) -> Response {
    if how == Challenges::Refuse {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut watching = inner.secret.subscribe();
    let mut secret = watching.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    let list: HeaderList = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    standard::verify(std::slice::from_ref(&secret), &list, body, None).unwrap();
    let challenge: Challenge = serde_json::from_slice(body).unwrap();
    assert_eq!(challenge.kind, Challenge::TYPE);
    if how == Challenges::Lie {
        secret = standard::new_secret([9; 32]);
    }
    let answer = standard::sign(&[secret], "challenge", UnixMillis(0), challenge.challenge.as_bytes());
    Json(ChallengeAnswer { answer }).into_response()
}
