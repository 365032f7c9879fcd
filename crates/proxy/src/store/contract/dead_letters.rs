//! Lists, dead letters, redrives, replays, recovery, and what happened since.

use super::*;
use postern_protocol::api::{DeadLetterFilter, DeliveryFilter, DeliveryInfo, EndState, EventFilter, Which};

const NOW: UnixMillis = UnixMillis(T0.0 + 60_000);

fn all(dry_run: bool) -> Bulk {
    Bulk { which: Which::Filter(DeadLetterFilter::default()), only: None, dry_run, from: None }
}

/// Claims the one delivery that is due, and gives it up.
async fn kill(world: &World) -> Claimed {
    let claimed = world.claim(NOW).await.pop().unwrap();
    world.finish(&claimed, NOW, Next::Dead(DeadReason::Exhausted)).await;
    claimed
}

async fn dead_letters(world: &World, filter: DeadLetterFilter) -> Vec<DeliveryInfo> {
    world.store().list_dead_letters(world.workspace, filter, None, 200).await.unwrap().items
}

async fn of(world: &World, event: EventId) -> DeliveryRecord {
    world.record(event).await.deliveries.pop().unwrap()
}

pub(crate) async fn events_are_listed_in_pages(world: World) {
    let worker = world.active_worker(&["Issue"]).await;
    let mut accepted = Vec::new();
    for n in 0..7 {
        let event = NewEvent { synthetic: n == 3, ..world.event() };
        world.store().accept_event(event.clone()).await.unwrap();
        accepted.push(event);
    }
    let page = async |filter: EventFilter, from, limit| {
        world.store().list_events(world.workspace, filter, from, limit).await.unwrap()
    };
    let ids = |events: &[EventInfo]| events.iter().map(|e| e.id).collect::<Vec<_>>();
    let expected: Vec<_> = accepted.iter().rev().map(|event| event.id).collect();
    let first = page(EventFilter::default(), None, 3).await;
    assert_eq!(ids(&first.items), expected[..3]);
    // What comes meanwhile moves nothing.
    world.accept().await;
    let second = page(EventFilter::default(), first.next, 3).await;
    assert_eq!(ids(&second.items), expected[3..6]);
    let third = page(EventFilter::default(), second.next, 3).await;
    assert_eq!((ids(&third.items), third.next), (expected[6..].to_vec(), None));

    let newest =
        &page(EventFilter { until: Some(T0.plus(8)), ..EventFilter::default() }, None, 1).await.items[0];
    assert_eq!((newest.name.as_str(), newest.entity.as_deref()), ("Issue.create", Some("linear:Issue:1")));
    assert_eq!((newest.source_id, newest.source.as_str(), newest.size), (world.source, "linear", 7));
    assert_eq!(newest.deliveries.pending, 1);
    let count = async |filter: EventFilter| page(filter, None, 200).await.items.len();
    let any = EventFilter::default;
    assert_eq!(count(EventFilter { synthetic: Some(true), ..any() }).await, 1);
    assert_eq!(count(EventFilter { event_type: Some("Issue".into()), ..any() }).await, 8);
    assert_eq!(count(EventFilter { event_type: Some("Issue.create".into()), ..any() }).await, 8);
    assert_eq!(count(EventFilter { event_type: Some("Issue.remove".into()), ..any() }).await, 0);
    assert_eq!(count(EventFilter { entity: Some("linear:Issue:1".into()), ..any() }).await, 8);
    assert_eq!(count(EventFilter { entity: Some("linear:Issue:2".into()), ..any() }).await, 0);
    assert_eq!(count(EventFilter { source: Some("linear".into()), ..any() }).await, 8);
    assert_eq!(count(EventFilter { source: Some(world.source.to_string()), ..any() }).await, 8);
    assert_eq!(count(EventFilter { provider: Some(Provider::Github), ..any() }).await, 0);
    assert_eq!(count(EventFilter { state: Some(DeliveryState::Delivered), ..any() }).await, 0);
    let (third, fifth) = (accepted[2].received_at, accepted[4].received_at);
    assert_eq!(count(EventFilter { since: Some(third), until: Some(fifth), ..any() }).await, 2);
    assert_eq!(count(EventFilter { since: Some(UnixMillis(i64::MIN)), ..any() }).await, 8);
    assert_eq!(count(EventFilter { since: Some(UnixMillis(i64::MAX)), ..any() }).await, 0);
    let other = world.store().list_events(entropy::workspace_id(T0), any(), None, 9).await.unwrap();
    assert!(other.items.is_empty());
    world.store().remove_worker(worker, DeadReason::WorkerLeft, NOW).await.unwrap();
    assert_eq!(count(EventFilter { state: Some(DeliveryState::Dead), ..any() }).await, 8);

    let content = world.store().event_content(world.workspace, accepted[0].id).await.unwrap().unwrap();
    assert_eq!((&content.body, &content.headers), (&accepted[0].body, &accepted[0].headers));
    assert_eq!(world.store().event_content(entropy::workspace_id(T0), accepted[0].id).await.unwrap(), None);
}

