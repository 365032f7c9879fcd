use super::*;
use postern_protocol::api::{CircuitCause, CircuitState, WaitsFor};

async fn circuit(world: &World, id: WorkerId) -> Circuit {
    world.store().worker(id).await.unwrap().unwrap().circuit
}

async fn pinged(world: &World, now: UnixMillis) -> Vec<WorkerId> {
    world.store().pings_due(now, None, 9).await.unwrap().into_iter().map(|ping| ping.worker).collect()
}

async fn unanswered(world: &World, id: WorkerId, at: UnixMillis) -> Option<CircuitChange> {
    let error = Some("no connection".into());
    let ping = report(Observed::Unreached, Observer::Ping { taken: false }, at, error);
    world.store().report_ping(id, ping).await.unwrap()
}

async fn one_claimed(world: &World) -> (NewEvent, Claimed) {
    let event = world.accept().await;
    let claimed = world.claim(event.received_at).await.pop().unwrap();
    (event, claimed)
}

pub(crate) async fn an_unreachable_worker_is_left_alone(mut world: World) {
    let id = world.active_worker(&[]).await;
    let (event, claimed) = one_claimed(&world).await;
    world.accept().await;
    let finish = finished(&claimed, T0.plus(50), Next::NotReached);
    let change = world.store().finish_attempt(finish).await.unwrap().unwrap();
    assert_eq!((change.worker, change.workspace), (id, world.workspace));
    assert_eq!((change.from, change.to.state), (CircuitState::Closed, CircuitState::Open));
    for _ in 0..2 {
        let open = circuit(&world, id).await;
        assert_eq!((open.state, open.cause), (CircuitState::Open, Some(CircuitCause::Unreachable)));
        assert_eq!((open.since, open.until, open.trips), (T0.plus(50), Some(T0.plus(1_050)), 1));
        assert_eq!(open.error.as_deref(), Some("Connect"));
        assert!(world.claim(T0.plus(900_000)).await.is_empty(), "none of its deliveries is tried");
        assert!(pinged(&world, T0.plus(1_049)).await.is_empty());
        assert_eq!(world.store().next_due().await.unwrap(), Some(T0.plus(1_050)));
        let delivery = world.record(event.id).await.deliveries.remove(0);
        assert_eq!(delivery.waits_for, Some(WaitsFor::Circuit));
        world.restart();
    }
    let ping = world.store().pings_due(T0.plus(1_050), None, 9).await.unwrap().pop().unwrap();
    let worker = world.store().worker(id).await.unwrap().unwrap();
    assert_eq!((ping.worker, ping.url, ping.secrets), (id, worker.url, vec![worker.secret]));
    assert_eq!(unanswered(&world, id, T0.plus(1_050)).await, None, "open it was");
    assert_eq!(world.store().next_due().await.unwrap(), Some(T0.plus(3_050)), "for twice as long");
    assert!(world.claim(T0.plus(900_000)).await.is_empty());
    let taken = report(Observed::Well, Observer::Ping { taken: true }, T0.plus(3_050), None);
    let change = world.store().report_ping(id, taken).await.unwrap().unwrap();
    assert_eq!((change.from, change.to), (CircuitState::Open, Circuit::closed(T0.plus(3_050))));
    let flowing = world.claim(T0.plus(3_050)).await;
    assert_eq!(flowing.len(), 2, "all of it flows");
    assert_eq!((flowing[0].attempt, flowing[0].failures), (2, 0), "and nothing was used up");
}

pub(crate) async fn a_burst_of_failures_is_one(world: World) {
    let id = world.active_worker(&[]).await;
    for _ in 0..5 {
        world.accept().await;
    }
    let now = T0.plus(100);
    for claimed in &world.claim(now).await {
        world.finish(claimed, now, Next::NotReached).await;
    }
    let open = circuit(&world, id).await;
    assert_eq!((open.trips, open.until), (1, Some(now.plus(1_000))));
}

pub(crate) async fn a_renewed_lease_is_a_ping_at_once(world: World) {
    let id = world.active_worker(&[]).await;
    let (_, claimed) = one_claimed(&world).await;
    world.finish(&claimed, T0.plus(50), Next::NotReached).await;
    for at in [1_050, 3_050, 7_050] {
        unanswered(&world, id, T0.plus(at)).await;
    }
    assert!(pinged(&world, T0.plus(7_100)).await.is_empty());
    let renewed = world.store().renew_lease(id, T0.plus(400_000), None).await.unwrap().unwrap();
    assert_eq!((renewed.circuit.state, renewed.circuit.trips), (CircuitState::Open, 4));
    assert_eq!(pinged(&world, T0.plus(7_100)).await, [id]);
    assert!(world.claim(T0.plus(7_100)).await.is_empty(), "not before it is answered");
    unanswered(&world, id, T0.plus(7_100)).await;
    assert!(pinged(&world, T0.plus(7_200)).await.is_empty());
    // A tunnel that comes up does the same, and is no renewal.
    world.store().heard_of(id).await.unwrap();
    let heard = world.store().worker(id).await.unwrap().unwrap();
    assert_eq!((heard.leased_until, heard.circuit.trips), (renewed.leased_until, 5));
    assert_eq!(pinged(&world, T0.plus(7_200)).await, [id]);
    world.store().heard_of(entropy::worker_id(T0)).await.unwrap();
    world.answer_ping(id, T0.plus(7_100)).await;
    assert_eq!(world.claim(T0.plus(7_100)).await.len(), 1);
}

