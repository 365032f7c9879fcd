use super::*;

async fn is_duplicate(world: &World, event: &NewEvent) -> Option<EventId> {
    match world.store().accept_event(event.clone()).await.unwrap() {
        Accepted::Duplicate { of } => Some(of),
        Accepted::Stored { .. } => None,
        Accepted::Unasked => panic!("not of Postern's own"),
    }
}

pub(crate) async fn an_event_is_kept_byte_for_byte(mut world: World) {
    world.active_worker(&[]).await;
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let event = NewEvent { body: body.clone().into(), ..world.event() };
    world.store().accept_event(event.clone()).await.unwrap();
    world.restart();
    let claimed = world.claim(event.received_at).await.pop().unwrap();
    assert_eq!(claimed.body, body);
    assert_eq!(claimed.request, event.request);
    assert_eq!(claimed.headers, event.headers, "order, repetition, bytes that are not text");
    let record = world.record(event.id).await;
    assert_eq!(record.request_id.as_deref(), Some("0707070707070707"));
    assert_eq!(
        (record.size, record.name.as_str(), record.source.as_str()),
        (70_000, "Issue.create", "linear")
    );
    assert!(world.store().event_record(entropy::workspace_id(T0), event.id).await.unwrap().is_none());
}

/// `event` once more: the same key, another id and time.
fn again(event: &NewEvent, later: i64) -> NewEvent {
    let received_at = event.received_at.plus(later);
    NewEvent {
        id: entropy::event_id(received_at),
        received_at,
        dedupe_since: received_at.plus(-7 * 86_400_000),
        ..event.clone()
    }
}

pub(crate) async fn a_repetition_within_the_window_is_a_duplicate(mut world: World) {
    world.active_worker(&[]).await;
    let event = world.accept().await;
    assert_eq!(is_duplicate(&world, &again(&event, 1_000)).await, Some(event.id));
    world.restart();
    assert_eq!(
        is_duplicate(&world, &again(&event, 7 * 86_400_000)).await,
        Some(event.id),
        "the window's last moment"
    );
    assert_eq!(world.store().depth().await.unwrap().pending, 1);
    let elsewhere = NewEvent { source: entropy::source_id(T0), ..again(&event, 1) };
    assert_eq!(is_duplicate(&world, &elsewhere).await, None, "keys are a source's own");
}

pub(crate) async fn a_repetition_after_the_window_is_an_event(world: World) {
    let event = world.accept().await;
    let late = again(&event, 7 * 86_400_000 + 1);
    assert_eq!(is_duplicate(&world, &late).await, None);
    assert_eq!(is_duplicate(&world, &again(&late, 5)).await, Some(late.id), "the window begins anew");
}

pub(crate) async fn simultaneous_repetitions_are_one_event(world: World) {
    world.active_worker(&[]).await;
    let event = world.event();
    let store = world.store();
    let posts = (0..50).map(|n| store.accept_event(again(&event, n)));
    let accepted = futures_util::future::join_all(posts).await;
    let stored = accepted.into_iter().filter(|a| matches!(a, Ok(Accepted::Stored { .. }))).count();
    assert_eq!((stored, store.depth().await.unwrap().pending), (1, 1));
}

pub(crate) async fn events_without_a_key_are_always_new(world: World) {
    let event = NewEvent { dedupe: None, ..world.event() };
    assert_eq!(is_duplicate(&world, &event).await, None);
    assert_eq!(is_duplicate(&world, &again(&event, 0)).await, None);
}

pub(crate) async fn filters_decide_who_gets_it(world: World) {
    let all = world.active_worker(&[]).await;
    let issues = world.active_worker(&["Issue"]).await;
    world.active_worker(&["Comment"]).await;
    world.active_worker(&["!Issue.create"]).await;
    let Accepted::Stored { mut workers } = world.store().accept_event(world.event()).await.unwrap() else {
        panic!()
    };
    workers.sort();
    assert_eq!(workers, [all, issues]);
    assert_eq!(world.claim(T0.plus(1_000)).await.len(), 2);
}

