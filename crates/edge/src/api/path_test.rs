//! What `test_path` answers.

use postern_protocol::UnixMillis;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What became of a canary that was sent through everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PathTest {
    /// When the test began, by this machine's clock.
    pub at: UnixMillis,
    /// The canary's event, in this machine's history once it arrived.
    pub event_id: Option<String>,
    /// Whether it came through everything that there is.
    pub passed: bool,
    /// From the question to the last answer, in microseconds, by this
    /// machine's clock; absent unless it passed.
    #[ts(type = "number | null")]
    pub total_micros: Option<u64>,
    /// The proxy's clock minus ours, in milliseconds.
    #[ts(type = "number | null")]
    pub skew_ms: Option<i64>,
    /// In order.
    pub hops: Vec<Hop>,
}

impl PathTest {
    /// One that did not get as far as the proxy.
    pub(crate) fn unreached(at: UnixMillis, problem: String) -> Self {
        let hop = Hop {
            name: "Asked the proxy".into(),
            place: HopPlace::Network,
            state: HopState::Failed,
            took_micros: None,
            note: problem,
        };
        Self { at, event_id: None, passed: false, total_micros: None, skew_ms: None, hops: vec![hop] }
    }
}

/// One step of the path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// `Committed`.
    pub name: String,
    /// Where it is.
    pub place: HopPlace,
    /// Whether the canary came through.
    pub state: HopState,
    /// How long it took, in microseconds: at the proxy and here as measured
    /// there, between them as computed.
    #[ts(type = "number | null")]
    pub took_micros: Option<u64>,
    /// How the time came about, or what went wrong.
    pub note: String,
}

/// Where a hop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HopPlace {
    /// Between the proxy and this machine.
    Network,
    /// At the proxy.
    Proxy,
    /// Here.
    ThisMachine,
    /// At whatever events are forwarded to.
    Target,
}

/// What became of the canary at a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HopState {
    /// It came through.
    Passed,
    /// It did not.
    Failed,
    /// It did not get here, or there is nothing here.
    Skipped,
}
