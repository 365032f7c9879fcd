//! Claim groups: one delivery for all members, one member at a time for each
//! entity, and a report that counts only while its grant stands.

use super::*;
use postern_protocol::api::{Group, GroupMode, WorkReport, WorkStatus};

const NOW: UnixMillis = UnixMillis(T0.0 + 10_000);

pub(super) fn claim_group(name: &str) -> Option<Group> {
    Some(Group { name: name.parse().unwrap(), mode: GroupMode::Claim })
}

impl World {
    /// An active member of the claim group `builders`.
    pub(super) async fn member(&self, filter: &[&str]) -> WorkerId {
        let worker = Worker { group: claim_group("builders"), catch_up: CatchUp::Ask, ..self.worker(filter) };
        let id = worker.id;
        self.store().register_worker(worker).await.unwrap();
        self.store().settle_challenge(id, Ok(T0.plus(1_000_000_000))).await.unwrap();
        id
    }

    /// Claims what is due and has each member answer 2xx.
    async fn give(&self, now: UnixMillis) -> Vec<Claimed> {
        let claimed = self.claim(now).await;
        for one in &claimed {
            self.finish(one, now, Next::Delivered).await;
        }
        claimed
    }

    /// Reports by the number a delivery was granted by.
    pub(super) async fn report(&self, claimed: &Claimed, at: UnixMillis, step: GrantStep) -> bool {
        let status = match step {
            GrantStep::Renew => WorkStatus::Processing,
            GrantStep::Complete => WorkStatus::Completed,
            GrantStep::Fail(_) => WorkStatus::Failed,
        };
        let report = GrantReport {
            worker: claimed.worker,
            event: claimed.event,
            replay: 0,
            number: number(claimed),
            step,
            until: at.plus(60_000),
            report: WorkReport { at, status, reason: None, worker_id: None },
        };
        self.store().report_grant(report).await.unwrap()
    }

    async fn expire(&self, now: UnixMillis) -> Vec<DeliveryId> {
        self.store().expired_grants(now).await.unwrap().into_iter().map(|grant| grant.delivery).collect()
    }

    /// As the proxy does with what nothing was reported of.
    async fn take_away(&self, claimed: &Claimed, now: UnixMillis) {
        assert!(self.expire(now).await.contains(&claimed.delivery));
        assert!(self.report(claimed, now, GrantStep::Fail(Next::RetryAt(now))).await);
    }
}

pub(super) fn number(claimed: &Claimed) -> u32 {
    claimed.granted.as_ref().unwrap().number
}

fn events(claimed: &[Claimed]) -> Vec<EventId> {
    claimed.iter().map(|claimed| claimed.event).collect()
}

fn only(claimed: Vec<Claimed>) -> Claimed {
    let [one] = <[Claimed; 1]>::try_from(claimed).unwrap();
    one
}

pub(crate) async fn one_delivery_for_all_members(world: World) {
    let members = [world.member(&[]).await, world.member(&[]).await];
    let alone = world.active_worker(&[]).await;
    let event = world.accept_of(Some("a")).await;
    let record = world.record(event).await;
    let waiting: Vec<_> = record.deliveries.iter().map(|d| (d.worker_id, d.worker.as_str())).collect();
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert!(waiting.contains(&(None, "builders")));
    for member in members {
        assert_eq!(world.store().group_waiting(member).await.unwrap().count, 1);
    }

    let claimed = world.give(NOW).await;
    assert_eq!(claimed.len(), 2);
    let granted = claimed.iter().find(|c| c.granted.is_some()).unwrap();
    assert!(members.contains(&granted.worker));
    let held = granted.granted.as_ref().unwrap();
    assert_eq!((held.group.as_str(), held.number, held.lease), ("builders", 1, LEASE));
    assert_eq!(granted.entity.as_deref(), Some("a"));
    let record = world.record(event).await;
    let of = |worker| record.deliveries.iter().find(|d| d.worker_id == Some(worker)).unwrap();
    assert_eq!(of(alone).state, DeliveryState::Delivered);
    assert_eq!(of(granted.worker).state, DeliveryState::Claimed);
    assert_eq!(of(granted.worker).claim.as_ref().unwrap().until, Some(NOW.plus(60_000)));
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.oldest), (1, Some(record.received_at)));
    assert_eq!(world.store().groups_waiting().await.unwrap(), (1, Some(record.received_at)));

    assert!(world.report(granted, NOW, GrantStep::Complete).await);
    let record = world.record(event).await;
    assert!(record.deliveries.iter().all(|d| d.state == DeliveryState::Delivered));
    assert_eq!(world.store().depth().await.unwrap(), Depth::default());
}

