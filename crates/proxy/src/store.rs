//! What the proxy keeps, and the intentions with which it is touched.
//!
//! Each method is one transaction: what it promises has been committed when it
//! returns, or it returned an error and nothing happened. Two implementations
//! are meant: SQLite for one node (here), PostgreSQL for several (later); both
//! pass one suite of contract tests. Secrets go in and come out in the clear;
//! the store seals them at rest with its [`crate::vault::Vault`].

#[cfg(test)]
mod contract;
mod grants;
mod listing;
mod metrics;
mod sqlite;
mod tunnels;

pub use grants::{Grant, GrantReport, GrantSought, GrantStep, Granted};
pub use listing::{
    Bulk, BulkCursor, BulkDone, Cursor, DeliveryCursor, EventContent, EventCursor, InvalidCursor, LiveBatch,
    LiveMark, Page, RecoverCursor, RecoverDone, Recovery,
};
pub use metrics::{BATCH_SIZE, WriteMetrics};
pub use postern_protocol::api::DeadReason;
pub use sqlite::{
    Access, BackupError, CopyError, Counts, OpenError, Progress, Replaced, Report, SqliteStore, backup,
    check, lock, restore, rotate_key,
};

pub use tunnels::{MOST_NAMES, QUARANTINE, ReservedTunnel, TunnelKept};

