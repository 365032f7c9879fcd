//! Calls to the proxy, by the route table of [`postern_protocol::api`].

use crate::api::ApiError;
use crate::state::with_causes;
use postern_protocol::api::tunnels::{ReserveTunnel, TunnelInfo, TunnelList, TunnelName, TunnelOptions};
use postern_protocol::api::{
    CanaryReport, CanaryRequest, CatchUpRequest, CaughtUp, ClaimRenewed, DeadLetterFilter, DeliveryDetail,
    DeliveryFilter, DeliveryList, DiscardRequest, EventRecord, LeaseRequest, LeaseResponse, Progress,
    RecoverRequest, Recovered, RedriveRequest, RegisterRequest, RegisterResponse, ReplayRequest, Replayed,
    ReportWork, RotatedSecret, SourceList, TriggerRequest, TriggerResponse, WorkerList, WorkspaceInfo,
};
use postern_protocol::id::{DeliveryId, WorkerId};
use postern_protocol::{ErrorBody, ErrorCode, Secret};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::{Host, Url};

/// Answers longer than this are not the proxy's.
const LONGEST_ANSWER: usize = 8 << 20;

/// The HTTP clients, shared by all sessions.
#[derive(Clone)]
pub(crate) struct Clients {
    /// Through the system's HTTP proxy, where one is set.
    outward: Client,
    /// For loopback, which no HTTP proxy can reach for us.
    loopback: Client,
}

impl Clients {
    pub(crate) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .timeout(timeout)
                .connect_timeout(timeout.min(Duration::from_secs(10)))
                .redirect(reqwest::redirect::Policy::none())
                // Calls are few, and a connection kept over a sleep or a change
                // of networks would answer with its timeout.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("postern-edge/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self { outward: builder().build()?, loopback: builder().no_proxy().build()? })
    }

    /// A client of the proxy at `base` ([`base_url`]).
    pub(crate) fn proxy(&self, base: &str) -> ProxyClient {
        let local = Url::parse(base).is_ok_and(|url| is_loopback(&url));
        let http = if local { &self.loopback } else { &self.outward };
        ProxyClient { http: http.clone(), base: base.to_owned() }
    }
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// A proxy's base URL as people write it, in the one form that is stored.
///
/// # Errors
/// When it is no `https://` address (`http://` on this machine), or has a
/// user, a query or a fragment; the message says which.
pub fn base_url(text: &str) -> Result<String, ApiError> {
    let refuse = |why: &str| Err(ApiError::new(ErrorCode::BadRequest, format!("the proxy's address {why}")));
    let Ok(url) = Url::parse(text.trim()) else {
        return refuse("is not a URL: write it as https://postern.example");
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return refuse(
                "must begin with https:// (http:// only on this machine): the token would travel in the clear",
            );
        }
        _ => return refuse("must begin with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not contain a user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("must not contain `?` or `#`");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Why a call to the proxy came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// No answer.
    #[error("cannot reach the proxy: {0}")]
    Unreachable(String),
    /// An answer other than 2xx.
    #[error("{message}")]
    Refused { status: u16, code: String, message: String, retry_after: Option<Duration> },
    /// An answer that is not of the protocol.
    #[error("what answers at the proxy's address is not a Postern proxy: {0}")]
    Foreign(String),
}

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> Self {
        match error {
            ProxyError::Refused { code, message, status, .. } => {
                Self { code, message, retryable: matches!(status, 429 | 500..) }
            }
            other => Self::new(ErrorCode::ProxyUnreachable, other.to_string()),
        }
    }
}

/// One proxy.
#[derive(Clone)]
pub(crate) struct ProxyClient {
    http: Client,
    base: String,
}

impl ProxyClient {
    pub(crate) async fn workspace(&self, token: &Secret) -> Result<WorkspaceInfo, ProxyError> {
        json(self.request(Method::GET, "/v1/workspace", Some(token))).await
    }

    pub(crate) async fn sources(&self, token: &Secret) -> Result<SourceList, ProxyError> {
        json(self.request(Method::GET, "/v1/sources", Some(token))).await
    }

    pub(crate) async fn workers(&self, credential: &Secret) -> Result<WorkerList, ProxyError> {
        json(self.request(Method::GET, "/v1/workers", Some(credential))).await
    }

    /// Registers; with the worker's `credential`, that worker again.
    pub(crate) async fn register(
        &self,
        request: &RegisterRequest,
        credential: Option<&Secret>,
    ) -> Result<RegisterResponse, ProxyError> {
        json(self.request(Method::POST, "/edge/register", credential).json(request)).await
    }

