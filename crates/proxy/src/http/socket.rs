//! An accepted connection, which can be taken to another runtime after it was
//! read from: only what comes first says where it belongs.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Socket {
    /// Absent once it could not be taken along.
    stream: Option<TcpStream>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream) }
    }

    fn stream(&mut self) -> Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

/// What a server speaks HTTP on.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Goes on in the runtime in which this is called.
    ///
    /// # Errors
    /// When the system refuses; the connection is of no use then.
    fn come_along(&mut self) -> Result<()>;

    /// The host that a TLS client asked for.
    fn server_name(&self) -> Option<&str>;
}

impl Wire for Socket {
    fn come_along(&mut self) -> Result<()> {
        let stream = self.stream.take().ok_or_else(|| Error::from(ErrorKind::NotConnected))?;
        self.stream = Some(TcpStream::from_std(stream.into_std()?)?);
        Ok(())
    }

    fn server_name(&self) -> Option<&str> {
        None
    }
}

impl Wire for TlsStream<Socket> {
    fn come_along(&mut self) -> Result<()> {
        self.get_mut().0.come_along()
    }

    fn server_name(&self) -> Option<&str> {
        self.get_ref().1.server_name()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.stream()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Socket, Wire};
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_connection_goes_on_in_another_runtime() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = Socket::new(listener.accept().await.unwrap().0);
        client.write_all(b"first").await.unwrap();
        let mut first = [0; 5];
        socket.read_exact(&mut first).await.unwrap();
        let elsewhere = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                socket.come_along().unwrap();
                let mut rest = String::new();
                socket.read_to_string(&mut rest).await.unwrap();
                socket.write_all(rest.as_bytes()).await.unwrap();
            });
        });
        client.write_all(b"second").await.unwrap();
        client.shutdown().await.unwrap();
        let mut echo = String::new();
        client.read_to_string(&mut echo).await.unwrap();
        assert_eq!(echo, "second");
        elsewhere.join().unwrap();
    }
}
