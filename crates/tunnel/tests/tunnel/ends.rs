//! A proxy that accepts agents and nothing else, an agent with a handler of the
//! test's, and bodies to send.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use postern_tunnel::{
    Agent, AgentConfig, AgentHandle, BoxIo, Carrier, Dialer, Hello, Io, Link, Proxies, State, Timing, Tls,
    TunnelBody, accept, upgrade,
};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const CREDENTIAL: &str = "pwc_test";

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Handler =
    Arc<dyn Fn(Request<TunnelBody>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

pub(crate) fn handler<F, Fut>(handle: F) -> Handler
where
    F: Fn(Request<TunnelBody>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(handle(request)))
}

/// Sends back what it gets, as it gets it, trailers too.
pub(crate) fn echo() -> Handler {
    handler(async |request: Request<TunnelBody>| {
        Response::new(request.into_body().map_err(io::Error::other).boxed_unsync())
    })
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) type Chunks = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// A body that is written while it is read, one chunk ahead.
pub(crate) fn written() -> (Chunks, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

pub(crate) fn data(bytes: impl Into<Bytes>) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(bytes.into()))
}

/// The next frame, which is data.
pub(crate) async fn next(body: &mut TunnelBody) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

pub(crate) async fn text(body: TunnelBody) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

pub(crate) fn post(body: Body) -> Request<Body> {
    Request::post("/").body(body).unwrap()
}

/// Answers agents that know the credential, each with the next epoch.
#[derive(Clone)]
pub(crate) struct Proxy {
    links: mpsc::UnboundedSender<Link>,
    timing: Timing,
    epochs: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn new(timing: Timing) -> (Self, mpsc::UnboundedReceiver<Link>) {
        let (links, accepted) = mpsc::unbounded_channel();
        (Self { links, timing, epochs: Arc::default() }, accepted)
    }

    /// Speaks HTTP/1.1 on one connection.
    pub(crate) async fn serve(self, io: impl Io) {
        let service = service_fn(move |request| {
            let proxy = self.clone();
            async move { Ok::<_, Infallible>(proxy.answer(request)) }
        });
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service);
        let _ = serving.with_upgrades().await;
    }

    fn answer(&self, mut request: Request<Incoming>) -> Response<Empty<Bytes>> {
        assert_eq!(request.uri().path(), "/edge/connect");
        if request.headers().get("authorization").is_none_or(|v| v != &format!("Bearer {CREDENTIAL}")) {
            return status(StatusCode::UNAUTHORIZED);
        }
        let upgrading = match upgrade(&mut request) {
            Ok(upgrading) => upgrading,
            Err(refused) => return refused.response().map(|()| Empty::new()),
        };
        let response = upgrading.response().map(|()| Empty::new());
        let proxy = self.clone();
        tokio::spawn(async move {
            let carrier = upgrading.carrier();
            let epoch = proxy.epochs.fetch_add(1, Ordering::Relaxed) + 1;
            let hello = Hello { connection: format!("c{epoch}"), epoch, ..Hello::default() };
            let io = upgrading.upgraded().await.unwrap();
            if let Ok(link) = accept(io, carrier, hello, proxy.timing).await {
                let _ = proxy.links.send(link);
            }
        });
        response
    }

    /// Serves a port of this machine; returns its URL.
    pub(crate) async fn listen(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                tokio::spawn(self.clone().serve(socket));
            }
        });
        url
    }

    /// Is dialled through memory; `cable` is put in between at the agent's end.
    pub(crate) fn dialer(self, cable: Cable) -> Dialer {
        Dialer::from_fn("http://localhost", move || {
            let (near, far) = tokio::io::duplex(64 << 10);
            tokio::spawn(self.clone().serve(far));
            let near: BoxIo = Box::new(Plugged { io: Some(near), cable: cable.clone() });
            async { Ok(near) }
        })
        .unwrap()
    }
}