pub(crate) async fn the_holder_of_an_entity_gets_its_next(world: World) {
    let (one, other) = (world.member(&[]).await, world.member(&[]).await);
    let first = world.accept_of(Some("a")).await;
    let second = world.accept_of(Some("a")).await;
    let claimed = only(world.give(NOW).await);
    assert_eq!(claimed.event, first);
    assert_eq!(world.state(second).await, DeliveryState::Queued);
    assert!(world.claim(NOW).await.is_empty(), "one of an entity at a time");
    // A new entity goes to whom has less to do.
    let elsewhere = world.accept_of(Some("b")).await;
    let also = only(world.give(NOW).await);
    assert_eq!(also.event, elsewhere);
    assert_ne!(also.worker, claimed.worker);
    assert!([one, other].contains(&also.worker));

    assert!(world.report(&claimed, NOW.plus(1), GrantStep::Complete).await);
    let next = only(world.give(NOW.plus(2)).await);
    assert_eq!((next.event, next.worker), (second, claimed.worker));
    assert!(world.report(&next, NOW.plus(3), GrantStep::Complete).await);
    // It holds the entity for a while beyond.
    for n in 0..4 {
        let third = world.accept_of(Some("a")).await;
        let held = only(world.give(NOW.plus(10 + n)).await);
        assert_eq!((held.event, held.worker), (third, claimed.worker));
        assert!(world.report(&held, NOW.plus(10 + n), GrantStep::Complete).await);
    }
    // And not for ever.
    let later = NOW.plus(60_013);
    assert!(world.expire(later).await.contains(&also.delivery));
    world.accept_of(Some("a")).await;
    assert_ne!(only(world.give(later).await).worker, also.worker, "the other has one to do");
}

pub(crate) async fn whoever_lost_it_cannot_finish_it(world: World) {
    let members = [world.member(&[]).await, world.member(&[]).await];
    let event = world.accept_of(Some("a")).await;
    let first = only(world.give(NOW).await);
    let grant = |found: GrantSought| match found {
        GrantSought::Held(grant) => Some(grant.number),
        GrantSought::Lost => None,
        other => panic!("{other:?}"),
    };
    let find = |worker, number| world.store().find_grant(worker, event, 0, number);
    assert_eq!(grant(find(first.worker, None).await.unwrap()), Some(1));
    assert_eq!(grant(find(first.worker, Some(1)).await.unwrap()), Some(1));
    assert_eq!(grant(find(first.worker, Some(2)).await.unwrap()), None);
    // Kept by reports, and no longer.
    assert!(world.report(&first, NOW.plus(50_000), GrantStep::Renew).await);
    assert!(world.expire(NOW.plus(109_999)).await.is_empty());
    let over = NOW.plus(110_000);
    world.take_away(&first, over).await;
    assert!(!world.report(&first, over, GrantStep::Complete).await);
    assert!(!world.report(&first, over, GrantStep::Renew).await);
    assert_eq!(grant(find(first.worker, None).await.unwrap()), None);

    let second = only(world.give(over).await);
    assert_ne!(second.worker, first.worker);
    assert!(members.contains(&second.worker));
    assert_eq!((second.event, number(&second), second.failures), (event, 2, 1));
    assert!(!world.report(&first, over, GrantStep::Complete).await, "it is another's");
    assert_eq!(world.state(event).await, DeliveryState::Claimed);
    // Back with the first: what that one did for its first grant is nothing.
    world.take_away(&second, over.plus(60_000)).await;
    let third = only(world.give(over.plus(60_000)).await);
    assert_eq!((third.worker, number(&third)), (first.worker, 3));
    assert!(!world.report(&first, over.plus(60_001), GrantStep::Complete).await);
    assert!(world.report(&third, over.plus(60_001), GrantStep::Complete).await);
    assert!(!world.report(&third, over.plus(60_002), GrantStep::Complete).await, "once");
    assert!(matches!(find(third.worker, Some(3)).await.unwrap(), GrantSought::Completed));
    assert!(matches!(find(second.worker, None).await.unwrap(), GrantSought::Lost));
    assert_eq!(world.state(event).await, DeliveryState::Delivered);
    let statuses: Vec<_> =
        world.record(event).await.deliveries[0].reports.iter().map(|r| (r.status, r.worker_id)).collect();
    assert_eq!(
        statuses,
        [
            (WorkStatus::Processing, Some(first.worker)),
            (WorkStatus::Failed, Some(first.worker)),
            (WorkStatus::Failed, Some(second.worker)),
            (WorkStatus::Completed, Some(first.worker)),
        ]
    );
}