use crate::circuit::{CircuitChange, Observation};
use async_trait::async_trait;
use bytes::Bytes;
use postern_protocol::api::tunnels::{TunnelName, TunnelOptions};
use postern_protocol::api::{
    AttemptRecord, CatchUp, CatchUpChoice, CaughtUp, Circuit, DeadLetterFilter, DeliveryDetail,
    DeliveryFilter, DeliveryInfo, DeliveryState, EventFilter, EventInfo, EventRecord, Group, Ordering,
    Replayed, RetryPolicy, Waiting, WorkReport, WorkerPolicy, WorkerState,
};
use postern_protocol::dedupe::{DedupeKey, IdFrom, Pointer};
use postern_protocol::event::{Described, Provider};
use postern_protocol::filter::Filter;
use postern_protocol::id::{DeliveryId, EventId, SourceId, TokenId, WorkerId, WorkspaceId};
use postern_protocol::signature::{Scheme, SignatureStyle};
use postern_protocol::{HeaderList, Secret, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room, no server, no answer: nothing was written, a later try may work.
    #[error("the store cannot take this now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is named already (a source's or workspace's name).
    #[error("{0} exists already")]
    Exists(String),
    /// What the call refers to is not there.
    #[error("{0} does not exist")]
    Missing(String),
    /// A defect or a damaged database.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the proxy keeps.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether a small write and read work now.
    async fn ready(&self) -> Result<(), StoreError>;

    // -- administration -----------------------------------------------------

    /// Makes a workspace; names are unique.
    async fn create_workspace(&self, workspace: Workspace) -> Result<(), StoreError>;
    /// All of them, oldest first.
    async fn workspaces(&self) -> Result<Vec<Workspace>, StoreError>;
    /// Makes a source; names are unique in a workspace.
    async fn create_source(&self, source: Source) -> Result<(), StoreError>;
    /// A workspace's sources, oldest first.
    async fn sources(&self, workspace: WorkspaceId) -> Result<Vec<Source>, StoreError>;
    /// One source. Called for every webhook: answered from memory where
    /// possible, at most a second behind other processes' changes.
    async fn source(&self, id: SourceId) -> Result<Option<Source>, StoreError>;
    /// Replaces a source's secrets (rotation: old and new together, the old
    /// ones until `old_until`).
    async fn set_source_secrets(
        &self,
        id: SourceId,
        secrets: Vec<Secret>,
        old_until: Option<UnixMillis>,
    ) -> Result<(), StoreError>;
    /// Drops the secrets of sources and Linear apps that were replaced, and
    /// whose time is over at `now`; of how many.
    async fn drop_old_secrets(&self, now: UnixMillis) -> Result<u64, StoreError>;
    /// Removes a source; its events stay.
    async fn remove_source(&self, id: SourceId) -> Result<(), StoreError>;
    /// Makes or replaces a Linear OAuth app that serves many organisations.
    async fn put_linear_app(&self, app: LinearApp) -> Result<(), StoreError>;
    /// One app by its slug; from memory where possible, as [`Store::source`].
    async fn linear_app(&self, slug: &str) -> Result<Option<LinearApp>, StoreError>;
    /// Routes an organisation's webhooks of an app to a source.
    async fn link_organization(
        &self,
        app: &str,
        organization: &str,
        source: SourceId,
    ) -> Result<(), StoreError>;
    /// Keeps a token (hashed by the caller).
    async fn create_token(&self, token: Token) -> Result<(), StoreError>;
    /// A workspace's tokens, oldest first, revoked ones included.
    async fn tokens(&self, workspace: WorkspaceId) -> Result<Vec<Token>, StoreError>;
    /// The token with this SHA-256, and notes its use at `now` (to the minute).
    async fn token_by_hash(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<Token>, StoreError>;
    /// Revokes a token and ends the leases of workers registered with it.
    async fn revoke_token(&self, id: TokenId, now: UnixMillis) -> Result<(), StoreError>;
    /// Lets a Linear organisation's members sign in to a workspace; `named` is
    /// its id or URL key. Takes the place of an earlier link.
    async fn link_linear(&self, named: &str, workspace: WorkspaceId) -> Result<(), StoreError>;
    /// Removes a link; its members are due for a check at once.
    async fn unlink_linear(&self, named: &str) -> Result<(), StoreError>;
    /// The linked organisations, as they were named.
    async fn linear_links(&self) -> Result<Vec<(String, WorkspaceId)>, StoreError>;
    /// The workspace an organisation is linked to. A link by URL key belongs,
    /// from the first sign-in on, to the organisation that had the key then.
    async fn linear_workspace(&self, found: LinearOrganization) -> Result<Option<WorkspaceId>, StoreError>;
    /// Keeps a member's token and sign-in, unless the token is there already.
    async fn admit_linear(&self, token: Token, member: LinearMember) -> Result<(), StoreError>;
    /// Members whose last check was at `before` or earlier, longest ago first,
    /// at most 50; not those whose token is revoked.
    async fn linear_members_checked_before(
        &self,
        before: UnixMillis,
    ) -> Result<Vec<LinearMember>, StoreError>;
    /// Notes a check and the id of the user it found; `None` forgets the member.
    async fn linear_checked(
        &self,
        token: TokenId,
        found: Option<(UnixMillis, String)>,
    ) -> Result<(), StoreError>;
    /// The id of the Linear user a token stands for.
    async fn linear_user(&self, token: TokenId) -> Result<Option<String>, StoreError>;

    // -- ingest -------------------------------------------------------------

    /// Stores an event and a delivery for each worker of the workspace whose
    /// filter takes it (away and paused ones included, gone and never
    /// activated ones not), unless its dedupe key is known within the window.
    /// Of a claim group there is one delivery, where a member's filter takes it.
    /// For a worker with [`Ordering::Entity`], and for a claim group, it waits in
    /// line while an earlier event of its entity is not delivered, held, or
    /// given up. An event of
    /// Postern's own that nobody takes is not kept.
    async fn accept_event(&self, event: NewEvent) -> Result<Accepted, StoreError>;

    // -- registry -----------------------------------------------------------

    /// Keeps a new worker, `pending`.
    async fn register_worker(&self, worker: Worker) -> Result<(), StoreError>;
    /// Replaces what a registration may change, its group apart
    /// ([`Store::set_group`]): URL, name, filter, ordering, catch-up, secret (the old secret goes on signing until
    /// `previous_until`), token; state becomes `pending`.
    async fn update_worker(&self, worker: Worker) -> Result<(), StoreError>;
    /// Gives a worker that is not gone another signing secret; the old one
    /// signs beside it until then. Nothing else of it changes.
    async fn rotate_worker_secret(
        &self,
        id: WorkerId,
        secret: Secret,
        previous_until: UnixMillis,
    ) -> Result<(), StoreError>;
    /// The worker with this credential's SHA-256.
    async fn worker_by_credential(&self, hash: [u8; 32]) -> Result<Option<Worker>, StoreError>;
    /// One worker.
    async fn worker(&self, id: WorkerId) -> Result<Option<Worker>, StoreError>;
    /// A workspace's workers, oldest first.
    async fn workers(&self, workspace: WorkspaceId) -> Result<Vec<Worker>, StoreError>;
    /// The pending workers with a URL whose lease ends then or later.
    async fn unproved_until(&self, until: UnixMillis) -> Result<Vec<Worker>, StoreError>;
    /// The challenge's outcome: `Ok` makes a pending worker active (or paused,
    /// when it was) with a lease until then; `Err` keeps the reason.
    async fn settle_challenge(
        &self,
        id: WorkerId,
        outcome: Result<UnixMillis, String>,
    ) -> Result<(), StoreError>;
    /// Renews a lease; pauses or resumes when said. Where the worker's
    /// circuit is open a ping falls due, so that what waits soon flows. `None`
    /// when gone, or when its token has been revoked.
    async fn renew_lease(
        &self,
        id: WorkerId,
        until: UnixMillis,
        paused: Option<bool>,
    ) -> Result<Option<Worker>, StoreError>;
    /// A worker shows that it is there, otherwise than by a renewal: where its
    /// circuit is open a ping falls due, so that what waits soon flows.
    async fn heard_of(&self, id: WorkerId) -> Result<(), StoreError>;
    /// Those of `workers` that may not connect any more: they are gone, or the
    /// token they registered with is revoked or has expired.
    async fn without_access(
        &self,
        workers: Vec<WorkerId>,
        now: UnixMillis,
    ) -> Result<Vec<WorkerId>, StoreError>;
    /// Sets how a worker is delivered to. `false`: there is no such worker.
    async fn set_policy(&self, id: WorkerId, policy: WorkerPolicy) -> Result<bool, StoreError>;
    /// The worker leaves: `gone`, its waiting deliveries are dead-lettered; what
    /// it holds of a claim group's goes to the others.
    async fn remove_worker(
        &self,
        id: WorkerId,
        reason: DeadReason,
        now: UnixMillis,
    ) -> Result<(), StoreError>;
    /// Marks active workers whose lease ended before `now` as away.
    async fn expire_leases(&self, now: UnixMillis) -> Result<Vec<WorkerId>, StoreError>;
    /// Makes workers gone that are not active and whose lease ended before
    /// `before`; what waits for them is dead-lettered (`Abandoned`).
    async fn retire_abandoned(
        &self,
        before: UnixMillis,
        now: UnixMillis,
    ) -> Result<Vec<WorkerId>, StoreError>;
    /// Sets what becomes of events held during a worker's absences.
    async fn set_catch_up(&self, id: WorkerId, catch_up: CatchUp) -> Result<(), StoreError>;
    /// Sets in which order a worker gets its deliveries, those that wait
    /// included; attempts under way are not called back.
    async fn set_ordering(&self, id: WorkerId, ordering: Ordering) -> Result<(), StoreError>;
    /// Sets the group a worker is in. Where that is another claim group than
    /// before, what it holds of that one's is given up at once.
    async fn set_group(&self, id: WorkerId, group: Option<Group>, now: UnixMillis) -> Result<(), StoreError>;
    /// Ends a worker's absence, when it has one: what was accepted for it since
    /// its lease ran out is left to flow, skipped or held, as its `catch_up`
    /// says (a choice it makes by itself concerns what was held before, too).
    /// To be called right before it is made active again; what is accepted
    /// later flows.
    async fn end_absence(&self, id: WorkerId, now: UnixMillis) -> Result<(), StoreError>;
    /// Does with a worker's held deliveries what was chosen.
    async fn catch_up(
        &self,
        id: WorkerId,
        choice: CatchUpChoice,
        now: UnixMillis,
    ) -> Result<CaughtUp, StoreError>;
    /// Makes an event's skipped, dead, discarded or held delivery to a worker
    /// due at once, as [`Store::redrive`] does.
    async fn redeliver(
        &self,
        id: WorkerId,
        event: EventId,
        now: UnixMillis,
    ) -> Result<Redelivery, StoreError>;
    /// Keeps what a worker reports of its work on its delivery of an event (of
    /// the n-th replay of it; 0: of the event itself). A report that says what
    /// the last one said changes nothing; the newest 100 are kept. `false`: it
    /// has no such delivery.
    async fn report_work(
        &self,
        id: WorkerId,
        event: EventId,
        replay: u32,
        report: WorkReport,
    ) -> Result<bool, StoreError>;
    /// What a worker's report on an event (on the n-th replay of it; 0: on the
    /// event itself) is about, as far as claim groups go; by the number it
    /// names, or by its newest.
    async fn find_grant(
        &self,
        id: WorkerId,
        event: EventId,
        replay: u32,
        number: Option<u32>,
    ) -> Result<GrantSought, StoreError>;
    /// Makes of a grant what was reported, and keeps the report. `false`: it is
    /// lost, and nothing happened.
    async fn report_grant(&self, report: GrantReport) -> Result<bool, StoreError>;
    /// Frees entities that nothing of is under way and whose lease is over at
    /// `now`; returns the grants that are, and that somebody is to fail by
    /// [`Store::report_grant`]. Attempts under way are waited for.
    async fn expired_grants(&self, now: UnixMillis) -> Result<Vec<Grant>, StoreError>;
    /// Lets no grant's lease end before `until`: members could not report.
    async fn extend_grants(&self, until: UnixMillis) -> Result<(), StoreError>;
    /// What waits for a worker's claim group, what members have included.
    async fn group_waiting(&self, id: WorkerId) -> Result<Waiting, StoreError>;
    /// How much waits for all claim groups together, and since when.
    async fn groups_waiting(&self) -> Result<(u64, Option<UnixMillis>), StoreError>;
    /// What waits for a worker by itself, and what is held.
    async fn waiting(&self, id: WorkerId) -> Result<Waiting, StoreError>;

    // -- public tunnels -----------------------------------------------------

    /// Reserves a name for a workspace, with these options, or none. One that
    /// is the workspace's already stays, with these options where some are
    /// given; one that it released it may take back, and others may
    /// [`QUARANTINE`] after that.
    async fn reserve_tunnel(
        &self,
        workspace: WorkspaceId,
        name: TunnelName,
        options: Option<TunnelOptions>,
        now: UnixMillis,
    ) -> Result<TunnelKept, StoreError>;
    /// Replaces the options of a name of the workspace. A secret that is left
    /// out stays as it was, where the kind of access does.
    async fn set_tunnel_options(
        &self,
        workspace: WorkspaceId,
        name: TunnelName,
        options: TunnelOptions,
    ) -> Result<TunnelKept, StoreError>;
    /// Releases a name of the workspace. `false`: it is not reserved.
    async fn release_tunnel(
        &self,
        workspace: WorkspaceId,
        name: TunnelName,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;
    /// Notes that a worker begins to serve a name.
    async fn touch_tunnel(&self, name: TunnelName, now: UnixMillis) -> Result<(), StoreError>;
    /// A workspace's names, in their order.
    async fn tunnels(&self, workspace: WorkspaceId) -> Result<Vec<ReservedTunnel>, StoreError>;
    /// The reservation of a name, whosever it is. Called for every visitor's
    /// request: from memory where possible, as [`Store::source`].
    async fn tunnel(&self, name: &TunnelName) -> Result<Option<Arc<ReservedTunnel>>, StoreError>;

    // -- delivery -----------------------------------------------------------

    /// Claims deliveries whose time has come, of workers that are active and
    /// whose circuit is not open, oldest first within each worker; never more
    /// of one worker in flight than its policy or `per_worker` says, so that a
    /// slow one cannot take all the room; never faster than its policy says;
    /// and one at a time while its circuit is half-open. What waits for a claim
    /// group is granted to a member: the one that holds its entity, or else of
    /// those whose filter takes it the one with the least to do, if one is there
    /// and has room, what it holds included. A claim is exclusive
    /// until [`Store::finish_attempt`] or the process ends. Claim again
    /// whenever an attempt has finished: it made room.
    async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError>;

    /// Claims, of what [`Store::claim_due`] would, that for which nothing need
    /// be read: what was accepted a moment ago. It may be none of it.
    fn claim_fresh(&self, claim: Claim) -> ClaimedFresh;

    /// Claims deliveries of an event that is about to be accepted, so that they
    /// are made ready while it is committed: to active workers with a closed circuit
    /// and room that keep no order and have nothing else due. `early`: they are
    /// sent meanwhile, so none if the event's key is known or being taken, or
    /// may be. Otherwise they wait for the commit, of one event at a time:
    /// where many come, it spares no time. [`Store::accept_event`]
    /// is to follow at once; where it commits nothing the claims end, and
    /// nothing of the attempts is recorded.
    fn claim_ahead(&self, event: &NewEvent, claim: Claim, early: bool) -> Vec<ClaimedAhead>;

    /// Records an attempt, what follows from it, and what it says of the
    /// worker; returns how that changed the worker's circuit. While this fails
    /// the claim stands: try again until it is recorded.
    async fn finish_attempt(&self, finish: FinishAttempt) -> Result<Option<CircuitChange>, StoreError>;
    /// The active workers to be pinged at `now`, at most `limit`: those whose
    /// circuit is open and was for long enough; and, of the others, those that
    /// no attempt and no ping has reached since `idle_since`.
    async fn pings_due(
        &self,
        now: UnixMillis,
        idle_since: Option<UnixMillis>,
        limit: usize,
    ) -> Result<Vec<Ping>, StoreError>;
    /// What a ping says of a worker; returns how that changed its circuit.
    async fn report_ping(
        &self,
        id: WorkerId,
        report: Observation,
    ) -> Result<Option<CircuitChange>, StoreError>;
    /// When the next waiting delivery, or the next ping of an open circuit,
    /// falls due: the scheduler sleeps until then, or until it is woken.
    /// Workers with no room for another claim do not count.
    async fn next_due(&self) -> Result<Option<UnixMillis>, StoreError>;
    /// An event with its deliveries and attempts, when it is the workspace's.
    async fn event_record(
        &self,
        workspace: WorkspaceId,
        id: EventId,
    ) -> Result<Option<EventRecord>, StoreError>;
    /// The clock was set back by `by`, to `now`: whatever was put off until
    /// later than now (deliveries, leases, pings) is put
    /// off by that much less, or it would wait for as long as the clock was
    /// wrong.
    async fn set_back(&self, now: UnixMillis, by: Duration) -> Result<(), StoreError>;
    /// Deletes the oldest events that have nothing undelivered, at most `batch`
    /// of them, while more than `above` bytes are in use. What is undelivered
    /// stays. Returns how many events were deleted; fewer than `batch`: nothing
    /// is left to do.
    async fn prune_settled(&self, above: u64, batch: u32) -> Result<u64, StoreError>;
    /// How much room there is.
    async fn room(&self) -> Result<Room, StoreError>;
    /// Where writes are measured from now on; the first call counts.
    fn measured_by(&self, metrics: WriteMetrics);
    /// Counts for metrics.
    async fn depth(&self) -> Result<Depth, StoreError>;
    /// Deletes events (with their deliveries, attempts and dedupe keys)
    /// accepted more than `keep` before `now`, at most `batch`. Where one is
    /// still undelivered, its deliveries become dead letters (`Expired`) and
    /// it is kept for `keep` once more. Returns how many events were deleted
    /// or expired; fewer than `batch`: none is left to do.
    async fn prune(&self, now: UnixMillis, keep: Duration, batch: u32) -> Result<u64, StoreError>;

    // -- the workspace's view -----------------------------------------------

    /// A workspace's events, newest first, at most `limit`, those before
    /// `from`. Pages hold together whatever comes or goes meanwhile.
    async fn list_events(
        &self,
        workspace: WorkspaceId,
        filter: EventFilter,
        from: Option<EventCursor>,
        limit: u32,
    ) -> Result<Page<EventInfo, 16>, StoreError>;
    /// What was posted, when the event is the workspace's.
    async fn event_content(
        &self,
        workspace: WorkspaceId,
        id: EventId,
    ) -> Result<Option<EventContent>, StoreError>;
    /// A workspace's deliveries, those of the newest events first, as
    /// [`Store::list_events`].
    async fn list_deliveries(
        &self,
        workspace: WorkspaceId,
        filter: DeliveryFilter,
        from: Option<DeliveryCursor>,
        limit: u32,
    ) -> Result<Page<DeliveryInfo, 24>, StoreError>;
    /// A workspace's dead letters, likewise; what there is of other
    /// deliveries costs nothing.
    async fn list_dead_letters(
        &self,
        workspace: WorkspaceId,
        filter: DeadLetterFilter,
        from: Option<DeliveryCursor>,
        limit: u32,
    ) -> Result<Page<DeliveryInfo, 24>, StoreError>;
    /// A delivery with its attempts, when it is the workspace's. Its id was
    /// made with the time its event was accepted.
    async fn delivery(
        &self,
        workspace: WorkspaceId,
        id: DeliveryId,
    ) -> Result<Option<DeliveryDetail>, StoreError>;
    /// Makes dead, expired, skipped and discarded deliveries due at once,
    /// ahead of what waits for their workers and outside any order, with the
    /// whole schedule before them; their `webhook-id` stays. A part of them:
    /// [`BulkDone::next`] says where to go on.
    async fn redrive(
        &self,
        workspace: WorkspaceId,
        bulk: Bulk,
        now: UnixMillis,
    ) -> Result<BulkDone, StoreError>;
    /// Discards dead, expired and skipped deliveries, and keeps who did, when
    /// and why.
    async fn discard(
        &self,
        workspace: WorkspaceId,
        bulk: Bulk,
        by: String,
        reason: String,
        now: UnixMillis,
    ) -> Result<BulkDone, StoreError>;
    /// Makes new deliveries of an event, due at once and outside any order,
    /// whose `webhook-id` is the event's id with `.r{n}`: to one worker,
    /// whatever its filter, or to all whose filter takes it. `None`: the event
    /// is not there, or not the workspace's.
    async fn replay(
        &self,
        workspace: WorkspaceId,
        event: EventId,
        to: Option<WorkerId>,
        now: UnixMillis,
        new_delivery: fn(UnixMillis) -> DeliveryId,
    ) -> Result<Option<Replayed>, StoreError>;
    /// Makes what did not reach a worker due at once and outside any order:
    /// its dead, expired and skipped deliveries, and events without a delivery
    /// to it that its filter takes, synthetic ones apart. A part of them:
    /// [`RecoverDone::next`] says where to go on.
    async fn recover(
        &self,
        id: WorkerId,
        recovery: Recovery,
        now: UnixMillis,
    ) -> Result<RecoverDone, StoreError>;
    /// The present, for those who follow from now on.
    async fn live_now(&self) -> Result<LiveMark, StoreError>;
    /// What has happened in a workspace since `mark`, some of it.
    async fn live_since(
        &self,
        workspace: WorkspaceId,
        mark: LiveMark,
        limit: u32,
    ) -> Result<LiveBatch, StoreError>;
}

/// A team.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name, 1–100 characters.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// Where a provider posts.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its id: the last part of its URL.
    pub id: SourceId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its name, 1–64 of `a-z 0-9 - _ .`.
    pub name: String,
    /// Who posts to it, and how that is signed.
    pub scheme: Scheme,
    /// Where an event's id stands, for senders that Postern does not know.
    pub id_from: Option<IdFrom>,
    /// Where in the body an event's entity stands, the unit of ordering; absent:
    /// as its provider's events are described.
    pub entity_pointer: Option<Pointer>,
    /// The secrets it has, newest first; empty only for [`Scheme::None`].
    pub secrets: Vec<Secret>,
    /// Until when those but the newest count; absent: until they are replaced.
    pub old_until: Option<UnixMillis>,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl Source {
    /// Who posts to it.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.scheme.provider()
    }

    /// The secrets it accepts at `now`.
    #[must_use]
    pub fn accepted(&self, now: UnixMillis) -> &[Secret] {
        accepted(&self.secrets, self.old_until, now)
    }
}

fn accepted(secrets: &[Secret], old_until: Option<UnixMillis>, now: UnixMillis) -> &[Secret] {
    let over = old_until.is_some_and(|until| until <= now);
    if over { &secrets[..secrets.len().min(1)] } else { secrets }
}

/// A Linear OAuth app whose webhooks serve many organisations.
#[derive(Clone, Debug)]
pub struct LinearApp {
    /// Its slug: the last part of `/webhooks/linear/{slug}`.
    pub slug: String,
    /// Its signing secrets, newest first.
    pub secrets: Vec<Secret>,
    /// As [`Source::old_until`].
    pub old_until: Option<UnixMillis>,
    /// Organisation id → source.
    pub organizations: Vec<(String, SourceId)>,
}

impl LinearApp {
    /// The secrets it accepts at `now`.
    #[must_use]
    pub fn accepted(&self, now: UnixMillis) -> &[Secret] {
        accepted(&self.secrets, self.old_until, now)
    }
}

/// An issued token, known by its hash.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// For people.
    pub label: String,
    /// SHA-256 of the token's text.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends; absent: never.
    pub expires_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UnixMillis>,
}

