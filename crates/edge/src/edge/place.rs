//! Where deliveries arrive on this machine. It can move to another port while
//! the edge runs: the new one is taken first, so that a port that cannot be had
//! changes nothing, and requests under way on the old one are finished.

use super::{EdgeConfig, StartError, listen};
use crate::api::{ApiError, ReceiverPort};
use crate::ports::{self, OwnPorts};
use crate::serve::serve;
use axum::Router;
use postern_protocol::ErrorCode;
use postern_tls::Acceptor;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The receiver's place.
pub(crate) struct Place {
    config: EdgeConfig,
    now: RwLock<Now>,
    own_ports: OwnPorts,
    moves: mpsc::UnboundedSender<TcpListener>,
}

struct Now {
    base: String,
    port: u16,
}

impl Now {
    fn of(config: &EdgeConfig, listener: &TcpListener) -> Result<Self, StartError> {
        let port = listener.local_addr().map_or(0, |address| address.port());
        Ok(Self { base: listen::webhook_base(config, listener)?, port })
    }
}

impl Place {
    /// That of `listener`, and where the listeners come that it moves to.
    pub(super) fn new(
        config: &EdgeConfig,
        listener: &TcpListener,
        own_ports: OwnPorts,
    ) -> Result<(Self, mpsc::UnboundedReceiver<TcpListener>), StartError> {
        let (moves, moved) = mpsc::unbounded_channel();
        let now = RwLock::new(Now::of(config, listener)?);
        Ok((Self { config: config.clone(), now, own_ports, moves }, moved))
    }

    /// The receiver's address as the proxy sees it, without a path or slash.
    pub(crate) fn base(&self) -> String {
        self.now.read().unwrap_or_else(PoisonError::into_inner).base.clone()
    }

    /// The port, and whether it was given at the start.
    pub(crate) fn port(&self) -> ReceiverPort {
        ReceiverPort {
            port: self.now.read().unwrap_or_else(PoisonError::into_inner).port,
            fixed: self.config.receiver_bind.port() != 0,
        }
    }

    /// A listener on another port; `None` where it need not move.
    ///
    /// # Errors
    /// `request.unsupported` where the port was given at the start;
    /// `request.malformed` for 0; `unavailable` when the port cannot be had, with
    /// the reason.
    pub(crate) async fn on(&self, port: Option<u16>) -> Result<Option<TcpListener>, ApiError> {
        let here = self.port();
        let Some(port) = port.filter(|port| *port != here.port) else { return Ok(None) };
        if here.fixed {
            let message = format!("the port was given when Postern started (`--port {}`)", here.port);
            return Err(ApiError::new(ErrorCode::Unsupported, message));
        }
        if port == 0 {
            return Err(ApiError::new(ErrorCode::BadRequest, "`port` is 0, and must be 1 to 65535"));
        }
        match TcpListener::bind(SocketAddr::new(self.config.receiver_bind.ip(), port)).await {
            Ok(listener) => Ok(Some(listener)),
            Err(e) => Err(ApiError::new(ErrorCode::Unavailable, refusal(port, &e).await)),
        }
    }

    /// Moves to a listener that [`Place::on`] made.
    pub(crate) fn take(&self, listener: TcpListener) {
        // It was read at the start already.
        let Ok(next) = Now::of(&self.config, &listener) else { return };
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        self.own_ports.exchange(now.port, next.port);
        *now = next;
        // Nobody serves an edge that only answers operations.
        let _ = self.moves.send(listener);
    }
}

/// Why a port cannot be had, in words.
async fn refusal(port: u16, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = tokio::task::spawn_blocking(move || ports::holder(port)).await.ok().flatten();
            match holder {
                Some(program) => format!("port {port} is taken by {program}"),
                None => format!("port {port} is taken by another program"),
            }
        }
        ErrorKind::PermissionDenied => format!("port {port} is the system's: take one from 1024 on"),
        _ => format!("port {port} cannot be listened on: {error}"),
    }
}

/// Serves deliveries wherever the place is, until `stop`.
pub(super) async fn receive(
    mut listener: TcpListener,
    mut moved: mpsc::UnboundedReceiver<TcpListener>,
    tls: Option<Acceptor>,
    deliveries: Router,
    head: Duration,
    stop: CancellationToken,
) {
    let serving = TaskTracker::new();
    loop {
        let over = stop.child_token();
        serving.spawn(serve(listener, tls.clone(), deliveries.clone(), head, over.clone()));
        listener = tokio::select! {
            Some(next) = moved.recv() => next,
            () = stop.cancelled() => break,
        };
        over.cancel();
    }
    serving.close();
    serving.wait().await;
}
