//! One POST of a stored event to a target, and what it came to.

use super::outgoing::Outgoing;
use super::resolve::Resolver;
use super::{Target, headers, words};
use crate::api::{HostHeader, Outcome, OutcomeKind, Repeat};
use crate::history::RunEnd;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tokio::time::Instant;

/// So much of an answer's body is kept.
const ANSWER: usize = 64 * 1024;

/// Where events go, and how.
#[derive(Clone, Debug)]
pub(crate) struct To {
    pub(crate) target: Target,
    /// Absent: the edge's own.
    pub(super) timeout: Option<Duration>,
    /// Added, in place of the provider's of the same name.
    pub(super) headers: HeaderMap,
    pub(super) host: HostHeader,
    pub(super) repeat: Repeat,
}

impl To {
    /// To an address, as the event came, once.
    pub(crate) fn plain(target: Target) -> Self {
        Self {
            target,
            timeout: None,
            headers: HeaderMap::new(),
            host: HostHeader::Rewrite,
            repeat: Repeat::default(),
        }
    }

    /// With the headers that are added for this target.
    pub(super) fn addressed(&self, mut outgoing: Outgoing) -> Outgoing {
        let headers = &mut outgoing.headers;
        // The first of a name takes the provider's place, others join it.
        for name in self.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        // Without one the client names the target.
        if let (HostHeader::Keep, Some(host)) = (self.host, outgoing.host.take()) {
            headers.insert(HOST, host);
        }
        outgoing
    }
}

/// Posts events. Keeps connections to targets open for a while.
#[derive(Clone)]
pub(crate) struct Forwarder {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    timeout: Duration,
}

impl Forwarder {
    /// # Errors
    /// When the system's trust store cannot be read.
    pub(crate) fn new(timeout: Duration) -> std::io::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(Resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout.min(Duration::from_secs(10))));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(15))
            .pool_timer(TokioTimer::new())
            .build(https);
        Ok(Self { client, timeout })
    }

    /// Sends what is to go out. Redirects are not followed. Always ends, by
    /// the timeout at the latest.
    pub(super) async fn send(&self, outgoing: Outgoing, to: &To) -> RunEnd {
        let Outgoing { headers, body, warning, .. } = outgoing;
        let (target, timeout) = (&to.target, to.timeout.unwrap_or(self.timeout));
        let began = Instant::now();
        let micros = || u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        match target.url().parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => {
                return RunEnd::failed(micros(), "bad target", format!("{} is not a URL", target.url()));
            }
        }
        let answer = async {
            let answer = self.client.request(request).await?;
            let (parts, body) = answer.into_parts();
            let body = beginning(body).await;
            Ok::<_, hyper_util::client::legacy::Error>((parts, body))
        };
        let end = match tokio::time::timeout(timeout, answer).await {
            Ok(Ok((parts, body))) => {
                let micros = micros();
                RunEnd {
                    micros,
                    outcome: of_status(parts.status, micros),
                    status: Some(parts.status.as_u16()),
                    response_headers: headers::recorded(&parts.headers),
                    response_body: Some(body),
                    error: None,
                    warning: None,
                }
            }
            Ok(Err(e)) => {
                let words = words::of_error(&e, target);
                RunEnd::failed(micros(), words.label, words.error)
            }
            Err(_) => RunEnd::failed(
                micros(),
                "timed out",
                format!("{} did not answer within {} s", target.authority(), timeout.as_secs_f32()),
            ),
        };
        RunEnd { warning, ..end }
    }
}

fn of_status(status: StatusCode, micros: u64) -> Outcome {
    let kind = if status.is_success() { OutcomeKind::Succeeded } else { OutcomeKind::Failed };
    Outcome { kind, label: format!("{} · {}", status.as_u16(), duration(micros)) }
}

/// `0.8 ms`, `12 ms`, `3.4 s`.
pub(super) fn duration(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{:.1} ms", micros as f64 / 1000.0),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", micros as f64 / 1_000_000.0),
    }
}

/// The beginning of an answer's body; what breaks off is kept as far as it came.
async fn beginning(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(&data[..data.len().min(ANSWER - bytes.len())]);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