/// An organisation, as Linear names it.
#[derive(Clone, Debug)]
pub struct LinearOrganization {
    /// Its id.
    pub id: String,
    /// Its part of Linear's URLs; may change hands.
    pub url_key: String,
}

/// Somebody who signed in with a key of Linear's.
#[derive(Clone, Debug)]
pub struct LinearMember {
    /// The token that stands for the key.
    pub token: TokenId,
    /// The token's workspace.
    pub workspace: WorkspaceId,
    /// The id of the organisation.
    pub organization: String,
    /// The id of the user; absent for one kept by an older version, until the
    /// next check.
    pub user: Option<String>,
    /// The key.
    pub secret: Secret,
    /// When Linear last confirmed it.
    pub checked_at: UnixMillis,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Register workers: `workers:register`.
    WorkersRegister,
    /// Make synthetic events: `events:trigger`.
    EventsTrigger,
    /// Read events, deliveries, sources and workers: `events:read`.
    EventsRead,
    /// Change other workers' settings: `workers:write`.
    WorkersWrite,
    /// Redrive, discard, replay and recover for any worker: `deliveries:write`.
    DeliveriesWrite,
    /// Reserve, serve, change and release names of public tunnels:
    /// `tunnels:write`.
    TunnelsWrite,
}

impl Scope {
    /// All of them: what a token has unless said otherwise.
    pub const ALL: [Self; 6] = [
        Self::WorkersRegister,
        Self::EventsTrigger,
        Self::EventsRead,
        Self::WorkersWrite,
        Self::DeliveriesWrite,
        Self::TunnelsWrite,
    ];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WorkersRegister => "workers:register",
            Self::EventsTrigger => "events:trigger",
            Self::EventsRead => "events:read",
            Self::WorkersWrite => "workers:write",
            Self::DeliveriesWrite => "deliveries:write",
            Self::TunnelsWrite => "tunnels:write",
        }
    }
}

