//! Serving HTTP/1 on a listener: bounded in time and number, drained on stop.

use crate::receiver::Peer;
use crate::state::with_causes;
use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_tls::Acceptor;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// So many connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 1024;
/// How long to wait when the system cannot accept (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests on `listener` with `routes` until `stop`; then finishes
/// those under way. Handlers find the [`Peer`] among the extensions. With `tls`,
/// every connection begins with a handshake. `head`: how long a request's head
/// may take to arrive, and an idle connection stays.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Acceptor>,
    routes: Router,
    head: Duration,
    stop: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (http, routes, stop, tls) = (http.clone(), routes.clone(), stop.clone(), tls.clone());
                connections.spawn(async move {
                    begin(&http, stream, tls, peer, routes, stop).await;
                    drop(permit);
                });
            }
            Err(e) if of_one_connection(&e) => {}
            Err(e) => {
                tracing::warn!(error = %e, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn begin(
    http: &http1::Builder,
    stream: TcpStream,
    tls: Option<Acceptor>,
    peer: SocketAddr,
    routes: Router,
    stop: CancellationToken,
) {
    // Without it small answers wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return connection(http, stream, peer, routes, stop).await };
    let shaken = tokio::select! {
        shaken = tls.accept(stream) => shaken,
        // No request is under way yet.
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(stream) => connection(http, stream, peer, routes, stop).await,
        Err(e) => tracing::debug!(%peer, error = %with_causes(&e), "no TLS connection"),
    }
}

async fn connection<I>(
    http: &http1::Builder,
    stream: I,
    peer: SocketAddr,
    routes: Router,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer::Address(peer));
        let mut routes = routes.clone();
        async move { routes.call(request.map(Body::new)).await }
    });
    let served = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!(%peer, error = %e, "a connection ended early");
    }
}

fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Whether a body could not be read because it is framed wrongly; otherwise it
/// broke off, which is not its sender's fault.
pub(crate) fn is_misframed(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
            return true;
        }
        cause = error.source();
    }
    false
}
