//! The bytes of a tunnel inside a WebSocket's binary messages. Where one
//! message ends has no meaning; a front may merge and split them.

use crate::settings::MAX_WRITE;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, protocol::Role};

/// An upgraded connection on which WebSocket frames go both ways.
#[derive(Debug)]
pub(crate) struct WebSocketIo<T> {
    socket: WebSocketStream<T>,
    unread: Bytes,
}

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocketIo<T> {
    pub(crate) async fn new(io: T, role: Role) -> Self {
        Self { socket: WebSocketStream::from_raw_socket(io, role, None).await, unread: Bytes::new() }
    }

    fn send(&mut self, context: &mut Context<'_>, bytes: impl FnOnce() -> Bytes) -> Poll<Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(broken)?;
        let bytes = bytes();
        let len = bytes.len();
        let sent = Pin::new(&mut self.socket).start_send(Message::Binary(bytes));
        Poll::Ready(sent.map(|()| len).map_err(broken))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        while self.unread.is_empty() {
            // Pings are answered by the library while it reads.
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {
                    let error = "a WebSocket message that is not binary";
                    return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, error)));
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let len = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocketIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.send(context, || Bytes::copy_from_slice(&bytes[..bytes.len().min(MAX_WRITE)]))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.send(context, || gather(slices))
    }

    fn is_write_vectored(&self) -> bool {
        // A frame's head and its payload go out as one message.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(context)) {
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) | Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}

fn gather(slices: &[IoSlice<'_>]) -> Bytes {
    let mut room = 2 * MAX_WRITE;
    let mut bytes = BytesMut::with_capacity(slices.iter().map(|slice| slice.len()).sum::<usize>().min(room));
    for slice in slices {
        let len = slice.len().min(room);
        bytes.extend_from_slice(&slice[..len]);
        room -= len;
    }
    bytes.freeze()
}

fn broken(error: WsError) -> Error {
    match error {
        WsError::Io(error) => error,
        WsError::ConnectionClosed | WsError::AlreadyClosed => ErrorKind::BrokenPipe.into(),
        other => Error::new(ErrorKind::InvalidData, other),
    }
}