pub(crate) fn status(status: StatusCode) -> Response<Empty<Bytes>> {
    Response::builder().status(status).body(Empty::new()).unwrap()
}

pub(crate) fn config(carrier: Option<Carrier>, timing: Timing) -> AgentConfig {
    AgentConfig {
        credential: CREDENTIAL.into(),
        hello: Hello {
            software: "test/1".into(),
            instance: "i".into(),
            capabilities: vec!["deliveries".into()],
            ..Hello::default()
        },
        carrier,
        timing,
        jitter: Arc::new(|| 1.0),
    }
}

/// An agent that runs until this is dropped.
pub(crate) struct Running {
    pub(crate) agent: AgentHandle,
    pub(crate) stop: CancellationToken,
    _stop: DropGuard,
}

pub(crate) fn run(dialer: Dialer, config: AgentConfig, handler: Handler) -> Running {
    let (agent, handle) = Agent::new(dialer, config, move |request| handler(request));
    let stop = CancellationToken::new();
    tokio::spawn(agent.run(stop.clone()));
    Running { agent: handle, stop: stop.clone(), _stop: stop.drop_guard() }
}

/// The same on a thread and a runtime of its own.
pub(crate) fn run_on_a_thread(dialer: Dialer, config: AgentConfig, handler: Handler) -> Running {
    let (agent, handle) = Agent::new(dialer, config, move |request| handler(request));
    let stop = CancellationToken::new();
    let until = stop.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agent.run(until));
    });
    Running { agent: handle, stop: stop.clone(), _stop: stop.drop_guard() }
}

pub(crate) fn dialer(url: &str) -> Dialer {
    Dialer::new(url, Proxies::none(), Tls::new(Vec::new()).unwrap()).unwrap()
}

/// Both ends of one tunnel over a real socket.
pub(crate) struct Tunnel {
    pub(crate) link: Link,
    pub(crate) links: mpsc::UnboundedReceiver<Link>,
    pub(crate) running: Running,
}

pub(crate) async fn tunnel(carrier: Carrier, handler: Handler) -> Tunnel {
    tunnel_with(carrier, Timing::default(), handler).await
}

pub(crate) async fn tunnel_with(carrier: Carrier, timing: Timing, handler: Handler) -> Tunnel {
    let (proxy, mut links) = Proxy::new(timing.clone());
    let url = proxy.listen().await;
    let running = run(dialer(&url), config(Some(carrier), timing), handler);
    let link = links.recv().await.unwrap();
    assert_eq!(link.carrier(), carrier);
    Tunnel { link, links, running }
}

/// Waits for a state; returns it.
pub(crate) async fn until(agent: &AgentHandle, is: impl FnMut(&State) -> bool) -> State {
    agent.state().wait_for(is).await.unwrap().clone()
}

/// A connection that can go dead without a word, both ways.
#[derive(Clone, Default)]
pub(crate) struct Cable {
    cut: Arc<AtomicBool>,
    /// What was closed while cut: the other end must not hear of it.
    unheard: Arc<Mutex<Vec<DuplexStream>>>,
}

impl Cable {
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

struct Plugged {
    io: Option<DuplexStream>,
    cable: Cable,
}

impl Plugged {
    /// The wire, unless it is cut.
    fn wire(&mut self) -> Option<Pin<&mut DuplexStream>> {
        if self.cable.is_cut() { None } else { self.io.as_mut().map(Pin::new) }
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        if self.cable.is_cut() {
            self.cable.unheard.lock().unwrap().extend(self.io.take());
        }
    }
}

impl AsyncRead for Plugged {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.wire().map_or(Poll::Pending, |wire| wire.poll_read(context, buffer))
    }
}

impl AsyncWrite for Plugged {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wire().map_or(Poll::Ready(Ok(bytes.len())), |wire| wire.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().map_or(Poll::Ready(Ok(())), |wire| wire.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().map_or(Poll::Ready(Ok(())), |wire| wire.poll_shutdown(context))
    }
}