pub(crate) async fn a_failure_goes_to_another_and_ends(world: World) {
    world.member(&[]).await;
    world.member(&[]).await;
    let (event, behind) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    let first = only(world.give(NOW).await);
    assert!(world.report(&first, NOW, GrantStep::Fail(Next::RetryAt(NOW.plus(5_000)))).await);
    assert!(world.claim(NOW.plus(4_999)).await.is_empty());
    let second = only(world.give(NOW.plus(5_000)).await);
    assert_eq!((second.event, second.failures, second.attempt), (event, 1, 2));
    assert_ne!(second.worker, first.worker);
    let dead = GrantStep::Fail(Next::Dead(DeadReason::Exhausted));
    assert!(world.report(&second, NOW.plus(6_000), dead).await);
    assert_eq!(world.state(event).await, DeliveryState::Dead);
    assert_eq!(only(world.give(NOW.plus(6_000)).await).event, behind);
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (1, 1));
    // Listed with whoever had it last, and redriven to the group.
    let listed =
        world.store().list_dead_letters(world.workspace, DeadLetterFilter::default(), None, 9).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].worker_id, Some(second.worker));
    let bulk = Bulk {
        which: postern_protocol::api::Which::Ids(vec![listed.items[0].id]),
        only: None,
        dry_run: false,
        from: None,
    };
    let done = world.store().redrive(world.workspace, bulk, NOW.plus(7_000)).await.unwrap();
    assert_eq!((done.changed, done.unable), (1, 0));
    let again = only(world.give(NOW.plus(7_000)).await);
    assert_eq!((again.event, again.redriven, number(&again), again.failures), (event, 1, 3, 0));
    assert!(world.report(&again, NOW.plus(7_000), GrantStep::Complete).await);
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (1, 0));
}

pub(crate) async fn only_who_is_there_and_has_room_is_chosen(world: World) {
    let issues = world.member(&["Issue"]).await;
    let paused = world.member(&["Issue"]).await;
    let comments = world.member(&["Comment"]).await;
    let far = T0.plus(1_000_000_000);
    world.store().renew_lease(paused, far, Some(true)).await.unwrap().unwrap();
    let policy = WorkerPolicy { max_in_flight: Some(2), ..WorkerPolicy::default() };
    assert!(world.store().set_policy(issues, policy).await.unwrap());
    let mut all = Vec::new();
    for entity in ["a", "b", "c", "d"] {
        all.push(world.accept_of(Some(entity)).await);
    }
    let given = world.give(NOW).await;
    assert_eq!(events(&given), all[..2]);
    assert!(given.iter().all(|c| c.worker == issues), "comments takes none of them");
    assert!(world.claim(NOW).await.is_empty(), "what it works on counts");
    assert_eq!(world.store().next_due().await.unwrap(), None);
    assert_eq!(
        world.record(all[2]).await.deliveries[0].waits_for,
        Some(postern_protocol::api::WaitsFor::Member)
    );
    assert!(world.report(&given[0], NOW, GrantStep::Complete).await);
    let third = only(world.give(NOW).await);
    assert_eq!((third.event, third.worker), (all[2], issues));
    // Back, it takes what waits; what is held is its holder's.
    let held = world.accept_of(Some("b")).await;
    world.store().renew_lease(paused, far, Some(false)).await.unwrap().unwrap();
    let last = only(world.give(NOW).await);
    assert_eq!((last.event, last.worker), (all[3], paused));
    assert!(world.report(&given[1], NOW, GrantStep::Complete).await);
    let next = only(world.give(NOW).await);
    assert_eq!((next.event, next.worker), (held, issues));
    assert_eq!(world.store().group_waiting(comments).await.unwrap().count, 3, "the group's");
}

pub(crate) async fn no_member_takes_all_the_bytes(world: World) {
    let world = &world;
    let (one, other) = (world.member(&[]).await, world.member(&[]).await);
    for _ in 0..6 {
        world.accept_of(None).await;
    }
    let claim = |worker_bytes| {
        let (limit, per_worker, bytes) = (100, 100, u64::MAX);
        let claim = Claim { now: NOW, limit, per_worker, bytes, worker_bytes, lease: LEASE };
        async move { world.store().claim_due(claim).await.unwrap() }
    };
    let of = |claimed: &[Claimed], id| claimed.iter().filter(|c| c.worker == id).count();
    let first = claim(1).await;
    assert_eq!((of(&first, one), of(&first, other)), (1, 1));
    let size = first[0].body.len() as u64;
    assert!(claim(size).await.is_empty());
    assert_eq!(world.store().next_due().await.unwrap(), None, "nothing to wake up for");
    let second = claim(size + 1).await;
    assert_eq!((of(&second, one), of(&second, other)), (1, 1));
    world.finish(&second[0], NOW, Next::Delivered).await;
    assert_eq!(claim(size + 1).await.iter().map(|c| c.worker).collect::<Vec<_>>(), [second[0].worker]);
}

