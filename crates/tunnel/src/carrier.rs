//! How the tunnel's bytes travel once the agent has dialled.

pub(crate) mod websocket;

use serde::{Deserialize, Serialize};

/// Where the agent asks for its connection, below the proxy's base URL.
pub const CONNECT_PATH: &str = "/edge/connect";
/// The header by which an agent says which protocol version it speaks.
pub const PROTOCOL_HEADER: &str = postern_protocol::api::TUNNEL_PROTOCOL_HEADER;
/// The `Upgrade` token of the plain carrier.
pub(crate) const UPGRADE: &str = "postern-h2/1";
/// The WebSocket carrier's subprotocol.
pub(crate) const SUBPROTOCOL: &str = "postern-h2.1";

/// What carries the bytes of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Carrier {
    /// The upgraded connection itself: `Upgrade: postern-h2/1`.
    Upgrade,
    /// Binary WebSocket messages, for load balancers that drop unknown
    /// protocols.
    WebSocket,
}

impl Carrier {
    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Upgrade => Self::WebSocket,
            Self::WebSocket => Self::Upgrade,
        }
    }
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Upgrade => "upgrade",
            Self::WebSocket => "websocket",
        })
    }
}
