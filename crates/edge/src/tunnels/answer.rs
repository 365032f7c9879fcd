//! A visitor's request, from the tunnel to the target and back.

use super::body::{Download, Upload};
use super::exchange::{Exchange, Exchanges};
use super::origin::ConnectError;
use super::pool::{Pool, SendError, Sender};
use super::problem::Problem;
use super::upgrade::{Upgraded, upgrade};
use super::{Tunnel, Tunnels, head};
use crate::state::with_causes;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use postern_protocol::ErrorCode;
use postern_protocol::api::tunnels::{HEADER_NAME, TunnelName};
use postern_tunnel::{GoAhead, TunnelBody, on_stream};
use std::sync::Arc;
use std::time::Duration;

/// Answers a request that came for a tunnel: with what its target says, or why
/// it says nothing.
pub(crate) async fn answer(
    exchanges: &Arc<Exchanges>,
    tunnels: &Tunnels,
    request: Request<TunnelBody>,
) -> Response {
    let name = request.headers().get(HEADER_NAME).and_then(|name| name.to_str().ok());
    let name: Option<TunnelName> = name.and_then(|name| name.parse().ok());
    let tunnel = name.and_then(|name| tunnels.named(&name)).filter(|tunnel| tunnel.is_on());
    let Some(tunnel) = tunnel else { return off().answer() };
    let id = head::request_id(request.headers()).to_owned();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let method = if *request.method() == Method::CONNECT { &Method::GET } else { request.method() };
    let exchange = Exchange::new(exchanges, Arc::clone(&tunnel), method, path, None);
    let patience = patience(&tunnel);
    let sent = tokio::select! {
        sent = send(&tunnel, request, &exchange) => sent,
        () = exchange.silence(patience) => Err(SendError::Silent),
    };
    match sent {
        Ok(response) => response,
        Err(error) => {
            let problem = problem(&error, &tunnel, patience);
            tracing::debug!(tunnel = %tunnel.kept.name, request = id, error = %with_causes(&error), "not answered");
            exchange.failed(&problem.message);
            let response = problem.answer();
            exchange.answered(response.status(), response.headers());
            response
        }
    }
}

async fn send(
    tunnel: &Tunnel,
    mut request: Request<TunnelBody>,
    exchange: &Arc<Exchange>,
) -> Result<Response, SendError> {
    let (pool, keep_host) = (&tunnel.pool, tunnel.kept.settings.keep_host);
    if let Some(offered) = on_stream(&mut request) {
        let (parts, _) = request.into_parts();
        return match upgrade(parts, offered, pool, keep_host, exchange).await? {
            Upgraded::Accepted(response) => Ok(response),
            Upgraded::Refused(response, sender) => {
                Ok(back(response, Some((Arc::clone(pool), sender)), exchange))
            }
        };
    }
    let (mut parts, body) = request.into_parts();
    let bodiless = body.is_end_stream();
    let body = if bodiless { Upload::Empty } else { Upload::Tunnel(body, Arc::clone(exchange)) };
    let go_ahead = parts.extensions.remove::<GoAhead>();
    let mut request = head::request(parts, pool.origin()?, keep_host, bodiless).map(|()| body);
    if let Some(go_ahead) = go_ahead {
        hyper::ext::on_informational(&mut request, move |interim| {
            if interim.status() == StatusCode::CONTINUE {
                go_ahead.give();
            }
        });
    }
    exchange.asked(request.headers());
    if head::is_grpc(request.headers()) {
        let request = head::of_http_2(request, pool.origin()?);
        let response = pool.send_grpc(request, exchange).await?;
        return Ok(back(response, None, exchange));
    }
    let (response, sender) = pool.send(request, exchange).await?;
    Ok(back(response, Some((Arc::clone(pool), sender)), exchange))
}

/// How long the target may take.
pub(super) fn patience(tunnel: &Tunnel) -> Duration {
    Duration::from_secs(tunnel.kept.settings.timeout_seconds.into())
}

/// The target's answer on its way back; afterwards its `connection` can be used
/// again.
pub(super) fn back(
    response: http::Response<Incoming>,
    connection: Option<(Arc<Pool>, Sender)>,
    exchange: &Arc<Exchange>,
) -> Response {
    let (mut parts, body) = response.into_parts();
    exchange.answered(parts.status, &parts.headers);
    head::answer(&mut parts.headers);
    let body = Download::new(body, Arc::clone(exchange), connection);
    Response::from_parts(parts, Body::new(body))
}

/// Requests may be on their way when a tunnel is switched off.
fn off() -> Problem {
    Problem {
        code: ErrorCode::TunnelOffline,
        message: "The tunnel was just switched off".into(),
        cure: "It works again when it is switched on.",
    }
}

/// Why there is no answer.
pub(super) fn problem(error: &SendError, tunnel: &Tunnel, patience: Duration) -> Problem {
    let pool = &tunnel.pool;
    let (at, port) = pool.origin().map_or(("its target", 0), |origin| (origin.authority(), origin.port()));
    let refused = |message: String, cure| Problem { code: ErrorCode::TargetRefused, message, cure };
    match error {
        SendError::Connect(ConnectError::Refused) => refused(
            format!(
                "Nothing listens on port {port} of the machine that this address leads to ({at} was tried)"
            ),
            "Start the server there; the next request reaches it.",
        ),
        SendError::Connect(ConnectError::Tls(e)) => refused(
            format!("No TLS with {at} (port {port}): {e}"),
            "A self-signed certificate has to be allowed for this tunnel.",
        ),
        SendError::Connect(e) => {
            refused(format!("{at} (port {port}) cannot be reached: {e}"), "Check the tunnel's target.")
        }
        SendError::Target(e) => refused(e.message.clone(), "Set another target for this tunnel."),
        SendError::Unanswered(e) => refused(
            format!("{at} (port {port}) ended the connection without an answer: {e}"),
            "The request may have been acted on; it was not sent again.",
        ),
        SendError::Silent => Problem {
            code: ErrorCode::TargetTimeout,
            message: format!("{at} (port {port}) did not begin to answer within {} s", patience.as_secs()),
            cure: "The request may have been acted on; it was not sent again.",
        },
    }
}
