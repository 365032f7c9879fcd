//! Hears that a client hung up while it waits for an answer. The server answers
//! whoever has sent all and closed its side, and so does not look; a tunnel
//! must, since the work behind it ends with its visitor.
//!
//! Whoever listens reads ahead of the server, a little, and the server gets
//! those bytes first. Both do so in the connection's own task.

use bytes::{Buf, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are read ahead at most: of a client that sends more before
/// it hangs up, that is not heard.
const AHEAD: usize = 16 << 10;

/// A connection.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for T {}

struct Shared {
    io: Box<dyn Wire>,
    ahead: BytesMut,
    /// Nothing comes any more.
    ended: bool,
}

/// A connection as the server sees it.
pub(crate) struct Watched(Arc<Mutex<Shared>>);

/// The end of a connection, to be waited for.
#[derive(Clone)]
pub(crate) struct Hangup(Arc<Mutex<Shared>>);

impl Watched {
    /// `ahead` was read of it already.
    pub(crate) fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, ahead: BytesMut) -> Self {
        Self(Arc::new(Mutex::new(Shared { io: Box::new(io), ahead, ended: false })))
    }

    /// What tells of its end. To be waited for in the task that serves the
    /// connection, while it awaits an answer.
    pub(crate) fn hangup(&self) -> Hangup {
        Hangup(self.0.clone())
    }
}

impl Hangup {
    /// Waits until the client has closed its side, or the connection is broken.
    pub(crate) async fn wait(&self) {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            while !shared.ended {
                if shared.ahead.len() >= AHEAD {
                    return Poll::Pending;
                }
                ready!(shared.poll_ahead(context));
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl Shared {
    /// Reads some bytes ahead, or the end.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer));
        self.ended = read.is_err() || buffer.filled().is_empty();
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(())
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.0);
        if !shared.ahead.is_empty() {
            let taken = shared.ahead.len().min(buffer.remaining());
            buffer.put_slice(&shared.ahead[..taken]);
            shared.ahead.advance(taken);
            return Poll::Ready(Ok(()));
        }
        if shared.ended {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut shared.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut lock(&self.0).io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut lock(&self.0).io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.0).io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_hang_up_is_heard_and_no_byte_is_lost() {
        let (mut client, server) = duplex(64 << 10);
        let mut watched = Watched::new(server, b"very "[..].into());
        let hangup = watched.hangup();
        client.write_all(b"first").await.unwrap();
        assert!(hangup.wait().now_or_never().is_none());
        client.write_all(b" second").await.unwrap();
        drop(client);
        hangup.wait().await;
        let mut all = String::new();
        watched.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "very first second");
    }

    #[tokio::test]
    async fn reading_ahead_is_bounded() {
        let (mut client, server) = duplex(1 << 20);
        let watched = Watched::new(server, BytesMut::new());
        client.write_all(&vec![b'x'; 200_000]).await.unwrap();
        drop(client);
        assert!(watched.hangup().wait().now_or_never().is_none());
        assert!(lock(&watched.0).ahead.len() < AHEAD + 4096);
    }
}
