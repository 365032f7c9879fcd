//! A visitor: HTTP/1.1 over one kept-alive connection, written and read by hand.
//! A client library's share of the machine would be measured too, and is larger
//! than a tunnel's own.

use crate::Result;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How many bytes are read or written at once.
const PIECE: usize = 256 << 10;

/// Whom visitors ask.
#[derive(Clone)]
pub(super) struct Address {
    /// Where it listens.
    pub(super) socket: SocketAddr,
    /// The host that is asked for.
    pub(super) host: String,
    /// Present: over TLS.
    pub(super) tls: Option<TlsConnector>,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One connection.
pub(super) struct Visitor {
    io: Box<dyn Io>,
    host: String,
    buffer: Vec<u8>,
}

/// The head of an answer.
struct Head {
    status: u16,
    /// Of its body, in bytes; absent: it does not say.
    length: Option<usize>,
    /// How much of the body came with it.
    come: usize,
}

impl Visitor {
    /// Connects.
    ///
    /// # Errors
    /// When nothing listens there, or shows another certificate.
    pub(super) async fn connect(to: &Address) -> Result<Self> {
        let stream = TcpStream::connect(to.socket).await?;
        stream.set_nodelay(true)?;
        let io: Box<dyn Io> = match &to.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(ServerName::try_from("localhost")?, stream).await?),
        };
        Ok(Self { io, host: to.host.clone(), buffer: vec![0; PIECE] })
    }

    /// The bytes of a GET.
    pub(super) fn asks(&self, path: &str) -> Vec<u8> {
        let host = &self.host;
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: postern-bench\r\naccept: */*\r\n\r\n")
            .into_bytes()
    }

    /// Sends a request and reads its answer; the bytes of its body.
    ///
    /// # Errors
    /// When it is not answered 200, with a length.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<usize> {
        self.io.write_all(request).await?;
        self.io.flush().await?;
        self.answer().await
    }

    /// Uploads so many bytes.
    ///
    /// # Errors
    /// As [`Visitor::ask`].
    pub(super) async fn upload(&mut self, path: &str, bytes: usize) -> Result<()> {
        let host = &self.host;
        let head = format!("PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {bytes}\r\n\r\n");
        self.io.write_all(head.as_bytes()).await?;
        let piece = vec![b'u'; PIECE];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(piece.len());
            self.io.write_all(&piece[..now]).await?;
            left -= now;
        }
        // TLS keeps what the socket did not take at once.
        self.io.flush().await?;
        self.answer().await.map(drop)
    }

    /// Opens a WebSocket, over which nothing goes.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) async fn open_websocket(&mut self, path: &str) -> Result<()> {
        let host = &self.host;
        let asks = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.io.write_all(asks.as_bytes()).await?;
        self.io.flush().await?;
        match self.head().await?.status {
            101 => {
                self.buffer = Vec::new();
                Ok(())
            }
            status => Err(format!("a WebSocket was answered {status}").into()),
        }
    }

    async fn answer(&mut self) -> Result<usize> {
        let head = self.head().await?;
        if head.status != 200 {
            return Err(format!("answered {}", head.status).into());
        }
        let length = head.length.ok_or("an answer does not say its length")?;
        let mut come = head.come;
        while come < length {
            match self.io.read(&mut self.buffer).await? {
                0 => return Err("an answer was cut short".into()),
                read => come += read,
            }
        }
        Ok(length)
    }

    async fn head(&mut self) -> Result<Head> {
        let mut filled = 0;
        let end = loop {
            let read = self.io.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err("the connection ended before the answer".into());
            }
            let from = filled.saturating_sub(3);
            filled += read;
            let seen = self.buffer[from..filled].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(at) = seen {
                break from + at + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..end])?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        Ok(Head { status: status.ok_or("what answers does not speak HTTP")?, length, come: filled - end })
    }
}

/// Runs this in a thread of its own, so that one load does not wait for another.
///
/// # Errors
/// What it says, or that there is no thread.
pub(super) async fn apart<F, T>(work: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    F: Future<Output = Result<T>>,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
    })
    .await?
}
