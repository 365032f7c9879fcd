use super::*;
use postern_protocol::api::{Held, Skipped, SkippedBy};

/// The hour of the return.
const BACK: UnixMillis = UnixMillis(T0.0 + 90_000);

/// An event of an entity, accepted then.
async fn accept_of(world: &World, entity: Option<&str>, at: i64) -> EventId {
    let mut event = NewEvent { received_at: T0.plus(at), ..world.event() };
    event.described.entity = entity.map(str::to_owned);
    world.store().accept_event(event.clone()).await.unwrap();
    event.id
}

/// A worker that is away since T0 + 10 s, with an event from before and six
/// from its absence: three of one issue, two of another, one of none.
async fn away(world: &World, catch_up: CatchUp) -> (WorkerId, EventId, Vec<EventId>) {
    let id = world.active_worker(&[]).await;
    let store = world.store();
    store.set_catch_up(id, catch_up).await.unwrap();
    let before = accept_of(world, Some("a"), 9_000).await;
    store.renew_lease(id, T0.plus(10_000), None).await.unwrap();
    assert_eq!(store.expire_leases(T0.plus(10_500)).await.unwrap(), [id]);
    let mut during = Vec::new();
    for (n, entity) in [Some("a"), Some("b"), Some("a"), None, Some("b"), Some("a")].into_iter().enumerate() {
        during.push(accept_of(world, entity, 11_000 + i64::try_from(n).unwrap() * 1_000).await);
    }
    (id, before, during)
}

/// The worker's renewal, as the registry makes it.
async fn come_back(world: &World, id: WorkerId) {
    world.store().end_absence(id, BACK).await.unwrap();
    world.store().renew_lease(id, BACK.plus(60_000), None).await.unwrap().unwrap();
}

/// All that is due is claimed and delivered; which events that were.
async fn flow(world: &World) -> Vec<EventId> {
    let claimed = world.claim(BACK.plus(1)).await;
    for one in &claimed {
        world.finish(one, BACK.plus(1), Next::Delivered).await;
    }
    claimed.into_iter().map(|one| one.event).collect()
}

async fn delivery(world: &World, event: EventId) -> DeliveryRecord {
    world.record(event).await.deliveries.pop().unwrap()
}

async fn states(world: &World, events: &[EventId]) -> Vec<DeliveryState> {
    let mut states = Vec::new();
    for event in events {
        states.push(delivery(world, *event).await.state);
    }
    states
}

pub(crate) async fn all_flow_oldest_first(world: World) {
    let (id, before, during) = away(&world, CatchUp::All).await;
    come_back(&world, id).await;
    assert_eq!(world.store().waiting(id).await.unwrap().count, 7);
    assert_eq!(flow(&world).await, [vec![before], during].concat());
}

pub(crate) async fn none_are_skipped_and_recorded(mut world: World) {
    let (id, before, during) = away(&world, CatchUp::None).await;
    come_back(&world, id).await;
    let after = accept_of(&world, Some("a"), 90_000).await;
    assert_eq!(world.store().depth().await.unwrap().pending, 2);
    assert_eq!(flow(&world).await, [before, after], "what came before and after is not concerned");
    for _ in 0..2 {
        for event in &during {
            let delivery = delivery(&world, *event).await;
            assert_eq!(delivery.state, DeliveryState::Skipped);
            assert_eq!(delivery.skipped, Some(Skipped { by: SkippedBy::Setting, at: BACK }));
        }
        assert_eq!(world.store().waiting(id).await.unwrap(), Waiting::default());
        assert_eq!(world.store().depth().await.unwrap(), Depth::default());
        world.restart();
    }
}

pub(crate) async fn the_newest_of_each_entity_flow(world: World) {
    let (id, before, during) = away(&world, CatchUp::NewestPerEntity).await;
    come_back(&world, id).await;
    assert_eq!(flow(&world).await, [before, during[3], during[4], during[5]]);
    assert_eq!(states(&world, &during[..3]).await, [DeliveryState::Skipped; 3]);
}

