//! The workers of a workspace, as its members see them.

use super::{CatchUp, Circuit, Group, Ordering, Waiting, WorkerPolicy, WorkerState};
use crate::id::WorkerId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// `GET /v1/workers`.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerList {
    /// The workspace's workers that have not left, oldest first.
    pub workers: Vec<WorkerInfo>,
}

/// How the tunnel of a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TunnelState {
    /// Deliveries can go through it.
    Up,
    /// The worker is not connected: what is accepted for it waits.
    Down,
}

/// A worker without its address and its secrets.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerInfo {
    /// Its id.
    pub id: WorkerId,
    /// Its name for people.
    pub name: String,
    /// Where it stands.
    pub state: WorkerState,
    /// Which events it wants, as capability terms; empty: all.
    pub capabilities: Vec<String>,
    /// In which order.
    pub ordering: Ordering,
    /// What becomes of events held during an absence.
    pub catch_up: CatchUp,
    /// The group it is in; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub group: Option<Group>,
    /// What waits for it; with a claim group, what waits for the group too.
    pub waiting: Waiting,
    /// Whether the tunnel its deliveries go through is up; absent: they are
    /// posted to its own URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub tunnel: Option<TunnelState>,
    /// When its lease ends, or ended.
    pub leased_until: UnixMillis,
    /// When it first registered.
    pub created_at: UnixMillis,
    /// Why its last ownership challenge failed.
    pub challenge_error: Option<String>,
    /// Transport failures in a row.
    pub transport_failures: u32,
    /// The last of them, in words.
    pub transport_error: Option<String>,
    /// Whether deliveries flow to it; absent from older proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub circuit: Option<Circuit>,
    /// Until when what is due waits because of its rate; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub throttled_until: Option<UnixMillis>,
    /// Its own settings.
    #[serde(default)]
    pub policy: WorkerPolicy,
}
