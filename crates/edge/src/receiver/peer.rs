//! Who a request to the receiver came from.

use std::net::SocketAddr;

/// An extension of every request to the receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Whoever connected to its port.
    Address(SocketAddr),
    /// The proxy, through the tunnel.
    Tunnel,
}

impl Peer {
    /// By which several requests of one sender are told to be alike.
    pub(super) fn host(self) -> String {
        match self {
            Self::Address(address) => address.ip().to_string(),
            Self::Tunnel => "tunnel".into(),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Tunnel => f.write_str("the tunnel"),
        }
    }
}