/// The id of a request to the proxy; as text, 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub [u8; 8]);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A webhook to be accepted.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// How it came in.
    pub source: SourceId,
    /// The source's name at that time.
    pub source_name: String,
    /// Who posted it.
    pub provider: Provider,
    /// When its body had been read.
    pub received_at: UnixMillis,
    /// What makes it the same event as an earlier one; absent: always new.
    pub dedupe: Option<DedupeKey>,
    /// How long ago the same key must have come to be a duplicate.
    pub dedupe_since: UnixMillis,
    /// What it is.
    pub described: Described,
    /// The provider's headers, hop-by-hop and credential ones stripped.
    pub headers: HeaderList,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Made by `trigger`.
    pub synthetic: bool,
    /// The request it came in by; absent: by none.
    pub request: Option<RequestId>,
    /// Deliver to this worker alone, whatever its filter.
    pub only: Option<WorkerId>,
    /// The delivery ids to use, made by the caller on demand: called once per
    /// matching worker.
    pub new_delivery: fn(UnixMillis) -> DeliveryId,
}

/// What became of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Committed, with a delivery to each of these workers.
    Stored {
        /// Who gets it; for a claim group, one member that could.
        workers: Vec<WorkerId>,
    },
    /// The same key came before within the window.
    Duplicate {
        /// The earlier event.
        of: EventId,
    },
    /// An event of Postern's own that no worker takes: it is not kept.
    Unasked,
}

