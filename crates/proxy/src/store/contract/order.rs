//! First in, first out for each entity of an ordered worker.

use super::*;
use postern_protocol::api::Ordering;

impl World {
    /// An active worker that wants this order.
    pub(super) async fn ordered_worker(&self, ordering: Ordering) -> WorkerId {
        let worker = Worker { ordering, catch_up: CatchUp::Ask, ..self.worker(&[]) };
        let id = worker.id;
        self.store().register_worker(worker).await.unwrap();
        self.store().settle_challenge(id, Ok(T0.plus(1_000_000_000))).await.unwrap();
        id
    }

    /// A new event of this entity, accepted.
    pub(super) async fn accept_of(&self, entity: Option<&str>) -> EventId {
        let mut event = self.event();
        event.described.entity = entity.map(str::to_owned);
        let id = event.id;
        assert!(matches!(self.store().accept_event(event).await.unwrap(), Accepted::Stored { .. }));
        id
    }

    pub(super) async fn state(&self, event: EventId) -> DeliveryState {
        self.record(event).await.deliveries[0].state
    }
}

fn events(claimed: &[Claimed]) -> Vec<EventId> {
    let mut events: Vec<_> = claimed.iter().map(|claimed| claimed.event).collect();
    events.sort_unstable();
    events
}

const NOW: UnixMillis = UnixMillis(T0.0 + 10_000);

pub(crate) async fn one_of_an_entity_at_a_time(world: World) {
    let worker = world.ordered_worker(Ordering::Entity).await;
    let first = world.accept_of(Some("a")).await;
    let second = world.accept_of(Some("a")).await;
    let other = world.accept_of(Some("b")).await;
    let free = [world.accept_of(None).await, world.accept_of(None).await];
    assert_eq!(world.state(second).await, DeliveryState::Queued);
    let waiting = world.store().waiting(worker).await.unwrap();
    assert_eq!((waiting.count, waiting.oldest), (5, Some(world.record(first).await.received_at)));

    let claimed = world.claim(NOW).await;
    assert_eq!(events(&claimed), [first, other, free[0], free[1]]);
    let ordered: Vec<_> = claimed.iter().filter(|c| c.entity.is_some()).map(|c| c.event).collect();
    assert_eq!(ordered, [first, other]);
    // A failing one holds back its own entity alone.
    for one in &claimed {
        let next = if one.event == first { Next::RetryAt(NOW.plus(60_000)) } else { Next::Delivered };
        world.finish(one, NOW, next).await;
    }
    assert!(world.claim(NOW.plus(59_999)).await.is_empty());
    assert_eq!(world.store().depth().await.unwrap().pending, 2);
    // Given up, it holds back nothing.
    let again = world.claim(NOW.plus(60_000)).await;
    world.finish(&again[0], NOW, Next::Dead(DeadReason::Exhausted)).await;
    let last = world.claim(NOW.plus(60_000)).await;
    assert_eq!(events(&last), [second]);
    world.finish(&last[0], NOW, Next::Delivered).await;
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (0, 1));
}

pub(crate) async fn the_order_outlives_the_process(mut world: World) {
    let worker = world.ordered_worker(Ordering::Entity).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(world.accept_of(Some("a")).await);
    }
    for (n, event) in all.iter().enumerate() {
        let waiting = world.store().waiting(worker).await.unwrap().count;
        assert_eq!(waiting, 3 - n as u64);
        let _cut_off = world.claim(NOW).await;
        world.restart();
        let claimed = world.claim(NOW).await;
        assert_eq!(events(&claimed), [*event]);
        world.finish(&claimed[0], NOW, Next::Delivered).await;
    }
    assert!(world.claim(NOW).await.is_empty());
}

