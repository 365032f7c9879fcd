use super::*;
use std::collections::HashSet;

pub(crate) async fn a_claim_is_exclusive(world: World) {
    world.active_worker(&[]).await;
    let event = world.accept().await;
    let claimed = world.claim(event.received_at).await;
    assert_eq!(claimed.len(), 1);
    assert!(world.claim(event.received_at).await.is_empty());
    assert_eq!(world.record(event.id).await.deliveries[0].state, DeliveryState::Sending);
    world.finish(&claimed[0], event.received_at, Next::Delivered).await;
    assert!(world.claim(event.received_at.plus(1_000_000)).await.is_empty());
}

pub(crate) async fn what_is_fresh_is_claimed_once(world: World) {
    let worker = world.active_worker(&[]).await;
    let (first, second) = (world.accept().await, world.accept().await);
    let now = T0.plus(1_000);
    let claim = |limit, per_worker| {
        let (bytes, worker_bytes) = (u64::MAX, u64::MAX);
        world.store().claim_fresh(Claim { now, limit, per_worker, bytes, worker_bytes, lease: LEASE })
    };
    let one = claim(1, 9);
    assert_eq!(one.deliveries.iter().map(|c| (c.event, c.worker)).collect::<Vec<_>>(), [(first.id, worker)]);
    assert!(one.more);
    // There is no room for another of this worker.
    let none = claim(9, 1);
    assert!(none.deliveries.is_empty() && !none.more);
    assert_eq!(world.claim(now).await.iter().map(|c| c.event).collect::<Vec<_>>(), [second.id]);
    assert!(claim(9, 9).deliveries.is_empty());
    // What is due again has to be read, and what comes after it waits for its turn.
    world.finish(&one.deliveries[0], now, Next::RetryAt(now)).await;
    let third = world.accept().await;
    let waits = claim(9, 9);
    assert!(waits.deliveries.is_empty() && waits.more);
    assert_eq!(world.claim(now).await.len(), 2, "{} and {}", first.id, third.id);
}

pub(crate) async fn the_oldest_comes_first(world: World) {
    world.active_worker(&[]).await;
    let mut events = Vec::new();
    for _ in 0..10 {
        events.push(world.accept().await.id);
    }
    let claimed: Vec<_> = world.claim(T0.plus(1_000)).await.into_iter().map(|c| c.event).collect();
    assert_eq!(claimed, events);
}

pub(crate) async fn no_worker_takes_all_the_room(world: World) {
    world.active_worker(&[]).await;
    for _ in 0..10 {
        world.accept().await;
    }
    let now = T0.plus(1_000);
    let claimed = world.claim_some(now, 100, 4).await;
    assert_eq!(claimed.len(), 4);
    assert!(world.claim_some(now, 100, 4).await.is_empty(), "earlier claims count");
    assert_eq!(world.store().next_due().await.unwrap(), None, "nothing to wake up for");
    world.finish(&claimed[0], now, Next::Delivered).await;
    assert!(world.store().next_due().await.unwrap().is_some_and(|due| due <= now));
    assert_eq!(world.claim_some(now, 100, 4).await.len(), 1);
}

pub(crate) async fn a_claim_is_bounded_in_bytes(world: World) {
    world.active_worker(&[]).await;
    for _ in 0..4 {
        world.accept().await;
    }
    let now = T0.plus(1_000);
    let size = world.claim_some(now, 1, 100).await[0].body.len() as u64;
    let claim = |now, bytes| {
        let (limit, per_worker, worker_bytes) = (100, 100, u64::MAX);
        world.store().claim_due(Claim { now, limit, per_worker, bytes, worker_bytes, lease: LEASE })
    };
    assert_eq!(claim(now, 1).await.unwrap().len(), 1, "none is too large");
    let rest = claim(now, size + 1).await.unwrap();
    assert_eq!(rest.len(), 2);
    // The same of what was not accepted a moment ago.
    let again = now.plus(5_000);
    for claimed in &rest {
        world.finish(claimed, now, Next::RetryAt(again)).await;
    }
    assert_eq!(claim(again, 1).await.unwrap().len(), 1);
    assert!(world.store().next_due().await.unwrap().is_some_and(|due| due <= again), "one is left");
    assert_eq!(claim(again, 1).await.unwrap().len(), 1);
}

