//! What a worker reports of its work on an event, beside having stored it.

use crate::id::WorkerId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// `POST /edge/events/{event}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportWork {
    /// How the work stands.
    pub status: WorkStatus,
    /// Why, in words, at most [`ReportWork::LONGEST_REASON`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// With a claim group: which time it was given out, as the delivery's
    /// [`crate::header::POSTERN_CLAIM`] said. Without it the worker's newest
    /// time is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<u32>,
}

impl ReportWork {
    /// How long a reason may be, in characters.
    pub const LONGEST_REASON: usize = 1_000;
}

/// How a worker's work on an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkStatus {
    /// It has begun.
    Processing,
    /// It is done.
    Completed,
    /// It came to nothing.
    Failed,
    /// The worker did not report in time, or left: said by the proxy alone.
    Expired,
}

/// One report, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkReport {
    /// When it came.
    pub at: UnixMillis,
    /// How the work stood.
    pub status: WorkStatus,
    /// Why, in words.
    pub reason: Option<String>,
    /// Of a claim group, whose work it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub worker_id: Option<WorkerId>,
}
