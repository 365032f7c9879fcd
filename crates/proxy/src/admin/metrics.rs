//! What is measured when somebody looks: how much waits, and where the
//! workers stand.

use crate::http::body::BodyReader;
use crate::store::{Store, StoreError, Worker};
use metrics::{Gauge, Unit, describe_gauge, gauge};
use postern_protocol::UnixMillis;
use postern_protocol::api::{CircuitState, WorkerState};

const STATES: [(WorkerState, &str); 5] = [
    (WorkerState::Pending, "pending"),
    (WorkerState::Active, "active"),
    (WorkerState::Away, "away"),
    (WorkerState::Paused, "paused"),
    (WorkerState::Gone, "gone"),
];

const CIRCUITS: [(CircuitState, &str); 3] =
    [(CircuitState::Closed, "closed"), (CircuitState::Open, "open"), (CircuitState::HalfOpen, "half_open")];

/// What a delivery waits for: its time or a sender, a worker that can be
/// reached, one that is there, that is not paused, that is known, a member of a
/// claim group, or its report; or somebody's choice.
const WAITS: [&str; 7] = ["active", "unreachable", "away", "paused", "pending", "group", "held"];

/// The place of `group` in [`WAITS`].
const GROUP: usize = 5;

/// Deliveries that wait for one thing.
struct Waits {
    count: Gauge,
    oldest: Gauge,
}

/// Gauges of the store's contents. Made where a recorder is set.
pub(crate) struct DepthMetrics {
    pending: Gauge,
    dead: Gauge,
    oldest: Gauge,
    throttled: Gauge,
    workers: Vec<(WorkerState, Gauge)>,
    waits: [Waits; WAITS.len()],
    database: Gauge,
    unused: Gauge,
    log: Gauge,
    disk_free: Gauge,
    bodies: Gauge,
    bodies_limit: Gauge,
    circuits: Vec<(CircuitState, Gauge)>,
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
        describe_gauge!("postern_deliveries_waiting", "Deliveries waiting, by what their worker's state is");
        describe_gauge!(
            "postern_deliveries_waiting_oldest_seconds",
            Unit::Seconds,
            "Age of the oldest of them"
        );
        let bytes = |name: &'static str, help: &'static str| {
            describe_gauge!(name, Unit::Bytes, help);
            gauge!(name)
        };
        let waits = WAITS.map(|state| Waits {
            count: gauge!("postern_deliveries_waiting", "state" => state),
            oldest: gauge!("postern_deliveries_waiting_oldest_seconds", "state" => state),
        });
        describe_gauge!("postern_workers_throttled", "Workers whose rate makes what is due wait");
        describe_gauge!("postern_circuits", "Circuits of workers that have not left, by state");
        Self {
            pending: gauge!("postern_deliveries_pending"),
            dead: gauge!("postern_dead_letters"),
            oldest: gauge!("postern_oldest_pending_seconds"),
            workers: STATES.map(|(state, name)| (state, gauge!("postern_workers", "state" => name))).into(),
            waits,
            database: bytes("postern_database_bytes", "Size of the database's file"),
            unused: bytes(
                "postern_database_unused_bytes",
                "What of it is free, and used again before it grows",
            ),
            log: bytes("postern_database_log_bytes", "Size of the database's write-ahead log"),
            disk_free: bytes("postern_disk_free_bytes", "What is left on the database's disk"),
            bodies: bytes("postern_bodies_in_flight_bytes", "Memory taken by bodies being read"),
            bodies_limit: bytes("postern_bodies_in_flight_limit_bytes", "limits.inflight"),
            throttled: gauge!("postern_workers_throttled"),
            circuits: CIRCUITS
                .map(|(state, name)| (state, gauge!("postern_circuits", "state" => name)))
                .into(),
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
        self.oldest.set(age(depth.oldest, now));
        let room = store.room().await?;
        self.database.set(room.database as f64);
        self.unused.set(room.unused as f64);
        self.log.set(room.log as f64);
        self.disk_free.set(room.disk_free.map_or(f64::NAN, |bytes| bytes as f64));
        let mut workers = Vec::new();
        for workspace in store.workspaces().await? {
            workers.extend(store.workers(workspace.id).await?);
        }
        let throttled = workers.iter().filter(|worker| worker.throttled_until > Some(now)).count();
        self.throttled.set(throttled as f64);
        for (state, gauge) in &self.circuits {
            let here = workers.iter().filter(|w| w.state != WorkerState::Gone && w.circuit.state == *state);
            gauge.set(here.count() as f64);
        }
        for (state, gauge) in &self.workers {
            gauge.set(workers.iter().filter(|worker| worker.state == *state).count() as f64);
        }
        let mut waits = [(0, None::<UnixMillis>); WAITS.len()];
        waits[GROUP] = store.groups_waiting().await?;
        for worker in workers.iter().filter(|worker| worker.state != WorkerState::Gone) {
            let waiting = store.waiting(worker.id).await?;
            let held = waiting.held.map_or((0, None), |held| (held.count, Some(held.oldest)));
            for (which, count, oldest) in
                [(waits_for(worker), waiting.count, waiting.oldest), (WAITS.len() - 1, held.0, held.1)]
            {
                waits[which].0 += count;
                waits[which].1 = waits[which].1.into_iter().chain(oldest).min();
            }
        }
        for (gauges, (count, oldest)) in self.waits.iter().zip(waits) {
            gauges.count.set(count as f64);
            gauges.oldest.set(age(oldest, now));
        }
        Ok(())
    }

    /// How full the room for bodies is.
    #[expect(clippy::cast_precision_loss, reason = "bytes")]
    pub(crate) fn bodies(&self, bodies: &BodyReader) {
        let (taken, all) = bodies.taken();
        self.bodies.set(taken as f64);
        self.bodies_limit.set(all as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "an age")]
fn age(oldest: Option<UnixMillis>, now: UnixMillis) -> f64 {
    oldest.map_or(0.0, |at| now.since(at).max(0) as f64 / 1e3)
}

/// What a worker's deliveries wait for, as a place in [`WAITS`].
fn waits_for(worker: &Worker) -> usize {
    match worker.state {
        WorkerState::Active if worker.circuit.state != CircuitState::Closed => 1,
        WorkerState::Active => 0,
        WorkerState::Away => 2,
        WorkerState::Paused => 3,
        WorkerState::Pending | WorkerState::Gone => 4,
    }
}