pub(crate) async fn no_worker_takes_all_the_bytes(world: World) {
    let world = &world;
    let (one, other) = (world.active_worker(&[]).await, world.active_worker(&[]).await);
    for _ in 0..4 {
        world.accept().await;
    }
    let now = T0.plus(1_000);
    let claim = |now, worker_bytes| {
        let (limit, per_worker, bytes) = (100, 100, u64::MAX);
        let claim = Claim { now, limit, per_worker, bytes, worker_bytes, lease: LEASE };
        async move { world.store().claim_due(claim).await.unwrap() }
    };
    let of = |claimed: &[Claimed], id| claimed.iter().filter(|c| c.worker == id).count();
    // One byte is enough for one, and the second may exceed what is left.
    let first = claim(now, 1).await;
    assert_eq!((of(&first, one), of(&first, other)), (1, 1));
    let size = first[0].body.len() as u64;
    assert!(claim(now, size).await.is_empty());
    let room = size + 2;
    assert_eq!(world.store().next_due().await.unwrap(), None, "nothing to wake up for");
    let second = claim(now, room).await;
    assert_eq!((of(&second, one), of(&second, other)), (1, 1));
    // The same of what has to be read.
    let again = now.plus(5_000);
    for claimed in first.iter().chain(&second) {
        world.finish(claimed, now, Next::RetryAt(again)).await;
    }
    let third = claim(again, room).await;
    assert_eq!((of(&third, one), of(&third, other)), (2, 2));
    assert!(claim(again, room).await.is_empty());
    world.finish(&third[0], again, Next::Delivered).await;
    assert_eq!(of(&claim(again, room).await, third[0].worker), 1);
}

pub(crate) async fn workers_take_turns(world: World) {
    let mut workers = Vec::new();
    for _ in 0..5 {
        workers.push(world.active_worker(&[]).await);
    }
    for _ in 0..10 {
        world.accept().await;
    }
    let now = T0.plus(1_000);
    let workers_of = |claimed: &[Claimed]| claimed.iter().map(|c| c.worker).collect::<HashSet<_>>();
    // Room for fewer than there are workers: nobody is passed over twice.
    let (first, second) = (world.claim_some(now, 3, 100).await, world.claim_some(now, 2, 100).await);
    assert_eq!((first.len(), second.len()), (3, 2));
    assert_eq!(workers_of(&[first, second].concat()).len(), 5);
    // Room for more: shared evenly.
    let third = world.claim_some(now, 10, 100).await;
    assert!(workers.iter().all(|id| third.iter().filter(|c| c.worker == *id).count() == 2));
}

pub(crate) async fn absent_workers_are_left_alone(world: World) {
    let store = world.store();
    let (present, absent) = (world.active_worker(&[]).await, world.active_worker(&[]).await);
    store.renew_lease(absent, T0.plus(5), None).await.unwrap();
    store.expire_leases(T0.plus(6)).await.unwrap();
    for _ in 0..50 {
        world.accept().await;
    }
    let claimed = world.claim_some(T0.plus(1_000), 50, 50).await;
    assert_eq!(claimed.len(), 50, "the absent one takes no room");
    assert!(claimed.iter().all(|c| c.worker == present));
    assert_eq!(store.next_due().await.unwrap(), None);
}

pub(crate) async fn a_clock_set_back_puts_nothing_off(world: World) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let store = world.store();
    let worker = world.active_worker(&[]).await;
    world.accept().await;
    let wrong = T0.plus(24 * 3600 * 1000);
    store.renew_lease(worker, wrong.plus(60_000), None).await.unwrap();
    let claimed = world.claim(wrong).await;
    world.finish(&claimed[0], wrong, Next::HoldUntil(wrong.plus(60_000))).await;
    assert!(world.claim(T0.plus(60_000)).await.is_empty(), "put off by the wrong clock");
    store.set_back(T0, DAY).await.unwrap();
    assert_eq!(store.worker(worker).await.unwrap().unwrap().leased_until, T0.plus(60_000));
    assert!(store.next_due().await.unwrap().is_some_and(|due| due <= T0.plus(60_000)));
    assert!(world.claim(T0.plus(59_000)).await.is_empty(), "still put off by a minute");
    assert_eq!(world.claim(T0.plus(60_000)).await.len(), 1);
}

pub(crate) async fn a_claim_carries_all_it_takes(mut world: World) {
    let id = world.active_worker(&[]).await;
    let event = NewEvent { synthetic: true, described: described("push", None), ..world.event() };
    world.store().accept_event(event.clone()).await.unwrap();
    // Right after it was accepted, and by a process that has to read it.
    for _ in 0..2 {
        let worker = world.store().worker(id).await.unwrap().unwrap();
        let claimed = world.claim(event.received_at).await.pop().unwrap();
        assert_eq!((claimed.event, claimed.webhook_id), (event.id, event.id.to_string()));
        assert_eq!((claimed.worker, claimed.url, claimed.secrets), (id, worker.url, vec![worker.secret]));
        assert_eq!((claimed.attempt, claimed.failures, claimed.counts_from), (1, 0, None));
        assert_eq!((claimed.workspace, claimed.source_name), (world.workspace, event.source_name.clone()));
        assert_eq!((claimed.provider, claimed.event_name.as_str()), (event.provider, "push"));
        assert_eq!((claimed.received_at, claimed.synthetic), (event.received_at, true));
        assert_eq!((claimed.headers, claimed.body), (event.headers.clone(), event.body.clone()));
        world.restart();
    }
}

