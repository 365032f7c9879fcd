//! Connections to a tunnel's target: those that are idle are used again for a
//! moment, and given up before the server would give them up itself. gRPC, which
//! is HTTP/2 only, has one connection for all of its requests.

use super::body::Upload;
use super::exchange::Exchange;
use super::origin::{ConnectError, Origin};
use crate::api::{ApiError, TunnelSettings};
use crate::ports::OwnPorts;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A connection, as requests are handed to it.
pub(super) type Sender = http1::SendRequest<Upload>;

/// For how long an idle connection is kept: servers close theirs after 2 s at
/// the earliest, and what is sent just then is lost.
const IDLE: Duration = Duration::from_millis(1_500);
/// So many are kept, for as many visitors at once.
const MOST: usize = 256;
/// What a stream, and a connection, of HTTP/2 may have in flight.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);
/// The most headers of an answer.
const HEADERS: usize = 1_000;

/// The way to one target.
pub(super) struct Pool {
    /// Or why it cannot be one.
    origin: Result<Origin, ApiError>,
    idle: Mutex<Idle>,
    grpc: tokio::sync::Mutex<Option<http2::SendRequest<Upload>>>,
}

#[derive(Default)]
struct Idle {
    /// The one used last at the end.
    senders: Vec<(Sender, Instant)>,
    /// Whether somebody will look for those that are too old.
    swept: bool,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("{}", .0.message)]
    Target(ApiError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection ended without an answer")]
    Unanswered(#[source] hyper::Error),
    #[error("no answer")]
    Silent,
}

impl Pool {
    pub(super) fn new(settings: &TunnelSettings, own_ports: &OwnPorts) -> Self {
        Self {
            origin: Origin::parse(settings, own_ports),
            idle: Mutex::default(),
            grpc: tokio::sync::Mutex::default(),
        }
    }

    /// What it leads to.
    pub(super) fn origin(&self) -> Result<&Origin, SendError> {
        self.origin.as_ref().map_err(|e| SendError::Target(e.clone()))
    }

    /// Sends a request, over an idle connection where there is one. It is sent
    /// again only where an idle connection had ended already: when none of it
    /// was written, or when it is idempotent, has no body, and the connection
    /// ended without a byte of an answer (RFC 9110, section 9.2.2).
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
        exchange: &Exchange,
    ) -> Result<(Response<Incoming>, Sender), SendError> {
        loop {
            let Some(mut sender) = self.take() else {
                let mut sender = self.connect().await?;
                exchange.connected();
                let answered = sender.try_send_request(request).await;
                let response = answered.map_err(|e| SendError::Unanswered(e.into_error()))?;
                return Ok((response, sender));
            };
            let spare = spare(&request);
            request = match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => unsent,
                    None => match spare.filter(|_| failed.error().is_incomplete_message()) {
                        Some(again) => again,
                        None => return Err(SendError::Unanswered(failed.into_error())),
                    },
                },
            };
        }
    }

    /// Sends a gRPC request over the connection for those.
    pub(super) async fn send_grpc(
        &self,
        request: Request<Upload>,
        exchange: &Exchange,
    ) -> Result<Response<Incoming>, SendError> {
        let mut sender = {
            let mut kept = self.grpc.lock().await;
            match kept.clone().filter(|sender| !sender.is_closed()) {
                Some(sender) => sender,
                None => {
                    let sender = self.connect_grpc().await?;
                    exchange.connected();
                    kept.insert(sender).clone()
                }
            }
        };
        sender.send_request(request).await.map_err(SendError::Unanswered)
    }

    async fn connect_grpc(&self) -> Result<http2::SendRequest<Upload>, SendError> {
        let io = self.origin()?.connect(&[b"h2"]).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1);
        let shaken = builder.handshake(TokioIo::new(io)).await;
        let (sender, connection) = shaken.map_err(SendError::Unanswered)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a tunnel's target ended early");
            }
        });
        Ok(sender)
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Sender, SendError> {
        let io = self.origin()?.connect(&[b"http/1.1"]).await?;
        let shaken = http1::Builder::new().max_headers(HEADERS).handshake(TokioIo::new(io)).await;
        let (sender, connection) = shaken.map_err(SendError::Unanswered)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a tunnel's target ended early");
            }
        });
        Ok(sender)
    }

    /// An idle connection, the one used last.
    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle();
        let now = Instant::now();
        let ready = idle
            .senders
            .iter()
            .rposition(|(sender, since)| sender.is_ready() && now.duration_since(*since) < IDLE)?;
        Some(idle.senders.remove(ready).0)
    }

    /// A connection whose answer has come.
    pub(super) fn give(self: &Arc<Self>, sender: Sender) {
        let mut idle = self.idle();
        if sender.is_closed() || idle.senders.len() >= MOST {
            return;
        }
        idle.senders.push((sender, Instant::now()));
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn forget_old(&mut self) {
        let now = Instant::now();
        self.senders.retain(|(sender, since)| !sender.is_closed() && now.duration_since(*since) < IDLE);
    }
}

/// Ends idle connections in time, as long as there are any.
async fn sweep(pool: std::sync::Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        idle.forget_old();
        if idle.senders.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

/// The same request once more, where it may be sent twice.
fn spare(request: &Request<Upload>) -> Option<Request<Upload>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut spare = Request::new(Upload::Empty);
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}