pub(crate) async fn a_changed_order_counts_for_what_waits(world: World) {
    let id = world.ordered_worker(Ordering::None).await;
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    let free = world.accept_of(None).await;
    for (ordering, due) in
        [(Ordering::Entity, vec![first, free]), (Ordering::None, vec![first, second, free])]
    {
        world.store().set_ordering(id, ordering).await.unwrap();
        assert_eq!(world.store().worker(id).await.unwrap().unwrap().ordering, ordering);
        let claimed = world.claim(NOW).await;
        assert_eq!(events(&claimed), due);
        assert_eq!(world.store().waiting(id).await.unwrap().count, 3);
        for one in &claimed {
            world.finish(one, NOW, Next::HoldUntil(NOW)).await;
        }
    }
}

pub(crate) async fn what_is_asked_for_by_itself_leaves_the_order(world: World) {
    let worker = world.ordered_worker(Ordering::Entity).await;
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    let claimed = world.claim(NOW).await;
    world.finish(&claimed[0], NOW, Next::Dead(DeadReason::Exhausted)).await;
    let redelivered = world.store().redeliver(worker, first, NOW).await.unwrap();
    assert_eq!(redelivered, Redelivery::Due);
    let claimed = world.claim(NOW).await;
    assert_eq!(events(&claimed), [first, second], "beside the one whose turn it is");
    assert!(claimed.iter().find(|c| c.event == first).unwrap().entity.is_none());
    for one in &claimed {
        world.finish(one, NOW, Next::Delivered).await;
    }
}

pub(crate) async fn a_choice_among_the_held_keeps_their_order(world: World) {
    let worker = world.ordered_worker(Ordering::Entity).await;
    world.store().renew_lease(worker, T0, None).await.unwrap().unwrap();
    assert_eq!(world.store().expire_leases(T0.plus(1)).await.unwrap(), [worker]);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(world.accept_of(Some("a")).await);
    }
    world.store().end_absence(worker, NOW).await.unwrap();
    world.store().renew_lease(worker, T0.plus(1_000_000_000), None).await.unwrap().unwrap();
    let later = world.accept_of(Some("a")).await;
    assert!(world.claim(NOW).await.is_empty(), "what came later waits for the choice");

    let choice = CatchUpChoice::Events(vec![held[3], held[1]]);
    let caught_up = world.store().catch_up(worker, choice, NOW).await.unwrap();
    assert_eq!(caught_up, CaughtUp { delivering: 2, skipped: 0, held: 2 });
    for expected in [held[1], held[3], later] {
        let claimed = world.claim(NOW).await;
        assert_eq!(events(&claimed), [expected]);
        world.finish(&claimed[0], NOW, Next::Delivered).await;
    }
    // Those passed over are outside the order now.
    world.store().catch_up(worker, CatchUpChoice::All, NOW).await.unwrap();
    assert_eq!(events(&world.claim(NOW).await), [held[0], held[2]]);
}

pub(crate) async fn an_attempt_that_outlasts_its_turn_is_waited_for(world: World) {
    let worker = world.ordered_worker(Ordering::Entity).await;
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    let under_way = world.claim(NOW).await;
    assert_eq!(events(&under_way), [first]);
    // It expires of old age while it is under way.
    let day = Duration::from_secs(1);
    assert_eq!(
        world.store().prune(world.record(first).await.received_at.plus(1_001), day, 1).await.unwrap(),
        1
    );
    assert_eq!(world.state(second).await, DeliveryState::Pending);
    assert!(world.claim(NOW).await.is_empty());
    world.finish(&under_way[0], NOW, Next::RetryAt(NOW)).await;
    assert_eq!(events(&world.claim(NOW).await), [second]);
    assert_eq!(world.store().waiting(worker).await.unwrap().count, 1);
}

pub(crate) async fn a_queue_dies_with_its_worker(mut world: World) {
    let worker = world.ordered_worker(Ordering::Entity).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(world.accept_of(Some("a")).await);
    }
    world.store().remove_worker(worker, DeadReason::WorkerLeft, NOW).await.unwrap();
    for event in all {
        assert_eq!(world.state(event).await, DeliveryState::Dead);
    }
    world.restart();
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (0, 3));
}
