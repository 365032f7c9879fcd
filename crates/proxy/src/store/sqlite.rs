//! The store on SQLite, for one node: one thread writes by group commit
//! ([`writer`]), a few connections read, claims live in memory ([`roster`]).
//! One process serves from a database; others may administer it meanwhile.

use super::{
    Accepted, Bulk, BulkDone, Claim, Claimed, ClaimedAhead, ClaimedFresh, DeadReason, DeliveryCursor, Depth,
    EventContent, EventCursor, FinishAttempt, Grant, GrantReport, GrantSought, LinearApp, LinearMember,
    LinearOrganization, LiveBatch, LiveMark, NewEvent, Page, Ping, RecoverDone, Recovery, Redelivery,
    ReservedTunnel, Room, Source, Store, StoreError, Token, TunnelKept, Worker, Workspace, WriteMetrics,
};
use crate::circuit::{CircuitChange, Observation};
use crate::vault::Vault;
use ahead::Keys;
use async_trait::async_trait;
use claim::Claimer;
use grants::Granter;
use memory::SharedMemory;
use postern_protocol::api::tunnels::{TunnelName, TunnelOptions};
use postern_protocol::api::{
    CatchUp, CatchUpChoice, CaughtUp, DeadLetterFilter, DeliveryDetail, DeliveryFilter, DeliveryInfo,
    EventFilter, EventInfo, EventRecord, Group, Ordering, Replayed, Waiting, WorkReport, WorkerPolicy,
};
use postern_protocol::id::{DeliveryId, EventId, SourceId, TokenId, WorkerId, WorkspaceId};
use postern_protocol::{Secret, UnixMillis};
use problem::Problem;
use readers::Readers;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use writer::{Batch, Writer};

mod admin;
mod ahead;
mod backup;
mod catch_up;
mod check;
mod checkpoint;
mod circuits;
mod claim;
mod connection;
mod copy;
mod dead_letters;
mod dedupe;
mod deliveries;
mod events;
mod finish;
mod fresh;
mod grants;
mod groups;
mod ingest;
mod linear;
mod live;
mod memory;
mod open;
mod order;
mod problem;
mod prune;
mod readers;
mod records;
mod replay;
mod room;
mod roster;
mod rotate;
mod rows;
mod sealed;
mod set_back;
mod tunnels;
mod why;
mod work;
mod workers;
mod writer;

pub use backup::{BackupError, Replaced, backup, restore};
pub use check::{Counts, Report, check};
pub use copy::{CopyError, Progress};
pub use open::{OpenError, lock};
pub use rotate::rotate_key;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything: intake, delivery, administration. Only one process at a
    /// time may; the lock is the file's name with `.lock`.
    Serve,
    /// Administration alone, beside a process that serves or without one.
    /// What belongs to intake and delivery answers [`StoreError::Failed`].
    Administer,
}

/// The store on SQLite.
pub struct SqliteStore {
    // Dropped in this order: the writer finishes, then the lock goes.
    writer: Writer,
    readers: Readers,
    claimer: Arc<Mutex<Claimer>>,
    keys: Keys,
    granter: Granter,
    memory: Arc<SharedMemory>,
    vault: Arc<Vault>,
    lock: Option<File>,
}

impl SqliteStore {
    /// Opens the database at `path`, and makes it when there is none. Blocks
    /// for a while where much is waiting: it is counted.
    ///
    /// # Errors
    /// When another process serves from it, when a newer version wrote it,
    /// when the vault's key is not the one it was sealed with, or when it
    /// cannot be read and written.
    pub fn open(path: &Path, vault: Arc<Vault>, access: Access) -> Result<Self, OpenError> {
        let serve = access == Access::Serve;
        let opened = open::open(path, &vault, serve, true)?;
        let database = |problem: Problem| match problem {
            Problem::Vault(error) => OpenError::Key(error),
            other => OpenError::Database { path: path.to_owned(), reason: other.to_string() },
        };
        let memory = Arc::new(SharedMemory::default());
        let mut last_event = 0;
        if serve {
            last_event = prepare(&opened.connection, &memory, &vault).map_err(database)?;
        }
        let writer = Writer::start(
            path.to_owned(),
            opened.connection,
            Arc::clone(&memory),
            Arc::clone(&vault),
            last_event,
            serve,
        );
        Ok(Self {
            writer: writer.map_err(database)?,
            readers: Readers::new(path.to_owned()),
            keys: Keys::new(path.to_owned()),
            claimer: Arc::new(Mutex::new(Claimer::new(path.to_owned()))),
            granter: Granter::new(path.to_owned()),
            memory,
            vault,
            lock: opened.lock,
        })
    }

