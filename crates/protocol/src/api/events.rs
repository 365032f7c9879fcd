//! Events as the workspace API lists and shows them.

use super::{DeliveryInfo, EventRecord};
use crate::event::Provider;
use crate::header::HeaderList;
use crate::id::{EventId, SourceId, WorkerId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Which events `GET /v1/events` lists; absent members take all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// Of this source: its id or its name.
    #[param(nullable = false)]
    pub source: Option<String>,
    /// Of this provider.
    #[param(nullable = false)]
    pub provider: Option<Provider>,
    /// Of this type (`Issue`) or this name (`Issue.update`).
    #[serde(rename = "type")]
    #[param(nullable = false)]
    pub event_type: Option<String>,
    /// About this entity: `github:acme/web:pull_request:12`.
    #[param(nullable = false)]
    pub entity: Option<String>,
    /// With at least one delivery in this state.
    #[param(nullable = false)]
    pub state: Option<super::DeliveryState>,
    /// Whether `trigger` made it.
    #[param(nullable = false)]
    pub synthetic: Option<bool>,
    /// Accepted then or later, in Unix milliseconds.
    #[param(nullable = false)]
    pub since: Option<UnixMillis>,
    /// Accepted before then, in Unix milliseconds.
    #[param(nullable = false)]
    pub until: Option<UnixMillis>,
}

/// `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventList {
    /// The newest first.
    pub events: Vec<EventInfo>,
    /// The next page's `cursor`; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// An event in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventInfo {
    /// Its id.
    pub id: EventId,
    /// When it was accepted.
    pub received_at: UnixMillis,
    /// The source it came in by.
    pub source_id: SourceId,
    /// The source's name at that time.
    pub source: String,
    /// Who posted it.
    pub provider: Provider,
    /// `Issue.update`.
    pub name: String,
    /// What it is about, where that is known.
    pub entity: Option<String>,
    /// The start of its line for people: `ENG-42 Fix login`.
    pub subject: String,
    /// The rest of the line. May be empty.
    pub detail: String,
    /// The body's size in bytes.
    pub size: u64,
    /// Whether `trigger` made it.
    pub synthetic: bool,
    /// How its deliveries stand.
    pub deliveries: DeliveryCounts,
}

/// How many of an event's deliveries are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeliveryCounts {
    /// Waiting, or under way.
    pub pending: u32,
    /// Delivered.
    pub delivered: u32,
    /// Given up.
    pub dead: u32,
    /// Given up for their age.
    pub expired: u32,
    /// Held until someone chooses.
    pub held: u32,
    /// Skipped.
    pub skipped: u32,
    /// Discarded.
    pub discarded: u32,
}

/// `GET /v1/events/{event}`: an event, what was posted, and everything the
/// proxy did with it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventDetail {
    /// What the proxy did with it.
    #[serde(flatten)]
    pub record: EventRecord,
    /// The source it came in by.
    pub source_id: SourceId,
    /// What it is about, where that is known.
    pub entity: Option<String>,
    /// The start of its line for people.
    pub subject: String,
    /// The rest of the line. May be empty.
    pub detail: String,
    /// The provider's headers in order, with `include=headers`; a value that is
    /// not UTF-8 is `{"base64":"…"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Vec<serde_json::Value>>>)]
    pub headers: Option<HeaderList>,
}

/// `POST /v1/events/{event}/replay`: deliver it once more, as a new delivery.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// To whom.
    pub to: ReplayTo,
}

/// To whom an event is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayTo {
    /// Every worker whose filter takes it now.
    All,
    /// This worker, whatever its filter.
    Worker(WorkerId),
}

/// The answer to [`ReplayRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Which replay of the event it is, from 1: its deliveries' `webhook-id`
    /// is the event's id with `.r{n}`.
    pub replay: u32,
    /// To how many workers it goes.
    pub deliveries: u32,
}

/// What `GET /v1/live` tells, one JSON document in each message's `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum LiveMessage {
    /// `event: event`: one was accepted.
    Event(EventInfo),
    /// `event: delivery`: one was attempted, or stands differently now.
    Delivery(DeliveryInfo),
}