pub(crate) async fn a_member_that_leaves_gives_up_at_once(mut world: World) {
    let leaver = world.member(&[]).await;
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(None).await);
    let given = world.give(NOW).await;
    assert_eq!(events(&given), [first, second]);
    let other = world.member(&[]).await;
    world.store().remove_worker(leaver, DeadReason::WorkerLeft, NOW).await.unwrap();
    assert!(!world.report(&given[0], NOW, GrantStep::Complete).await);
    let mut again = world.give(NOW).await;
    again.sort_by_key(|one| one.event);
    assert_eq!(events(&again), [first, second]);
    assert!(again.iter().all(|c| c.worker == other && number(c) == 2 && c.failures == 0));
    // Another group is as leaving.
    world.store().set_group(other, claim_group("others"), NOW).await.unwrap();
    assert!(!world.report(&again[0], NOW, GrantStep::Complete).await);
    // With nobody left it waits for whoever joins.
    world.restart();
    assert!(world.claim(NOW).await.is_empty());
    assert_eq!(world.store().depth().await.unwrap().pending, 2);
    let third = world.accept_of(Some("a")).await;
    assert_eq!(world.record(third).await.deliveries.len(), 1, "the other group's");
    world.store().set_group(other, claim_group("builders"), NOW).await.unwrap();
    let last = world.give(NOW).await;
    assert_eq!(last.len(), 2);
    assert!(last.iter().all(|c| number(c) == 3));
}

pub(crate) async fn what_is_held_outlives_the_process(mut world: World) {
    let (one, other) = (world.member(&[]).await, world.member(&[]).await);
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    let given = only(world.give(NOW).await);
    let sent = world.accept_of(Some("b")).await;
    let cut_off = only(world.claim(NOW).await);
    world.restart();
    // What had been sent goes to whom it had been sent, as the same grant.
    let again = only(world.give(NOW).await);
    assert_eq!((again.event, again.worker, number(&again)), (sent, cut_off.worker, 1));
    assert_eq!(world.store().depth().await.unwrap().pending, 3);
    assert!(world.report(&given, NOW, GrantStep::Complete).await);
    let next = only(world.give(NOW).await);
    assert_eq!((next.event, next.worker), (second, given.worker));
    // While the proxy stood still nobody could report.
    world.restart();
    world.store().extend_grants(NOW.plus(200_000)).await.unwrap();
    assert!(world.expire(NOW.plus(199_999)).await.is_empty());
    assert_eq!(world.expire(NOW.plus(200_000)).await.len(), 2);
    assert!(world.report(&next, NOW.plus(200_001), GrantStep::Complete).await, "nobody took it away");
    assert_eq!(world.state(first).await, DeliveryState::Delivered);
    assert!([one, other].contains(&next.worker));
}

pub(crate) async fn a_report_may_overtake_the_answer(world: World) {
    world.member(&[]).await;
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    let sent = only(world.claim(NOW).await);
    assert!(world.report(&sent, NOW, GrantStep::Complete).await);
    assert_eq!(world.state(first).await, DeliveryState::Delivered);
    assert!(world.claim(NOW).await.is_empty(), "the attempt is under way still");
    world.finish(&sent, NOW, Next::Delivered).await;
    assert_eq!(world.state(first).await, DeliveryState::Delivered);
    let next = only(world.give(NOW).await);
    assert_eq!((next.event, next.worker), (second, sent.worker));
    // The lease is not over before the answer is there, or is not.
    let third = world.accept_of(Some("c")).await;
    let sent = only(world.claim(NOW).await);
    assert_eq!(sent.event, third);
    assert!(world.expire(NOW.plus(60_000)).await.iter().all(|expired| *expired != sent.delivery));
    world.finish(&sent, NOW.plus(60_000), Next::NotReached).await;
    assert_eq!(world.state(third).await, DeliveryState::Pending);
    assert!(!world.report(&sent, NOW.plus(60_000), GrantStep::Complete).await, "it was not reached");
}

