//! How events arrive at this machine, as the local API says it.

use postern_protocol::UnixMillis;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How events are to arrive: the wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// As suits this machine: at its public HTTPS address where one is
    /// configured, on loopback where the proxy is on this machine too, and
    /// through the tunnel otherwise.
    #[default]
    Auto,
    /// Through a connection that this machine opens to the proxy.
    Tunnel,
    /// The proxy posts to an address of this machine.
    Address,
}

/// How events arrive: what came of the wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "way", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Arrival {
    /// The proxy posts to an address of this machine.
    Address {
        /// The whole URL.
        url: String,
        /// Why this way, in words.
        reason: String,
    },
    /// Through the tunnel.
    Tunnel {
        /// How it stands.
        tunnel: Tunnel,
        /// Why this way, in words.
        reason: String,
    },
}

/// How the tunnel stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Tunnel {
    /// Not dialled: the registration comes first.
    #[default]
    Idle,
    /// Dialled for the first time.
    Connecting {
        /// Since when.
        since: UnixMillis,
    },
    /// Events can arrive.
    Up {
        /// Since when.
        since: UnixMillis,
        /// `upgrade`, or `websocket` where something on the way lets only that
        /// through.
        #[ts(type = "\"upgrade\" | \"websocket\"")]
        carrier: String,
        /// The last heartbeat's round trip, in microseconds; absent before the
        /// first.
        #[ts(type = "number | null")]
        round_trip_micros: Option<u64>,
        /// The HTTP proxy on the way (`HTTPS_PROXY`), as `host:port`.
        http_proxy: Option<String>,
    },
    /// Nothing can arrive; the proxy holds it.
    Down {
        /// Since when.
        since: UnixMillis,
        /// Why.
        problem: String,
        /// What to do about it, where something can be done.
        cure: Option<String>,
        /// When it is dialled next; absent: right now.
        retry_at: Option<UnixMillis>,
    },
}
