use super::*;
use postern_protocol::signature::Timestamped;

async fn get(world: &World, id: WorkerId) -> Worker {
    world.store().worker(id).await.unwrap().unwrap()
}

pub(crate) async fn a_worker_is_kept_and_found(mut world: World) {
    let made = world.worker(&["Issue", "!Issue.remove"]);
    world.store().register_worker(made.clone()).await.unwrap();
    world.restart();
    let found = world.store().worker_by_credential(made.credential_hash).await.unwrap().unwrap();
    assert_eq!((found.id, found.workspace, found.token), (made.id, made.workspace, made.token));
    assert_eq!((found.name, found.url, found.secret), (made.name, made.url, made.secret));
    assert_eq!((found.filter, found.ordering, found.catch_up), (made.filter, made.ordering, made.catch_up));
    assert_eq!((found.state, found.created_at), (WorkerState::Pending, made.created_at));
    assert!(world.store().worker_by_credential([9; 32]).await.unwrap().is_none());
    assert!(world.store().worker(entropy::worker_id(T0)).await.unwrap().is_none());
    let other = world.worker(&[]);
    world.store().register_worker(other.clone()).await.unwrap();
    let all: Vec<_> =
        world.store().workers(world.workspace).await.unwrap().into_iter().map(|w| w.id).collect();
    assert_eq!(all, [made.id, other.id]);
}

pub(crate) async fn its_style_of_signature_is_kept(mut world: World) {
    let style =
        |prefix: &str| SignatureStyle::Timestamped(Timestamped { header_prefix: prefix.parse().unwrap() });
    let made = Worker { style: style("X-Acme"), ..world.worker(&[]) };
    world.store().register_worker(made.clone()).await.unwrap();
    assert_eq!(get(&world, made.id).await.style, style("X-Acme"));
    world.store().settle_challenge(made.id, Ok(T0.plus(1_000_000))).await.unwrap();
    world.accept().await;
    assert_eq!(world.claim(T0.plus(1_000)).await[0].style, style("X-Acme"), "from memory");
    world.restart();
    assert_eq!(world.claim(T0.plus(1_000)).await[0].style, style("X-Acme"), "from the database");
    let changed = Worker { style: style("X-Other"), ..made.clone() };
    world.store().update_worker(changed).await.unwrap();
    assert_eq!(get(&world, made.id).await.style, style("X-Other"));
}

pub(crate) async fn the_unproved_are_found_by_their_lease(world: World) {
    let until = T0.plus(1_000_000);
    let made = Worker { leased_until: until, ..world.worker(&[]) };
    let tunnel = Worker { leased_until: until, url: None, ..world.worker(&[]) };
    let leased = Worker { leased_until: until.plus(-1), ..world.worker(&[]) };
    for worker in [&made, &tunnel, &leased] {
        world.store().register_worker(worker.clone()).await.unwrap();
    }
    let found = async || -> Vec<_> {
        world.store().unproved_until(until).await.unwrap().into_iter().map(|worker| worker.id).collect()
    };
    assert_eq!(found().await, [made.id]);
    world.store().settle_challenge(made.id, Err("no answer".into())).await.unwrap();
    assert_eq!(found().await, [made.id]);
    world.store().settle_challenge(made.id, Ok(until)).await.unwrap();
    assert_eq!(found().await, []);
    assert_eq!(get(&world, made.id).await.leased_until, until);
}

pub(crate) async fn a_challenge_makes_it_active(world: World) {
    let made = world.worker(&[]);
    world.store().register_worker(made.clone()).await.unwrap();
    world.store().settle_challenge(made.id, Ok(T0.plus(60_000))).await.unwrap();
    let worker = get(&world, made.id).await;
    assert_eq!((worker.state, worker.leased_until), (WorkerState::Active, T0.plus(60_000)));
    let unknown = world.store().settle_challenge(entropy::worker_id(T0), Ok(T0)).await;
    assert!(matches!(unknown, Err(StoreError::Missing(_))));
}

