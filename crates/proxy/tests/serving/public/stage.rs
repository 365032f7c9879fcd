use crate::harness::{Answer, Proxy, Registered, call, soon};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use postern_protocol::Secret;
use postern_protocol::api::tunnels::{NameOutcome, NameOutcomes, ServedName, ServedNames, TunnelInfo};
use postern_tunnel::{
    Agent, AgentConfig, AgentHandle, Dialer, DownReason, Hello, Proxies, State, Timing, Tls, TunnelBody,
};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
type Handler = Arc<dyn Fn(Request<TunnelBody>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

pub(super) const DOMAIN: &str = "[tunnel]\ndomain = \"tunnels.test\"\n";
/// The host of the tunnel that a [`Stage`] begins with.
pub(super) const APP: &str = "app.tunnels.test";

/// A proxy, a worker, and its tunnel `app`.
pub(super) struct Stage {
    pub(super) proxy: Proxy,
    pub(super) worker: Registered,
    pub(super) edge: Edge,
}

impl Stage {
    pub(super) async fn with<F, Fut>(handle: F) -> Self
    where
        F: Fn(Request<TunnelBody>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::of(DOMAIN, handle).await
    }

    pub(super) async fn of<F, Fut>(settings: &str, handle: F) -> Self
    where
        F: Fn(Request<TunnelBody>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let proxy = Proxy::with(settings).await;
        let worker = proxy.register_without_url().await;
        reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
        let edge = Edge::dial(&proxy, &worker.credential, handle);
        edge.serve(&["app"]);
        edge.online("app").await;
        Self { proxy, worker, edge }
    }

    /// One whose local server echoes bodies and trailers.
    pub(super) async fn echoing() -> Self {
        Self::with(async |request| {
            Response::new(request.into_body().map_err(io::Error::other).boxed_unsync())
        })
        .await
    }

    /// One whose local server says what it was asked.
    pub(super) async fn telling(settings: &str) -> Self {
        Self::of(settings, async |request| tell(request).await).await
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address
    }

    pub(super) async fn options(&self, options: Value) -> Answer {
        put(&self.proxy, &self.worker.credential, "/edge/tunnels/app/options", options).await
    }

    /// Sets the options of `app`.
    pub(super) async fn set(&self, options: Value) {
        let answer = self.options(options).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        read(visit(self.address(), request(Method::GET, path, headers, full(""))).await).await
    }

    pub(super) async fn metrics(&self) -> String {
        let metrics = call(self.proxy.admin, Method::GET, "/metrics", &[], "").await;
        String::from_utf8(metrics.body.to_vec()).unwrap()
    }
}

/// What a local server was asked, as JSON.
async fn tell(request: Request<TunnelBody>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect();
    let told = json!({
        "method": head.method.as_str(), "uri": head.uri.to_string(), "headers": headers,
        "target": head.uri.path_and_query().unwrap().as_str(), "body": String::from_utf8_lossy(&body),
    });
    Response::new(full(told.to_string()))
}

/// The values of a header, of what [`tell`] told.
pub(super) fn told(answer: &Value, name: &str) -> Vec<String> {
    let headers = answer["headers"].as_array().unwrap().iter();
    let of = headers.filter(|header| header[0] == name);
    of.map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

/// A worker's machine.
pub(super) struct Edge {
    pub(super) agent: AgentHandle,
    _stop: DropGuard,
}

impl Edge {
    pub(super) fn dial<F, Fut>(proxy: &Proxy, credential: &Secret, handle: F) -> Self
    where
        F: Fn(Request<TunnelBody>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handle(request)));
        let tls = Tls::new(vec![]).unwrap();
        let dialer = Dialer::new(&format!("http://{}", proxy.address), Proxies::none(), tls).unwrap();
        let config = AgentConfig {
            credential: credential.clone(),
            hello: Hello { software: "test/1".into(), ..Hello::default() },
            carrier: None,
            timing: Timing::default(),
            jitter: Arc::new(|| 0.0),
        };
        let (agent, handle) = Agent::new(dialer, config, move |request| handler(request));
        let stop = CancellationToken::new();
        tokio::spawn(agent.run(stop.clone()));
        Self { agent: handle, _stop: stop.drop_guard() }
    }

    pub(super) fn serve(&self, names: &[&str]) {
        self.tell(names, false);
    }

    pub(super) fn take_over(&self, names: &[&str]) {
        self.tell(names, true);
    }

    fn tell(&self, names: &[&str], take_over: bool) {
        let tunnels =
            names.iter().map(|name| ServedName { name: name.parse().unwrap(), take_over }).collect();
        self.agent.configure(serde_json::to_value(ServedNames { tunnels }).unwrap());
    }

    /// Waits for an outcome of a name that `is` it.
    pub(super) async fn outcome(&self, name: &str, is: impl Fn(&NameOutcome) -> bool) -> NameOutcome {
        let mut config = self.agent.config();
        let name = name.parse().unwrap();
        let found = |config: &Option<Value>| {
            let outcomes: NameOutcomes = serde_json::from_value(config.clone()?).unwrap();
            outcomes.tunnels.get(&name).filter(|outcome| is(outcome)).cloned()
        };
        let told = soon("an outcome", config.wait_for(|config| found(config).is_some())).await.unwrap();
        found(&told).unwrap()
    }

    pub(super) async fn online(&self, name: &str) -> String {
        let NameOutcome::Online { url } =
            self.outcome(name, |outcome| matches!(outcome, NameOutcome::Online { .. })).await
        else {
            unreachable!("waited for it")
        };
        url
    }

    pub(super) async fn refused(&self, name: &str) -> String {
        let NameOutcome::Refused { code, .. } =
            self.outcome(name, |outcome| matches!(outcome, NameOutcome::Refused { .. })).await
        else {
            unreachable!("waited for it")
        };
        code
    }

    pub(super) async fn elsewhere(&self, name: &str) -> String {
        let NameOutcome::Elsewhere { worker } =
            self.outcome(name, |outcome| matches!(outcome, NameOutcome::Elsewhere { .. })).await
        else {
            unreachable!("waited for it")
        };
        worker.id.to_string()
    }

    pub(super) async fn down(&self) -> DownReason {
        let mut state = self.agent.state();
        let down = soon("a tunnel's end", state.wait_for(|s| matches!(s, State::Down { .. }))).await.unwrap();
        let State::Down { reason, .. } = &*down else { unreachable!("waited for it") };
        reason.clone()
    }
}