pub(crate) async fn ask_holds_until_someone_chooses(mut world: World) {
    let (id, before, during) = away(&world, CatchUp::Ask).await;
    come_back(&world, id).await;
    let after = accept_of(&world, None, 90_000).await;
    assert_eq!(flow(&world).await, [before, after], "new events flow while the held ones wait");
    let held = Held {
        count: 6,
        oldest: T0.plus(11_000),
        newest: T0.plus(16_000),
        entities: 2,
        newest_per_entity: 3,
    };
    for _ in 0..2 {
        let waiting = world.store().waiting(id).await.unwrap();
        assert_eq!(waiting, Waiting { count: 0, oldest: None, held: Some(held.clone()) });
        assert!(world.claim(T0.plus(999_999_999)).await.is_empty());
        assert_eq!(world.store().next_due().await.unwrap(), None, "held ones are not looked for");
        assert_eq!(states(&world, &during).await, [DeliveryState::Held; 6]);
        world.restart();
    }
    let some = vec![during[4], during[0], before];
    let caught_up = world.store().catch_up(id, CatchUpChoice::Events(some), BACK).await.unwrap();
    assert_eq!(caught_up, CaughtUp { delivering: 2, skipped: 0, held: 4 });
    assert_eq!(flow(&world).await, [during[0], during[4]]);
    assert_eq!(world.store().waiting(id).await.unwrap().held.unwrap().count, 4);
    let caught_up = world.store().catch_up(id, CatchUpChoice::NewestPerEntity, BACK.plus(7)).await.unwrap();
    assert_eq!(caught_up, CaughtUp { delivering: 3, skipped: 1, held: 0 });
    assert_eq!(flow(&world).await, [during[1], during[3], during[5]]);
    let skipped = Some(Skipped { by: SkippedBy::Choice, at: BACK.plus(7) });
    assert_eq!(delivery(&world, during[2]).await.skipped, skipped);
    assert_eq!(world.store().waiting(id).await.unwrap(), Waiting::default());
    let again = world.store().catch_up(id, CatchUpChoice::All, BACK).await.unwrap();
    assert_eq!(again, CaughtUp::default());
}

pub(crate) async fn a_return_ends_one_absence(world: World) {
    let (id, _, during) = away(&world, CatchUp::Ask).await;
    let store = world.store();
    // The process may end between the two steps of a return: then the next
    // return holds what has come meanwhile as well.
    store.end_absence(id, BACK.plus(-1_000)).await.unwrap();
    let meanwhile = accept_of(&world, None, 89_500).await;
    come_back(&world, id).await;
    assert_eq!(states(&world, &[during[0], meanwhile]).await, [DeliveryState::Held; 2]);
    // Nobody is away: nothing is held.
    let after = accept_of(&world, None, 90_000).await;
    store.end_absence(id, BACK.plus(5)).await.unwrap();
    assert_eq!(delivery(&world, after).await.state, DeliveryState::Pending);
    // A worker that registers anew has been away all the same.
    store.renew_lease(id, BACK.plus(10), None).await.unwrap();
    store.expire_leases(BACK.plus(20)).await.unwrap();
    let second = accept_of(&world, None, 90_015).await;
    let worker = store.worker(id).await.unwrap().unwrap();
    store.update_worker(Worker { catch_up: CatchUp::None, ..worker }).await.unwrap();
    store.renew_lease(id, BACK.plus(60), None).await.unwrap();
    store.end_absence(id, BACK.plus(30)).await.unwrap();
    store.settle_challenge(id, Ok(BACK.plus(60_000))).await.unwrap();
    assert_eq!(delivery(&world, second).await.state, DeliveryState::Skipped);
    assert_eq!(delivery(&world, during[0]).await.state, DeliveryState::Skipped, "with all that was held");
}

