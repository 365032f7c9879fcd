use super::*;

const KEEP: Duration = Duration::from_secs(3_600);

fn after(millis: i64) -> UnixMillis {
    T0.plus(3_600_000 + millis)
}

async fn exists(world: &World, event: EventId) -> bool {
    world.store().event_record(world.workspace, event).await.unwrap().is_some()
}

pub(crate) async fn old_events_go_and_young_ones_stay(world: World) {
    let mut events = Vec::new();
    for _ in 0..10 {
        events.push(world.accept().await);
    }
    let at = |n: usize| after(events[n].received_at.since(T0));
    assert_eq!(world.store().prune(at(0), KEEP, 100).await.unwrap(), 0, "kept to the last moment");
    assert_eq!(world.store().prune(at(9), KEEP, 4).await.unwrap(), 4, "no more than asked for");
    assert!(!exists(&world, events[3].id).await && exists(&world, events[4].id).await);
    assert_eq!(world.store().prune(at(9), KEEP, 100).await.unwrap(), 5);
    assert!(exists(&world, events[9].id).await);
}

pub(crate) async fn undelivered_ones_expire_first(mut world: World) {
    let id = world.active_worker(&[]).await;
    let (held, delivered) = (world.accept().await, world.accept().await);
    let claimed = world.claim(T0.plus(100)).await;
    world.finish(&claimed[1], T0.plus(100), Next::Delivered).await;
    world.finish(&claimed[0], T0.plus(100), Next::RetryAt(T0.plus(200))).await;
    assert_eq!(world.store().prune(after(1_000), KEEP, 100).await.unwrap(), 2);
    assert!(!exists(&world, delivered.id).await);
    let record = world.record(held.id).await;
    assert_eq!(
        (record.deliveries[0].state, record.deliveries[0].attempts.len()),
        (DeliveryState::Expired, 1)
    );
    assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 1, oldest: None });
    assert_eq!(world.store().waiting(id).await.unwrap().count, 0);
    assert!(world.claim(after(1_000)).await.is_empty());
    world.restart();
    // Kept once more from then on, as a dead letter.
    assert_eq!(world.store().prune(after(1_000).plus(3_600_000), KEEP, 100).await.unwrap(), 0);
    assert_eq!(world.store().prune(after(1_001).plus(3_600_000), KEEP, 100).await.unwrap(), 1);
    assert_eq!(world.store().depth().await.unwrap(), Depth::default());
}

pub(crate) async fn a_pruned_key_is_new_again(world: World) {
    let event = world.accept().await;
    world.store().prune(after(1_000), KEEP, 100).await.unwrap();
    let again = NewEvent { id: entropy::event_id(T0.plus(1)), ..event };
    assert!(matches!(world.store().accept_event(again).await.unwrap(), Accepted::Stored { .. }));
}
