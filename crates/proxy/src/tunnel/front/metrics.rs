//! What public tunnels are measured by. The first tunnels that are used in a
//! process have their own series, the others share one: names are made by users.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram, with_local_recorder,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use postern_protocol::ErrorCode;
use postern_protocol::api::tunnels::TunnelName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

const REQUESTS: &str = "postern_tunnel_requests_total";
const BYTES: &str = "postern_tunnel_bytes_total";
const IN_FLIGHT: &str = "postern_tunnel_requests_in_flight";
const LATENCY: &str = "postern_tunnel_answer_seconds";

/// How many tunnels have series of their own.
const MOST_NAMED: usize = 200;
/// What the other end may say. Looked up once: it is counted all the time.
const ANSWERS: [&str; 6] = ["2xx", "3xx", "4xx", "5xx", "1xx", "unanswered"];
/// The series of the others, and of what is for none.
const OTHERS: &str = "(others)";

/// The metrics of all tunnels.
pub(super) struct FrontMetrics {
    recorder: Arc<PrometheusRecorder>,
    named: Mutex<HashMap<TunnelName, Arc<TunnelMetrics>>>,
    others: Arc<TunnelMetrics>,
}

/// Those of one.
pub(super) struct TunnelMetrics {
    recorder: Arc<PrometheusRecorder>,
    name: String,
    /// Requests and streams under way.
    pub(super) in_flight: Gauge,
    /// Bytes from visitors.
    pub(super) came: Counter,
    /// Bytes to visitors.
    pub(super) went: Counter,
    latency: Histogram,
    /// Those of [`ANSWERS`] that there were.
    answers: [OnceLock<Counter>; ANSWERS.len()],
}

impl FrontMetrics {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>) -> Self {
        with_local_recorder(&*recorder, || {
            describe_counter!(
                REQUESTS,
                "Visitors' requests, by tunnel and by what they were answered: the status's class, \
                 `unanswered` by the local server, or why the proxy refused"
            );
            describe_counter!(BYTES, Unit::Bytes, "Bodies and WebSockets, by tunnel and direction");
            describe_gauge!(IN_FLIGHT, "Visitors' requests and streams under way, by tunnel");
            describe_histogram!(LATENCY, Unit::Seconds, "From a visitor's request to the head of its answer");
        });
        let others = Arc::new(TunnelMetrics::new(&recorder, OTHERS));
        Self { recorder, named: Mutex::default(), others }
    }

    /// Those of a reserved name.
    pub(super) fn of(&self, name: &TunnelName) -> Arc<TunnelMetrics> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = named.get(name) {
            return metrics.clone();
        }
        if named.len() >= MOST_NAMED {
            return self.others.clone();
        }
        let metrics = Arc::new(TunnelMetrics::new(&self.recorder, name.as_str()));
        named.insert(name.clone(), metrics.clone());
        metrics
    }

    /// Counts what the proxy did not pass on, or got no answer to.
    pub(super) fn refused(&self, name: Option<&TunnelName>, code: ErrorCode) {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever strangers ask for makes no series.
        let metrics = name.and_then(|name| named.get(name)).unwrap_or(&self.others);
        metrics.count(code.as_str());
    }
}

impl TunnelMetrics {
    fn new(recorder: &Arc<PrometheusRecorder>, name: &str) -> Self {
        let bytes =
            |direction: &'static str| counter!(BYTES, "tunnel" => name.to_owned(), "direction" => direction);
        with_local_recorder(&**recorder, || Self {
            recorder: recorder.clone(),
            name: name.to_owned(),
            in_flight: gauge!(IN_FLIGHT, "tunnel" => name.to_owned()),
            came: bytes("in"),
            went: bytes("out"),
            latency: histogram!(LATENCY, "tunnel" => name.to_owned()),
            answers: Default::default(),
        })
    }

    /// Counts an answer of the other end.
    pub(super) fn answered(&self, outcome: &'static str, took: Duration) {
        self.latency.record(took);
        match ANSWERS.iter().position(|known| *known == outcome) {
            Some(at) => self.answers[at].get_or_init(|| self.counter(outcome)).increment(1),
            None => self.count(outcome),
        }
    }

    fn count(&self, outcome: &'static str) {
        self.counter(outcome).increment(1);
    }

    fn counter(&self, outcome: &'static str) -> Counter {
        with_local_recorder(
            &*self.recorder,
            || counter!(REQUESTS, "tunnel" => self.name.clone(), "outcome" => outcome),
        )
    }
}
