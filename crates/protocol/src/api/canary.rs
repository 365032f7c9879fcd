//! Canaries: requests that the proxy makes and signs itself, to prove that what
//! a provider posts would arrive.
//!
//! A quiet one goes straight from the proxy's signing to the worker's
//! verification and is kept nowhere. The other is a synthetic event that takes
//! the whole path and is timed on it.

use crate::api::AttemptOutcome;
use crate::id::EventId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// `POST /edge/workers/{id}/canary`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanaryRequest {
    /// By which the worker knows the canary it asked for: 8 to 64 letters,
    /// digits, `-` and `_`.
    pub nonce: String,
    /// Whether it is to stop at the receiver and leave nothing behind.
    pub quiet: bool,
}

impl CanaryRequest {
    /// Whether the nonce is of its form.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (8..=64).contains(&self.nonce.len()) && self.nonce.bytes().all(fits)
    }
}

/// What became of a canary, and when. All times are the proxy's: microseconds
/// after [`CanaryReport::accepted_at`], on a clock that only moves forward.
/// What was not reached is absent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryReport {
    /// The event; absent for a quiet one.
    pub event_id: Option<EventId>,
    /// When the proxy took the request.
    pub accepted_at: UnixMillis,
    /// When its signature was found good, as a provider's would be.
    pub verified: Option<u64>,
    /// When it was committed with its delivery.
    pub committed: Option<u64>,
    /// When the delivery was claimed for its first attempt.
    pub claimed: Option<u64>,
    /// When the signed request was posted.
    pub sent: Option<u64>,
    /// When the answer was there, or it was clear that none comes.
    pub answered: Option<u64>,
    /// When this report was written.
    pub reported: u64,
    /// What the attempt came to; absent when none was made in time.
    pub outcome: Option<AttemptOutcome>,
    /// The status it was answered with.
    pub status: Option<u16>,
    /// What went wrong, in words.
    pub error: Option<String>,
}

/// The body of a canary, quiet or not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Always [`Canary::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was made.
    pub at: UnixMillis,
    /// [`CanaryRequest::nonce`].
    pub nonce: String,
}

impl Canary {
    /// What `type` says, and what the event is called.
    pub const TYPE: &'static str = "path.tested";

    /// One that was asked for at `at`.
    #[must_use]
    pub fn new(nonce: String, at: UnixMillis) -> Self {
        Self { kind: Self::TYPE.to_owned(), at, nonce }
    }

    /// Reads a body that claims to be one.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|canary| canary.kind == Self::TYPE)
    }
}