    /// Brings the schema of the database at `path` up to date, which opening
    /// it does too; `copy`: whether a copy is kept beside it.
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub fn upgrade(path: &Path, vault: &Vault, copy: bool) -> Result<(), OpenError> {
        open::open(path, vault, false, copy).map(drop)
    }

    fn serving(&self) -> Result<(), StoreError> {
        if self.lock.is_some() { Ok(()) } else { Err(Problem::NotServing.into()) }
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let write = |tx: &mut writer::Tx<'_>| {
            tx.db
                .prepare_cached(
                    "INSERT INTO meta (key, value) VALUES ('ready', 1)
                     ON CONFLICT (key) DO UPDATE SET value = (value + 1) & 65535",
                )?
                .execute([])?;
            Ok(())
        };
        self.writer.write(Batch::Joins, write).await?;
        let read = |db: &rusqlite::Connection| {
            Ok(db.prepare_cached("SELECT value FROM meta WHERE key = 'ready'")?.query_row([], |_| Ok(()))?)
        };
        self.readers.read(read).await
    }
}

/// Fills the memory; returns the last event's number.
fn prepare(db: &rusqlite::Connection, memory: &SharedMemory, vault: &Vault) -> Result<i64, Problem> {
    workers::bury_interrupted(db)?;
    memory.reload_workers(db, vault)?;
    memory.change(|m| m.roster.count(db))?;
    let keys = dedupe::Newest::read(db)?;
    memory.change(|m| m.keys = keys);
    // Above all whose keys were moved, even if those are gone by now.
    let last =
        "SELECT max(value, (SELECT coalesce(max(seq), 0) FROM events)) FROM meta WHERE key = 'keys_moved'";
    Ok(db.query_row(last, [], |row| row.get(0))?)
}

macro_rules! delegate {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for SqliteStore {
            $(async fn $method(&self, $($argument: $kind),*) -> Result<$answer, StoreError> {
                SqliteStore::$method(self, $($argument),*).await
            })*

            fn claim_fresh(&self, claim: Claim) -> ClaimedFresh {
                SqliteStore::claim_fresh(self, claim)
            }

            fn claim_ahead(&self, event: &NewEvent, claim: Claim, early: bool) -> Vec<ClaimedAhead> {
                SqliteStore::claim_ahead(self, event, claim, early)
            }

            fn measured_by(&self, metrics: WriteMetrics) {
                self.memory.measured_by(metrics);
            }
        }
    };
}

