//! Handshakes.

use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a client gets that speaks HTTP where HTTPS is spoken.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\
content-length: 79\r\nconnection: close\r\n\r\n\
{\"error\":{\"code\":\"request.malformed\",\"message\":\"this port speaks HTTPS only\"}}\n";

/// How a handshake did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the TLS handshake took longer than {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The client spoke plain HTTP, and was told.
    #[error("the client spoke HTTP, not HTTPS")]
    PlainHttp,
    /// The client and we do not come together, or the connection broke.
    #[error("the TLS handshake failed")]
    Failed(#[source] io::Error),
}

/// Makes handshakes. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    timeout: Duration,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Acceptor {
    pub(crate) fn new(config: Arc<ServerConfig>, timeout: Duration) -> Self {
        Self { tls: config.into(), timeout }
    }

    /// Makes the handshake on an accepted connection. Call it in the
    /// connection's own task: accepting goes on meanwhile.
    ///
    /// # Errors
    /// When there is no TLS connection in the end.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        self.accept_as(stream, |stream| stream).await
    }

    /// The same, with the connection inside what `wrap` makes of it.
    ///
    /// # Errors
    /// As [`Acceptor::accept`].
    pub async fn accept_as<S>(
        &self,
        stream: TcpStream,
        wrap: impl FnOnce(TcpStream) -> S,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        tokio::time::timeout(self.timeout, self.handshake(stream, wrap))
            .await
            .unwrap_or(Err(HandshakeError::Timeout(self.timeout)))
    }

    async fn handshake<S>(
        &self,
        mut stream: TcpStream,
        wrap: impl FnOnce(TcpStream) -> S,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut first = [0];
        // A handshake's first byte is 22; a request's is a letter of its method.
        if stream.peek(&mut first).await.map_err(HandshakeError::Failed)? == 1
            && first[0].is_ascii_uppercase()
        {
            stream.write_all(PLAIN_HTTP).await.map_err(HandshakeError::Failed)?;
            return Err(HandshakeError::PlainHttp);
        }
        self.tls.accept(wrap(stream)).await.map_err(HandshakeError::Failed)
    }
}