/// What became of the wish to deliver an event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// It is due.
    Due,
    /// It stands thus, and needs nothing: pending or delivered.
    Already(DeliveryState),
    /// The event is not there, or was not for this worker.
    Unknown,
}

/// A registered worker.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The token it registered with.
    pub token: TokenId,
    /// For people.
    pub name: String,
    /// Where deliveries are posted; absent: through its tunnel.
    pub url: Option<String>,
    /// SHA-256 of its credential.
    pub credential_hash: [u8; 32],
    /// Signs its deliveries.
    pub secret: Secret,
    /// The secret before, and until when it signs too.
    pub previous_secret: Option<(Secret, UnixMillis)>,
    /// Which events it wants.
    pub filter: Filter,
    /// In which order.
    pub ordering: Ordering,
    /// What becomes of events held during an absence.
    pub catch_up: CatchUp,
    /// The group it is in.
    pub group: Option<Group>,
    /// How it is signed for.
    pub style: SignatureStyle,
    /// Where it stands.
    pub state: WorkerState,
    /// When its lease ends.
    pub leased_until: UnixMillis,
    /// Why its last challenge failed.
    pub challenge_error: Option<String>,
    /// Whether deliveries flow to it.
    pub circuit: Circuit,
    /// How it wants to be delivered to.
    pub policy: WorkerPolicy,
    /// Until when what is due waits because of its rate, as far as this
    /// process knows.
    pub throttled_until: Option<UnixMillis>,
    /// When it first registered.
    pub created_at: UnixMillis,
}