pub(crate) async fn a_member_out_of_reach_holds_nothing_up(world: World) {
    let members = [world.member(&[]).await, world.member(&[]).await];
    let event = world.accept_of(Some("a")).await;
    let first = only(world.claim(NOW).await);
    world.finish(&first, NOW, Next::NotReached).await;
    let second = only(world.give(NOW).await);
    assert_eq!((second.event, second.failures), (event, 0));
    assert_ne!(second.worker, first.worker);
    // One that answers 410 is gone; its share is the others'.
    world.answer_ping(first.worker, NOW).await;
    let other = world.accept_of(Some("b")).await;
    let gone = only(world.claim(NOW).await);
    assert_eq!((gone.event, gone.worker), (other, first.worker));
    world.finish(&gone, NOW, Next::WorkerGone).await;
    let last = only(world.give(NOW).await);
    assert_eq!((last.event, last.worker), (other, second.worker));
    assert!(members.contains(&last.worker));
    assert_eq!(world.store().depth().await.unwrap().dead, 0);
}

pub(crate) async fn a_long_queue_for_one_is_nobody_elses(world: World) {
    let away = world.member(&["Issue"]).await;
    let here = world.member(&["Comment"]).await;
    world.store().renew_lease(away, T0, None).await.unwrap().unwrap();
    assert_eq!(world.store().expire_leases(T0.plus(1)).await.unwrap(), [away]);
    for _ in 0..1_200 {
        world.accept_of(None).await;
    }
    let mut comment = world.event();
    comment.described.event_type = "Comment".into();
    let id = comment.id;
    world.store().accept_event(comment).await.unwrap();
    let given = only(world.give(NOW).await);
    assert_eq!((given.event, given.worker), (id, here));
    world.store().end_absence(away, NOW).await.unwrap();
    world.store().renew_lease(away, T0.plus(1_000_000_000), None).await.unwrap().unwrap();
    // What an absence's end holds or skips is not the group's.
    let mut taken = 0;
    while taken < 1_200 {
        let claimed = world.claim_some(NOW, 100, 100).await;
        assert!(!claimed.is_empty(), "after {taken}");
        taken += claimed.len();
        for one in claimed {
            assert_eq!(one.worker, away);
            world.finish(&one, NOW, Next::Delivered).await;
            assert!(world.report(&one, NOW, GrantStep::Complete).await);
        }
    }
    assert_eq!(world.store().depth().await.unwrap().pending, 1);
}

pub(crate) async fn a_group_replays_recovers_and_expires(world: World) {
    let before = world.accept_of(Some("a")).await;
    let member = world.member(&[]).await;
    world.member(&[]).await;
    assert!(world.record(before).await.deliveries.is_empty());
    let recovery =
        Recovery { since: T0, until: NOW, dry_run: false, from: None, new_delivery: entropy::delivery_id };
    let done = world.store().recover(member, recovery, NOW).await.unwrap();
    assert_eq!((done.missing, done.delivering), (1, 1));
    let done = world.store().recover(member, recovery, NOW).await.unwrap();
    assert_eq!((done.missing, done.ended), (0, 0), "it is the group's by now");
    let given = only(world.give(NOW).await);
    assert!(world.report(&given, NOW, GrantStep::Complete).await);
    let replayed = world
        .store()
        .replay(world.workspace, before, None, NOW, entropy::delivery_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((replayed.replay, replayed.deliveries), (1, 1), "once for the group");
    let again = only(world.give(NOW).await);
    assert_eq!(again.webhook_id, format!("{before}.r1"));
    let to_one = world.store().replay(world.workspace, before, Some(member), NOW, entropy::delivery_id);
    assert_eq!(to_one.await.unwrap().unwrap().deliveries, 1);
    let alone = only(world.give(NOW).await);
    assert_eq!((alone.worker, &alone.granted), (member, &None));

    // What a member has is not deleted, and dies of old age as what waits.
    let day = Duration::from_secs(1);
    let (pending, queued) = (world.accept_of(Some("z")).await, world.accept_of(Some("z")).await);
    let held = only(world.give(NOW).await);
    assert_eq!(held.event, pending);
    assert_eq!(world.store().prune_settled(0, 100).await.unwrap(), 0, "all have something undelivered");
    while world.store().prune(NOW.plus(5_000), day, 100).await.unwrap() == 100 {}
    for event in [pending, queued] {
        assert_eq!(world.state(event).await, DeliveryState::Expired);
    }
    assert!(!world.report(&held, NOW.plus(5_000), GrantStep::Complete).await);
    assert_eq!(world.store().depth().await.unwrap().pending, 0);
}