    pub(crate) async fn lease(
        &self,
        worker: &str,
        credential: &Secret,
        request: &LeaseRequest,
    ) -> Result<LeaseResponse, ProxyError> {
        let path = format!("/edge/workers/{worker}/lease");
        json(self.request(Method::POST, &path, Some(credential)).json(request)).await
    }

    /// Has the worker's signing secret replaced.
    pub(crate) async fn rotate_secret(
        &self,
        worker: &str,
        credential: &Secret,
    ) -> Result<RotatedSecret, ProxyError> {
        let path = format!("/edge/workers/{worker}/secret");
        json(self.request(Method::POST, &path, Some(credential))).await
    }

    /// Has a canary sent to the worker, and says what came of it.
    pub(crate) async fn canary(
        &self,
        worker: &str,
        credential: &Secret,
        request: &CanaryRequest,
    ) -> Result<CanaryReport, ProxyError> {
        let path = format!("/edge/workers/{worker}/canary");
        json(self.request(Method::POST, &path, Some(credential)).json(request)).await
    }

    /// Says what becomes of what is held for the worker.
    pub(crate) async fn catch_up(
        &self,
        worker: &str,
        credential: &Secret,
        request: &CatchUpRequest,
    ) -> Result<CaughtUp, ProxyError> {
        let path = format!("/edge/workers/{worker}/catch-up");
        json(self.request(Method::POST, &path, Some(credential)).json(request)).await
    }

    /// Has a skipped, held or given-up event delivered after all.
    pub(crate) async fn redeliver(&self, event: &str, credential: &Secret) -> Result<(), ProxyError> {
        let path = format!("/edge/events/{event}/redeliver");
        send(self.request(Method::POST, &path, Some(credential))).await.map(|_| ())
    }

