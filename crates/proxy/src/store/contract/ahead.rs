use super::*;
use tokio::sync::oneshot::error::TryRecvError;

fn claim(world: &World, event: &NewEvent, per_worker: u32, early: bool) -> Vec<ClaimedAhead> {
    let (bytes, worker_bytes) = (u64::MAX, u64::MAX);
    let claim = Claim { now: event.received_at, limit: 9, per_worker, bytes, worker_bytes, lease: LEASE };
    world.store().claim_ahead(event, claim, early)
}

fn ahead_of(world: &World, event: &NewEvent, per_worker: u32) -> Vec<Claimed> {
    claim(world, event, per_worker, true).into_iter().map(|one| one.delivery).collect()
}

/// What waits for the event's commit.
fn held(world: &World, event: &NewEvent) -> Vec<ClaimedAhead> {
    claim(world, event, 9, false)
}

pub(crate) async fn what_waits_for_the_commit_is_told_of_it(world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.event();
    let mut waits = held(&world, &event).remove(0);
    assert_eq!((waits.delivery.event, waits.delivery.worker), (event.id, worker));
    assert!(held(&world, &world.event()).is_empty(), "one event at a time");
    assert_eq!(waits.committed.try_recv(), Err(TryRecvError::Empty));
    world.store().accept_event(event.clone()).await.unwrap();
    assert_eq!(waits.committed.await, Ok(()));
    assert!(world.claim(event.received_at).await.is_empty(), "it is claimed");
    world
        .store()
        .finish_attempt(finished(&waits.delivery, event.received_at, Next::Delivered))
        .await
        .unwrap();
    assert_eq!(world.record(event.id).await.deliveries[0].state, DeliveryState::Delivered);

    // A repetition, which is told as one after the look for its key, and what no key tells apart.
    let again = NewEvent { id: entropy::event_id(event.received_at), ..event.clone() };
    let waits = held(&world, &again).remove(0);
    assert_eq!(world.store().accept_event(again).await.unwrap(), Accepted::Duplicate { of: event.id });
    assert!(waits.committed.await.is_err(), "nothing of it is sent");
    let keyless = NewEvent { dedupe: None, ..world.event() };
    let waits = held(&world, &keyless).remove(0);
    world.store().accept_event(keyless).await.unwrap();
    assert_eq!(waits.committed.await, Ok(()));
}

pub(crate) async fn what_waits_for_a_commit_that_fails_is_not_sent(world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.event();
    let waits = held(&world, &event).remove(0);
    let nobody = NewEvent { only: Some(entropy::worker_id(T0)), ..event.clone() };
    assert!(matches!(world.store().accept_event(nobody).await, Err(StoreError::Missing(_))));
    assert!(waits.committed.await.is_err());
    // Sent again, it is for whoever takes it then.
    let waits = held(&world, &event).remove(0);
    world.store().remove_worker(worker, DeadReason::WorkerLeft, T0).await.unwrap();
    assert_eq!(world.store().accept_event(event).await.unwrap(), Accepted::Stored { workers: vec![] });
    assert!(waits.committed.await.is_err());
}

