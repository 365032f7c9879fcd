//! What is measured when somebody looks: how much waits, and where the
//! workers stand.

use crate::store::{Store, StoreError};
use metrics::{Gauge, Unit, describe_gauge, gauge};
use postern_protocol::UnixMillis;
use postern_protocol::api::WorkerState;

const STATES: [(WorkerState, &str); 5] = [
    (WorkerState::Pending, "pending"),
    (WorkerState::Active, "active"),
    (WorkerState::Away, "away"),
    (WorkerState::Paused, "paused"),
    (WorkerState::Gone, "gone"),
];

/// Gauges of the store's contents. Made where a recorder is set.
pub(crate) struct DepthMetrics {
    pending: Gauge,
    dead: Gauge,
    oldest: Gauge,
    workers: Vec<(WorkerState, Gauge)>,
}

impl DepthMetrics {
    /// Registers them with the recorder that is set.
    pub(crate) fn new() -> Self {
        describe_gauge!("postern_deliveries_pending", "Deliveries waiting");
        describe_gauge!("postern_dead_letters", "Dead letters kept");
        describe_gauge!(
            "postern_oldest_pending_seconds",
            Unit::Seconds,
            "Age of the oldest delivery waiting"
        );
        describe_gauge!("postern_workers", "Workers, by state");
        Self {
            pending: gauge!("postern_deliveries_pending"),
            dead: gauge!("postern_dead_letters"),
            oldest: gauge!("postern_oldest_pending_seconds"),
            workers: STATES.map(|(state, name)| (state, gauge!("postern_workers", "state" => name))).into(),
        }
    }

    /// Reads the store; what cannot be read keeps its last value.
    pub(crate) async fn measure(&self, store: &dyn Store, now: UnixMillis) {
        if let Err(error) = self.read(store, now).await {
            let error = crate::http::error::chain(&error);
            tracing::warn!(%error, "cannot measure the store");
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and ages")]
    async fn read(&self, store: &dyn Store, now: UnixMillis) -> Result<(), StoreError> {
        let depth = store.depth().await?;
        self.pending.set(depth.pending as f64);
        self.dead.set(depth.dead as f64);
        self.oldest.set(depth.oldest.map_or(0.0, |at| now.since(at).max(0) as f64 / 1e3));
        let mut workers = Vec::new();
        for workspace in store.workspaces().await? {
            workers.extend(store.workers(workspace.id).await?.into_iter().map(|worker| worker.state));
        }
        for (state, gauge) in &self.workers {
            gauge.set(workers.iter().filter(|s| *s == state).count() as f64);
        }
        Ok(())
    }
}