pub(crate) async fn a_failing_worker_gets_one_at_a_time(mut world: World) {
    let id = world.active_worker(&[]).await;
    for _ in 0..10 {
        world.accept().await;
    }
    let now = T0.plus(100);
    let badly = |claimed: &Claimed, at: UnixMillis| {
        let mut finish = finished(claimed, at, Next::RetryAt(at.plus(100_000)));
        finish.report.breaker = Breaker { min_attempts: 5, ..finish.report.breaker };
        finish
    };
    let claimed = world.claim_some(now, 5, 5).await;
    for one in &claimed {
        assert_eq!(circuit(&world, id).await.state, CircuitState::Closed);
        world.store().finish_attempt(badly(one, now)).await.unwrap();
    }
    let open = circuit(&world, id).await;
    assert_eq!((open.state, open.cause), (CircuitState::Open, Some(CircuitCause::Failing)));
    assert!(world.claim(now.plus(900)).await.is_empty());
    world.answer_ping(id, now.plus(1_000)).await;
    for _ in 0..2 {
        assert_eq!(circuit(&world, id).await.state, CircuitState::HalfOpen, "it must take one");
        let one = world.claim(now.plus(1_000)).await;
        assert_eq!(one.len(), 1);
        assert!(world.claim(now.plus(1_000)).await.is_empty());
        world.restart();
    }
    let one = world.claim(now.plus(1_000)).await.pop().unwrap();
    world.store().finish_attempt(badly(&one, now.plus(1_000))).await.unwrap();
    let open = circuit(&world, id).await;
    assert_eq!((open.state, open.trips, open.until), (CircuitState::Open, 2, Some(now.plus(3_000))));
    world.answer_ping(id, now.plus(3_000)).await;
    let one = world.claim(now.plus(3_000)).await.pop().unwrap();
    world.finish(&one, now.plus(3_000), Next::Delivered).await;
    assert_eq!(circuit(&world, id).await, Circuit::closed(now.plus(3_000)));
    assert_eq!(world.claim(now.plus(3_000)).await.len(), 3, "the rest flows");
}

pub(crate) async fn idle_ones_are_pinged_when_asked_for(world: World) {
    let store = world.store();
    let (idle, busy) = (world.active_worker(&["A"]).await, world.active_worker(&["Issue"]).await);
    let now = T0.plus(100_000);
    let due = async |since| {
        let due = store.pings_due(now, since, 9).await.unwrap();
        due.into_iter().map(|ping| ping.worker).collect::<Vec<_>>()
    };
    let event = world.accept().await;
    let claimed = world.claim(event.received_at).await.pop().unwrap();
    assert!(due(None).await.is_empty());
    assert_eq!(due(Some(T0)).await, [idle], "the other is at work");
    world.finish(&claimed, now, Next::Delivered).await;
    assert_eq!(due(Some(now.plus(-1))).await, [idle]);
    assert_eq!(due(Some(now)).await.len(), 2);
    world.answer_ping(idle, now).await;
    assert!(due(Some(now.plus(-1))).await.is_empty(), "it has answered");
    assert!(unanswered(&world, busy, now).await.is_some(), "a ping that nobody answers opens it");
    assert_eq!(circuit(&world, busy).await.state, CircuitState::Open);
}

pub(crate) async fn a_registration_closes_it(world: World) {
    let id = world.active_worker(&[]).await;
    let (_, claimed) = one_claimed(&world).await;
    world.finish(&claimed, T0.plus(50), Next::NotReached).await;
    let worker = world.store().worker(id).await.unwrap().unwrap();
    world.store().update_worker(worker).await.unwrap();
    assert_eq!(circuit(&world, id).await.state, CircuitState::Closed);
    world.store().settle_challenge(id, Ok(T0.plus(1_000_000))).await.unwrap();
    assert_eq!(world.claim(T0.plus(60)).await.len(), 1);
}

pub(crate) async fn away_and_gone_workers_are_not_pinged(world: World) {
    let (away, gone) = (world.active_worker(&[]).await, world.active_worker(&[]).await);
    let event = world.accept().await;
    for claimed in world.claim(event.received_at).await {
        world.finish(&claimed, T0.plus(50), Next::NotReached).await;
    }
    let store = world.store();
    store.renew_lease(away, T0.plus(60), None).await.unwrap();
    store.expire_leases(T0.plus(70)).await.unwrap();
    store.remove_worker(gone, DeadReason::WorkerLeft, T0.plus(70)).await.unwrap();
    assert!(pinged(&world, T0.plus(900_000)).await.is_empty());
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(unanswered(&world, gone, T0.plus(80)).await, None);
    store.renew_lease(away, T0.plus(900_000), None).await.unwrap();
    assert_eq!(pinged(&world, T0.plus(90)).await, [away]);
}
