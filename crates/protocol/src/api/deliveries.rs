//! Deliveries and dead letters as the workspace API lists and changes them.

use super::{AttemptRecord, DeliveryState, GroupClaim};
use crate::event::Provider;
use crate::id::{DeliveryId, EventId, WorkerId};
use crate::time::UnixMillis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// Why a delivery became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The schedule is used up.
    Exhausted,
    /// The worker left.
    WorkerLeft,
    /// The worker answered 410.
    WorkerGone,
    /// The worker stayed away too long.
    #[serde(rename = "worker_abandoned")]
    Abandoned,
    /// Held past the retention.
    Expired,
}

impl DeadReason {
    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::WorkerLeft => "worker_left",
            Self::WorkerGone => "worker_gone",
            Self::Abandoned => "worker_abandoned",
            Self::Expired => "expired",
        }
    }
}

/// Who ended a delivery that was not delivered, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// When.
    pub at: UnixMillis,
    /// Who: `postern` for a dead letter, `retention` for an expired one,
    /// `setting` or `choice` of the worker for a skipped one, the id of the
    /// worker or token that discarded it.
    pub by: String,
    /// Why: a [`DeadReason`] for dead letters, the text given for discarded
    /// ones.
    pub reason: Option<String>,
}

/// Which deliveries `GET /v1/deliveries` lists; absent members take all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryFilter {
    /// To this worker.
    #[param(nullable = false)]
    pub worker: Option<WorkerId>,
    /// In this state.
    #[param(nullable = false)]
    pub state: Option<DeliveryState>,
    /// Of events of this source: its id or its name.
    #[param(nullable = false)]
    pub source: Option<String>,
    /// Of events of this provider.
    #[param(nullable = false)]
    pub provider: Option<Provider>,
    /// Of events of this type (`Issue`) or this name (`Issue.update`).
    #[serde(rename = "type")]
    #[param(nullable = false)]
    pub event_type: Option<String>,
    /// Of events accepted then or later, in Unix milliseconds.
    #[param(nullable = false)]
    pub since: Option<UnixMillis>,
    /// Of events accepted before then, in Unix milliseconds.
    #[param(nullable = false)]
    pub until: Option<UnixMillis>,
}

/// Which dead letters are meant; absent members take all.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::IntoParams, utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterFilter {
    /// To this worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub worker: Option<WorkerId>,
    /// In this state; absent: dead or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub state: Option<EndState>,
    /// That died of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub reason: Option<DeadReason>,
    /// Of events of this source: its id or its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub source: Option<String>,
    /// Of events of this type (`Issue`) or this name (`Issue.update`).
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub event_type: Option<String>,
    /// Of events accepted then or later, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub since: Option<UnixMillis>,
    /// Of events accepted before then, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub until: Option<UnixMillis>,
}

/// How a delivery may have ended without having been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Given up.
    Dead,
    /// Given up for its age.
    Expired,
    /// Skipped after an absence.
    Skipped,
    /// Discarded on request.
    Discarded,
}

impl EndState {
    /// The same among all states.
    #[must_use]
    pub fn state(self) -> DeliveryState {
        match self {
            Self::Dead => DeliveryState::Dead,
            Self::Expired => DeliveryState::Expired,
            Self::Skipped => DeliveryState::Skipped,
            Self::Discarded => DeliveryState::Discarded,
        }
    }
}

/// `GET /v1/deliveries` and `GET /v1/dead-letters`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryList {
    /// Those of the newest events first.
    pub deliveries: Vec<DeliveryInfo>,
    /// The next page's `cursor`; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A delivery in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryInfo {
    /// Its id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// When the event was accepted.
    pub received_at: UnixMillis,
    /// The source it came in by.
    pub source: String,
    /// Who posted it.
    pub provider: Provider,
    /// `Issue.update`.
    pub name: String,
    /// The start of the event's line for people.
    pub subject: String,
    /// To whom. Of a claim group, the member that has it, or had it last;
    /// `null` until one did.
    pub worker_id: Option<WorkerId>,
    /// The worker's name, or the group's while no member has had it.
    pub worker: String,
    /// How it stands with its claim group; absent: it is to the worker alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub claim: Option<GroupClaim>,
    /// Where it stands.
    pub state: DeliveryState,
    /// When the next attempt is due, while it is pending.
    pub next_attempt_at: Option<UnixMillis>,
    /// Who ended it, when and why, while it is dead, expired, skipped or
    /// discarded.
    pub ended: Option<Ended>,
    /// How often it was made due again after it had ended.
    pub redriven: u32,
    /// Which deliberate replay it is, from 1; 0: none.
    pub replay: u32,
    /// How many attempts were made.
    pub attempt_count: u32,
    /// The last of them.
    pub last_attempt: Option<AttemptRecord>,
}

/// `GET /v1/deliveries/{delivery}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryDetail {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: DeliveryInfo,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

/// Which dead letters a request is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// These; no more than 500. Those that are not there, or have not ended,
    /// do not count.
    Ids(Vec<DeliveryId>),
    /// All that the filter takes: `{}` takes every dead letter.
    Filter(#[serde(deserialize_with = "object")] DeadLetterFilter),
}

/// From an object alone: serde would also read a struct from an array.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let members = serde_json::Map::deserialize(deserializer)?;
    serde_json::from_value(members.into()).map_err(serde::de::Error::custom)
}

/// `POST /v1/dead-letters/redrive`: makes dead letters due again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedriveRequest {
    /// Which.
    pub which: Which,
    /// Only say how many it concerns.
    #[serde(default)]
    pub dry_run: bool,
    /// `next` of the answer before; absent: from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{82}$")]
    pub cursor: Option<String>,
}

/// `POST /v1/dead-letters/discard`: says that dead letters are not to be
/// delivered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscardRequest {
    /// Which.
    pub which: Which,
    /// Why, 1–200 characters on one line.
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]{1,200}$")]
    pub reason: String,
    /// Only say how many it concerns.
    #[serde(default)]
    pub dry_run: bool,
    /// `next` of the answer before; absent: from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{82}$")]
    pub cursor: Option<String>,
}

/// How far a redrive or discard has come. While there is a `next`, repeat the
/// request with it as `cursor`: after an interruption too, nothing is done
/// twice. What ends after the first request is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// How many this request concerned.
    pub matched: u32,
    /// How many of them it changed; none in a dry run.
    pub changed: u32,
    /// How many of them cannot be redriven, since their worker is gone.
    pub unable: u32,
    /// Where to go on; absent: that was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[ts(optional)]
    pub next: Option<String>,
}

/// `POST /v1/workers/{worker}/recover`: has events that did not reach the
/// worker delivered to it, those of its filter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoverRequest {
    /// Events accepted then or later.
    pub since: UnixMillis,
    /// Events accepted before then; absent: before the first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub until: Option<UnixMillis>,
    /// Only say how many it concerns.
    #[serde(default)]
    pub dry_run: bool,
    /// `next` of the answer before; absent: from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{48}$")]
    #[ts(optional)]
    pub cursor: Option<String>,
}

/// The answer to [`RecoverRequest`], as [`Progress`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// Events that had never been meant for the worker, and that its filter
    /// takes now; synthetic ones apart.
    pub missing: u32,
    /// Deliveries to it that were dead, expired or skipped.
    pub ended: u32,
    /// How many of both are on their way now; none in a dry run.
    pub delivering: u32,
    /// Where to go on; absent: that was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    #[ts(optional)]
    pub next: Option<String>,
}
