//! Why each worker got an event, or did not.

use super::*;
use postern_protocol::api::{CatchUpChoice, Rate, ReasonCode, Which};
use postern_protocol::span::Span;

const NOW: UnixMillis = UnixMillis(T0.0 + 10_000);
const FAR: UnixMillis = UnixMillis(T0.0 + 1_000_000_000);

impl World {
    async fn why(&self, event: EventId, worker: WorkerId) -> ReasonCode {
        let record = self.record(event).await;
        record.workers.iter().find(|reason| reason.worker_id == worker).unwrap().code
    }

    async fn attempted(&self, now: UnixMillis, next: Next) {
        let [claimed] = <[Claimed; 1]>::try_from(self.claim(now).await).unwrap();
        self.finish(&claimed, now, next).await;
    }
}

pub(crate) async fn a_delivery_says_how_it_stands(world: World) {
    let (store, worker) = (world.store(), world.active_worker(&[]).await);
    let event = world.accept().await.id;
    let why = || world.why(event, worker);
    assert_eq!(why().await, ReasonCode::Waiting);
    let claimed = world.claim(NOW).await.pop().unwrap();
    assert_eq!(why().await, ReasonCode::Sending);
    world.finish(&claimed, NOW, Next::RetryAt(NOW)).await;
    assert_eq!(why().await, ReasonCode::Waiting);
    world.attempted(NOW, Next::NotReached).await;
    assert_eq!(why().await, ReasonCode::Circuit);
    world.answer_ping(worker, NOW).await;
    store.renew_lease(worker, FAR, Some(true)).await.unwrap();
    assert_eq!(why().await, ReasonCode::Paused);
    store.renew_lease(worker, T0, Some(false)).await.unwrap();
    store.expire_leases(NOW).await.unwrap();
    assert_eq!(why().await, ReasonCode::Away);
    store.end_absence(worker, NOW).await.unwrap();
    store.renew_lease(worker, FAR, None).await.unwrap();
    assert_eq!(why().await, ReasonCode::Held);
    store.catch_up(worker, CatchUpChoice::None, NOW).await.unwrap();
    assert_eq!(why().await, ReasonCode::Skipped);
    store.redeliver(worker, event, NOW).await.unwrap();
    world.attempted(NOW, Next::Dead(DeadReason::Exhausted)).await;
    assert_eq!(why().await, ReasonCode::Dead);
    let which = Which::Filter(DeadLetterFilter::default());
    let bulk = Bulk { which, only: None, dry_run: false, from: None };
    store.discard(world.workspace, bulk, "tok_x".into(), "seen".into(), NOW).await.unwrap();
    assert_eq!(why().await, ReasonCode::Discarded);

    let rate = Some(Rate { count: 1, per: Span::seconds(60) });
    store.set_policy(worker, WorkerPolicy { rate, ..WorkerPolicy::default() }).await.unwrap();
    let (first, second) = (world.accept().await.id, world.accept().await.id);
    world.attempted(NOW, Next::Delivered).await;
    assert_eq!(world.why(first, worker).await, ReasonCode::Delivered);
    assert_eq!(world.why(second, worker).await, ReasonCode::Rate);
    store.update_worker(store.worker(worker).await.unwrap().unwrap()).await.unwrap();
    assert_eq!(world.why(second, worker).await, ReasonCode::Unproved);
    while store.prune(NOW.plus(5_000), Duration::from_secs(1), 100).await.unwrap() == 100 {}
    assert_eq!(world.why(second, worker).await, ReasonCode::Expired);
}

