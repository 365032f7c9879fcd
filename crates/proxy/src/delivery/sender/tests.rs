use super::*;
use crate::entropy;
use crate::registry::address::AddressPolicy;
use crate::store::{Access, Claim, NewEvent, Source, SqliteStore, Worker, Workspace};
use crate::tunnel::directory::InProcess;
use crate::vault::Vault;
use bytes::Bytes;
use postern_protocol::api::{AttemptOutcome, Circuit, DeliveryState, WorkerPolicy, WorkerState};
use postern_protocol::filter::Filter;
use postern_protocol::signature::Scheme;
use postern_protocol::signature::standard;
use postern_protocol::{HeaderList, Provider, UnixMillis, line};
use std::sync::atomic::{AtomicBool, Ordering};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// A clock that fails the first who looks.
struct Broken(AtomicBool);

impl Clock for Broken {
    fn now(&self) -> UnixMillis {
        assert!(self.0.swap(true, Ordering::SeqCst), "told to");
        NOW
    }
}

/// A store with one event that is due to one worker.
async fn due(store: &SqliteStore) -> NewEvent {
    let store: &dyn Store = store;
    let workspace = entropy::workspace_id(NOW);
    store.create_workspace(Workspace { id: workspace, name: "acme".into(), created_at: NOW }).await.unwrap();
    let source = Source {
        id: entropy::source_id(NOW),
        workspace,
        name: "open".into(),
        scheme: Scheme::None,
        id_from: None,
        entity_pointer: None,
        secrets: vec![],
        old_until: None,
        created_at: NOW,
    };
    store.create_source(source.clone()).await.unwrap();
    let worker = Worker {
        id: entropy::worker_id(NOW),
        workspace,
        token: entropy::token_id(NOW),
        name: "laptop".into(),
        url: Some("http://127.0.0.1:1/".into()),
        credential_hash: [1; 32],
        secret: standard::new_secret([1; 32]),
        previous_secret: None,
        filter: Filter::default(),
        ordering: Default::default(),
        catch_up: Default::default(),
        group: None,
        style: Default::default(),
        state: WorkerState::Pending,
        leased_until: NOW.plus(60_000),
        challenge_error: None,
        circuit: Circuit::closed(NOW),
        policy: WorkerPolicy::default(),
        throttled_until: None,
        created_at: NOW,
    };
    store.register_worker(worker.clone()).await.unwrap();
    store.settle_challenge(worker.id, Ok(NOW.plus(60_000))).await.unwrap();
    let event = NewEvent {
        id: entropy::event_id(NOW),
        workspace,
        source: source.id,
        source_name: source.name,
        provider: Provider::None,
        received_at: NOW,
        dedupe: None,
        dedupe_since: NOW,
        described: line::describe(Provider::None, &HeaderList::new(), b"x"),
        headers: HeaderList::new(),
        body: Bytes::from_static(b"x"),
        synthetic: false,
        request: None,
        only: None,
        new_delivery: entropy::delivery_id,
    };
    store.accept_event(event.clone()).await.unwrap();
    event
}

#[tokio::test]
async fn a_panic_is_recorded_as_a_failed_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Arc::new(Vault::new(&[7; 32]));
    let sqlite = SqliteStore::open(&folder.path().join("postern.db"), vault, Access::Serve).unwrap();
    let event = due(&sqlite).await;
    let store: Arc<dyn Store> = Arc::new(sqlite);
    let clock: Arc<dyn Clock> = Arc::new(Broken(AtomicBool::new(false)));
    let sender = Sender {
        notices: Arc::new(Notices::new(store.clone(), clock.clone(), Arc::new(crate::bus::InProcess::new()))),
        tunnels: Tunnelled::new(Arc::new(InProcess::new()), Duration::from_secs(1)),
        store: store.clone(),
        clock,
        client: Outbound::new(AddressPolicy::default(), Duration::from_secs(1)).unwrap(),
        settings: crate::config::Config::defaults().unwrap().delivery,
        metrics: DeliveryMetrics::new(),
        heard: Heard::default(),
        circuits: CircuitWatch::new(),
        canaries: Arc::default(),
    };
    let claimed = store
        .claim_due(Claim {
            now: NOW,
            limit: 9,
            per_worker: 9,
            bytes: u64::MAX,
            worker_bytes: u64::MAX,
            lease: Duration::from_secs(60),
        })
        .await
        .unwrap()
        .remove(0);
    sender.attempt(claimed, None).await;

    let record = store.event_record(event.workspace, event.id).await.unwrap().unwrap();
    let delivery = &record.deliveries[0];
    assert_eq!(delivery.state, DeliveryState::Pending);
    assert!(delivery.next_attempt_at.unwrap() > NOW, "one attempt of the schedule is used up");
    let attempt = &delivery.attempts[0];
    assert_eq!((attempt.number, attempt.outcome, attempt.status), (1, AttemptOutcome::Refused, None));
    assert!(attempt.error.as_deref().unwrap().starts_with("the proxy failed while sending"));
}
