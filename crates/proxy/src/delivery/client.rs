//! The HTTP client with which the proxy posts to workers' URLs: HTTP/1.1 with
//! pooled connections, no redirects, no header of its own but `host` and
//! `content-length`, and no address the policy refuses ([`guard`]). It trusts
//! whom the operating system trusts, and honours HTTPS_PROXY and NO_PROXY.

use crate::registry::address::{AddressPolicy, Place, place};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpInfo;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

mod guard;
mod names;

use guard::Guarded;
pub(crate) use guard::NotConnected;
#[cfg(test)]
pub(crate) use guard::admit;
use names::{Names, System};

/// How much of an answer is kept, in bytes.
const KEPT: usize = 4096;
/// How much of an answer is read at all, so that its connection can be used
/// again, in bytes.
const DRAINED: usize = 64 * 1024;
/// How long the rest of an answer may take once its head is there.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept: less than servers keep theirs (the
/// shortest common is 5 s), or a delivery would meet one just being closed.
const IDLE: Duration = Duration::from_secs(4);
/// How many unused connections are kept for one host.
const IDLE_PER_HOST: usize = 16;

/// Posts to workers.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    client: Client<HttpsConnector<Guarded>, Full<Bytes>>,
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connector);
        Ok(Self { client, timeout })
    }

    /// Posts once.
    pub(crate) async fn post(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, Unanswered> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response = tokio::time::timeout(self.timeout, self.client.request(request))
            .await
            .map_err(|_| Unanswered::late(self.timeout))?
            .map_err(|error| classify(&error))?;
        let showable = response
            .extensions()
            .get::<HttpInfo>()
            .is_none_or(|peer| matches!(place(peer.remote_addr().ip()), Place::Public | Place::Loopback));
        Ok(Answer::read(response, showable).await)
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

fn classify(error: &hyper_util::client::legacy::Error) -> Unanswered {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(found) = this.downcast_ref::<NotConnected>() {
            return match found {
                NotConnected::Unresolved { .. } => Unanswered::Dns(crate::http::error::chain(found)),
                NotConnected::Refused { .. } | NotConnected::Proxy { .. } => {
                    Unanswered::Connect(crate::http::error::chain(found))
                }
            };
        }
        if let Some(io) = this.downcast_ref::<std::io::Error>() {
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return Unanswered::Tls(format!("TLS failed: {tls}"));
            }
            if error.is_connect() && io.kind() == std::io::ErrorKind::UnexpectedEof {
                return Unanswered::Tls("TLS failed: the connection was closed during the handshake".into());
            }
        }
        cause = match this.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => this.source(),
        };
    }
    let text = root(error);
    if error.is_connect() {
        Unanswered::Connect(format!("no connection: {text}"))
    } else {
        Unanswered::Timeout(format!("the connection broke before an answer came: {text}"))
    }
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