pub(crate) async fn a_failed_challenge_says_why(world: World) {
    let made = world.worker(&[]);
    world.store().register_worker(made.clone()).await.unwrap();
    world.store().settle_challenge(made.id, Err("no answer".into())).await.unwrap();
    let worker = get(&world, made.id).await;
    assert_eq!((worker.state, worker.challenge_error.as_deref()), (WorkerState::Pending, Some("no answer")));
    world.store().settle_challenge(made.id, Ok(T0)).await.unwrap();
    assert_eq!(get(&world, made.id).await.challenge_error, None);
    // A late outcome of an earlier challenge changes nothing.
    world.store().settle_challenge(made.id, Err("late".into())).await.unwrap();
    assert_eq!(get(&world, made.id).await.state, WorkerState::Active);
}

pub(crate) async fn an_update_keeps_what_waits(world: World) {
    let id = world.active_worker(&[]).await;
    world.accept().await;
    let old = get(&world, id).await;
    let changed = Worker {
        url: Some("https://elsewhere.example/".into()),
        secret: "whsec_new".into(),
        previous_secret: Some((old.secret.clone(), T0.plus(500))),
        filter: Filter::parse(&["Comment"]).unwrap(),
        ..old.clone()
    };
    world.store().update_worker(changed).await.unwrap();
    assert_eq!(get(&world, id).await.state, WorkerState::Pending);
    assert!(world.claim(T0.plus(100)).await.is_empty(), "not before the challenge");
    assert_eq!(world.store().waiting(id).await.unwrap().count, 1);
    world.store().settle_challenge(id, Ok(T0.plus(99_999))).await.unwrap();
    let claimed = world.claim(T0.plus(499)).await.pop().unwrap();
    assert_eq!(claimed.url.as_deref(), Some("https://elsewhere.example/"));
    assert_eq!(claimed.secrets, [Secret::new("whsec_new"), old.secret], "both sign during the grace");
    world.finish(&claimed, T0.plus(499), Next::RetryAt(T0.plus(500))).await;
    assert_eq!(world.claim(T0.plus(500)).await[0].secrets.len(), 1, "and one after it");
    let accepted = world.store().accept_event(world.event()).await.unwrap();
    assert_eq!(accepted, Accepted::Stored { workers: Vec::new() }, "the new filter counts");
    let unknown = Worker { id: entropy::worker_id(T0), ..world.worker(&[]) };
    assert!(matches!(world.store().update_worker(unknown).await, Err(StoreError::Missing(_))));
}

pub(crate) async fn a_worker_without_a_url(mut world: World) {
    let made = Worker { url: None, ..world.worker(&[]) };
    world.store().register_worker(made.clone()).await.unwrap();
    world.store().settle_challenge(made.id, Ok(T0.plus(60_000))).await.unwrap();
    world.restart();
    assert_eq!(get(&world, made.id).await.url, None);
    world.accept().await;
    assert_eq!(world.claim(T0.plus(500)).await[0].url, None);
    let addressed = Worker { url: Some("https://laptop.example/".into()), ..made.clone() };
    world.store().update_worker(addressed).await.unwrap();
    assert_eq!(get(&world, made.id).await.url.as_deref(), Some("https://laptop.example/"));
    world.store().update_worker(made.clone()).await.unwrap();
    assert_eq!(get(&world, made.id).await.url, None);
}

pub(crate) async fn who_may_not_connect_any_more(world: World) {
    let store = world.store();
    let (stays, leaves) = (world.active_worker(&[]).await, world.active_worker(&[]).await);
    let [revoked, expiring] = [[2; 32], [3; 32]];
    let mut others = Vec::new();
    for hash in [revoked, expiring] {
        let token = world.issue_token_until(hash, (hash == expiring).then_some(T0.plus(500))).await;
        let worker = Worker { token, ..world.worker(&[]) };
        others.push(worker.id);
        store.register_worker(worker).await.unwrap();
    }
    let all = vec![stays, leaves, others[0], others[1], entropy::worker_id(T0)];
    let known = all[..4].to_vec();
    let at = |ms| T0.plus(ms);
    assert_eq!(
        store.without_access(all.clone(), at(499)).await.unwrap(),
        all[4..],
        "nobody knows the last one"
    );
    store.remove_worker(leaves, DeadReason::WorkerLeft, at(10)).await.unwrap();
    let token = store.token_by_hash(revoked, at(20)).await.unwrap().unwrap();
    store.revoke_token(token.id, at(20)).await.unwrap();
    assert_eq!(store.without_access(known.clone(), at(499)).await.unwrap(), [leaves, others[0]]);
    assert_eq!(store.without_access(known, at(500)).await.unwrap(), all[1..4]);
}

