//! The tunnel: reverse HTTP/2 between a proxy that many can reach and an agent
//! that nobody can. No storage, no policy.
//!
//! The agent dials out ([`Agent`]), asks for an upgrade, and then serves
//! HTTP/2 on that connection; the proxy answers the upgrade ([`upgrade`]) and
//! sends requests down it ([`accept`], [`Link`]). Each request is a stream of
//! HTTP/2 with its flow control, trailers and cancellation; there is no framing
//! of our own. Where a load balancer refuses the upgrade, a WebSocket carries
//! the same bytes.
//!
//! What it promises, both ways: a body that was cut short ends in an error,
//! never in a clean end; whoever hangs up is heard at the other end before its
//! next write; a slow reader stops its own writer; a peer that is gone without
//! a word is noticed within 25 seconds; and a request that failed says whether
//! it may have been acted on ([`SendError::is_safe_to_retry`]).
//!
//! Who may connect, which of two links is the right one, and what goes through
//! them, is decided above: the proxy by [`Hello`]s, epochs and
//! [`Link::shutdown`], the edge by [`State`].

mod agent;
mod body;
mod carrier;
mod control;
#[cfg(test)]
mod fuzz;
mod go_ahead;
mod heartbeat;
mod hop;
mod io;
mod link;
mod pump;
mod settings;
mod stream;
mod upgrade;

pub use agent::{
    Agent, AgentConfig, AgentHandle, BadUrl, DialError, Dialer, DownReason, Proxies, State, Tls,
};
pub use body::{BodyError, TunnelBody};
pub use carrier::{CONNECT_PATH, Carrier, PROTOCOL_HEADER};
pub use control::{ControlError, Goodbye, Hello};
pub use go_ahead::GoAhead;
pub use h2::Reason;
pub use hop::strip as strip_hop_by_hop;
pub use io::{BoxIo, Io};
pub use link::{AcceptError, Closed, Link, SendError, accept};
pub use settings::Timing;
pub use stream::{NoStream, OnStream, TunnelStream, on_stream};
pub use upgrade::{UpgradeRefused, Upgrading, upgrade, websocket_accept};