pub(crate) async fn deliveries_are_listed_in_pages(world: World) {
    let workers = [world.active_worker(&[]).await, world.active_worker(&[]).await];
    let mut events = Vec::new();
    for _ in 0..3 {
        events.insert(0, world.accept().await.id);
    }
    let store = world.store();
    let list = async |filter: DeliveryFilter, from, limit| {
        store.list_deliveries(world.workspace, filter, from, limit).await.unwrap()
    };
    let first = list(DeliveryFilter::default(), None, 4).await;
    let second = list(DeliveryFilter::default(), first.next, 4).await;
    assert_eq!((first.items.len(), second.items.len(), second.next), (4, 2, None));
    let found: Vec<_> = first.items.iter().chain(&second.items).map(|d| d.event_id).collect();
    assert_eq!(found, [events[0], events[0], events[1], events[1], events[2], events[2]]);

    for claimed in world.claim(NOW).await {
        let next =
            if claimed.worker == workers[0] { Next::Delivered } else { Next::Dead(DeadReason::Exhausted) };
        world.finish(&claimed, NOW, next).await;
    }
    let delivered = DeliveryFilter { state: Some(DeliveryState::Delivered), ..DeliveryFilter::default() };
    let delivered = list(delivered, None, 10).await.items;
    assert!(delivered.iter().all(|d| d.worker_id == Some(workers[0]) && d.ended.is_none()));
    assert_eq!(delivered.len(), 3);
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let first = list(dead.clone(), None, 2).await;
    let second = list(dead.clone(), first.next, 2).await;
    assert_eq!((first.items.len(), second.items.len(), second.next), (2, 1, None));
    let found: Vec<_> = first.items.iter().chain(&second.items).map(|d| d.event_id).collect();
    assert_eq!(found, events);
    let none = DeliveryFilter { worker: Some(workers[0]), ..dead };
    assert!(list(none, None, 10).await.items.is_empty());

    // Each is found by its id.
    let one = &first.items[0];
    let detail = store.delivery(world.workspace, one.id).await.unwrap().unwrap();
    assert_eq!((&detail.delivery, detail.attempts.len()), (one, 1));
    assert_eq!(one.last_attempt.as_ref(), detail.attempts.first());
    assert_eq!(store.delivery(entropy::workspace_id(T0), one.id).await.unwrap(), None);
    assert_eq!(store.delivery(world.workspace, entropy::delivery_id(T0)).await.unwrap(), None);
}

