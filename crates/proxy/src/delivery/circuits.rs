//! What is told when a worker's circuit changes: to the log and to the metrics.

use crate::circuit::CircuitChange;
use metrics::{Counter, counter, describe_counter};
use postern_protocol::api::CircuitState;

/// Tells of changes. Made where a recorder is set.
#[derive(Clone)]
pub(crate) struct CircuitWatch {
    opened: Counter,
    half_opened: Counter,
    closed: Counter,
}

impl CircuitWatch {
    /// Registers its metrics with the recorder that is set.
    pub(crate) fn new() -> Self {
        const CHANGES: &str = "postern_circuit_changes_total";
        describe_counter!(CHANGES, "Changes of workers' circuits, by the state they changed to");
        let to = |state: &'static str| counter!(CHANGES, "to" => state);
        Self { opened: to("open"), half_opened: to("half_open"), closed: to("closed") }
    }

    /// Tells of a change.
    pub(crate) fn changed(&self, change: &CircuitChange) {
        let (worker, name, error) = (change.worker, &change.name, change.to.error.as_deref());
        match change.to.state {
            CircuitState::Open => {
                self.opened.increment(1);
                let cause = change.to.cause;
                tracing::warn!(%worker, name, ?cause, error, "circuit open: deliveries to the worker wait");
            }
            CircuitState::HalfOpen => {
                self.half_opened.increment(1);
                tracing::info!(%worker, name, "circuit half-open: one delivery goes ahead");
            }
            CircuitState::Closed => {
                self.closed.increment(1);
                tracing::info!(%worker, name, "circuit closed: deliveries to the worker flow");
            }
        }
    }
}