pub(crate) async fn who_has_none_is_told_apart(world: World) {
    let store = world.store();
    let before = world.accept().await.id;
    let takes = world.active_worker(&[]).await;
    let ordered = Worker { ordering: Ordering::Entity, ..world.worker(&[]) };
    let (in_line, never) = (ordered.id, world.worker(&[]));
    store.register_worker(ordered).await.unwrap();
    store.settle_challenge(in_line, Ok(FAR)).await.unwrap();
    store.register_worker(never.clone()).await.unwrap();
    let (misses, refuses) = (world.active_worker(&["Comment"]).await, world.active_worker(&["!Issue"]).await);
    let (_, event) = (world.accept().await, world.accept().await.id);
    assert_eq!(world.why(before, takes).await, ReasonCode::RegisteredLater);
    assert_eq!(world.why(event, in_line).await, ReasonCode::InLine);
    assert_eq!(world.why(event, never.id).await, ReasonCode::NotActivated);
    assert_eq!(world.why(event, misses).await, ReasonCode::FilterDoesNotTake);
    assert_eq!(world.why(event, refuses).await, ReasonCode::FilterRefuses);
    let of_one = NewEvent { only: Some(takes), synthetic: true, ..world.event() };
    let alone = of_one.id;
    store.accept_event(of_one).await.unwrap();
    assert_eq!(world.why(alone, takes).await, ReasonCode::Waiting);
    assert_eq!(world.why(alone, in_line).await, ReasonCode::MadeForAnother);
    assert_eq!(world.why(alone, misses).await, ReasonCode::FilterDoesNotTake, "whoever it was made for");
    let changed = Worker { filter: Filter::default(), ..store.worker(misses).await.unwrap().unwrap() };
    store.update_worker(changed).await.unwrap();
    assert_eq!(world.why(event, misses).await, ReasonCode::ChangedSince);
}

pub(crate) async fn members_of_a_group_are_told_apart(world: World) {
    let store = world.store();
    let (one, other) = (world.member(&[]).await, world.member(&[]).await);
    let comments = world.member(&["Comment"]).await;
    let (first, second) = (world.accept_of(Some("a")).await, world.accept_of(Some("a")).await);
    assert_eq!(world.why(first, one).await, ReasonCode::GroupWaits);
    assert_eq!(world.why(second, one).await, ReasonCode::InLine);
    assert_eq!(world.why(first, comments).await, ReasonCode::FilterDoesNotTake);
    let claimed = world.claim(NOW).await.pop().unwrap();
    let (holder, free) = if claimed.worker == one { (one, other) } else { (other, one) };
    let both = async |event| (world.why(event, holder).await, world.why(event, free).await);
    assert_eq!(both(first).await, (ReasonCode::Sending, ReasonCode::OtherMember));
    world.finish(&claimed, NOW, Next::Delivered).await;
    assert_eq!(both(first).await, (ReasonCode::Claimed, ReasonCode::OtherMember));
    // Given back, and nobody there: each is told its own trouble.
    store.renew_lease(free, FAR, Some(true)).await.unwrap();
    assert!(world.report(&claimed, NOW, GrantStep::Fail(Next::RetryAt(NOW))).await);
    assert_eq!(both(first).await, (ReasonCode::GroupWaits, ReasonCode::GroupWaits));
    let said = async |worker| {
        let record = world.record(first).await;
        record.workers.into_iter().find(|reason| reason.worker_id == worker).unwrap().reason
    };
    assert_eq!(said(free).await, "It waits for a member of the claim group `builders`; this one is paused.");
    assert_eq!(
        said(holder).await,
        "It had the event last; now the event waits for a member of its claim group."
    );
    store.renew_lease(free, FAR, Some(false)).await.unwrap();
    let claimed = world.claim(NOW).await.pop().unwrap();
    assert_eq!(claimed.worker, free);
    world.finish(&claimed, NOW, Next::Delivered).await;
    assert_eq!(both(first).await, (ReasonCode::OtherMember, ReasonCode::Claimed));
    assert!(world.report(&claimed, NOW, GrantStep::Complete).await);
    assert_eq!(both(first).await, (ReasonCode::OtherMember, ReasonCode::Delivered));
    let claimed = world.claim(NOW).await.pop().unwrap();
    world.finish(&claimed, NOW, Next::Dead(DeadReason::Exhausted)).await;
    assert_eq!(both(second).await, (ReasonCode::OtherMember, ReasonCode::Dead));
}
