use super::*;

async fn one_claimed(world: &World) -> (NewEvent, Claimed) {
    let event = world.accept().await;
    let claimed = world.claim(event.received_at).await.pop().unwrap();
    (event, claimed)
}

async fn only_delivery(world: &World, event: EventId) -> DeliveryRecord {
    world.record(event).await.deliveries.pop().unwrap()
}

pub(crate) async fn delivered_is_done(world: World) {
    let id = world.active_worker(&[]).await;
    let (event, claimed) = one_claimed(&world).await;
    let finish = finished(&claimed, T0.plus(50), Next::Delivered);
    world.store().finish_attempt(finish.clone()).await.unwrap();
    let delivery = only_delivery(&world, event.id).await;
    assert_eq!(
        (delivery.id, delivery.worker_id, delivery.state),
        (claimed.delivery, Some(id), DeliveryState::Delivered)
    );
    assert_eq!((delivery.attempts, delivery.next_attempt_at), (vec![finish.attempt], None));
    assert_eq!(world.store().depth().await.unwrap(), Depth::default());
}

pub(crate) async fn a_failure_is_retried_when_said(world: World) {
    world.active_worker(&[]).await;
    let (event, claimed) = one_claimed(&world).await;
    world.finish(&claimed, T0.plus(50), Next::RetryAt(T0.plus(5_000))).await;
    let delivery = only_delivery(&world, event.id).await;
    assert_eq!((delivery.state, delivery.next_attempt_at), (DeliveryState::Pending, Some(T0.plus(5_000))));
    assert!(world.claim(T0.plus(4_999)).await.is_empty());
    let again = world.claim(T0.plus(5_000)).await.pop().unwrap();
    assert_eq!((again.attempt, again.failures, again.counts_from), (2, 1, Some(T0.plus(50))));
    assert_eq!(again.webhook_id, claimed.webhook_id);
    world.finish(&again, T0.plus(5_000), Next::Delivered).await;
    let numbers: Vec<_> = only_delivery(&world, event.id).await.attempts.iter().map(|a| a.number).collect();
    assert_eq!(numbers, [1, 2]);
}

pub(crate) async fn held_uses_nothing_up(world: World) {
    world.active_worker(&[]).await;
    let (_, claimed) = one_claimed(&world).await;
    world.finish(&claimed, T0.plus(50), Next::HoldUntil(T0.plus(900))).await;
    assert!(world.claim(T0.plus(899)).await.is_empty());
    let again = world.claim(T0.plus(900)).await.pop().unwrap();
    assert_eq!((again.attempt, again.failures), (2, 0));
}

pub(crate) async fn what_waited_for_its_worker_is_no_older(world: World) {
    let id = world.active_worker(&[]).await;
    let (_, claimed) = one_claimed(&world).await;
    assert_eq!(claimed.counts_from, None);
    world.finish(&claimed, T0.plus(50), Next::NotReached).await;
    let next = async |at| {
        world.answer_ping(id, at).await;
        world.claim(at).await.pop().unwrap()
    };
    let again = next(T0.plus(900_000)).await;
    assert_eq!(again.counts_from, None, "nothing has answered yet");
    world.finish(&again, T0.plus(900_000), Next::RetryAt(T0.plus(905_000))).await;
    let again = next(T0.plus(905_000)).await;
    assert_eq!(again.counts_from, Some(T0.plus(900_000)), "five seconds old: it has not waited");
    world.finish(&again, T0.plus(905_000), Next::NotReached).await;
    // Two attempts that reach nobody, and a week of absence, in between.
    let again = next(T0.plus(990_000_000)).await;
    world.finish(&again, T0.plus(990_000_000), Next::NotReached).await;
    let again = next(T0.plus(995_000_000)).await;
    assert_eq!(again.counts_from, Some(T0.plus(994_995_000)), "five seconds old still");
    world.finish(&again, T0.plus(995_000_000), Next::RetryAt(T0.plus(995_060_000))).await;
    let again = next(T0.plus(995_070_000)).await;
    assert_eq!(again.counts_from, Some(T0.plus(995_005_000)), "65 seconds, the late 10 not counted");
    world.finish(&again, T0.plus(995_070_000), Next::HoldUntil(T0.plus(995_170_000))).await;
    let again = next(T0.plus(995_170_000)).await;
    assert_eq!(again.counts_from, Some(T0.plus(995_105_000)), "being held costs no time either");
}

