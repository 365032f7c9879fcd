use super::*;
use postern_protocol::api::{Rate, WaitsFor};
use postern_protocol::span::Span;

fn at_rate(count: u32, seconds: u64) -> WorkerPolicy {
    let rate = Some(Rate { count, per: Span::seconds(seconds) });
    WorkerPolicy { rate, ..WorkerPolicy::default() }
}

async fn waiting(world: &World, events: usize) -> (WorkerId, EventId) {
    let id = world.active_worker(&[]).await;
    let mut last = None;
    for _ in 0..events {
        last = Some(world.accept().await.id);
    }
    (id, last.unwrap())
}

pub(crate) async fn a_policy_is_kept(mut world: World) {
    let policy = WorkerPolicy {
        retry: Some("linear:1m,10m,5".parse().unwrap()),
        max_in_flight: Some(3),
        ..at_rate(10, 60)
    };
    let made = Worker { policy: policy.clone(), ..world.worker(&[]) };
    world.store().register_worker(made.clone()).await.unwrap();
    world.restart();
    let get = async |world: &World| world.store().worker(made.id).await.unwrap().unwrap();
    assert_eq!(get(&world).await.policy, policy);
    assert!(world.store().set_policy(made.id, WorkerPolicy::default()).await.unwrap());
    assert_eq!(get(&world).await.policy, WorkerPolicy::default());
    world.store().update_worker(made.clone()).await.unwrap();
    world.store().settle_challenge(made.id, Ok(T0.plus(100_000))).await.unwrap();
    let event = world.accept().await;
    let claimed = world.claim(event.received_at).await.pop().unwrap();
    assert_eq!(claimed.retry.as_deref(), policy.retry.as_ref(), "a claim carries it");
    assert!(!world.store().set_policy(entropy::worker_id(T0), policy).await.unwrap());
}

pub(crate) async fn one_worker_at_its_own_pace(world: World) {
    let (id, _) = waiting(&world, 10).await;
    let two = WorkerPolicy { max_in_flight: Some(2), ..WorkerPolicy::default() };
    world.store().set_policy(id, two).await.unwrap();
    assert_eq!(world.claim_some(T0.plus(100), 100, 5).await.len(), 2);
    let six = WorkerPolicy { max_in_flight: Some(6), ..WorkerPolicy::default() };
    world.store().set_policy(id, six).await.unwrap();
    assert_eq!(world.claim_some(T0.plus(100), 100, 5).await.len(), 4, "those under way count");
    world.store().set_policy(id, WorkerPolicy::default()).await.unwrap();
    assert!(world.claim_some(T0.plus(100), 100, 5).await.is_empty());
}

pub(crate) async fn a_worker_at_its_rate(world: World) {
    let (id, last) = waiting(&world, 10).await;
    world.store().set_policy(id, at_rate(4, 8)).await.unwrap();
    let now = T0.plus(100);
    let first = world.claim(now).await;
    assert_eq!(first.len(), 4, "as many at once as in one period");
    for claimed in &first {
        world.finish(claimed, now, Next::Delivered).await;
    }
    assert!(world.claim(now.plus(1_999)).await.is_empty());
    assert_eq!(world.store().next_due().await.unwrap(), Some(now.plus(2_000)), "no look before its time");
    let worker = world.store().worker(id).await.unwrap().unwrap();
    assert_eq!(worker.throttled_until, Some(now.plus(2_000)));
    let delivery = world.record(last).await.deliveries.remove(0);
    assert_eq!((delivery.state, delivery.waits_for), (DeliveryState::Pending, Some(WaitsFor::Rate)));

    let one = world.claim(now.plus(2_000)).await.pop().unwrap();
    assert_eq!((one.attempt, one.failures), (1, 0), "it has used up nothing");
    assert_eq!(world.claim(now.plus(6_000)).await.len(), 2);
    assert_eq!(world.claim(now.plus(900_000)).await.len(), 3, "what is left");
    let worker = world.store().worker(id).await.unwrap().unwrap();
    assert_eq!(worker.throttled_until, None);
}

pub(crate) async fn a_rate_starts_anew_when_changed(world: World) {
    let (id, _) = waiting(&world, 10).await;
    world.store().set_policy(id, at_rate(1, 3_600)).await.unwrap();
    let now = T0.plus(100);
    assert_eq!(world.claim(now).await.len(), 1);
    world.store().renew_lease(id, T0.plus(1_000_000), None).await.unwrap();
    assert!(world.claim(now.plus(10)).await.is_empty(), "a renewal grants nothing");
    world.store().set_back(now.plus(-100), Duration::from_secs(60)).await.unwrap();
    assert!(world.claim(now.plus(1_000)).await.is_empty(), "nor does a clock set back");
    world.store().set_policy(id, at_rate(3, 3_600)).await.unwrap();
    assert_eq!(world.claim(now.plus(1_000)).await.len(), 3);
}