/// What [`Store::claim_fresh`] took.
#[derive(Clone, Debug, Default)]
pub struct ClaimedFresh {
    /// What is claimed.
    pub deliveries: Vec<Claimed>,
    /// Whether something else is due, for [`Store::claim_due`].
    pub more: bool,
}

/// Says that the delivery's event is committed; ends where it is not.
pub type Committed = oneshot::Receiver<()>;

/// A delivery that was claimed before its event is committed.
#[derive(Debug)]
pub struct ClaimedAhead {
    /// The delivery.
    pub delivery: Claimed,
    /// Told after the commit.
    pub committed: Committed,
}

/// What [`Store::claim_due`] may take.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The present.
    pub now: UnixMillis,
    /// At most so many in all.
    pub limit: u32,
    /// At most so many of one worker in flight, earlier claims included, where
    /// its policy says nothing else.
    pub per_worker: u32,
    /// Bodies of so many bytes together; the last one may exceed it, so that
    /// none is too large to be claimed.
    pub bytes: u64,
    /// From how many bytes of bodies under way to one worker on it gets no more;
    /// above 0. The last one may exceed it.
    pub worker_bytes: u64,
    /// How long a member of a claim group holds what it is granted.
    pub lease: Duration,
}

/// A delivery claimed for one attempt, with all that sending it takes.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// The `webhook-id` on the wire.
    pub webhook_id: String,
    /// How often it was made due again after it had ended.
    pub redriven: u32,
    /// To whom.
    pub worker: WorkerId,
    /// Where to; absent: through the worker's tunnel.
    pub url: Option<String>,
    /// The secrets to sign with: the present one, then one in its grace.
    pub secrets: Vec<Secret>,
    /// How to sign.
    pub style: SignatureStyle,
    /// This attempt's number on the wire, from 1; burnt or not.
    pub attempt: u32,
    /// How many answered failures the schedule has counted so far.
    pub failures: u32,
    /// The entity whose next event waits for it, with an ordered worker or a
    /// claim group.
    pub entity: Option<String>,
    /// With a claim group: how it is granted.
    pub granted: Option<Granted>,
    /// From when on its age counts: its first answered attempt, later by the
    /// time it waited for its worker since; absent before that attempt.
    pub counts_from: Option<UnixMillis>,
    /// The worker's own retry policy.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Whose event it is.
    pub workspace: WorkspaceId,
    /// The source's name.
    pub source_name: String,
    /// Who posted it.
    pub provider: Provider,
    /// `Issue.update`.
    pub event_name: String,
    /// When it was accepted.
    pub received_at: UnixMillis,
    /// Made by `trigger`.
    pub synthetic: bool,
    /// The request it came in by; absent: by none, or it is not known.
    pub request: Option<RequestId>,
    /// The provider's headers.
    pub headers: HeaderList,
    /// The body.
    pub body: Bytes,
}