/// More waits than is kept in memory, and claims come in between.
pub(crate) async fn a_backlog_is_claimed_in_order_and_once(world: World) {
    world.active_worker(&[]).await;
    let (now, body) = (T0.plus(1_000_000), Bytes::from(vec![b'x'; 512 * 1024]));
    let (mut accepted, mut claimed) = (Vec::new(), Vec::new());
    for n in 0..48 {
        let event = NewEvent { body: body.clone(), ..world.event() };
        accepted.push(event.id);
        world.store().accept_event(event).await.unwrap();
        if n % 8 == 0 {
            claimed.extend(world.claim_some(now, 3, 100).await);
        }
    }
    loop {
        let more = world.claim_some(now, 5, 100).await;
        if more.is_empty() {
            break;
        }
        claimed.extend(more);
    }
    assert_eq!(claimed.iter().map(|c| c.event).collect::<Vec<_>>(), accepted);
}

/// Each is delivered once and none is forgotten, whatever is accepted, claimed
/// and put off at the same time.
pub(crate) async fn what_is_accepted_meanwhile_is_claimed_once(world: World) {
    for _ in 0..2 {
        world.active_worker(&[]).await;
    }
    let now = T0.plus(1_000_000);
    let done = std::cell::Cell::new(false);
    let accepting = async {
        for _ in 0..30 {
            futures_util::future::join_all((0..5).map(|_| world.accept())).await;
        }
        done.set(true);
    };
    let (mut delivered, mut retried) = (HashSet::new(), HashSet::new());
    let claiming = async {
        loop {
            let last = done.get();
            let claimed = world.claim_some(now, 7, 5).await;
            if claimed.is_empty() && last {
                return;
            }
            for claimed in claimed {
                let put_off = claimed.attempt == 1 && retried.len() * 3 <= delivered.len();
                let next = if put_off { Next::RetryAt(now) } else { Next::Delivered };
                let seen = if put_off { &mut retried } else { &mut delivered };
                assert!(seen.insert(claimed.delivery), "claimed again");
                world.finish(&claimed, now, next).await;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(accepting, claiming);
    assert_eq!(delivered.len(), 300);
    assert!(!retried.is_empty());
}

pub(crate) async fn a_claim_ends_with_the_process(mut world: World) {
    world.active_worker(&[]).await;
    let event = world.accept().await;
    let before = world.claim(event.received_at).await;
    world.restart();
    let after = world.claim(event.received_at).await;
    assert_eq!(before[0].delivery, after[0].delivery);
    assert_eq!(after[0].attempt, 1, "an attempt nobody recorded was none");
}

pub(crate) async fn the_next_due_time_is_known(mut world: World) {
    let store = world.store().clone();
    assert_eq!(store.next_due().await.unwrap(), None);
    world.active_worker(&[]).await;
    let event = world.accept().await;
    assert_eq!(store.next_due().await.unwrap(), Some(event.received_at));
    assert!(world.claim(event.received_at.plus(-1)).await.is_empty(), "not before its time");
    let claimed = world.claim(event.received_at).await;
    assert_eq!(store.next_due().await.unwrap(), None, "a claimed one is nobody's");
    world.finish(&claimed[0], event.received_at, Next::RetryAt(T0.plus(5_000))).await;
    assert_eq!(store.next_due().await.unwrap(), Some(T0.plus(5_000)));
    drop(store);
    world.restart();
    assert_eq!(world.store().next_due().await.unwrap(), Some(T0.plus(5_000)));
}

pub(crate) async fn simultaneous_claims_share(world: World) {
    for _ in 0..3 {
        world.active_worker(&[]).await;
    }
    for _ in 0..40 {
        world.accept().await;
    }
    let claims = (0..10).map(|_| world.claim_some(T0.plus(1_000), 20, 100));
    let claimed: Vec<_> = futures_util::future::join_all(claims).await.concat();
    let distinct: HashSet<_> = claimed.iter().map(|c| c.delivery).collect();
    assert_eq!((claimed.len(), distinct.len()), (120, 120));
}