pub(crate) async fn dead_letters_are_redriven(mut world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.accept().await.id;
    kill(&world).await;
    let ended = of(&world, event).await.ended.unwrap();
    assert_eq!((ended.at, ended.by.as_str(), ended.reason.as_deref()), (NOW, "postern", Some("exhausted")));
    let only = |reason| DeadLetterFilter {
        reason: Some(reason),
        worker: Some(worker),
        ..DeadLetterFilter::default()
    };
    assert_eq!(dead_letters(&world, only(DeadReason::Exhausted)).await.len(), 1);
    assert_eq!(dead_letters(&world, only(DeadReason::WorkerLeft)).await.len(), 0);

    let redrive =
        async |world: &World, bulk| world.store().redrive(world.workspace, bulk, NOW).await.unwrap();
    let done = redrive(&world, all(true)).await;
    assert_eq!(done, BulkDone { matched: 1, ..BulkDone::default() });
    assert_eq!(world.store().depth().await.unwrap().dead, 1);
    assert!(world.claim(NOW).await.is_empty());

    let later = world.accept().await.id;
    let done = redrive(&world, all(false)).await;
    assert_eq!(done, BulkDone { matched: 1, changed: 1, ..BulkDone::default() });
    assert_eq!(redrive(&world, all(false)).await, BulkDone::default(), "once");
    world.restart();
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (2, 0));
    // Ahead of what waits; marked; the same id; the whole schedule.
    let claimed = world.claim(NOW).await;
    let seen: Vec<_> = claimed.iter().map(|c| (c.event, c.redriven, c.failures, c.attempt)).collect();
    assert_eq!(seen, [(event, 1, 0, 2), (later, 0, 0, 1)]);
    assert_eq!(claimed[0].webhook_id, event.to_string());
    world.finish(&claimed[0], NOW, Next::Delivered).await;
    let delivered = of(&world, event).await;
    assert_eq!((delivered.state, delivered.redriven, delivered.ended), (DeliveryState::Delivered, 1, None));

    // By id: what is not there, or has not ended, does not count.
    let dead = world.accept().await.id;
    let waits = claimed[1].delivery;
    let killed = kill(&world).await;
    assert_eq!(killed.event, dead);
    let ids = vec![killed.delivery, waits, entropy::delivery_id(T0)];
    let elsewhere = Bulk { which: Which::Ids(ids.clone()), only: None, dry_run: false, from: None };
    let done = world.store().redrive(entropy::workspace_id(T0), elsewhere.clone(), NOW).await.unwrap();
    assert_eq!(done, BulkDone::default());
    let of_another = Bulk { only: Some(entropy::worker_id(T0)), ..elsewhere.clone() };
    assert_eq!(redrive(&world, of_another).await, BulkDone::default());
    assert_eq!(redrive(&world, elsewhere).await, BulkDone { matched: 1, changed: 1, ..BulkDone::default() });
}

pub(crate) async fn a_page_under_a_rare_filter_says_where_to_go_on(world: World) {
    for _ in 0..3 {
        world.active_worker(&[]).await;
    }
    world.accept().await;
    let oldest = world.claim_some(NOW, 1, 1).await.pop().unwrap();
    world.finish(&oldest, NOW, Next::Delivered).await;
    for _ in 0..700 {
        world.accept().await;
    }
    let rare = DeliveryFilter { state: Some(DeliveryState::Delivered), ..DeliveryFilter::default() };
    let (mut from, mut pages) = (None, Vec::new());
    loop {
        let page = world.store().list_deliveries(world.workspace, rare.clone(), from, 50).await.unwrap();
        pages.push(page.items.iter().map(|delivery| delivery.id).collect::<Vec<_>>());
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![], vec![oldest.delivery]], "a request looks at so many rows");
}

pub(crate) async fn many_dead_letters_are_redriven_a_part_at_a_time(mut world: World) {
    let leaving = world.active_worker(&[]).await;
    let staying = world.active_worker(&[]).await;
    for _ in 0..700 {
        world.accept().await;
    }
    loop {
        let claimed = world.claim(NOW).await;
        if claimed.is_empty() {
            break;
        }
        for one in claimed {
            world.finish(&one, NOW, Next::Dead(DeadReason::Exhausted)).await;
        }
    }
    world.store().remove_worker(leaving, DeadReason::WorkerLeft, NOW).await.unwrap();
    let (mut bulk, mut sum, mut parts) = (all(false), BulkDone::default(), 0);
    loop {
        let done = world.store().redrive(world.workspace, bulk.clone(), NOW).await.unwrap();
        sum.matched += done.matched;
        sum.changed += done.changed;
        sum.unable += done.unable;
        parts += 1;
        // One that dies again meanwhile is not redriven again.
        if let Some(again) = world.claim_some(NOW, 1, 1).await.pop() {
            world.finish(&again, NOW, Next::Dead(DeadReason::Exhausted)).await;
        }
        world.restart();
        bulk.from = done.next;
        if done.next.is_none() {
            break;
        }
    }
    assert_eq!((sum.matched, sum.changed, sum.unable), (1_400, 700, 700));
    assert!(parts > 1);
    let waiting = world.store().waiting(staying).await.unwrap();
    assert_eq!(waiting.count, 700 - parts);
}

