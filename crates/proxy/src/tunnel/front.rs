//! The front of public tunnels: a visitor's request goes down the connection of
//! the worker that serves the tunnel, and the answer comes back, both as
//! streams, with their trailers.
//!
//! What it promises: nothing is read ahead of whoever reads it; whoever hangs
//! up is heard at the other end; a body cut short never ends as if it were
//! whole; and a request that may have been acted on is not sent again.
//!
//! The host or the path say which tunnel a request is for
//! ([`super::address`]); then it is judged ([`access`], [`traffic`],
//! [`signed`]), its head made what the worker is to see ([`head`]), and its
//! bodies watched on their way ([`exchange`], [`websocket`]). Where there is no
//! answer to pass on, the visitor gets a [`page`].

use super::address::{Address, Place};
use super::lanes::Lane;
use super::names::Names;
use crate::config;
use crate::http::body::BodyReader;
use crate::http::error::{ApiError, Refused, chain};
use crate::http::hangup::Hangup;
use crate::ingest::Ingest;
use crate::store::{RequestId, ReservedTunnel, Store};
use axum::body::Body;
use exchange::{Download, Exchange, Upload};
use futures_util::FutureExt;
use http::header::{HeaderValue, LOCATION};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use metrics_exporter_prometheus::PrometheusRecorder;
use page::{Failure, Wanted};
use postern_protocol::api::tunnels::{HeaderRules, TunnelName};
use postern_protocol::{Clock, ErrorCode};
use postern_tunnel::{Link, SendError, TunnelBody};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use visitor::Visitor;

mod access;
mod exchange;
mod head;
mod metrics;
mod page;
mod signed;
mod traffic;
mod visitor;
mod websocket;

/// The largest head of a request, in bytes: 64 KiB of cookies and the rest.
pub(crate) const LARGEST_HEAD: usize = 80 << 10;

/// The front.
pub(crate) struct Front {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    names: Arc<Names>,
    address: Arc<Address>,
    ingest: Arc<Ingest>,
    bodies: BodyReader,
    settings: config::Tunnel,
    traffic: traffic::All,
    metrics: metrics::FrontMetrics,
    /// One task for each WebSocket.
    tasks: TaskTracker,
}

/// What the front needs.
pub(crate) struct Needs {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) names: Arc<Names>,
    pub(crate) address: Arc<Address>,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) bodies: BodyReader,
    pub(crate) settings: config::Tunnel,
    pub(crate) recorder: Arc<PrometheusRecorder>,
    pub(crate) tasks: TaskTracker,
}

/// What a visitor comes over.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) peer: IpAddr,
    pub(crate) tls: bool,
    /// Tells that the visitor hung up, where HTTP itself does not.
    pub(crate) hangup: Option<Hangup>,
}

/// A request for a tunnel, as far as it is understood.
struct Visit {
    id: RequestId,
    wanted: Wanted,
    head: Parts,
    tunnel: Arc<ReservedTunnel>,
    by_path: bool,
    host: Option<Authority>,
    visitor: Visitor,
    connection: Connection,
}

impl Front {
    pub(crate) fn new(needs: Needs) -> Self {
        let Needs { store, clock, names, address, ingest, bodies, settings, recorder, tasks } = needs;
        let metrics = metrics::FrontMetrics::new(recorder);
        let traffic = traffic::All::default();
        Self { store, clock, names, address, ingest, bodies, settings, traffic, metrics, tasks }
    }

    /// Which tunnel a request is for; `None`: none.
    pub(crate) fn place(&self, head: &Parts) -> Option<Place> {
        self.address.find(head)
    }

    /// The thread on which requests of this target and host are at home; absent:
    /// any.
    pub(crate) fn lane(&self, target: &str, host: Option<&str>) -> Option<Lane> {
        self.names.lane(&self.address.guess(target, host)?)
    }

    /// Answers a request for a tunnel.
    pub(crate) async fn answer(
        &self,
        head: Parts,
        body: Body,
        place: Place,
        connection: Connection,
    ) -> Response<Body> {
        let id = RequestId(crate::entropy::bytes());
        let wanted = Wanted::of(&head.headers);
        let name = match &place {
            Place::Tunnel { name, .. } => Some(name.clone()),
            Place::Slash | Place::Unknown | Place::Unclear(_) => None,
        };
        let shown = name.as_ref().map_or("-", TunnelName::as_str);
        let method = head.method.clone();
        let span = tracing::debug_span!("visit", %id, %method, tunnel = shown);
        async {
            let began = Instant::now();
            let passed =
                AssertUnwindSafe(self.pass(id, wanted, head, body, place, connection)).catch_unwind().await;
            let passed = passed.unwrap_or_else(|_| Err(ApiError::internal("the front panicked").into()));
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            match passed {
                Ok(response) => {
                    tracing::debug!(status = response.status().as_u16(), micros, "answered");
                    response
                }
                Err(failure) => {
                    let code = failure.code();
                    let status = failure.status().as_u16();
                    tracing::info!(%id, %method, tunnel = shown, status, micros, %code, "refused");
                    self.metrics.refused(name.as_ref(), code);
                    let mut response = failure.page(wanted, id);
                    response.extensions_mut().insert(Refused(code));
                    response
                }
            }
        }
        .instrument(span)
        .await
    }