    pub(crate) async fn dead_letters(
        &self,
        bearer: &Secret,
        filter: &DeadLetterFilter,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<DeliveryList, ProxyError> {
        self.listed("/v1/dead-letters", bearer, filter, cursor, limit).await
    }

    /// A page of deliveries.
    async fn listed(
        &self,
        path: &str,
        bearer: &Secret,
        filter: &impl Serialize,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<DeliveryList, ProxyError> {
        let unwritten = |_| ProxyError::Foreign("the filter cannot be written as a query".into());
        let filter = serde_urlencoded::to_string(filter).map_err(unwritten)?;
        let page = [("cursor", cursor.map(str::to_owned)), ("limit", limit.map(|limit| limit.to_string()))];
        let page = serde_urlencoded::to_string(page).map_err(unwritten)?;
        json(self.request(Method::GET, &format!("{path}?{filter}&{page}"), Some(bearer))).await
    }

    pub(crate) async fn deliveries(
        &self,
        bearer: &Secret,
        filter: &DeliveryFilter,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<DeliveryList, ProxyError> {
        self.listed("/v1/deliveries", bearer, filter, cursor, limit).await
    }

    pub(crate) async fn delivery(
        &self,
        id: DeliveryId,
        bearer: &Secret,
    ) -> Result<DeliveryDetail, ProxyError> {
        json(self.request(Method::GET, &format!("/v1/deliveries/{id}"), Some(bearer))).await
    }

    pub(crate) async fn redrive(
        &self,
        bearer: &Secret,
        request: &RedriveRequest,
    ) -> Result<Progress, ProxyError> {
        json(self.request(Method::POST, "/v1/dead-letters/redrive", Some(bearer)).json(request)).await
    }

    pub(crate) async fn discard(
        &self,
        bearer: &Secret,
        request: &DiscardRequest,
    ) -> Result<Progress, ProxyError> {
        json(self.request(Method::POST, "/v1/dead-letters/discard", Some(bearer)).json(request)).await
    }

    pub(crate) async fn recover(
        &self,
        worker: WorkerId,
        bearer: &Secret,
        request: &RecoverRequest,
    ) -> Result<Recovered, ProxyError> {
        let path = format!("/v1/workers/{worker}/recover");
        json(self.request(Method::POST, &path, Some(bearer)).json(request)).await
    }

    /// Has the proxy deliver an event once more.
    pub(crate) async fn replay(
        &self,
        event: &str,
        bearer: &Secret,
        request: &ReplayRequest,
    ) -> Result<Replayed, ProxyError> {
        let path = format!("/v1/events/{event}/replay");
        json(self.request(Method::POST, &path, Some(bearer)).json(request)).await
    }

    /// Says how the work on an event stands.
    pub(crate) async fn report_work(
        &self,
        event: &str,
        credential: &Secret,
        report: &ReportWork,
    ) -> Result<(), ProxyError> {
        let path = format!("/edge/events/{event}/status");
        send(self.request(Method::POST, &path, Some(credential)).json(report)).await.map(|_| ())
    }

    /// The same of what is held as a member of a claim group.
    pub(crate) async fn report_claim(
        &self,
        event: &str,
        credential: &Secret,
        report: &ReportWork,
    ) -> Result<ClaimRenewed, ProxyError> {
        let path = format!("/edge/events/{event}/status");
        json(self.request(Method::POST, &path, Some(credential)).json(report)).await
    }

    /// The workspace's names for public tunnels.
    pub(crate) async fn tunnels(&self, credential: &Secret) -> Result<TunnelList, ProxyError> {
        json(self.request(Method::GET, "/edge/tunnels", Some(credential))).await
    }

    pub(crate) async fn reserve_tunnel(
        &self,
        credential: &Secret,
        request: &ReserveTunnel,
    ) -> Result<TunnelInfo, ProxyError> {
        json(self.request(Method::POST, "/edge/tunnels", Some(credential)).json(request)).await
    }

    pub(crate) async fn set_tunnel_options(
        &self,
        name: &TunnelName,
        credential: &Secret,
        options: &TunnelOptions,
    ) -> Result<TunnelInfo, ProxyError> {
        let path = format!("/edge/tunnels/{name}/options");
        json(self.request(Method::PUT, &path, Some(credential)).json(options)).await
    }

    pub(crate) async fn release_tunnel(
        &self,
        name: &TunnelName,
        credential: &Secret,
    ) -> Result<(), ProxyError> {
        let path = format!("/edge/tunnels/{name}");
        send(self.request(Method::DELETE, &path, Some(credential))).await.map(|_| ())
    }

    /// The worker leaves.
    pub(crate) async fn leave(&self, worker: &str, credential: &Secret) -> Result<(), ProxyError> {
        let path = format!("/edge/workers/{worker}");
        send(self.request(Method::DELETE, &path, Some(credential))).await.map(|_| ())
    }

    pub(crate) async fn event(&self, id: &str, credential: &Secret) -> Result<EventRecord, ProxyError> {
        json(self.request(Method::GET, &format!("/edge/events/{id}"), Some(credential))).await
    }

    pub(crate) async fn trigger(
        &self,
        credential: &Secret,
        request: &TriggerRequest,
    ) -> Result<TriggerResponse, ProxyError> {
        json(self.request(Method::POST, "/v1/events/trigger", Some(credential)).json(request)).await
    }

    fn request(&self, method: Method, path: &str, bearer: Option<&Secret>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match bearer {
            Some(bearer) => request.bearer_auth(bearer.reveal()),
            None => request,
        }
    }
}

async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ProxyError> {
    let body = send(request).await?;
    serde_json::from_slice(&body).map_err(|_| ProxyError::Foreign("its answer is of another form".into()))
}

async fn send(request: RequestBuilder) -> Result<Vec<u8>, ProxyError> {
    let unreachable = |e: reqwest::Error| ProxyError::Unreachable(explain(e));
    let mut answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let retry_after = retry_after(&answer);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return Err(ProxyError::Foreign("its answer is too long".into()));
        }
    }
    if status.is_success() { Ok(body) } else { Err(refusal(status, &body, retry_after)) }
}

fn refusal(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> ProxyError {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(ErrorBody { error }) => ProxyError::Refused {
            status: status.as_u16(),
            code: error.code,
            message: error.message,
            retry_after,
        },
        // A gateway before the proxy answers 502–504 in its own words.
        Err(_) if status.is_server_error() => ProxyError::Unreachable(format!("it answers {status}")),
        Err(_) => ProxyError::Foreign(format!("it answers {status}")),
    }
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A failed call in words, without the URL, which people know.
fn explain(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        if let Some(io) = e.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return "connection refused: nothing listens there".into();
        }
        cause = e.source();
    }
    with_causes(&error)
}

#[cfg(test)]
mod tests {
    use super::base_url;

    #[test]
    fn a_proxys_address_has_one_form() {
        assert_eq!(base_url(" https://Postern.Example/ ").unwrap(), "https://postern.example");
        assert_eq!(base_url("https://example.com/postern/").unwrap(), "https://example.com/postern");
        assert_eq!(base_url("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base_url("http://localhost:8080/").unwrap(), "http://localhost:8080");
        assert_eq!(base_url("http://[::1]:8080/").unwrap(), "http://[::1]:8080");
    }

    #[test]
    fn an_address_that_would_leak_the_token_is_refused() {
        for refused in [
            "http://postern.example",
            "http://localhost.example.com",
            "ftp://postern.example",
            "https://u:p@postern.example",
            "https://postern.example/?x",
            "https://postern.example/#x",
            "postern.example",
            "",
        ] {
            assert_eq!(base_url(refused).unwrap_err().code, "request.malformed", "{refused}");
        }
    }
}