pub(crate) async fn discarding_keeps_who_when_and_why(world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.accept().await.id;
    kill(&world).await;
    let discard = async |bulk| {
        let (by, reason) = ("tok_x".to_owned(), "a duplicate".to_owned());
        world.store().discard(world.workspace, bulk, by, reason, NOW.plus(1)).await.unwrap()
    };
    assert_eq!(discard(all(true)).await, BulkDone { matched: 1, ..BulkDone::default() });
    assert_eq!(of(&world, event).await.state, DeliveryState::Dead);
    assert_eq!(discard(all(false)).await, BulkDone { matched: 1, changed: 1, ..BulkDone::default() });
    assert_eq!(world.store().depth().await.unwrap().dead, 0);
    let record = of(&world, event).await;
    let ended = record.ended.unwrap();
    assert_eq!(record.state, DeliveryState::Discarded);
    assert_eq!(
        (ended.at, ended.by.as_str(), ended.reason.as_deref()),
        (NOW.plus(1), "tok_x", Some("a duplicate"))
    );
    assert!(dead_letters(&world, DeadLetterFilter::default()).await.is_empty());
    let discarded = DeadLetterFilter { state: Some(EndState::Discarded), ..DeadLetterFilter::default() };
    assert_eq!(dead_letters(&world, discarded.clone()).await.len(), 1);
    let which = Bulk { which: Which::Filter(discarded), only: None, dry_run: false, from: None };
    assert_eq!(discard(which.clone()).await, BulkDone::default(), "it is already");

    // It can be delivered after all, and says nothing of its past then.
    assert_eq!(world.store().redrive(world.workspace, which, NOW).await.unwrap().changed, 1);
    let claimed = world.claim(NOW).await.pop().unwrap();
    world.finish(&claimed, NOW, Next::Delivered).await;
    assert_eq!(of(&world, event).await.ended, None);

    // What has left with its worker can be discarded, and not redriven.
    let event = world.accept().await.id;
    world.store().remove_worker(worker, DeadReason::WorkerLeft, NOW).await.unwrap();
    let done = world.store().redrive(world.workspace, all(false), NOW).await.unwrap();
    assert_eq!(done, BulkDone { matched: 1, unable: 1, ..BulkDone::default() });
    assert_eq!(discard(all(false)).await.changed, 1);
    assert_eq!(of(&world, event).await.state, DeliveryState::Discarded);
}

pub(crate) async fn what_is_too_old_has_expired(world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.accept().await.id;
    let keep = Duration::from_secs(60);
    world.store().prune(NOW.plus(5), keep, 100).await.unwrap();
    let record = of(&world, event).await;
    let ended = record.ended.unwrap();
    assert_eq!(record.state, DeliveryState::Expired);
    assert_eq!(
        (ended.at, ended.by.as_str(), ended.reason.as_deref()),
        (NOW.plus(5), "retention", Some("expired"))
    );
    let of_state =
        |state| DeadLetterFilter { state: Some(state), worker: Some(worker), ..DeadLetterFilter::default() };
    assert_eq!(dead_letters(&world, of_state(EndState::Expired)).await.len(), 1);
    assert_eq!(dead_letters(&world, of_state(EndState::Dead)).await.len(), 0);
    assert_eq!(dead_letters(&world, DeadLetterFilter::default()).await.len(), 1);
    assert_eq!(world.store().redrive(world.workspace, all(false), NOW).await.unwrap().changed, 1);
    assert_eq!(world.claim(NOW).await.len(), 1);
}