    async fn pass(
        &self,
        id: RequestId,
        wanted: Wanted,
        head: Parts,
        body: Body,
        place: Place,
        connection: Connection,
    ) -> Result<Response<Body>, Failure> {
        let (name, by_path, host) = match place {
            Place::Tunnel { name, by_path, host } => (name, by_path, host),
            Place::Slash => return with_slash(&head),
            Place::Unknown => return Err(Failure::unknown()),
            Place::Unclear(why) => return Err(Failure::new(ErrorCode::BadRequest, why)),
        };
        if head.method == Method::CONNECT && !websocket::connects(&head) {
            return Err(Failure::new(ErrorCode::MethodNotAllowed, "a tunnel takes no CONNECT"));
        }
        if head::size(&head) > LARGEST_HEAD {
            return Err(Failure::too_large_a_head());
        }
        let tunnel = self.store.tunnel(&name).await.map_err(ApiError::from)?;
        let tunnel = tunnel.ok_or_else(Failure::unknown)?;
        let metrics = self.metrics.of(&name);
        let visitor = Visitor::of(&head, &connection, host.as_ref(), &self.settings);
        let mut visit = Visit { id, wanted, head, tunnel, by_path, host, visitor, connection };
        access::network(&visit.tunnel.options, visit.visitor.address)?;
        let traffic = self.traffic.of(&name);
        traffic.rate(&visit, &self.settings, self.clock.now())?;
        access::credentials(&visit.tunnel, &mut visit.head.headers)?;
        let room = traffic.enter(&visit, &self.settings)?;
        let link = self.link(&name)?;
        let exchange = Exchange::new(room, metrics, self.settings.idle_timeout);
        if let Some(asked) = websocket::asked(&mut visit.head) {
            return self.websocket(visit, asked, &link, exchange).await;
        }
        let body = match visit.tunnel.options.only_signed.clone() {
            Some(source) => self.signed(&mut visit.head, &visit.tunnel, &source, body).await?,
            None => body,
        };
        self.http(visit, body, link, exchange).await
    }

    /// The connection of whoever serves the tunnel.
    fn link(&self, name: &TunnelName) -> Result<Link, Failure> {
        self.names.link(name).ok_or_else(|| Failure::offline(name))
    }

    async fn http(
        &self,
        visit: Visit,
        body: Body,
        link: Link,
        exchange: Arc<Exchange>,
    ) -> Result<Response<Body>, Failure> {
        let hangup = visit.connection.hangup.clone();
        let rules = visit.tunnel.clone();
        let name = visit.tunnel.name.clone();
        let (id, wanted) = (visit.id, visit.wanted);
        let head = head::down(visit)?;
        // Only what has no body can be sent a second time.
        let again = body.is_end_stream().then(|| head.clone());
        let epoch = link.epoch();
        let upload = Upload::new(body, exchange.clone());
        let sending = async {
            match link.send(Request::from_parts(head, upload)).await {
                Err(error) if error.is_safe_to_retry() => match (again, self.names.link(&name)) {
                    // It went away at this very moment, and came back.
                    (Some(head), Some(link)) if link.epoch() != epoch => {
                        link.send(Request::from_parts(head, Body::empty())).await
                    }
                    _ => Err(error),
                },
                sent => sent,
            }
        };
        let response = tokio::select! {
            sent = sending => sent.map_err(|error| unanswered(&error, &name))?,
            () = hung_up(hangup.as_ref()) => return Err(Failure::new(ErrorCode::BodyIncomplete, "the visitor hung up")),
            () = exchange.idle() => return Err(Failure::late()),
        };
        Ok(passed_on(response, exchange, hangup, &rules.options.response_headers, wanted, id).await)
    }
}

/// What the worker answered, on its way to the visitor.
async fn passed_on(
    response: Response<TunnelBody>,
    exchange: Arc<Exchange>,
    hangup: Option<Hangup>,
    rules: &HeaderRules,
    wanted: Wanted,
    id: RequestId,
) -> Response<Body> {
    exchange.answered(response.status(), response.headers());
    let (mut head, body) = response.into_parts();
    let reason = head::reason(&head.headers);
    head::up(&mut head.headers, rules);
    if let Some(reason) = reason
        && wanted == Wanted::Html
        && head::is_json(&head.headers)
    {
        return page::of_edge(head.status, reason, body, id).await;
    }
    let mut response = Response::new(Body::new(Download::new(body, exchange, hangup)));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// Waits for a hang-up, where it can be told.
async fn hung_up(hangup: Option<&Hangup>) {
    match hangup {
        Some(hangup) => hangup.wait().await,
        None => std::future::pending().await,
    }
}

/// Why the worker's connection gave no answer.
fn unanswered(error: &SendError, name: &TunnelName) -> Failure {
    tracing::debug!(error = %chain(error), "no answer through the tunnel");
    match error {
        SendError::NotSent(_) => Failure::offline(name),
        SendError::Refused | SendError::Reset(_) | SendError::Lost(_) => Failure::broken(),
        SendError::Invalid(_) | SendError::InvalidTarget(_) => {
            Failure::new(ErrorCode::BadRequest, "the request has what cannot travel through a tunnel")
        }
    }
}

/// `/t/name` is `/t/name/`, or what it links to would be found elsewhere.
fn with_slash(head: &Parts) -> Result<Response<Body>, Failure> {
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/{query}", head.uri.path());
    let location = HeaderValue::from_str(&location)
        .map_err(|_| Failure::new(ErrorCode::BadRequest, "its path has what cannot be sent back"))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
