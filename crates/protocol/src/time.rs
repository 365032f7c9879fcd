//! Points in time as the wire carries them.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored. Negative
/// before 1970; never a duration.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ts_rs::TS,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[ts(as = "f64")]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The same instant in whole seconds, rounded towards the past.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved by `millis` (may be negative), saturating.
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier`
    /// is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where the time comes from. Domain code takes it from here and never reads
/// the system's clock, so that tests can turn the hands.
pub trait Clock: Send + Sync + 'static {
    /// The present wall-clock time.
    fn now(&self) -> UnixMillis;
}