async fn asked(proxy: &Proxy, method: Method, bearer: &Secret, path: &str, body: String) -> Answer {
    let bearer = format!("Bearer {}", bearer.reveal());
    call(proxy.address, method, path, &[("authorization", bearer.as_bytes())], body).await
}

pub(super) async fn post(proxy: &Proxy, bearer: &Secret, path: &str, body: Value) -> Answer {
    asked(proxy, Method::POST, bearer, path, body.to_string()).await
}

pub(super) async fn put(proxy: &Proxy, bearer: &Secret, path: &str, body: Value) -> Answer {
    asked(proxy, Method::PUT, bearer, path, body.to_string()).await
}

pub(super) async fn delete(proxy: &Proxy, bearer: &Secret, path: &str) -> Answer {
    asked(proxy, Method::DELETE, bearer, path, String::new()).await
}

pub(super) async fn reserve(proxy: &Proxy, credential: &Secret, body: Value) -> TunnelInfo {
    let answer = post(proxy, credential, "/edge/tunnels", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) type Chunks = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// A body that is written while it is read, one chunk ahead.
pub(super) fn written() -> (Chunks, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

pub(super) fn data(bytes: impl Into<Bytes>) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(bytes.into()))
}

/// The next piece of a body.
pub(super) async fn next<B: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin>(
    body: &mut B,
) -> Bytes {
    soon("a piece of a body", body.frame()).await.unwrap().unwrap().into_data().unwrap()
}

/// A request for `app`, unless a header names another host.
pub(super) fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path.parse::<Uri>().unwrap());
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", APP);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// The head of an answer, on a connection of its own, which ends with the body.
pub(super) async fn visit(to: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    soon("an answer", sender.send_request(request)).await.unwrap()
}

pub(super) async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = soon("a body", body.collect()).await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// Writes these bytes, and reads until the connection ends; the connection is
/// not closed by this side.
pub(super) async fn raw(to: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    let mut came = Vec::new();
    let _ = soon("the connection's end", stream.read_to_end(&mut came)).await;
    String::from_utf8_lossy(&came).into_owned()
}

/// The status of a raw answer.
pub(super) fn status(came: &str) -> &str {
    came.split(' ').nth(1).unwrap_or("none")
}