// Inherent methods win over the trait's, so that each may live in the file of
// its concern.
delegate! {
    ready() -> ();
    create_workspace(workspace: Workspace) -> ();
    workspaces() -> Vec<Workspace>;
    create_source(source: Source) -> ();
    sources(workspace: WorkspaceId) -> Vec<Source>;
    source(id: SourceId) -> Option<Source>;
    set_source_secrets(id: SourceId, secrets: Vec<Secret>, old_until: Option<UnixMillis>) -> ();
    drop_old_secrets(now: UnixMillis) -> u64;
    remove_source(id: SourceId) -> ();
    put_linear_app(app: LinearApp) -> ();
    linear_app(slug: &str) -> Option<LinearApp>;
    link_organization(app: &str, organization: &str, source: SourceId) -> ();
    create_token(token: Token) -> ();
    tokens(workspace: WorkspaceId) -> Vec<Token>;
    token_by_hash(hash: [u8; 32], now: UnixMillis) -> Option<Token>;
    revoke_token(id: TokenId, now: UnixMillis) -> ();
    link_linear(named: &str, workspace: WorkspaceId) -> ();
    unlink_linear(named: &str) -> ();
    linear_links() -> Vec<(String, WorkspaceId)>;
    linear_workspace(found: LinearOrganization) -> Option<WorkspaceId>;
    admit_linear(token: Token, member: LinearMember) -> ();
    linear_members_checked_before(before: UnixMillis) -> Vec<LinearMember>;
    linear_checked(token: TokenId, found: Option<(UnixMillis, String)>) -> ();
    linear_user(token: TokenId) -> Option<String>;
    accept_event(event: NewEvent) -> Accepted;
    register_worker(worker: Worker) -> ();
    update_worker(worker: Worker) -> ();
    rotate_worker_secret(id: WorkerId, secret: Secret, previous_until: UnixMillis) -> ();
    worker_by_credential(hash: [u8; 32]) -> Option<Worker>;
    worker(id: WorkerId) -> Option<Worker>;
    workers(workspace: WorkspaceId) -> Vec<Worker>;
    unproved_until(until: UnixMillis) -> Vec<Worker>;
    settle_challenge(id: WorkerId, outcome: Result<UnixMillis, String>) -> ();
    renew_lease(id: WorkerId, until: UnixMillis, paused: Option<bool>) -> Option<Worker>;
    heard_of(id: WorkerId) -> ();
    without_access(workers: Vec<WorkerId>, now: UnixMillis) -> Vec<WorkerId>;
    remove_worker(id: WorkerId, reason: DeadReason, now: UnixMillis) -> ();
    expire_leases(now: UnixMillis) -> Vec<WorkerId>;
    retire_abandoned(before: UnixMillis, now: UnixMillis) -> Vec<WorkerId>;
    set_catch_up(id: WorkerId, catch_up: CatchUp) -> ();
    set_ordering(id: WorkerId, ordering: Ordering) -> ();
    set_group(id: WorkerId, group: Option<Group>, now: UnixMillis) -> ();
    end_absence(id: WorkerId, now: UnixMillis) -> ();
    catch_up(id: WorkerId, choice: CatchUpChoice, now: UnixMillis) -> CaughtUp;
    redeliver(id: WorkerId, event: EventId, now: UnixMillis) -> Redelivery;
    report_work(id: WorkerId, event: EventId, replay: u32, report: WorkReport) -> bool;
    find_grant(id: WorkerId, event: EventId, replay: u32, number: Option<u32>) -> GrantSought;
    report_grant(report: GrantReport) -> bool;
    expired_grants(now: UnixMillis) -> Vec<Grant>;
    extend_grants(until: UnixMillis) -> ();
    waiting(id: WorkerId) -> Waiting;
    group_waiting(id: WorkerId) -> Waiting;
    groups_waiting() -> (u64, Option<UnixMillis>);
    reserve_tunnel(workspace: WorkspaceId, name: TunnelName, options: Option<TunnelOptions>, now: UnixMillis) -> TunnelKept;
    set_tunnel_options(workspace: WorkspaceId, name: TunnelName, options: TunnelOptions) -> TunnelKept;
    release_tunnel(workspace: WorkspaceId, name: TunnelName, now: UnixMillis) -> bool;
    touch_tunnel(name: TunnelName, now: UnixMillis) -> ();
    tunnels(workspace: WorkspaceId) -> Vec<ReservedTunnel>;
    tunnel(name: &TunnelName) -> Option<Arc<ReservedTunnel>>;
    claim_due(claim: Claim) -> Vec<Claimed>;
    finish_attempt(finish: FinishAttempt) -> Option<CircuitChange>;
    set_policy(id: WorkerId, policy: WorkerPolicy) -> bool;
    pings_due(now: UnixMillis, idle_since: Option<UnixMillis>, limit: usize) -> Vec<Ping>;
    report_ping(id: WorkerId, report: Observation) -> Option<CircuitChange>;
    next_due() -> Option<UnixMillis>;
    event_record(workspace: WorkspaceId, id: EventId) -> Option<EventRecord>;
    set_back(now: UnixMillis, by: Duration) -> ();
    prune_settled(above: u64, batch: u32) -> u64;
    room() -> Room;
    depth() -> Depth;
    prune(now: UnixMillis, keep: Duration, batch: u32) -> u64;
    list_events(workspace: WorkspaceId, filter: EventFilter, from: Option<EventCursor>, limit: u32) -> Page<EventInfo, 16>;
    event_content(workspace: WorkspaceId, id: EventId) -> Option<EventContent>;
    list_deliveries(workspace: WorkspaceId, filter: DeliveryFilter, from: Option<DeliveryCursor>, limit: u32) -> Page<DeliveryInfo, 24>;
    list_dead_letters(workspace: WorkspaceId, filter: DeadLetterFilter, from: Option<DeliveryCursor>, limit: u32) -> Page<DeliveryInfo, 24>;
    delivery(workspace: WorkspaceId, id: DeliveryId) -> Option<DeliveryDetail>;
    redrive(workspace: WorkspaceId, bulk: Bulk, now: UnixMillis) -> BulkDone;
    discard(workspace: WorkspaceId, bulk: Bulk, by: String, reason: String, now: UnixMillis) -> BulkDone;
    replay(workspace: WorkspaceId, event: EventId, to: Option<WorkerId>, now: UnixMillis, new_delivery: fn(UnixMillis) -> DeliveryId) -> Option<Replayed>;
    recover(id: WorkerId, recovery: Recovery, now: UnixMillis) -> RecoverDone;
    live_now() -> LiveMark;
    live_since(workspace: WorkspaceId, mark: LiveMark, limit: u32) -> LiveBatch;
}

impl SqliteStore {
    async fn next_due(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.serving()?;
        Ok(self.memory.look(|memory| memory.roster.next_due()))
    }
}

#[cfg(test)]
mod tests;
