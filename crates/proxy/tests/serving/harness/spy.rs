use async_trait::async_trait;
use postern_protocol::Secret;
use postern_protocol::UnixMillis;
use postern_protocol::api::tunnels::{TunnelName, TunnelOptions};
use postern_protocol::api::{
    CatchUp, CatchUpChoice, CaughtUp, DeadLetterFilter, DeliveryDetail, DeliveryFilter, DeliveryInfo,
    EventFilter, EventInfo, EventRecord, Replayed, Waiting, WorkerPolicy,
};
use postern_protocol::id::{DeliveryId, EventId, SourceId, TokenId, WorkerId, WorkspaceId};
use postern_proxy::circuit::{CircuitChange, Observation, Observed};
use postern_proxy::store::{
    Accepted, Bulk, BulkDone, Claim, Claimed, ClaimedAhead, ClaimedFresh, DeadReason, DeliveryCursor, Depth,
    EventContent, EventCursor, FinishAttempt, Grant, GrantReport, GrantSought, LinearApp, LinearMember,
    LinearOrganization, LiveBatch, LiveMark, NewEvent, Page, Ping, RecoverDone, Recovery, Redelivery,
    ReservedTunnel, Room, Source, Store, StoreError, Token, TunnelKept, Worker, Workspace, WriteMetrics,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// What happened in the store.
#[derive(Debug)]
pub(crate) enum Happened {
    Finished(Box<FinishAttempt>),
    Settled(WorkerId, Result<UnixMillis, String>),
    Away(Vec<WorkerId>),
    Pruned(u64),
    Pinged(WorkerId, Observed),
}

/// A store that tells what happens in it, and fails or waits when told to.
pub(crate) struct Spy {
    inner: Arc<dyn Store>,
    happened: mpsc::UnboundedSender<Happened>,
    /// Whether events and readiness fail, as on a full disk.
    pub(crate) full: AtomicBool,
    /// Whether event acceptance panics.
    pub(crate) panics: AtomicBool,
    /// While `false`, commits wait.
    pub(crate) gate: watch::Sender<bool>,
    /// A permit for each commit that came to the gate.
    pub(crate) at_gate: Semaphore,
    /// Whether nothing is found due: whoever reconciles has nothing to do.
    pub(crate) blind: AtomicBool,
    /// While `false`, attempts wait to be recorded.
    pub(crate) records: watch::Sender<bool>,
    /// How often a worker was heard of.
    pub(crate) heard: watch::Sender<usize>,
}

impl Spy {
    pub(crate) fn new(inner: Arc<dyn Store>) -> (Self, mpsc::UnboundedReceiver<Happened>) {
        let (happened, receiver) = mpsc::unbounded_channel();
        let spy = Self {
            inner,
            happened,
            full: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            gate: watch::Sender::new(true),
            at_gate: Semaphore::new(0),
            blind: AtomicBool::new(false),
            records: watch::Sender::new(true),
            heard: watch::Sender::new(0),
        };
        (spy, receiver)
    }

    fn room(&self) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk is full".into()));
        }
        Ok(())
    }

    fn tell(&self, what: Happened) {
        // After a test has ended nobody listens.
        let _ = self.happened.send(what);
    }
}

macro_rules! spy {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for Spy {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
                self.inner.$name($($arg),*).await
            })*

            fn claim_fresh(&self, claim: Claim) -> ClaimedFresh {
                self.inner.claim_fresh(claim)
            }

            fn claim_ahead(&self, event: &NewEvent, claim: Claim, early: bool) -> Vec<ClaimedAhead> {
                self.inner.claim_ahead(event, claim, early)
            }

            fn measured_by(&self, metrics: WriteMetrics) {
                self.inner.measured_by(metrics);
            }

            async fn ready(&self) -> Result<(), StoreError> {
                self.room()?;
                self.inner.ready().await
            }

            async fn accept_event(&self, event: NewEvent) -> Result<Accepted, StoreError> {
                assert!(!self.panics.load(Ordering::SeqCst), "told to");
                self.room()?;
                self.at_gate.add_permits(1);
                self.gate.subscribe().wait_for(|open| *open).await.unwrap();
                self.inner.accept_event(event).await
            }

            async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
                if self.blind.load(Ordering::SeqCst) {
                    return Ok(vec![]);
                }
                self.inner.claim_due(claim).await
            }

            async fn finish_attempt(
                &self,
                finish: FinishAttempt,
            ) -> Result<Option<CircuitChange>, StoreError> {
                self.records.subscribe().wait_for(|open| *open).await.unwrap();
                let changed = self.inner.finish_attempt(finish.clone()).await?;
                self.tell(Happened::Finished(Box::new(finish)));
                Ok(changed)
            }

            async fn report_ping(
                &self,
                id: WorkerId,
                report: Observation,
            ) -> Result<Option<CircuitChange>, StoreError> {
                let changed = self.inner.report_ping(id, report.clone()).await?;
                self.tell(Happened::Pinged(id, report.observed));
                Ok(changed)
            }

            async fn heard_of(&self, id: WorkerId) -> Result<(), StoreError> {
                self.inner.heard_of(id).await?;
                self.heard.send_modify(|count| *count += 1);
                Ok(())
            }

            async fn settle_challenge(
                &self,
                id: WorkerId,
                outcome: Result<UnixMillis, String>,
            ) -> Result<(), StoreError> {
                self.inner.settle_challenge(id, outcome.clone()).await?;
                self.tell(Happened::Settled(id, outcome));
                Ok(())
            }

            async fn expire_leases(&self, now: UnixMillis) -> Result<Vec<WorkerId>, StoreError> {
                let away = self.inner.expire_leases(now).await?;
                if !away.is_empty() {
                    self.tell(Happened::Away(away.clone()));
                }
                Ok(away)
            }

            async fn prune(&self, now: UnixMillis, keep: Duration, batch: u32) -> Result<u64, StoreError> {
                let events = self.inner.prune(now, keep, batch).await?;
                self.tell(Happened::Pruned(events));
                Ok(events)
            }
        }
    };
}