pub(crate) async fn a_skipped_or_dead_one_can_be_redelivered(mut world: World) {
    let (id, before, during) = away(&world, CatchUp::None).await;
    come_back(&world, id).await;
    let now = BACK.plus(5);
    let redeliver = async |world: &World, event| world.store().redeliver(id, event, now).await.unwrap();
    let claimed = world.claim(BACK).await.pop().unwrap();
    assert_eq!(redeliver(&world, before).await, Redelivery::Already(DeliveryState::Pending));
    world.finish(&claimed, BACK, Next::RetryAt(BACK)).await;
    let again = world.claim(BACK).await.pop().unwrap();
    world.finish(&again, BACK, Next::Dead(DeadReason::Exhausted)).await;
    for event in [before, during[2]] {
        assert_eq!(redeliver(&world, event).await, Redelivery::Due);
    }
    world.restart();
    assert_eq!(
        world.store().depth().await.unwrap(),
        Depth { pending: 2, dead: 0, oldest: Some(T0.plus(9_000)) }
    );
    let claimed = world.claim(now).await;
    let both: Vec<_> = claimed.iter().map(|one| (one.event, one.failures, one.attempt)).collect();
    assert_eq!(both, [(before, 0, 3), (during[2], 0, 1)], "the whole schedule is before it");
    assert_eq!(claimed[1].webhook_id, during[2].to_string());
    world.finish(&claimed[1], now, Next::Delivered).await;
    let delivered = delivery(&world, during[2]).await;
    assert_eq!((delivered.state, delivered.skipped), (DeliveryState::Delivered, None));
    assert_eq!(redeliver(&world, during[2]).await, Redelivery::Already(DeliveryState::Delivered));
    assert_eq!(redeliver(&world, entropy::event_id(T0)).await, Redelivery::Unknown);
    let other = world.active_worker(&["Comment"]).await;
    let theirs = world.store().redeliver(other, during[1], now).await.unwrap();
    assert_eq!(theirs, Redelivery::Unknown);
}

pub(crate) async fn an_attempt_under_way_may_still_deliver_what_is_held(world: World) {
    let id = world.active_worker(&[]).await;
    let store = world.store();
    store.set_catch_up(id, CatchUp::Ask).await.unwrap();
    store.renew_lease(id, T0.plus(1_000), None).await.unwrap();
    let mut events = Vec::new();
    for _ in 0..2 {
        events.push(accept_of(&world, None, 1_000).await);
    }
    let claimed = world.claim(T0.plus(1_000)).await;
    store.expire_leases(T0.plus(1_001)).await.unwrap();
    come_back(&world, id).await;
    assert_eq!(store.waiting(id).await.unwrap().held.unwrap().count, 2);
    world.finish(&claimed[0], T0.plus(1_002), Next::Delivered).await;
    world.finish(&claimed[1], T0.plus(1_002), Next::RetryAt(T0.plus(2_000))).await;
    assert_eq!(states(&world, &events).await, [DeliveryState::Delivered, DeliveryState::Held]);
    assert_eq!(store.waiting(id).await.unwrap().held.unwrap().count, 1);
    assert_eq!(store.depth().await.unwrap(), Depth::default());
    store.catch_up(id, CatchUpChoice::All, BACK).await.unwrap();
    assert_eq!(flow(&world).await, [events[1]]);
}

pub(crate) async fn what_is_held_dies_with_its_worker_and_of_old_age(mut world: World) {
    let (leaves, ..) = away(&world, CatchUp::Ask).await;
    come_back(&world, leaves).await;
    world.store().remove_worker(leaves, DeadReason::WorkerLeft, BACK).await.unwrap();
    assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 7, oldest: None });
    let (id, _, during) = away(&world, CatchUp::Ask).await;
    come_back(&world, id).await;
    let day = Duration::from_secs(86_400);
    let later = T0.plus(2 * 86_400_000);
    assert!(world.store().prune(later, day, 1_000).await.unwrap() > 0);
    for _ in 0..2 {
        assert_eq!(delivery(&world, during[0]).await.state, DeliveryState::Expired);
        assert_eq!(world.store().waiting(id).await.unwrap(), Waiting::default());
        assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 7, oldest: None });
        world.restart();
    }
}
