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

/// Beyond a size, what is settled goes, oldest first; what waits stays, and
/// stays deliverable.
pub(crate) async fn beyond_a_size_the_oldest_settled_go(world: World) {
    let id = world.active_worker(&["Issue"]).await;
    let body = Bytes::from(vec![b'x'; 100_000]);
    let mut events = Vec::new();
    for n in 0..60 {
        // Every third is nobody's.
        let kind = if n % 3 == 0 { "Comment" } else { "Issue" };
        let event = NewEvent { body: body.clone(), described: described(kind, None), ..world.event() };
        world.store().accept_event(event.clone()).await.unwrap();
        events.push(event);
    }
    let claimed = world.claim_some(T0.plus(100), 20, 20).await;
    for delivered in &claimed {
        world.finish(delivered, T0.plus(100), Next::Delivered).await;
    }
    let used = async || {
        let room = world.store().room().await.unwrap();
        room.database - room.unused
    };
    let full = used().await;
    assert!(full > 6_000_000, "{full}");
    assert_eq!(world.store().prune_settled(full, 100).await.unwrap(), 0, "no more than allowed");
    let some = world.store().prune_settled(full - 1_500_000, 100).await.unwrap();
    assert!((15..30).contains(&some), "{some}: no more than needed, within a batch");
    assert!(used().await <= full - 1_500_000);
    assert!(!exists(&world, events[0].id).await, "the oldest went");
    let all = world.store().prune_settled(0, 100).await.unwrap();
    assert_eq!(some + all, 40, "20 delivered, 20 of nobody");
    assert_eq!(world.store().prune_settled(0, 100).await.unwrap(), 0);
    assert_eq!(world.store().waiting(id).await.unwrap().count, 20, "what waits stays");
    assert_eq!(world.claim(T0.plus(200)).await.len(), 20);
}