spy! {
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
    unproved_until(until: UnixMillis) -> Vec<Worker>;
    register_worker(worker: Worker) -> ();
    update_worker(worker: Worker) -> ();
    rotate_worker_secret(id: WorkerId, secret: Secret, previous_until: UnixMillis) -> ();
    worker_by_credential(hash: [u8; 32]) -> Option<Worker>;
    worker(id: WorkerId) -> Option<Worker>;
    workers(workspace: WorkspaceId) -> Vec<Worker>;
    renew_lease(id: WorkerId, until: UnixMillis, paused: Option<bool>) -> Option<Worker>;
    without_access(workers: Vec<WorkerId>, now: UnixMillis) -> Vec<WorkerId>;
    remove_worker(id: WorkerId, reason: DeadReason, now: UnixMillis) -> ();
    retire_abandoned(before: UnixMillis, now: UnixMillis) -> Vec<WorkerId>;
    set_catch_up(id: WorkerId, catch_up: CatchUp) -> ();
    set_group(id: WorkerId, group: Option<postern_protocol::api::Group>, now: UnixMillis) -> ();
    find_grant(id: WorkerId, event: EventId, replay: u32, number: Option<u32>) -> GrantSought;
    report_grant(report: GrantReport) -> bool;
    expired_grants(now: UnixMillis) -> Vec<Grant>;
    extend_grants(until: UnixMillis) -> ();
    set_ordering(id: WorkerId, ordering: postern_protocol::api::Ordering) -> ();
    end_absence(id: WorkerId, now: UnixMillis) -> ();
    catch_up(id: WorkerId, choice: CatchUpChoice, now: UnixMillis) -> CaughtUp;
    redeliver(id: WorkerId, event: EventId, now: UnixMillis) -> Redelivery;
    report_work(id: WorkerId, event: EventId, replay: u32, report: postern_protocol::api::WorkReport) -> bool;
    waiting(id: WorkerId) -> Waiting;
    group_waiting(id: WorkerId) -> Waiting;
    groups_waiting() -> (u64, Option<UnixMillis>);
    set_policy(id: WorkerId, policy: WorkerPolicy) -> bool;
    reserve_tunnel(workspace: WorkspaceId, name: TunnelName, options: Option<TunnelOptions>, now: UnixMillis) -> TunnelKept;
    set_tunnel_options(workspace: WorkspaceId, name: TunnelName, options: TunnelOptions) -> TunnelKept;
    release_tunnel(workspace: WorkspaceId, name: TunnelName, now: UnixMillis) -> bool;
    touch_tunnel(name: TunnelName, now: UnixMillis) -> ();
    tunnels(workspace: WorkspaceId) -> Vec<ReservedTunnel>;
    tunnel(name: &TunnelName) -> Option<Arc<ReservedTunnel>>;
    pings_due(now: UnixMillis, idle_since: Option<UnixMillis>, limit: usize) -> Vec<Ping>;
    next_due() -> Option<UnixMillis>;
    event_record(workspace: WorkspaceId, id: EventId) -> Option<EventRecord>;
    set_back(now: UnixMillis, by: Duration) -> ();
    prune_settled(above: u64, batch: u32) -> u64;
    room() -> Room;
    depth() -> Depth;
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
