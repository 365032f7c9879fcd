//! Asks the proxy for the tunnel on a fresh connection, and understands a no.

use super::dial::Target;
use super::state::DownReason;
use crate::carrier::websocket::WebSocketIo;
use crate::carrier::{CONNECT_PATH, Carrier, PROTOCOL_HEADER, SUBPROTOCOL, UPGRADE};
use crate::io::BoxIo;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE as UPGRADE_HEADER, USER_AGENT,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use postern_protocol::{ErrorBody, ErrorCode, PROTOCOL_VERSION, Secret};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The most of a refusal's body that is read for its reason.
const MAX_REFUSAL: usize = 16 << 10;

/// Why an attempt failed, and whether the other carrier may fare better.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: DownReason,
    pub(super) try_other: bool,
}

impl Failure {
    /// Whatever carries the bytes, the answer would be the same.
    pub(super) fn definite(reason: DownReason) -> Self {
        Self { reason, try_other: false }
    }

    /// A front that does not know the carrier may have caused it.
    pub(super) fn perhaps_the_carrier(reason: DownReason) -> Self {
        Self { reason, try_other: true }
    }

    pub(super) fn cut(error: &impl std::fmt::Display) -> Self {
        Self::perhaps_the_carrier(DownReason::Unanswered(error.to_string().into()))
    }
}

/// Upgrades `io`, or says why not. `software` is the `User-Agent`.
pub(super) async fn upgrade(
    io: BoxIo,
    carrier: Carrier,
    target: &Target,
    credential: &Secret,
    software: &str,
) -> Result<BoxIo, Failure> {
    let key = generate_key();
    let request = request(carrier, target, credential, software, &key)?;
    let cut = |error: hyper::Error| Failure::cut(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(cut)?;
    let mut driver = JoinSet::new();
    driver.spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(cut)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response).await);
    }
    if !agrees(carrier, &response, &key) {
        return Err(Failure::cut(&"the answer names another protocol"));
    }
    let upgraded = TokioIo::new(hyper::upgrade::on(response).await.map_err(cut)?);
    Ok(match carrier {
        Carrier::Upgrade => Box::new(upgraded),
        Carrier::WebSocket => Box::new(WebSocketIo::new(upgraded, Role::Client).await),
    })
}

fn request(
    carrier: Carrier,
    target: &Target,
    credential: &Secret,
    software: &str,
    key: &str,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let unusable = || {
        let message = "the credential cannot be put into a header".to_owned();
        Failure::definite(DownReason::Refused { message })
    };
    let mut bearer: HeaderValue =
        format!("Bearer {}", credential.reveal()).parse().map_err(|_| unusable())?;
    bearer.set_sensitive(true);
    let request = Request::get(format!("{}{CONNECT_PATH}", target.path))
        .header(HOST, target.authority.as_str())
        .header(USER_AGENT, software)
        .header(AUTHORIZATION, bearer)
        .header(PROTOCOL_HEADER, PROTOCOL_VERSION)
        .header(CONNECTION, "Upgrade");
    let request = match carrier {
        Carrier::Upgrade => request.header(UPGRADE_HEADER, UPGRADE),
        Carrier::WebSocket => request
            .header(UPGRADE_HEADER, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, key)
            .header(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL),
    };
    request.body(Empty::new()).map_err(|error| Failure::cut(&error))
}

/// Whether a `101` is to what was asked.
fn agrees<B>(carrier: Carrier, response: &Response<B>, key: &str) -> bool {
    let is = |name, value: &str| {
        response.headers().get(name).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    match carrier {
        Carrier::Upgrade => is(UPGRADE_HEADER, UPGRADE),
        Carrier::WebSocket => {
            let accept = derive_accept_key(key.as_bytes());
            is(UPGRADE_HEADER, "websocket")
                && is(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
                && response.headers().get(SEC_WEBSOCKET_ACCEPT).is_some_and(|v| v == accept.as_str())
        }
    }
}

/// What an answer other than `101` means. The proxy's own words carry a code;
/// anything else may be a front's that does not know the carrier.
async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let body = Limited::new(response.into_body(), MAX_REFUSAL).collect().await;
    let words = body.ok().and_then(|body| serde_json::from_slice::<ErrorBody>(&body.to_bytes()).ok());
    let own = words.is_some();
    let (code, message) = words
        .map(|words| (words.error.code, words.error.message))
        .unwrap_or_else(|| (String::new(), status.to_string()));
    let reason = match status {
        StatusCode::UNAUTHORIZED => return Failure::definite(DownReason::Refused { message }),
        StatusCode::FORBIDDEN => DownReason::Refused { message },
        StatusCode::UPGRADE_REQUIRED if code == ErrorCode::ProtocolUnsupported.as_str() => {
            DownReason::ProtocolUnsupported { message }
        }
        // The proxy itself asks for an upgrade: a front has taken it away.
        StatusCode::UPGRADE_REQUIRED | StatusCode::BAD_REQUEST => {
            return Failure::perhaps_the_carrier(DownReason::NoTunnel { status: status.as_u16() });
        }
        StatusCode::TOO_MANY_REQUESTS => DownReason::Busy { status: status.as_u16(), message, retry_after },
        _ if status.is_server_error() => DownReason::Busy { status: status.as_u16(), message, retry_after },
        _ => DownReason::NoTunnel { status: status.as_u16() },
    };
    Failure { reason, try_other: !own }
}
