//! Serves a router on a listener, and in front of it, where there is one, the
//! front of public tunnels; over HTTP/1.1, and HTTP/2 where a client begins with
//! it. One task per connection, a limit on how
//! long a request's head may take (idle kept-alive connections end by it too),
//! and a drain: once told to stop, no connection is taken any more, requests
//! under way are answered, and what has not ended by the deadline is cut. A
//! connection that was upgraded is no longer the server's, nor its drain's.
//!
//! A connection whose first request is a tunnel's goes on in the thread of that
//! tunnel ([`crate::tunnel::lanes`]); whatever else is asked over it is answered
//! there as well.

use super::beginning::Beginning;
use super::hangup::{Hangup, Watched};
use super::socket::{Socket, Wire};
use crate::tunnel::front::{self, Front, LARGEST_HEAD};
use crate::tunnel::lanes::{Lane, Lanes};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use postern_tls::Acceptor;
use postern_tunnel::CONNECT_PATH;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::Service;

/// How long accepting rests when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take nothing of what it is sent before its connection
/// is cut: what was meant for it takes memory.
const STALLED: Duration = Duration::from_secs(30);

/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// What one of them, and all of them together, may have on its way to us: large
/// enough for fast uploads from far away.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Times of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long the head of a request may take.
    pub(crate) header_timeout: Duration,
    /// How long requests under way may take once told to stop.
    pub(crate) drain: Duration,
}

/// What answers a connection's requests.
trait Answers:
    hyper::service::Service<
        http::Request<hyper::body::Incoming>,
        Response = axum::response::Response,
        Error = std::convert::Infallible,
        Future: Send,
    > + Send
    + 'static
{
}

impl<S> Answers for S where
    S: hyper::service::Service<
            http::Request<hyper::body::Incoming>,
            Response = axum::response::Response,
            Error = std::convert::Infallible,
            Future: Send,
        > + Send
        + 'static
{
}

/// Who answers.
#[derive(Clone)]
pub(crate) struct Answering {
    pub(crate) router: Router,
    /// Asked first, where there is one.
    pub(crate) front: Option<Arc<Front>>,
    /// Where tunnels have threads of their own.
    pub(crate) lanes: Option<Arc<Lanes>>,
}

/// How both versions of HTTP are spoken.
#[derive(Clone)]
struct Http {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
    header_timeout: Duration,
}

impl Http {
    fn new(header_timeout: Duration) -> Self {
        let mut one = http1::Builder::new();
        // Who has sent all and closes its side still gets its answer.
        one.timer(TokioTimer::new()).header_read_timeout(header_timeout).half_close(true);
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS)
            // WebSockets of visitors (RFC 8441).
            .enable_connect_protocol()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(Some(STALLED))
            .keep_alive_timeout(STALLED);
        Self { one, two, header_timeout }
    }
}

/// Serves until `stop`, then drains. Returns when the last connection ended.
/// With `tls`, every connection begins with a handshake, in its own task.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Acceptor>,
    answering: Answering,
    limits: Limits,
    stop: CancellationToken,
) {
    let http = Http::new(limits.header_timeout);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let client = Client { answering: answering.clone(), peer, tls: tls.is_some(), lane: None };
        let (http, tls, stop) = (http.clone(), tls.clone(), stop.clone());
        connections.spawn(async move {
            let Some(tls) = tls else { return connection(http, stop, Socket::new(stream), client).await };
            let shaken = tokio::select! {
                shaken = tls.accept_as(stream, Socket::new) => shaken,
                // No request is under way yet.
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(stream) => connection(http, stop, stream, client).await,
                Err(error) => {
                    let error = super::error::chain(&error);
                    tracing::debug!(%error, "no TLS connection");
                }
            }
        });
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut: the drain's deadline passed");
        connections.shutdown().await;
    }
}