/// An attempt and what follows from it.
#[derive(Clone, Debug)]
pub struct FinishAttempt {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To which worker.
    pub worker: WorkerId,
    /// The record; its number is the claim's.
    pub attempt: AttemptRecord,
    /// What follows.
    pub next: Next,
    /// What it says of the worker.
    pub report: Observation,
}

/// A worker to be pinged.
#[derive(Clone, Debug)]
pub struct Ping {
    /// Who.
    pub worker: WorkerId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Where to; absent: through the worker's tunnel.
    pub url: Option<String>,
    /// The secrets to sign with: the present one, then one in its grace.
    pub secrets: Vec<Secret>,
    /// How it is signed for.
    pub style: SignatureStyle,
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done.
    Delivered,
    /// An answered failure: one more attempt of the policy is used, the next
    /// is due then.
    RetryAt(UnixMillis),
    /// Held without using anything up, due again then.
    HoldUntil(UnixMillis),
    /// Never reached the worker: nothing is used up, and it is due as it was.
    /// The worker's circuit says when it is tried again.
    NotReached,
    /// No more attempts.
    Dead(DeadReason),
    /// The worker answered 410: it is gone, with all that waits for it alone.
    WorkerGone,
}

/// How much room a store takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The database.
    pub database: u64,
    /// How much of it is free, and used again before it grows.
    pub unused: u64,
    /// Its log.
    pub log: u64,
    /// What is left on its disk, where that can be told.
    pub disk_free: Option<u64>,
}

/// How much there is of what, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Deliveries waiting.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// When the oldest waiting one was accepted.
    pub oldest: Option<UnixMillis>,
}
