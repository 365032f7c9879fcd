//! What the store keeps in memory beside the database: the workers as far as
//! claiming and matching need them, which deliveries are claimed, the newest
//! keys of events, and the sources and tunnels that are asked for again and again.
//!
//! Everything here but the keys follows commits, never precedes them, and can be read anew
//! from the database at any time, claims apart: those are meant to be lost
//! with the process.

use super::dedupe::Newest;
use super::problem::Problem;
use super::roster::Roster;
use crate::store::{LinearApp, ReservedTunnel, Source, WriteMetrics};
use crate::vault::Vault;
use postern_protocol::api::tunnels::TunnelName;
use postern_protocol::id::{EventId, SourceId};
use rusqlite::Connection;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Commit times remembered for events that no attempt has carried into the
/// database yet.
const COMMIT_TIMES: usize = 16_384;

#[derive(Default)]
pub(super) struct Memory {
    pub(super) roster: Roster,
    pub(super) keys: Newest,
    sources: HashMap<SourceId, Source>,
    apps: HashMap<String, LinearApp>,
    tunnels: HashMap<TunnelName, Arc<ReservedTunnel>>,
    /// Changes whenever something cached was changed: what was read from the
    /// database before is not to be cached after.
    generation: u64,
    commit_times: HashMap<EventId, u64>,
    commit_order: VecDeque<EventId>,
}

impl Memory {
    /// Drops what another process, or a write of ours, has made stale.
    pub(super) fn forget_cached(&mut self) {
        self.generation += 1;
        self.sources.clear();
        self.apps.clear();
        self.tunnels.clear();
    }

    /// Notes how long an event's commit took, in microseconds.
    pub(super) fn note_commit(&mut self, event: EventId, micros: u64) {
        if self.commit_order.len() == COMMIT_TIMES
            && let Some(oldest) = self.commit_order.pop_front()
        {
            self.commit_times.remove(&oldest);
        }
        self.commit_order.push_back(event);
        self.commit_times.insert(event, micros);
    }

    pub(super) fn commit_micros(&self, event: EventId) -> Option<u64> {
        self.commit_times.get(&event).copied()
    }
}

/// [`Memory`] under its lock, which is never held across I/O.
#[derive(Default)]
pub(super) struct SharedMemory(Mutex<Memory>, OnceLock<WriteMetrics>);

impl SharedMemory {
    /// Where writes are measured; the first call counts.
    pub(super) fn measured_by(&self, metrics: WriteMetrics) {
        let _ = self.1.set(metrics);
    }

    /// Measures a transaction.
    pub(super) fn committed(&self, writes: usize, took: Duration) {
        if let Some(metrics) = self.1.get() {
            metrics.committed(writes, took);
        }
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Memory) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A source from memory, or the generation under which one read from the
    /// database may be kept.
    pub(super) fn source(&self, id: SourceId) -> Result<Source, u64> {
        self.look(|m| m.sources.get(&id).cloned().ok_or(m.generation))
    }

    pub(super) fn keep_source(&self, generation: u64, source: &Source) {
        self.change(|m| {
            if m.generation == generation {
                m.sources.insert(source.id, source.clone());
            }
        });
    }

    pub(super) fn app(&self, slug: &str) -> Result<LinearApp, u64> {
        self.look(|m| m.apps.get(slug).cloned().ok_or(m.generation))
    }

    pub(super) fn keep_app(&self, generation: u64, app: &LinearApp) {
        self.change(|m| {
            if m.generation == generation {
                m.apps.insert(app.slug.clone(), app.clone());
            }
        });
    }

    pub(super) fn tunnel(&self, name: &TunnelName) -> Result<Arc<ReservedTunnel>, u64> {
        self.look(|m| m.tunnels.get(name).cloned().ok_or(m.generation))
    }

    pub(super) fn keep_tunnel(&self, generation: u64, tunnel: &Arc<ReservedTunnel>) {
        self.change(|m| {
            if m.generation == generation {
                m.tunnels.insert(tunnel.name.clone(), Arc::clone(tunnel));
            }
        });
    }

    /// Reads the workers again. Called where nothing writes meanwhile.
    pub(super) fn reload_workers(&self, db: &Connection, vault: &Vault) -> Result<(), Problem> {
        let workers = Roster::read(db, vault)?;
        self.change(|m| m.roster.replace(workers));
        Ok(())
    }
}