pub(crate) async fn away_and_paused_workers_get_it_too(world: World) {
    let store = world.store();
    let (away, paused, gone) =
        (world.active_worker(&[]).await, world.active_worker(&[]).await, world.active_worker(&[]).await);
    store.renew_lease(away, T0.plus(10), None).await.unwrap();
    store.renew_lease(paused, T0.plus(99_999), Some(true)).await.unwrap();
    store.remove_worker(gone, DeadReason::WorkerLeft, T0).await.unwrap();
    assert_eq!(store.expire_leases(T0.plus(11)).await.unwrap(), [away]);
    let never = world.worker(&[]);
    store.register_worker(never.clone()).await.unwrap();
    let Accepted::Stored { mut workers } = store.accept_event(world.event()).await.unwrap() else { panic!() };
    workers.sort();
    assert_eq!(workers, [away, paused]);
    // Pending again after a change is not "never activated".
    let changed = store.worker(away).await.unwrap().unwrap();
    store.update_worker(changed).await.unwrap();
    let Accepted::Stored { workers } = store.accept_event(world.event()).await.unwrap() else { panic!() };
    assert!(workers.contains(&away) && !workers.contains(&never.id));
}

pub(crate) async fn one_worker_alone_whatever_its_filter(world: World) {
    let one = world.active_worker(&["Comment"]).await;
    world.active_worker(&[]).await;
    let event = NewEvent { only: Some(one), synthetic: true, ..world.event() };
    let accepted = world.store().accept_event(event.clone()).await.unwrap();
    assert_eq!(accepted, Accepted::Stored { workers: vec![one] });
    assert!(world.record(event.id).await.synthetic);
    let nobody = NewEvent { only: Some(entropy::worker_id(T0)), ..world.event() };
    assert!(matches!(world.store().accept_event(nobody).await, Err(StoreError::Missing(_))));
}

pub(crate) async fn other_workspaces_get_nothing(world: World) {
    let other = Workspace { id: entropy::workspace_id(T0), name: "Other".into(), created_at: T0 };
    world.store().create_workspace(other.clone()).await.unwrap();
    let elsewhere = Worker { workspace: other.id, ..world.worker(&[]) };
    world.store().register_worker(elsewhere.clone()).await.unwrap();
    world.store().settle_challenge(elsewhere.id, Ok(T0.plus(1_000))).await.unwrap();
    let accepted = world.store().accept_event(world.event()).await.unwrap();
    assert_eq!(accepted, Accepted::Stored { workers: Vec::new() });
    let reaching = NewEvent { only: Some(elsewhere.id), ..world.event() };
    assert!(matches!(world.store().accept_event(reaching).await, Err(StoreError::Missing(_))));
}

/// Two events under one id cannot be: the second is refused as a whole, and
/// what was asked for at the same moment stands.
pub(crate) async fn a_refused_event_leaves_nothing(world: World) {
    world.active_worker(&[]).await;
    let first = world.accept().await;
    let bad = NewEvent { id: first.id, ..world.event() };
    let good: Vec<_> = (0..20).map(|_| world.event()).collect();
    let store = world.store();
    let (refused, accepted) = tokio::join!(
        store.accept_event(bad.clone()),
        futures_util::future::join_all(good.iter().map(|event| store.accept_event(event.clone())))
    );
    assert!(matches!(refused, Err(StoreError::Failed(_))));
    assert!(accepted.iter().all(|outcome| matches!(outcome, Ok(Accepted::Stored { .. }))));
    assert_eq!(store.depth().await.unwrap().pending, 21);
    assert_eq!(world.claim(T0.plus(1_000)).await.len(), 21);
    // Its key was not kept either.
    assert_eq!(is_duplicate(&world, &NewEvent { id: entropy::event_id(T0), ..bad }).await, None);
}

pub(crate) async fn posterns_own_events_are_for_those_who_ask(world: World) {
    world.active_worker(&[]).await;
    world.active_worker(&["*"]).await;
    let own = |world: &World| {
        let key = DedupeKey::named("worker.away:wrk_1");
        let described = described("worker", Some("away"));
        NewEvent { provider: Provider::Postern, dedupe: Some(key), described, request: None, ..world.event() }
    };
    let unasked = own(&world);
    assert_eq!(world.store().accept_event(unasked.clone()).await.unwrap(), Accepted::Unasked);
    assert!(world.store().event_record(world.workspace, unasked.id).await.unwrap().is_none());

    let asking = world.active_worker(&["postern:worker.away"]).await;
    let told = own(&world);
    let stored = Accepted::Stored { workers: vec![asking] };
    assert_eq!(world.store().accept_event(told.clone()).await.unwrap(), stored);
    assert_eq!(world.record(told.id).await.request_id, None);
    assert_eq!(is_duplicate(&world, &own(&world)).await, Some(told.id), "whatever the body");
}
