use super::*;
use crate::entropy;
use crate::store::{Access, SqliteStore, Token, Worker, Workspace};
use crate::vault::Vault;
use postern_protocol::Secret;
use postern_protocol::api::{CatchUp, Circuit, Ordering, WorkerPolicy, WorkerState};

const T0: UnixMillis = UnixMillis(1_800_000_000_000);
async fn away(store: &SqliteStore) -> Worker {
    let workspace = entropy::workspace_id(T0);
    let made = Workspace { id: workspace, name: "acme".into(), created_at: T0 };
    store.create_workspace(made).await.unwrap();
    let token = Token {
        id: entropy::token_id(T0),
        workspace,
        label: "laptop".into(),
        hash: [1; 32],
        scopes: Vec::new(),
        created_at: T0,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    store.create_token(token.clone()).await.unwrap();
    let worker = Worker {
        id: entropy::worker_id(T0),
        workspace,
        token: token.id,
        name: "laptop".into(),
        url: Some("https://laptop.example/".into()),
        credential_hash: [2; 32],
        secret: Secret::new("whsec_x"),
        previous_secret: None,
        filter: Default::default(),
        ordering: Ordering::None,
        catch_up: CatchUp::All,
        group: None,
        style: postern_protocol::signature::SignatureStyle::Standard,
        state: WorkerState::Pending,
        leased_until: T0,
        challenge_error: None,
        circuit: Circuit::closed(T0),
        policy: WorkerPolicy::default(),
        throttled_until: None,
        created_at: T0,
    };
    store.register_worker(worker.clone()).await.unwrap();
    store.settle_challenge(worker.id, Ok(T0)).await.unwrap();
    store.expire_leases(T0.plus(1)).await.unwrap();
    worker
}

#[tokio::test]
async fn the_abandoned_are_retired_in_their_time_and_not_by_a_clock_that_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let store = SqliteStore::open(&file, Arc::new(Vault::new(&[7; 32])), Access::Serve).unwrap();
    let worker = away(&store).await;
    let hours = |hours: i64| T0.plus(hours * 3_600_000);
    let mut retirement = Retirement { after: 48 * EVERY, looked: T0 };
    for hour in (1..=48).chain([365 * 24, 48]) {
        assert!(retirement.look(&store, hours(hour)).await.unwrap().is_empty(), "{hour}");
    }
    assert_eq!(retirement.look(&store, hours(49)).await.unwrap(), [worker.id]);
    assert_eq!(store.worker(worker.id).await.unwrap().unwrap().state, WorkerState::Gone);
}