pub(crate) async fn dead_is_dead(mut world: World) {
    world.active_worker(&[]).await;
    let (event, claimed) = one_claimed(&world).await;
    world.finish(&claimed, T0.plus(50), Next::Dead(DeadReason::Exhausted)).await;
    for _ in 0..2 {
        assert_eq!(only_delivery(&world, event.id).await.state, DeliveryState::Dead);
        assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 1, oldest: None });
        assert!(world.claim(T0.plus(999_999_999)).await.is_empty());
        world.restart();
    }
}

pub(crate) async fn gone_takes_all_with_it(world: World) {
    let id = world.active_worker(&[]).await;
    let (event, claimed) = one_claimed(&world).await;
    let waiting = world.accept().await;
    world.finish(&claimed, T0.plus(50), Next::WorkerGone).await;
    assert_eq!(world.store().worker(id).await.unwrap().unwrap().state, WorkerState::Gone);
    assert_eq!(only_delivery(&world, event.id).await.state, DeliveryState::Dead);
    assert_eq!(only_delivery(&world, waiting.id).await.state, DeliveryState::Dead);
    assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 2, oldest: None });
    let accepted = world.store().accept_event(world.event()).await.unwrap();
    assert_eq!(accepted, Accepted::Stored { workers: Vec::new() });
}

pub(crate) async fn an_attempt_without_a_claim_is_refused(world: World) {
    world.active_worker(&[]).await;
    let (event, claimed) = one_claimed(&world).await;
    world.finish(&claimed, T0.plus(50), Next::Delivered).await;
    let again =
        world.store().finish_attempt(finished(&claimed, T0.plus(60), Next::RetryAt(T0.plus(70)))).await;
    assert!(matches!(again, Err(StoreError::Missing(_))));
    assert_eq!(only_delivery(&world, event.id).await.attempts.len(), 1);
}

pub(crate) async fn a_worker_that_left_may_still_answer(world: World) {
    let id = world.active_worker(&[]).await;
    let (first, _) = one_claimed(&world).await;
    let second = world.accept().await;
    let claimed = world.claim(T0.plus(1_000)).await.pop().unwrap();
    world.store().remove_worker(id, DeadReason::WorkerLeft, T0.plus(1_000)).await.unwrap();
    assert_eq!(world.store().depth().await.unwrap().dead, 2);
    world.finish(&claimed, T0.plus(1_001), Next::Delivered).await;
    assert_eq!(only_delivery(&world, second.id).await.state, DeliveryState::Delivered, "it did arrive");
    assert_eq!(only_delivery(&world, first.id).await.state, DeliveryState::Dead);
    assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 1, oldest: None });
}

pub(crate) async fn everything_survives_a_restart(mut world: World) {
    let id = world.active_worker(&[]).await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(world.accept().await);
    }
    let claimed = world.claim(T0.plus(100)).await;
    world.finish(&claimed[0], T0.plus(100), Next::Delivered).await;
    world.finish(&claimed[1], T0.plus(100), Next::RetryAt(T0.plus(10_000))).await;
    world.finish(&claimed[2], T0.plus(100), Next::Dead(DeadReason::Exhausted)).await;
    let mut before = Vec::new();
    for event in &events {
        before.push(world.record(event.id).await);
    }
    world.restart();
    for (event, mut before) in events.iter().zip(before) {
        let after = world.record(event.id).await;
        for delivery in before.deliveries.iter_mut().filter(|d| d.state == DeliveryState::Sending) {
            // Its claim went with the process.
            delivery.state = DeliveryState::Pending;
            delivery.next_attempt_at = after.deliveries[0].next_attempt_at;
        }
        assert_eq!(after.deliveries, before.deliveries);
    }
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead, depth.oldest), (2, 1, Some(events[1].received_at)));
    assert_eq!(world.store().waiting(id).await.unwrap().count, 2);
    assert_eq!(world.claim(T0.plus(100)).await.len(), 1);
    assert_eq!(world.claim(T0.plus(10_000)).await.len(), 1);
}
