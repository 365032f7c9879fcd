//! The HTTP client with which the proxy posts to workers' URLs: HTTP/1.1 with
//! pooled connections, no redirects, no header of its own but `host` and
//! `content-length`, and no address the policy refuses ([`guard`]). It trusts
//! whom the operating system trusts, and honours HTTPS_PROXY and NO_PROXY.

use crate::registry::address::{AddressPolicy, Place, place};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::proxy::matcher::Matcher;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

mod guard;
mod names;
mod pool;

use guard::Guarded;
pub(crate) use guard::NotConnected;
#[cfg(test)]
pub(crate) use guard::admit;
use names::{Names, System};
use pool::{Failed, Pool};

/// How much of an answer is kept, in bytes.
const KEPT: usize = 4096;
/// How much of an answer is read at all, so that its connection can be used
/// again, in bytes.
const DRAINED: usize = 64 * 1024;
/// How long the rest of an answer may take once its head is there.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Posts to workers.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    pool: Pool,
    timeout: Duration,
}

/// What a worker answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// `Retry-After`, when it is text.
    pub(crate) retry_after: Option<String>,
    /// The beginning of the body, at most 4 KiB.
    pub(crate) body: Bytes,
    /// Whether the answer may be shown: not when it comes from inside a
    /// network that was opened to deliveries, not to curious eyes.
    pub(crate) showable: bool,
}

/// Why there is no answer. The text says what happened, without the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    /// The name did not resolve.
    #[error("{0}")]
    Dns(String),
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// TLS failed.
    #[error("{0}")]
    Tls(String),
    /// No answer in time, or the connection broke.
    #[error("{0}")]
    Timeout(String),
    /// It cannot be put into a request at all.
    #[error("{0}")]
    Unsendable(String),
}

impl Unanswered {
    /// No answer within `timeout`.
    pub(super) fn late(timeout: Duration) -> Self {
        Self::Timeout(format!("no answer within {} s", timeout.as_secs_f64()))
    }
}

impl Answer {
    /// Reads an answer's body, as far as it is kept.
    pub(super) async fn read<B>(response: Response<B>, showable: bool) -> Self
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = response.into_parts();
        let retry_after =
            head.headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Self { status: head.status, retry_after, body: beginning(body).await, showable }
    }
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's trust store cannot be used")]
pub(crate) struct NoTrust(#[source] std::io::Error);

impl Outbound {
    /// A client that reaches what `policy` allows and waits `timeout` for an
    /// answer's head.
    pub(crate) fn new(policy: AddressPolicy, timeout: Duration) -> Result<Self, NoTrust> {
        Self::by(policy, timeout, Arc::new(System), Matcher::from_system())
    }

    /// With names resolved by `names`, and HTTPS by way of `proxies`.
    fn by(
        policy: AddressPolicy,
        timeout: Duration,
        names: Arc<dyn Names>,
        proxies: Matcher,
    ) -> Result<Self, NoTrust> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(provider)
            .map_err(NoTrust)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(Guarded::new(Arc::new(policy), timeout, names, proxies));
        Ok(Self { pool: Pool::new(connector), timeout })
    }

    /// Closes connections that were unused for a while. To be called at least
    /// every few seconds.
    pub(crate) fn tidy(&self) {
        self.pool.tidy();
    }

    /// Posts once.
    pub(crate) async fn post(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, Unanswered> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        let (response, answering) = tokio::time::timeout(self.timeout, self.pool.send(uri, request))
            .await
            .map_err(|_| Unanswered::late(self.timeout))?
            .map_err(classify)?;
        let showable =
            answering.peer().is_none_or(|peer| matches!(place(peer), Place::Public | Place::Loopback));
        Ok(answering.read(Answer::read(response, showable)).await)
    }
}

/// The first 4 KiB; what breaks off or takes too long ends there, since the
/// status has already said what became of the delivery.
async fn beginning<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Bytes {
    let mut kept = BytesMut::new();
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            read += data.len();
            kept.extend_from_slice(&data[..data.len().min(KEPT - kept.len())]);
            if read > DRAINED {
                break;
            }
        }
    };
    // Whether it ended or not: what was kept is what there is.
    let _ = tokio::time::timeout(ANSWER_BODY_TIMEOUT, reading).await;
    kept.freeze()
}

fn classify(failed: Failed) -> Unanswered {
    match failed {
        Failed::NotConnected(error) => told(&*error).unwrap_or_else(|| not_connected(&*error)),
        Failed::Broken(error) => told(&error).unwrap_or_else(|| {
            Unanswered::Timeout(format!("the connection broke before an answer came: {}", root(&error)))
        }),
        Failed::Nowhere => Unanswered::Unsendable("the URL has no host".to_owned()),
    }
}

/// What the connector, or TLS, says of it.
fn told(error: &(dyn Error + 'static)) -> Option<Unanswered> {
    causes(error).find_map(|cause| {
        if let Some(found) = cause.downcast_ref::<NotConnected>() {
            let text = crate::http::error::chain(found);
            return Some(match found {
                NotConnected::Unresolved { .. } => Unanswered::Dns(text),
                NotConnected::Refused { .. } | NotConnected::Proxy { .. } => Unanswered::Connect(text),
            });
        }
        cause.downcast_ref::<rustls::Error>().map(|tls| Unanswered::Tls(format!("TLS failed: {tls}")))
    })
}

fn not_connected(error: &(dyn Error + 'static)) -> Unanswered {
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if io.into_iter().any(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
        return Unanswered::Tls("TLS failed: the connection was closed during the handshake".into());
    }
    Unanswered::Connect(format!("no connection: {}", root(error)))
}

/// An error and what it was caused by, what an I/O error wraps included.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&this| {
        match this.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => this.source(),
        }
    })
}

fn root(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests;