pub(crate) async fn a_replay_arrives_again(world: World) {
    let issues = world.active_worker(&["Issue"]).await;
    let comments = world.active_worker(&["Comment"]).await;
    let event = world.accept().await;
    let claimed = world.claim(NOW).await.pop().unwrap();
    world.finish(&claimed, NOW, Next::Delivered).await;
    let replay = async |to| {
        let workspace = world.workspace;
        world.store().replay(workspace, event.id, to, NOW, entropy::delivery_id).await
    };
    let replayed = |replay, deliveries| Some(Replayed { replay, deliveries });
    assert_eq!(replay(None).await.unwrap(), replayed(1, 1));
    assert_eq!(replay(Some(comments)).await.unwrap(), replayed(2, 1), "whatever its filter");
    let mut claimed = world.claim(NOW).await;
    claimed.sort_by_key(|claimed| claimed.worker != issues);
    let seen: Vec<_> = claimed.iter().map(|c| (c.worker, c.webhook_id.clone(), c.attempt)).collect();
    assert_eq!(seen, [(issues, format!("{}.r1", event.id), 1), (comments, format!("{}.r2", event.id), 1)]);
    assert_eq!(claimed[0].body, event.body);
    for one in &claimed {
        world.finish(one, NOW, Next::Delivered).await;
    }
    let record = world.record(event.id).await;
    let replays: Vec<_> = record.deliveries.iter().map(|d| (d.replay, d.state)).collect();
    assert_eq!(replays, [0, 1, 2].map(|n| (n, DeliveryState::Delivered)));
    // Each is found by its id.
    let found = world.store().delivery(world.workspace, claimed[1].delivery).await.unwrap().unwrap();
    assert_eq!((found.delivery.replay, found.delivery.worker_id), (2, Some(comments)));

    let elsewhere = entropy::workspace_id(T0);
    let store = world.store();
    let unknown = store.replay(elsewhere, event.id, None, NOW, entropy::delivery_id).await.unwrap();
    assert_eq!(unknown, None);
    let nobody = replay(Some(entropy::worker_id(T0))).await;
    assert!(matches!(nobody, Err(StoreError::Missing(_))), "{nobody:?}");
}

pub(crate) async fn a_worker_recovers_what_did_not_reach_it(world: World) {
    // Before anybody was there; one of them was made for somebody else.
    let (before, during) = (world.accept().await, world.accept().await);
    let synthetic = NewEvent { synthetic: true, ..world.event() };
    world.store().accept_event(synthetic).await.unwrap();
    let worker = world.active_worker(&["Issue"]).await;
    let mut fates = Vec::new();
    for next in [Next::Delivered, Next::Dead(DeadReason::Exhausted)] {
        let event = world.accept().await.id;
        let claimed = world.claim(NOW).await.pop().unwrap();
        world.finish(&claimed, NOW, next).await;
        fates.push(event);
    }
    let waits = world.accept().await.id;
    let recovery = |since, dry_run| {
        let until = NOW;
        Recovery { since, until, dry_run, from: None, new_delivery: entropy::delivery_id }
    };
    let recover = async |recovery| world.store().recover(worker, recovery, NOW).await.unwrap();
    let found = RecoverDone { missing: 2, ended: 1, delivering: 0, next: None };
    assert_eq!(recover(recovery(T0, true)).await, found);
    let since = recover(recovery(during.received_at, true)).await;
    assert_eq!((since.missing, since.ended), (1, 1));
    let until = Recovery { until: during.received_at, ..recovery(T0, true) };
    assert_eq!(recover(until).await, RecoverDone { missing: 1, ..RecoverDone::default() });

    assert_eq!(recover(recovery(T0, false)).await, RecoverDone { delivering: 3, ..found });
    assert_eq!(recover(recovery(T0, false)).await, RecoverDone::default(), "once");
    let claimed = world.claim(NOW).await;
    let seen: Vec<_> = claimed.iter().map(|c| (c.event, c.redriven)).collect();
    assert_eq!(seen, [(before.id, 1), (during.id, 1), (fates[1], 1), (waits, 0)], "oldest first");
    assert_eq!(claimed[0].webhook_id, before.id.to_string());
    let nobody = world.store().recover(entropy::worker_id(T0), recovery(T0, true), NOW).await;
    assert!(matches!(nobody, Err(StoreError::Missing(_))), "{nobody:?}");
}

