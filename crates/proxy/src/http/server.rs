//! Serves a router on a listener: one task per connection, a limit on how
//! long a request's head may take (idle kept-alive connections end by it too),
//! and a drain: once told to stop, no connection is taken any more, requests
//! under way are answered, and what has not ended by the deadline is cut. A
//! connection that was upgraded is no longer the server's, nor its drain's.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_tls::Acceptor;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How long accepting rests when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take nothing of what it is sent before its connection
/// is cut: what was meant for it takes memory.
const STALLED: Duration = Duration::from_secs(30);

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

/// Serves until `stop`, then drains. Returns when the last connection ended.
/// With `tls`, every connection begins with a handshake, in its own task.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let mut http = http1::Builder::new();
    // Who has sent all and closes its side still gets its answer.
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).half_close(true);
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
        let service = service(router.clone(), peer);
        let (http, tls, stop) = (http.clone(), tls.clone(), stop.clone());
        connections.spawn(async move {
            let Some(tls) = tls else { return connection(&http, &stop, stream, service).await };
            let shaken = tokio::select! {
                shaken = tls.accept(stream) => shaken,
                // No request is under way yet.
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(stream) => connection(&http, &stop, stream, service).await,
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

/// Serves one connection; from `stop` on, no further request of it.
async fn connection<I, S>(http: &http1::Builder, stop: &CancellationToken, io: I, service: S)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Answers,
{
    let mut io = TimeoutStream::new(io);
    io.set_write_timeout(Some(STALLED));
    let serving = http.serve_connection(TokioIo::new(Box::pin(io)), service).with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}

fn service(router: Router, peer: SocketAddr) -> impl Answers {
    hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    })
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
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let stop = CancellationToken::new();
        let began = tokio::time::Instant::now();
        let service = service(router, SocketAddr::from(([127, 0, 0, 1], 1)));
        connection(&http1::Builder::new(), &stop, server, service).await;
        assert!(began.elapsed() >= STALLED && began.elapsed() < 2 * STALLED);
    }
}