pub(crate) async fn what_was_claimed_ahead_is_delivered_once(world: World) {
    let (one, other) = (world.active_worker(&[]).await, world.active_worker(&["github:push"]).await);
    let event = world.event();
    let claimed = ahead_of(&world, &event, 9);
    assert_eq!(
        claimed.iter().map(|c| (c.event, c.worker, c.attempt)).collect::<Vec<_>>(),
        [(event.id, one, 1)]
    );
    assert_eq!((&claimed[0].body, &claimed[0].webhook_id), (&event.body, &event.id.to_string()));
    // The answer may come before the commit: it is recorded after it.
    let early = finished(&claimed[0], event.received_at, Next::Delivered);
    let refused = world.store().finish_attempt(early.clone()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");

    let accepted = world.store().accept_event(event.clone()).await.unwrap();
    assert_eq!(accepted, Accepted::Stored { workers: vec![one] }, "and not {other}");
    assert_eq!(world.record(event.id).await.deliveries[0].state, DeliveryState::Sending);
    assert_eq!(world.store().waiting(one).await.unwrap().count, 1);
    assert!(world.claim(event.received_at.plus(1)).await.is_empty(), "it is claimed");
    world.store().finish_attempt(early).await.unwrap();
    let record = world.record(event.id).await;
    assert_eq!((record.deliveries.len(), record.deliveries[0].state), (1, DeliveryState::Delivered));
    assert_eq!(world.store().waiting(one).await.unwrap().count, 0);
    assert!(world.claim(event.received_at.plus(1_000_000)).await.is_empty());
}

pub(crate) async fn what_is_known_is_not_claimed_ahead(world: World) {
    world.active_worker(&[]).await;
    let event = world.event();
    let again = || NewEvent { id: entropy::event_id(event.received_at), ..event.clone() };
    assert_eq!(ahead_of(&world, &event, 9).len(), 1);
    let second = again();
    assert!(ahead_of(&world, &second, 9).is_empty(), "its key is being taken");
    world.store().accept_event(event.clone()).await.unwrap();
    let accepted = world.store().accept_event(second).await.unwrap();
    assert_eq!(accepted, Accepted::Duplicate { of: event.id });
    assert!(ahead_of(&world, &again(), 9).is_empty(), "its key is known");
    let keyless = NewEvent { dedupe: None, ..world.event() };
    assert!(ahead_of(&world, &keyless, 9).is_empty(), "it may have come before");
    world.store().accept_event(keyless.clone()).await.unwrap();
    assert_eq!(world.claim(keyless.received_at).await.len(), 1, "it is delivered after its commit");
}

pub(crate) async fn nobody_is_overtaken(world: World) {
    let store = world.store();
    let ordered = Worker { ordering: Ordering::Entity, ..world.worker(&[]) };
    let (ordered_id, away, out) =
        (ordered.id, world.active_worker(&[]).await, world.active_worker(&[]).await);
    store.register_worker(ordered).await.unwrap();
    store.settle_challenge(ordered_id, Ok(T0.plus(1_000_000_000))).await.unwrap();
    store.renew_lease(away, T0.plus(1_000_000_000), Some(true)).await.unwrap();
    let unreached = report(Observed::Unreached, Observer::Ping { taken: false }, T0, None);
    store.report_ping(out, unreached).await.unwrap();
    world.member(&[]).await;
    assert!(ahead_of(&world, &world.event(), 9).is_empty(), "ordered, paused, out of reach, a group's");

    let worker = world.active_worker(&[]).await;
    let first = world.event();
    assert_eq!(ahead_of(&world, &first, 1).iter().map(|c| c.worker).collect::<Vec<_>>(), [worker]);
    assert!(ahead_of(&world, &world.event(), 1).is_empty(), "there is no room");
    let second = world.accept().await;
    assert!(ahead_of(&world, &world.event(), 9).is_empty(), "{} comes before", second.id);
}

pub(crate) async fn a_group_beside_one_who_is_ahead_gets_it_once(world: World) {
    let members = [world.member(&[]).await, world.member(&[]).await];
    let alone = world.active_worker(&[]).await;
    let event = world.event();
    let ahead = ahead_of(&world, &event, 9);
    assert_eq!(ahead.iter().map(|c| (c.worker, c.granted.is_none())).collect::<Vec<_>>(), [(alone, true)]);
    world.store().accept_event(event.clone()).await.unwrap();
    let granted = world.claim(event.received_at).await;
    assert_eq!(granted.len(), 1, "the group's, and the other is under way");
    assert!(members.contains(&granted[0].worker) && granted[0].granted.is_some());
    for claimed in [&ahead[0], &granted[0]] {
        world.finish(claimed, event.received_at, Next::Delivered).await;
    }
    let mut states: Vec<_> = world.record(event.id).await.deliveries.iter().map(|d| d.state).collect();
    states.sort_by_key(|state| *state == DeliveryState::Claimed);
    assert_eq!(states, [DeliveryState::Delivered, DeliveryState::Claimed]);
    assert!(world.claim(event.received_at.plus(1)).await.is_empty());
}

pub(crate) async fn without_a_commit_the_claims_end(world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.event();
    let claimed = ahead_of(&world, &event, 1);
    let nobody = NewEvent { only: Some(entropy::worker_id(T0)), ..event.clone() };
    assert!(matches!(world.store().accept_event(nobody).await, Err(StoreError::Missing(_))));
    let finish = finished(&claimed[0], event.received_at, Next::Delivered);
    assert!(matches!(world.store().finish_attempt(finish).await, Err(StoreError::Missing(_))));
    // The provider sends it again: it is as new as it was, and there is room.
    let again = NewEvent { id: entropy::event_id(event.received_at), ..event };
    assert_eq!(ahead_of(&world, &again, 1).iter().map(|c| c.worker).collect::<Vec<_>>(), [worker]);
    let accepted = world.store().accept_event(again).await.unwrap();
    assert_eq!(accepted, Accepted::Stored { workers: vec![worker] });
}

pub(crate) async fn claimed_ahead_it_survives_the_process(mut world: World) {
    world.active_worker(&[]).await;
    let event = world.event();
    let claimed = ahead_of(&world, &event, 9);
    world.store().accept_event(event.clone()).await.unwrap();
    // Killed before the attempt is recorded: it is made again, under the same id.
    world.restart();
    let again = world.claim(event.received_at).await;
    assert_eq!(again.iter().map(|c| &c.webhook_id).collect::<Vec<_>>(), [&claimed[0].webhook_id]);
}
