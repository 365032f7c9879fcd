//! What the agent's owner sees of it.

use super::dial::DialError;
use crate::carrier::Carrier;
use crate::control::{Goodbye, Hello};
use crate::link::Closed;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How the agent stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Dialling, or shaking hands.
    Connecting,
    /// Requests can arrive.
    Up {
        /// What carries the bytes.
        carrier: Carrier,
        /// Since when.
        since: Instant,
        /// The last heartbeat's round trip; `None` before the first.
        round_trip: Option<Duration>,
        /// Who is at the other end.
        proxy: Arc<Hello>,
    },
    /// Nothing can arrive.
    Down {
        /// Why.
        reason: DownReason,
        /// When the agent dials again by itself; `None` once it was stopped.
        retry_at: Option<Instant>,
    },
}

/// Why there is no link.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DownReason {
    /// The proxy refuses the credential (401, 403) or has revoked it. Only a
    /// new one helps.
    #[error("the proxy refuses the credential: {message}")]
    Refused {
        /// The proxy's own words.
        message: String,
    },
    /// The two ends speak no common protocol version (426). Only an update
    /// helps.
    #[error("the proxy does not speak this version's protocol: {message}")]
    ProtocolUnsupported {
        /// The proxy's own words.
        message: String,
    },
    /// The proxy says that it cannot now.
    #[error("the proxy answered {status}: {message}")]
    Busy {
        /// 429 or 5xx.
        status: u16,
        /// The proxy's own words.
        message: String,
        /// What its `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// No connection to the proxy's address.
    #[error("the proxy cannot be reached")]
    Unreachable(#[source] Arc<DialError>),
    /// Something answered, but does not pass a tunnel on.
    #[error("the address answered {status}, not with a tunnel")]
    NoTunnel {
        /// The HTTP status.
        status: u16,
    },
    /// The connection was cut, or fell silent, before the tunnel stood.
    #[error("the connection ended before the tunnel stood: {0}")]
    Unanswered(Arc<str>),
    /// Another connection took this one's place.
    #[error("another connection took over")]
    TakenOver,
    /// The proxy said goodbye.
    #[error("the proxy ended the link: {0}")]
    Left(Goodbye),
    /// The link broke.
    #[error("the link ended")]
    Lost(#[source] Closed),
    /// The agent was stopped by its owner.
    #[error("the agent was stopped")]
    Stopped,
}
