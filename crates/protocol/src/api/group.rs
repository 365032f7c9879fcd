//! Groups: workers of one workspace that share its events.
//!
//! In a claim group each event is delivered once, to one member; of an entity
//! (issue, pull request, …) one member at a time holds all events, by a lease
//! that its reports renew. What a former holder reports is refused.

use crate::id::{DeliveryId, WorkerId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The name of a group: 1–64 characters of `a-z A-Z 0-9 - _ .`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
#[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
pub struct GroupName(String);

/// A text that cannot name a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group's name has 1 to 64 letters, digits and characters of -_.")]
pub struct InvalidGroupName;

impl GroupName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for GroupName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for GroupName {
    type Err = InvalidGroupName;
    fn from_str(text: &str) -> Result<Self, InvalidGroupName> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidGroupName)
        }
    }
}

crate::checked::by_its_text!(GroupName);

/// The group a worker is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// Its name, within the workspace.
    pub name: GroupName,
    /// What its members share.
    #[serde(default)]
    pub mode: GroupMode,
}

/// What the members of a group share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupMode {
    /// Its name alone: each gets every event it asks for.
    #[default]
    Fanout,
    /// The events: each goes to one of them.
    Claim,
}

/// How a delivery to a claim group stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupClaim {
    /// The group.
    pub group: GroupName,
    /// How often it was given to a member; a report counts for the newest time
    /// alone. 0: not yet.
    pub number: u32,
    /// Until when the member holds it, unless it reports before; absent: no
    /// member does.
    pub until: Option<UnixMillis>,
}

/// The answer to a report on work that a member of a claim group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRenewed {
    /// How long the member holds the entity from now on, unless it reports
    /// again before.
    pub lease_seconds: u32,
}

/// Why a worker got an event, or did not, as far as is known now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerReason {
    /// The worker.
    pub worker_id: WorkerId,
    /// Its name.
    pub worker: String,
    /// Why, for programs.
    pub code: ReasonCode,
    /// Why, for people.
    pub reason: String,
    /// The capability terms that decided it, where they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<String>,
    /// The delivery it is about; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub delivery_id: Option<DeliveryId>,
}

/// Why a worker got an event, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// It was delivered to it.
    Delivered,
    /// An attempt is under way.
    Sending,
    /// It is due, or will be: it waits for its turn or its next attempt.
    Waiting,
    /// It waits behind an earlier event of its entity.
    InLine,
    /// The worker is away: its lease ran out.
    Away,
    /// The worker is paused.
    Paused,
    /// The worker's circuit is open.
    Circuit,
    /// The worker's rate allows no more now.
    Rate,
    /// The worker has yet to answer its ownership challenge.
    Unproved,
    /// Held after an absence until someone chooses.
    Held,
    /// Skipped after an absence.
    Skipped,
    /// Given up.
    Dead,
    /// Given up for its age.
    Expired,
    /// Discarded on request.
    Discarded,
    /// As a member of its claim group it holds the event, and has not reported
    /// that it is done.
    Claimed,
    /// Another member of its claim group has it, had it last, or completed it.
    OtherMember,
    /// No member of its claim group has it yet.
    GroupWaits,
    /// A capability term refuses the event.
    FilterRefuses,
    /// No capability term takes the event.
    FilterDoesNotTake,
    /// It registered after the event had come.
    RegisteredLater,
    /// It had not answered its ownership challenge yet.
    NotActivated,
    /// The event was made for another worker alone.
    MadeForAnother,
    /// Its capabilities take the event now; when it came they, or its group,
    /// were others.
    ChangedSince,
}