pub(crate) async fn a_secret_is_rotated(mut world: World) {
    let id = world.active_worker(&[]).await;
    world.accept().await;
    let old = get(&world, id).await;
    world.store().rotate_worker_secret(id, "whsec_new".into(), T0.plus(500)).await.unwrap();
    world.restart();
    let found = get(&world, id).await;
    assert_eq!((found.state, &found.url, found.leased_until), (old.state, &old.url, old.leased_until));
    let claimed = world.claim(T0.plus(499)).await.pop().unwrap();
    assert_eq!(claimed.secrets, [Secret::new("whsec_new"), old.secret], "both sign during the grace");
    world.finish(&claimed, T0.plus(499), Next::RetryAt(T0.plus(500))).await;
    assert_eq!(world.claim(T0.plus(500)).await[0].secrets, [Secret::new("whsec_new")], "and one after it");
    world.store().remove_worker(id, DeadReason::WorkerLeft, T0).await.unwrap();
    let gone = world.store().rotate_worker_secret(id, "x".into(), T0).await;
    assert!(matches!(gone, Err(StoreError::Missing(_))), "{gone:?}");
}

pub(crate) async fn leases_expire_and_renew(world: World) {
    let id = world.active_worker(&[]).await;
    let store = world.store();
    store.renew_lease(id, T0.plus(100), None).await.unwrap();
    world.accept().await;
    assert!(store.expire_leases(T0.plus(100)).await.unwrap().is_empty(), "it lasts until then");
    assert_eq!(store.expire_leases(T0.plus(101)).await.unwrap(), [id]);
    assert!(store.expire_leases(T0.plus(101)).await.unwrap().is_empty(), "once");
    assert_eq!(get(&world, id).await.state, WorkerState::Away);
    assert!(world.claim(T0.plus(200)).await.is_empty());
    assert_eq!(store.next_due().await.unwrap(), None);
    let renewed = store.renew_lease(id, T0.plus(500), None).await.unwrap().unwrap();
    assert_eq!((renewed.state, renewed.leased_until), (WorkerState::Active, T0.plus(500)));
    assert_eq!(world.claim(T0.plus(200)).await.len(), 1, "what waited flows");
    assert!(store.renew_lease(entropy::worker_id(T0), T0, None).await.unwrap().is_none());
}

pub(crate) async fn pausing_holds(world: World) {
    let id = world.active_worker(&[]).await;
    let store = world.store();
    let renew = async |paused| store.renew_lease(id, T0.plus(5_000), paused).await.unwrap().unwrap().state;
    assert_eq!(renew(Some(true)).await, WorkerState::Paused);
    assert_eq!(renew(None).await, WorkerState::Paused);
    world.accept().await;
    assert!(world.claim(T0.plus(100)).await.is_empty());
    assert!(
        store.expire_leases(T0.plus(6_000)).await.unwrap().is_empty(),
        "a paused worker does not go away"
    );
    // Through a change and its challenge it stays paused.
    store.update_worker(get(&world, id).await).await.unwrap();
    assert_eq!(renew(None).await, WorkerState::Pending);
    store.settle_challenge(id, Ok(T0.plus(5_000))).await.unwrap();
    assert_eq!(get(&world, id).await.state, WorkerState::Paused);
    assert_eq!(renew(Some(false)).await, WorkerState::Active);
    assert_eq!(world.claim(T0.plus(100)).await.len(), 1);
}