/// Serves one connection, where it belongs; from `stop` on, no further request
/// of it.
async fn connection(http: Http, stop: CancellationToken, mut io: impl Wire, mut client: Client) {
    let begun = tokio::select! {
        begun = tokio::time::timeout(http.header_timeout, Beginning::read(&mut io)) => begun,
        // No request is under way yet.
        () = stop.cancelled() => return,
    };
    let Ok(begun) = begun else { return tracing::debug!("a connection was opened for nothing") };
    let Some((lane, runtime)) = client.lane(&begun, io.server_name()) else {
        return answer(&http, &stop, io, begun, client).await;
    };
    client.lane = Some(lane);
    let elsewhere = runtime.spawn(async move {
        match io.come_along() {
            Ok(()) => answer(&http, &stop, io, begun, client).await,
            Err(error) => tracing::warn!(%error, "a connection could not go on in another thread"),
        }
    });
    // It ends with this task, which the server knows.
    if let Err(error) = AbortOnDropHandle::new(elsewhere).await
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

/// Answers the requests of one connection.
async fn answer<I>(http: &Http, stop: &CancellationToken, io: I, begun: Beginning, client: Client)
where
    I: AsyncRead + AsyncWrite + Send + 'static,
{
    let http2 = begun.http2;
    let mut io = TimeoutStream::new(io);
    io.set_write_timeout(Some(STALLED));
    let io = Watched::new(Box::pin(io), begun.bytes);
    // A stream of HTTP/2 ends by itself with its visitor.
    let hangup = (!http2).then(|| io.hangup());
    let service = client.service(hangup);
    if http2 {
        let serving = http.two.serve_connection(TokioIo::new(io), service);
        tokio::pin!(serving);
        log(tokio::select! {
            served = &mut serving => served,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        });
    } else {
        let serving = http.one.serve_connection(TokioIo::new(io), service).with_upgrades();
        tokio::pin!(serving);
        log(tokio::select! {
            served = &mut serving => served,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        });
    }
}

fn log(served: hyper::Result<()>) {
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Whoever is at the other end, and who answers them.
struct Client {
    answering: Answering,
    peer: SocketAddr,
    tls: bool,
    /// The thread of its own that it has.
    lane: Option<Lane>,
}

impl Client {
    /// The thread on which what it begins with is at home, if not anywhere.
    fn lane(&self, begun: &Beginning, server_name: Option<&str>) -> Option<(Lane, Handle)> {
        let (lanes, front) = (self.answering.lanes.as_ref()?, self.answering.front.as_ref()?);
        let (target, host) = begun.asks().unwrap_or(("", server_name));
        let lane = if target == CONNECT_PATH { lanes.next() } else { front.lane(target, host)? };
        Some((lane, lanes.runtime(lane).clone()))
    }

    fn service(self, hangup: Option<Hangup>) -> impl Answers {
        let Self { answering: Answering { router, front, .. }, peer, tls, lane } = self;
        let connection = front::Connection { peer: peer.ip(), tls, hangup };
        hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let (mut router, front, connection) = (router.clone(), front.clone(), connection.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = Body::new(body);
                if let Some(front) = front
                    && let Some(place) = front.place(&head)
                {
                    return Ok(front.answer(head, body, place, connection).await);
                }
                let mut request = http::Request::from_parts(head, body);
                request.extensions_mut().insert(ConnectInfo(peer));
                if let Some(lane) = lane {
                    request.extensions_mut().insert(lane);
                }
                router.call(request).await
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::AsyncWriteExt;

    /// Whoever asks for a stream and takes nothing of it is cut.
    #[tokio::test(start_paused = true)]
    async fn a_stalled_client_is_cut() {
        let endless = || stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024])));
        let router = Router::new().route("/", get(async move || Body::from_stream(endless())));
        let (mut client, mut server) = tokio::io::duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let stop = CancellationToken::new();
        let began = tokio::time::Instant::now();
        let answering = Answering { router, front: None, lanes: None };
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let client = Client { answering, peer, tls: false, lane: None };
        let begun = Beginning::read(&mut server).await;
        answer(&Http::new(STALLED), &stop, server, begun, client).await;
        assert!(began.elapsed() >= STALLED && began.elapsed() < 2 * STALLED);
    }
}
