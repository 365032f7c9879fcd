//! An edge in a temporary folder, and deliveries to it.

use crate::proxy::FakeProxy;
use futures_util::StreamExt;
use postern_edge::api::{Arrival, Connection, Live, SignIn, Status};
use postern_edge::{Edge, EdgeConfig, EdgeHandle, FileSecrets, Timing, api};
use postern_protocol::signature::standard;
use postern_protocol::{Clock, Secret, UnixMillis};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far beyond what anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for: {what}"))
}

/// A clock whose hands the test turns.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_795_341_420_000)))
    }

    pub(crate) fn turn(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

/// A running edge.
pub(crate) struct TestEdge {
    pub(crate) handle: EdgeHandle,
    pub(crate) clock: TestClock,
    pub(crate) dir: Arc<TempDir>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// The configuration tests start from: everything quick, secrets in a file.
pub(crate) fn config(dir: &Path, clock: &TestClock) -> EdgeConfig {
    EdgeConfig {
        clock: Arc::new(clock.clone()),
        default_name: "test-machine".into(),
        timing: Timing {
            backoff: (Duration::from_millis(5), Duration::from_millis(40)),
            challenge_poll: Duration::from_millis(5),
            canary: Duration::from_millis(5),
            proxy_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            ..Timing::default()
        },
        ..EdgeConfig::new(dir, FileSecrets::new(dir.join("secrets.json")))
    }
}

impl TestEdge {
    pub(crate) async fn start() -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let clock = TestClock::new();
        Self::run(config(dir.path(), &clock), clock, dir).await
    }

    pub(crate) async fn run(config: EdgeConfig, clock: TestClock, dir: Arc<TempDir>) -> Self {
        let (handle, edge) = Edge::start(config).await.unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(edge.run(stop.clone()));
        Self { handle, clock, dir, stop, running }
    }

    /// An edge that is signed in to `proxy` and live.
    pub(crate) async fn live(proxy: &FakeProxy) -> Self {
        let edge = Self::start().await;
        edge.sign_in(proxy).await;
        edge
    }

    pub(crate) async fn sign_in(&self, proxy: &FakeProxy) {
        api::sign_in(&self.handle, sign_in(proxy)).await.unwrap();
        self.until("live", |status| matches!(status.connection, Connection::Live { .. })).await;
    }

    /// The first status that is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let found = async {
            let mut live = std::pin::pin!(self.handle.live(None));
            while let Some(Live { status, .. }) = live.next().await {
                if let Some(status) = status.filter(&wanted) {
                    return status;
                }
            }
            panic!("the edge ended before: {what}");
        };
        soon(what, found).await
    }

    /// Stops it as a shell does.
    pub(crate) async fn stop(self) -> (TestClock, Arc<TempDir>) {
        self.stop.cancel();
        soon("the end of the edge", self.running).await.unwrap();
        (self.clock, self.dir)
    }

    /// Stops it and starts another on the same folder.
    pub(crate) async fn restart(self) -> Self {
        let (clock, dir) = self.stop().await;
        Self::run(config(dir.path(), &clock), clock, dir).await
    }

    pub(crate) async fn status(&self) -> Status {
        api::status(&self.handle.current()).await.unwrap()
    }

    /// Where deliveries are posted to.
    pub(crate) async fn hook(&self) -> String {
        match self.status().await.session.unwrap().arrival {
            Arrival::Address { url, .. } => url,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn sign_in(proxy: &FakeProxy) -> SignIn {
    SignIn { proxy_url: proxy.url.clone(), token: Secret::new("pst_good"), name: Some("laptop".into()) }
}

/// A delivery as the proxy makes it.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) at: UnixMillis,
    pub(crate) secret: Secret,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    /// A Linear issue's event, signed now with the worker's secret.
    pub(crate) fn new(id: &str, edge: &TestEdge, proxy: &FakeProxy) -> Self {
        let body = br#"{"action":"update","type":"Issue","data":{"id":"i1","identifier":"ENG-42","title":"Fix login","state":{"name":"Done"}},"organizationId":"o","webhookTimestamp":1}"#;
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("linear-event", "Issue"),
            ("postern-event", "Issue.update"),
            ("postern-source", "linear-main"),
            ("postern-provider", "linear"),
            ("postern-attempt", "1"),
        ];
        let mut headers: Vec<_> =
            headers.map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec())).into_iter().collect();
        headers.push(("postern-received-at".into(), edge.clock.now().0.to_string().into_bytes()));
        Self { id: id.into(), at: edge.clock.now(), secret: proxy.secret(), headers, body: body.to_vec() }
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// The request, signed.
    pub(crate) fn request(&self, url: &str) -> reqwest::RequestBuilder {
        let signature = standard::sign(std::slice::from_ref(&self.secret), &self.id, self.at, &self.body);
        let mut request = client().post(url);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        request
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", self.at.seconds().to_string())
            .header("webhook-signature", signature)
            .body(self.body.clone())
    }

    pub(crate) async fn post(&self, url: &str) -> reqwest::Response {
        self.request(url).send().await.unwrap()
    }
}

/// A client that uses no proxy of the environment and keeps no connection, so
/// that all tests can share it: making one reads the system's trust store.
pub(crate) fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap()
    });
    CLIENT.clone()
}
