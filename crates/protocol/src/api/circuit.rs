//! A worker's circuit: whether deliveries flow to it.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Whether deliveries flow to a worker, and why not. While it is open they
/// wait and use nothing up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Circuit {
    /// Whether they flow.
    pub state: CircuitState,
    /// Since when, in this state.
    pub since: UnixMillis,
    /// When the worker is pinged next, while it is open.
    pub until: Option<UnixMillis>,
    /// How often in a row it opened; 0 while it is closed.
    pub trips: u32,
    /// Why it opened; absent while it is closed.
    pub cause: Option<CircuitCause>,
    /// What was wrong last, in words.
    pub error: Option<String>,
}

/// Whether deliveries flow to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// They flow.
    Closed,
    /// They wait; a ping tells whether the worker is back.
    Open,
    /// One at a time, until one is taken.
    HalfOpen,
}

/// Why a circuit opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CircuitCause {
    /// The worker cannot be reached.
    Unreachable,
    /// The worker answers most deliveries with a failure.
    Failing,
}

impl Circuit {
    /// Closed since then.
    #[must_use]
    pub fn closed(since: UnixMillis) -> Self {
        Self { state: CircuitState::Closed, since, until: None, trips: 0, cause: None, error: None }
    }
}