pub(crate) async fn leaving_makes_dead_letters(world: World) {
    let (leaves, stays) = (world.active_worker(&[]).await, world.active_worker(&[]).await);
    let mut last = None;
    for _ in 0..1_500 {
        last = Some(world.event());
        world.store().accept_event(last.clone().unwrap()).await.unwrap();
    }
    world.store().remove_worker(leaves, DeadReason::WorkerLeft, T0.plus(9)).await.unwrap();
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (1_500, 1_500));
    assert_eq!(get(&world, leaves).await.state, WorkerState::Gone);
    assert!(world.store().renew_lease(leaves, T0.plus(9_999), None).await.unwrap().is_none());
    assert_eq!(world.store().waiting(leaves).await.unwrap(), Waiting::default());
    let record = world.record(last.unwrap().id).await;
    let state = |id| record.deliveries.iter().find(|d| d.worker_id == Some(id)).unwrap().state;
    assert_eq!((state(leaves), state(stays)), (DeliveryState::Dead, DeliveryState::Pending));
    assert!(world.claim(T0.plus(99_999)).await.iter().all(|claimed| claimed.worker == stays));
    world.store().remove_worker(leaves, DeadReason::WorkerLeft, T0.plus(9)).await.unwrap();
    let gone = get(&world, leaves).await;
    assert!(matches!(world.store().update_worker(gone).await, Err(StoreError::Missing(_))));
}

pub(crate) async fn the_abandoned_are_retired(mut world: World) {
    let leased = |millis: i64| T0.plus(1_000_000_000 + millis);
    let (away, paused, active) =
        (world.active_worker(&[]).await, world.active_worker(&[]).await, world.active_worker(&[]).await);
    let store = world.store();
    store.renew_lease(paused, leased(0), Some(true)).await.unwrap();
    store.renew_lease(active, leased(5), None).await.unwrap();
    let never = world.worker(&[]);
    store.register_worker(never.clone()).await.unwrap();
    let (waits, held) = (world.accept().await, world.accept().await);
    store.expire_leases(leased(3)).await.unwrap();
    assert_eq!(get(&world, away).await.state, WorkerState::Away);

    let retired = store.retire_abandoned(leased(0), leased(100)).await.unwrap();
    assert_eq!(retired, [never.id], "the others' leases have not ended before then");
    let mut retired = store.retire_abandoned(leased(10), leased(100)).await.unwrap();
    retired.sort_by_key(ToString::to_string);
    let mut expected = [away, paused];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(retired, expected, "not the active one");
    assert!(store.retire_abandoned(leased(10), leased(100)).await.unwrap().is_empty(), "once");
    world.restart();
    for event in [waits.id, held.id] {
        for delivery in world.record(event).await.deliveries {
            let expected =
                if delivery.worker_id == Some(active) { DeliveryState::Pending } else { DeliveryState::Dead };
            assert_eq!(delivery.state, expected);
        }
    }
    assert_eq!(world.store().depth().await.unwrap().dead, 4);
    assert!(world.store().renew_lease(away, leased(200), None).await.unwrap().is_none(), "it is gone");
}

pub(crate) async fn what_waits_is_counted(mut world: World) {
    let id = world.active_worker(&[]).await;
    assert_eq!(world.store().waiting(id).await.unwrap(), Waiting::default());
    let (first, second) = (world.accept().await, world.accept().await);
    let waiting = Waiting { count: 2, oldest: Some(first.received_at), held: None };
    assert_eq!(world.store().waiting(id).await.unwrap(), waiting);
    // Put off far beyond the other, the first is still the oldest.
    let claimed = world.claim_some(T0.plus(1_000), 1, 1).await.pop().unwrap();
    world.finish(&claimed, T0.plus(1_000), Next::RetryAt(T0.plus(999_999))).await;
    assert_eq!(world.store().waiting(id).await.unwrap(), waiting);
    assert_eq!(world.store().depth().await.unwrap().oldest, Some(first.received_at));
    world.restart();
    assert_eq!(world.store().waiting(id).await.unwrap(), waiting);
    let claimed = world.claim(T0.plus(999_999)).await;
    for one in claimed.iter().filter(|one| one.event == first.id) {
        world.finish(one, T0.plus(999_999), Next::Delivered).await;
    }
    let waiting = Waiting { count: 1, oldest: Some(second.received_at), held: None };
    assert_eq!(world.store().waiting(id).await.unwrap(), waiting);
}
