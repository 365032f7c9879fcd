//! Public tunnels: a name of a workspace, under which everybody reaches a port
//! of one of its machines.
//!
//! A name is reserved with the proxy and stays the workspace's own, also while
//! no machine serves it. A worker says over its connection which names it
//! serves ([`ServedNames`]), and is told what became of that
//! ([`NameOutcomes`]). A request that comes in for a name goes down the
//! connection of the worker that serves it, with its method, path, query,
//! headers and body as they came, marked with [`HEADER_NAME`].

use crate::Secret;
use crate::header::HeaderName;
use crate::id::WorkerId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the proxy puts on each request it sends down a connection for a public
/// tunnel: the tunnel's name. No visitor can set it.
pub const HEADER_NAME: &str = "x-postern-tunnel";
/// The id of the request at the proxy, for logs at both ends.
pub const HEADER_REQUEST: &str = "x-postern-request-id";
/// On an answer that Postern made itself, not the local server: why, as an
/// [`crate::ErrorCode`]. An edge's own answers carry it too.
pub const HEADER_ERROR: &str = "x-postern-error";
/// What all headers between the two ends of a tunnel begin with: stripped from
/// what visitors and local servers send.
pub const HEADER_PREFIX: &str = "x-postern-";

/// Where a proxy without a domain of its own for tunnels serves them.
pub const PATH_PREFIX: &str = "/t/";

/// A tunnel's name: 3–40 characters of `a-z 0-9 -`, first and last a letter or
/// digit, no `--`. It is a label of a host name.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
#[schema(pattern = "^[a-z0-9](-?[a-z0-9]){2,39}$")]
pub struct TunnelName(String);

/// A text that cannot name a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tunnel's name has 3 to 40 small letters, digits and single hyphens between them")]
pub struct InvalidTunnelName;

impl TunnelName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TunnelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TunnelName {
    type Err = InvalidTunnelName;
    fn from_str(text: &str) -> Result<Self, InvalidTunnelName> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let well_formed = (3..=40).contains(&text.len())
            && text.bytes().all(fits)
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidTunnelName) }
    }
}

crate::checked::by_its_text!(TunnelName);

/// `GET /edge/tunnels` and `GET /v1/tunnels`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunnelList {
    /// The names of the workspace, in their order.
    pub tunnels: Vec<TunnelInfo>,
}

/// A reserved name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunnelInfo {
    /// The name.
    pub name: TunnelName,
    /// Its public address, without a slash at the end.
    pub url: String,
    /// The worker that serves it now; absent: none does.
    pub worker: Option<TunnelWorker>,
    /// What applies to its visitors.
    pub options: TunnelOptions,
    /// When it was reserved.
    pub created_at: UnixMillis,
    /// When a worker last began to serve it; absent: none ever did.
    pub used_at: Option<UnixMillis>,
}

/// The worker that serves a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunnelWorker {
    /// Its id.
    pub id: WorkerId,
    /// Its name for people.
    pub name: String,
}

/// What applies to the visitors of a tunnel, at the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TunnelOptions {
    /// What a visitor must show.
    pub access: TunnelAccess,
    /// The networks visitors may come from, in CIDR notation; empty: all. At
    /// most 100.
    pub allow: Vec<String>,
    /// The name of a source of the workspace: only requests that this
    /// source's provider has signed get through. Absent: all do.
    #[ts(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_signed: Option<String>,
    /// What becomes of the headers of requests.
    pub request_headers: HeaderRules,
    /// What becomes of the headers of answers.
    pub response_headers: HeaderRules,
    /// Requests and streams under way at once, 1–10,000; absent: as the proxy
    /// is configured.
    #[ts(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Requests per second of one visitor's address, 1–100,000; absent: as
    /// the proxy is configured.
    #[ts(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

impl TunnelOptions {
    /// As they are shown.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        match &mut self.access {
            TunnelAccess::None {} => {}
            TunnelAccess::Basic { password: secret, .. } | TunnelAccess::Bearer { token: secret } => {
                *secret = None;
            }
        }
        self
    }
}

/// What a visitor must show. Secrets are taken, and never given back:
/// [`TunnelOptions::without_secrets`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum TunnelAccess {
    /// Nothing. A variant with braces: unknown members are refused beside it, too.
    None {},
    /// A name and a password (RFC 7617).
    Basic {
        /// 1–100 characters without a colon.
        user: String,
        /// 8–200 characters. Absent in answers; absent in a change: as before.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            serialize_with = "crate::secret::expose_given"
        )]
        #[ts(optional, type = "string")]
        #[schema(value_type = Option<String>, write_only)]
        password: Option<Secret>,
    },
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer {
        /// 16–200 characters. Absent in answers; absent in a change: as before.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            serialize_with = "crate::secret::expose_given"
        )]
        #[ts(optional, type = "string")]
        #[schema(value_type = Option<String>, write_only)]
        token: Option<Secret>,
    },
}

impl Default for TunnelAccess {
    fn default() -> Self {
        Self::None {}
    }
}

/// What becomes of headers on their way: some are removed, then some are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HeaderRules {
    /// Removed, however often they occur. At most 50.
    pub remove: Vec<HeaderName>,
    /// Set, in the place of any of that name. At most 50.
    pub set: BTreeMap<String, String>,
}

/// `POST /edge/tunnels` and `POST /v1/tunnels`: reserves a name. One that is
/// the workspace's already is answered as it is, with new options where some
/// are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveTunnel {
    /// Absent: one of at least 64 random bits is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<TunnelName>,
    /// Absent: none, or as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<TunnelOptions>,
}

/// What a worker tells the proxy over its connection: the names it serves.
/// Replaces what it told before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServedNames {
    /// The names.
    pub tunnels: Vec<ServedName>,
}

/// One name that a worker serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedName {
    /// The name.
    pub name: TunnelName,
    /// Whether to take it from another worker that serves it now: once, when
    /// this is told. Leave it out again once the name is this worker's, or it is
    /// taken back at each reconnection.
    #[serde(default)]
    pub take_over: bool,
}

/// What the proxy tells a worker over its connection: what became of the
/// names that it serves. Replaces what it told before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NameOutcomes {
    /// By name.
    pub tunnels: BTreeMap<TunnelName, NameOutcome>,
}

/// What became of a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum NameOutcome {
    /// Requests for it come down this connection.
    Online {
        /// Its public address.
        url: String,
    },
    /// Another worker of the workspace serves it.
    Elsewhere {
        /// Which.
        worker: TunnelWorker,
    },
    /// It is not this worker's to serve.
    Refused {
        /// An [`crate::ErrorCode`].
        code: String,
        /// In words.
        message: String,
    },
    /// A newer proxy's.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests;
