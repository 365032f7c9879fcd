//! Raw bytes through the tunnel: what is left of a WebSocket, or of any
//! protocol that upgraded, once both ends have said yes (RFC 8441).

use crate::body::Held;
use crate::settings::MAX_WRITE;
use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Bytes both ways, each paced by its reader. Shut the writing half down to end
/// it; a stream that is dropped instead is reset, and its reader sees an error.
#[derive(Debug)]
pub struct TunnelStream {
    recv: RecvStream,
    send: SendStream<Bytes>,
    unread: Bytes,
    finished: bool,
    _held: Held,
}

impl TunnelStream {
    pub(crate) fn new(recv: RecvStream, send: SendStream<Bytes>, held: Held) -> Self {
        Self { recv, send, unread: Bytes::new(), finished: false, _held: held }
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        while this.unread.is_empty() {
            match ready!(this.recv.poll_data(context)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => this.unread = data.map_err(broken)?,
            }
        }
        let len = this.unread.len().min(buffer.remaining());
        buffer.put_slice(&this.unread[..len]);
        this.unread.advance(len);
        Poll::Ready(this.recv.flow_control().release_capacity(len).map_err(broken))
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let wanted = bytes.len().min(MAX_WRITE);
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(context)) {
                Some(capacity) => drop(capacity.map_err(broken)?),
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            }
        }
        let len = wanted.min(self.send.capacity());
        let sent = self.send.send_data(Bytes::copy_from_slice(&bytes[..len]), false);
        Poll::Ready(sent.map(|()| len).map_err(broken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        // The connection writes as soon as the socket takes it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.finished {
            self.finished = true;
            self.send.reserve_capacity(0);
            return Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(broken));
        }
        Poll::Ready(Ok(()))
    }
}

fn broken(error: h2::Error) -> Error {
    if error.is_io() {
        error.into_io().unwrap_or_else(|| ErrorKind::ConnectionAborted.into())
    } else {
        Error::new(ErrorKind::ConnectionReset, error)
    }
}

/// An answer of 2xx grants the stream; one that is to be an answer and nothing
/// more travels with another status, and its own in here.
const STATUS: HeaderName = HeaderName::from_static("x-postern-status");

/// At the agent: an answer of 2xx that grants nothing.
pub(crate) fn refusal<B>(mut answer: Response<B>) -> Response<B> {
    let status = HeaderValue::from(answer.status().as_u16());
    answer.headers_mut().insert(STATUS, status);
    *answer.status_mut() = StatusCode::UPGRADE_REQUIRED;
    answer
}

/// At the proxy: the answer as it was given; `false`: the stream is not granted.
pub(crate) fn granted<B>(answer: &mut Response<B>) -> bool {
    let status = answer.headers_mut().remove(STATUS);
    let granted = answer.status().is_success();
    if let Some(status) = status.and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok())
        && !granted
    {
        *answer.status_mut() = status;
    }
    granted
}

/// A request at the agent that wants raw bytes after a 2xx: put there by the
/// transport, taken with [`on_stream`].
#[derive(Clone, Debug)]
pub(crate) struct Offered(Arc<Mutex<Option<OnStream>>>);

impl Offered {
    /// What goes into the request, and where the stream will come from.
    pub(crate) fn new(protocol: &str) -> (Self, oneshot::Sender<TunnelStream>) {
        let (sender, receiver) = oneshot::channel();
        let offered = OnStream { protocol: protocol.to_owned(), receiver };
        (Self(Arc::new(Mutex::new(Some(offered)))), sender)
    }
}

/// At the agent: the raw bytes that follow a 2xx to this request, where it is
/// an extended CONNECT (a WebSocket, say). `None` for any other request, and
/// the second time.
///
/// Await it in a task of its own: it resolves once the answer has been sent.
/// Who drops it before answering means an answer and nothing more, a 2xx
/// included.
pub fn on_stream<B>(request: &mut Request<B>) -> Option<OnStream> {
    let offered = request.extensions_mut().remove::<Offered>()?;
    offered.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Resolves to the raw bytes, or not, when the request was not answered 2xx.
#[derive(Debug)]
pub struct OnStream {
    protocol: String,
    receiver: oneshot::Receiver<TunnelStream>,
}

impl OnStream {
    /// The protocol asked for: `websocket`.
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }
}

impl Future for OnStream {
    type Output = std::result::Result<TunnelStream, NoStream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map_err(|_| NoStream)
    }
}

/// The request was not answered with 2xx, or went away before it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request was not answered with a stream")]
pub struct NoStream;