pub(crate) async fn recovery_goes_on_where_it_stopped(mut world: World) {
    for _ in 0..1_200 {
        world.accept().await;
    }
    let worker = world.active_worker(&[]).await;
    let mut recovery =
        Recovery { since: T0, until: NOW, dry_run: false, from: None, new_delivery: entropy::delivery_id };
    let (mut delivering, mut parts) = (0, 0);
    loop {
        let done = world.store().recover(worker, recovery, NOW).await.unwrap();
        delivering += done.delivering;
        parts += 1;
        world.restart();
        if done.next.is_none() {
            break;
        }
        // Where it ends stays as it was at first.
        recovery = Recovery { until: UnixMillis(0), from: done.next, ..recovery };
    }
    assert_eq!((delivering, parts), (1_200, 3));
    assert_eq!(world.store().waiting(worker).await.unwrap().count, 1_200);
}

pub(crate) async fn what_happened_since_is_told_without_gaps(mut world: World) {
    let store = world.store();
    world.accept().await;
    let start = store.live_now().await.unwrap();
    let worker = world.active_worker(&[]).await;
    let events = [world.accept().await.id, world.accept().await.id];
    let claimed = world.claim(NOW).await;
    world.finish(&claimed[0], NOW, Next::RetryAt(NOW)).await;
    world.finish(&claimed[1], NOW, Next::Dead(DeadReason::Exhausted)).await;
    world.restart();
    let store = world.store();
    let batch = store.live_since(world.workspace, start, 100).await.unwrap();
    assert!(!batch.gap && !batch.more);
    assert_eq!(batch.events.iter().map(|(_, event)| event.id).collect::<Vec<_>>(), events);
    let seen: Vec<_> = batch.deliveries.iter().map(|(_, d)| (d.event_id, d.state)).collect();
    assert_eq!(seen, [(events[0], DeliveryState::Pending), (events[1], DeliveryState::Dead)]);
    assert_eq!(batch.deliveries[1].0, batch.mark);

    // From any mark that was told, the rest follows.
    let after = store.live_since(world.workspace, batch.events[0].0, 100).await.unwrap();
    assert_eq!((after.events.len(), after.deliveries.len()), (1, 2));
    let after = store.live_since(world.workspace, batch.deliveries[0].0, 100).await.unwrap();
    assert_eq!((after.events.len(), after.deliveries.len()), (0, 1));
    // A part at a time; other workspaces hear nothing, and lose nothing.
    let part = store.live_since(world.workspace, start, 1).await.unwrap();
    assert_eq!((part.events.len(), part.deliveries.len(), part.more), (1, 1, true));
    let elsewhere = store.live_since(entropy::workspace_id(T0), start, 100).await.unwrap();
    assert_eq!((elsewhere.events.len(), elsewhere.deliveries.len(), elsewhere.mark), (0, 0, batch.mark));

    // Whatever changes a delivery is told: a redrive, a replay, a departure.
    let changed = async |mark| {
        let batch = store.live_since(world.workspace, mark, 100).await.unwrap();
        batch.deliveries.into_iter().map(|(_, d)| (d.event_id, d.state)).collect::<Vec<_>>()
    };
    store.redrive(world.workspace, all(false), NOW).await.unwrap();
    assert_eq!(changed(batch.mark).await, [(events[1], DeliveryState::Pending)]);
    let mark = store.live_now().await.unwrap();
    store.replay(world.workspace, events[0], Some(worker), NOW, entropy::delivery_id).await.unwrap();
    assert_eq!(changed(mark).await, [(events[0], DeliveryState::Pending)]);
    let mark = store.live_now().await.unwrap();
    store.remove_worker(worker, DeadReason::WorkerLeft, NOW).await.unwrap();
    assert_eq!(changed(mark).await.len(), 3);
    let ahead = LiveMark { event: mark.event + 1, ..mark };
    let batch = store.live_since(world.workspace, ahead, 100).await.unwrap();
    assert!(batch.gap, "a mark of another database");
    assert_eq!(batch.mark, store.live_now().await.unwrap());
}
