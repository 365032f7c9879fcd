//! The proxy's answer to an agent that connects: `101` in the form it asked
//! for. Without a web framework: any server on hyper 1 can use it.

use crate::carrier::websocket::WebSocketIo;
use crate::carrier::{Carrier, PROTOCOL_HEADER, SUBPROTOCOL, UPGRADE};
use crate::io::BoxIo;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE as UPGRADE_HEADER,
};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// An agent's request for its connection, understood. Authenticate it and
/// judge its version, then answer [`Upgrading::response`] and await
/// [`Upgrading::upgraded`].
#[derive(Debug)]
pub struct Upgrading {
    carrier: Carrier,
    accept: Option<HeaderValue>,
    protocol_version: Option<String>,
    on_upgrade: OnUpgrade,
}

/// Reads an agent's request. Takes the connection's upgrade out of it, which
/// hyper's server put there.
///
/// # Errors
/// [`UpgradeRefused`] says with which status to answer.
pub fn upgrade<B>(request: &mut Request<B>) -> Result<Upgrading, UpgradeRefused> {
    let headers = request.headers();
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(UpgradeRefused::NotUpgradable);
    }
    if !lists(headers, &CONNECTION, "upgrade") {
        return Err(UpgradeRefused::Required);
    }
    let (carrier, accept) = if lists(headers, &UPGRADE_HEADER, UPGRADE) {
        (Carrier::Upgrade, None)
    } else if lists(headers, &UPGRADE_HEADER, "websocket") {
        (Carrier::WebSocket, Some(websocket(headers)?))
    } else {
        return Err(UpgradeRefused::Required);
    };
    let protocol_version =
        headers.get(PROTOCOL_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let on_upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(UpgradeRefused::NotUpgradable)?;
    Ok(Upgrading { carrier, accept, protocol_version, on_upgrade })
}

/// The accept key, where the WebSocket's handshake is in order.
fn websocket(headers: &HeaderMap) -> Result<HeaderValue, UpgradeRefused> {
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13")
        || !lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
    {
        return Err(UpgradeRefused::BadWebSocket);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(UpgradeRefused::BadWebSocket)?;
    websocket_accept(key.as_bytes()).ok_or(UpgradeRefused::BadWebSocket)
}

/// What `Sec-WebSocket-Accept` says to a `Sec-WebSocket-Key` (RFC 6455, section
/// 4.2.2).
#[must_use]
pub fn websocket_accept(key: &[u8]) -> Option<HeaderValue> {
    derive_accept_key(key).parse().ok()
}

/// Whether a comma-separated header has `token`, in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

impl Upgrading {
    /// What will carry the bytes.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// The protocol version the agent says it speaks, if it says.
    #[must_use]
    pub fn protocol_version(&self) -> Option<&str> {
        self.protocol_version.as_deref()
    }

    /// The `101` to answer, without a body.
    #[must_use]
    pub fn response(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        match &self.accept {
            None => drop(headers.insert(UPGRADE_HEADER, HeaderValue::from_static(UPGRADE))),
            Some(accept) => {
                headers.insert(UPGRADE_HEADER, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
                headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            }
        }
        response
    }

    /// The tunnel's bytes, once the `101` is out. Await it in a task of its
    /// own: the server sends the answer only after the handler has returned.
    ///
    /// The listener must have set `TCP_NODELAY`: nothing here can.
    ///
    /// # Errors
    /// When the connection ended before that, or was answered otherwise.
    pub async fn upgraded(self) -> io::Result<BoxIo> {
        let upgraded = TokioIo::new(self.on_upgrade.await.map_err(io::Error::other)?);
        Ok(match self.carrier {
            Carrier::Upgrade => Box::new(upgraded),
            Carrier::WebSocket => Box::new(WebSocketIo::new(upgraded, Role::Server).await),
        })
    }
}

/// Why a request is not answered with `101`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeRefused {
    /// It does not ask for a protocol we speak.
    #[error("an agent connects with `Upgrade: {UPGRADE}`, or a WebSocket of subprotocol {SUBPROTOCOL}")]
    Required,
    /// Its WebSocket handshake lacks the version, the key or the subprotocol.
    #[error("the WebSocket handshake needs version 13, a key and the subprotocol {SUBPROTOCOL}")]
    BadWebSocket,
    /// Not a GET over HTTP/1.1, or not from a server that can upgrade.
    #[error("an agent connects with a GET over HTTP/1.1")]
    NotUpgradable,
}

impl UpgradeRefused {
    /// The status to answer with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Required => StatusCode::UPGRADE_REQUIRED,
            Self::BadWebSocket | Self::NotUpgradable => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer, without a body; `Upgrade` names what would be accepted.
    #[must_use]
    pub fn response(self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = self.status();
        if self == Self::Required {
            let accepted = const { HeaderValue::from_static("postern-h2/1, websocket") };
            response.headers_mut().insert(UPGRADE_HEADER, accepted);
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        response
    }
}
