//! The connections to workers. An attempt drives the one it uses by itself: no
//! other task stands between it and the socket, and its request is written
//! when it is first polled. In between a connection is kept for a while, and
//! looked at before it is used again: what the other side has closed meanwhile
//! is dropped.

use super::guard::Guarded;
use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connection as _, HttpInfo};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Io = MaybeHttpsStream<TokioIo<TcpStream>>;
/// Where a connection leads.
type Server = (Scheme, Authority);

/// How long an unused connection is kept: less than servers keep theirs (the
/// shortest common is 5 s), or a delivery would meet one just being closed.
const IDLE: Duration = Duration::from_secs(4);
/// How many unused connections are kept for one host.
const IDLE_PER_HOST: usize = 16;
/// How often connections that were unused for too long are looked for.
const TIDY: Duration = Duration::from_secs(1);

/// Connects, and keeps what is not used.
#[derive(Clone)]
pub(super) struct Pool {
    connector: HttpsConnector<Guarded>,
    unused: Arc<Mutex<Unused>>,
}

struct Unused {
    connections: HashMap<Server, Vec<Connection>>,
    tidied: Instant,
}

/// A connection.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// Absent once it has ended.
    io: Option<http1::Connection<Io, Full<Bytes>>>,
    peer: Option<IpAddr>,
    unused_since: Instant,
}

/// A connection on which a request was answered; the answer's body may still
/// be on its way.
pub(super) struct Answering {
    pool: Pool,
    server: Server,
    connection: Connection,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no connection to be had.
    NotConnected(BoxError),
    /// It broke.
    Broken(hyper::Error),
    /// There is nowhere to connect to: the URL is not whole.
    Nowhere,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(connector: HttpsConnector<Guarded>) -> Self {
        let unused = Unused { connections: HashMap::new(), tidied: Instant::now() };
        Self { connector, unused: Arc::new(Mutex::new(unused)) }
    }

    /// Sends a request to where `uri` leads, and waits for the answer's head.
    pub(super) async fn send(
        &self,
        uri: Uri,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Answering), Failed> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Failed::Nowhere);
        };
        let server = (scheme.clone(), authority.clone());
        address(&mut request, &uri);
        loop {
            let (mut connection, used) = match self.take(&server) {
                Some(connection) => (connection, true),
                None => (self.connect(&uri).await?, false),
            };
            let response = connection.requests.try_send_request(request);
            match driving(&mut connection.io, response).await {
                Ok(response) => {
                    let answering = Answering { pool: self.clone(), server, connection };
                    return Ok((response, answering));
                }
                // The other side had just closed it: nothing was written.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used => request = unsent,
                    _ => return Err(Failed::Broken(error.into_error())),
                },
            }
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<Connection, Failed> {
        let io = self.connector.clone().call(uri.clone()).await.map_err(Failed::NotConnected)?;
        let mut known = Extensions::new();
        io.connected().get_extras(&mut known);
        let peer = known.get::<HttpInfo>().map(|peer| peer.remote_addr().ip());
        let (requests, io) = http1::handshake(io).await.map_err(Failed::Broken)?;
        Ok(Connection { requests, io: Some(io), peer, unused_since: Instant::now() })
    }

    /// An unused connection that is open, as far as this side knows.
    fn take(&self, server: &Server) -> Option<Connection> {
        loop {
            let mut connection = self.lock().connections.get_mut(server)?.pop()?;
            let fresh = connection.unused_since.elapsed() < IDLE;
            if fresh && connection.look(&mut Context::from_waker(Waker::noop())) {
                return Some(connection);
            }
        }
    }

    fn keep(&self, server: Server, mut connection: Connection) {
        connection.unused_since = Instant::now();
        let mut unused = self.lock();
        let kept = unused.connections.entry(server).or_default();
        if kept.len() < IDLE_PER_HOST {
            kept.push(connection);
        }
    }

    /// Closes, now and then, what was unused for too long. To be called at
    /// least every few seconds.
    pub(super) fn tidy(&self) {
        let mut unused = self.lock();
        if unused.tidied.elapsed() < TIDY {
            return;
        }
        unused.tidied = Instant::now();
        unused.connections.retain(|_, kept| {
            kept.retain(|connection| connection.unused_since.elapsed() < IDLE);
            !kept.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Unused> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Whether it is open and takes a request.
    fn look(&mut self, context: &mut Context<'_>) -> bool {
        if self.io.as_mut().is_some_and(|io| io.poll_unpin(context).is_ready()) {
            self.io = None;
        }
        self.io.is_some() && self.requests.is_ready()
    }
}

impl Answering {
    /// The address at the other end, which may be a proxy's.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.connection.peer
    }

    /// Reads what is left of the answer by `reading`, and keeps the connection
    /// for the next request if it is good for one.
    pub(super) async fn read<T>(mut self, reading: impl Future<Output = T>) -> T {
        let read = driving(&mut self.connection.io, reading).await;
        if poll_fn(|context| Poll::Ready(self.connection.look(context))).await {
            self.pool.keep(self.server, self.connection);
        }
        read
    }
}

/// Waits for `work`, which waits for what the connection brings.
async fn driving<T>(io: &mut Option<http1::Connection<Io, Full<Bytes>>>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        // What it ended by, `work` is told.
        if io.as_mut().is_some_and(|io| io.poll_unpin(context).is_ready()) {
            *io = None;
        }
        work.as_mut().poll(context)
    })
    .await
}

/// Fills in where the request goes, as HTTP/1.1 writes it.
fn address(request: &mut Request<Full<Bytes>>, uri: &Uri) {
    let standard = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = uri.host().unwrap_or_default();
    let host = match uri.port_u16().filter(|port| *port != standard) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    if let Ok(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
}
