//! What follows when a worker does not take a delivery.

use crate::harness::{Proxy, Receiver, Reply};
use bytes::Bytes;
use postern_protocol::api::{AttemptOutcome, DeliveryState, WorkerList, WorkerPolicy, WorkerState};
use postern_protocol::{ErrorBody, ErrorCode, Provider};
use postern_proxy::store::{DeadReason, Next, Scope, Store};
use serde_json::json;

const SECOND: i64 = 1000;
/// The default schedule's waits, in seconds.
const WAITS: [i64; 10] = [5, 60, 300, 900, 3600, 14400, 14400, 14400, 14400, 14400];

fn wait(proxy: &Proxy, next: &Next) -> i64 {
    match next {
        Next::RetryAt(at) | Next::HoldUntil(at) => at.since(proxy.now()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_schedule_goes_on_across_restarts_until_the_dead_letter() {
    // Without an age limit, so that all attempts are made.
    let mut proxy = Proxy::with("[delivery]\ngive_up_after = \"7d\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    receiver.always(Reply::status(500));
    let worker = proxy.register(&receiver).await;
    let event = proxy.event(&source, 1).await;
    for (number, seconds) in (1..).zip(WAITS) {
        assert_eq!(receiver.delivery().await.header("postern-attempt"), number.to_string());
        let finish = proxy.finished().await;
        assert_eq!((finish.attempt.number, finish.attempt.status), (number, Some(500)));
        let until = wait(&proxy, &finish.next);
        let exact = seconds * SECOND;
        assert!((exact * 8 / 10..=exact * 12 / 10).contains(&until), "{until} for {seconds} s");
        if number % 3 == 0 {
            proxy = proxy.restart().await;
        }
        // A moment before its time nothing happens; then it does.
        proxy.turn(until - 1);
        proxy.renewed(&worker).await;
        assert_eq!(receiver.unasked(), 0);
        proxy.turn(1);
        proxy.renewed(&worker).await;
    }
    let last = receiver.delivery().await;
    assert_eq!(last.header("webhook-id"), event.to_string(), "the id is the same for every attempt");
    last.verify(&worker.secret, proxy.now()).unwrap();
    assert_eq!(proxy.finished().await.next, Next::Dead(DeadReason::Exhausted));
    let record = proxy.record(event).await;
    assert_eq!(record.deliveries[0].state, DeliveryState::Dead);
    assert_eq!(record.deliveries[0].attempts.len(), 11);
    assert_eq!(proxy.store.depth().await.unwrap().dead, 1);
}

#[tokio::test]
async fn a_failure_then_success() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    receiver.replies([Reply::status(503)]);
    let event = proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    let until = wait(&proxy, &finish.next);
    proxy.turn(until);
    assert_eq!(proxy.finished().await.next, Next::Delivered);
    let delivery = proxy.record(event).await.deliveries.remove(0);
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::Delivered, 2));
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    receiver.replies([Reply::Status(429, vec![("retry-after", "120".into())], Bytes::new())]);
    proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!(wait(&proxy, &finish.next), 120 * SECOND);
}

#[tokio::test]
async fn a_worker_may_have_a_policy_of_its_own() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    receiver.always(Reply::status(500));
    let mut request = proxy.registration(&receiver.url());
    request["retry"] = json!({"strategy": "list", "waits": ["7s"], "jitter": 0});
    let worker = proxy.register_pending(&receiver, &request).await;
    proxy.settled().await.1.unwrap();
    let event = proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!(wait(&proxy, &finish.next), 7 * SECOND);

    // Changed from outside, and by the worker itself.
    let path = format!("/v1/workers/{}", worker.id);
    let change =
        json!({"retry": {"strategy": "linear", "step": "3s", "max": "1m", "attempts": 9, "jitter": 0}});
    let changed: WorkerPolicy = proxy.patch(&path, &proxy.token, &change).await.json();
    assert_eq!(changed.retry.unwrap().to_string(), "linear:3s,1m,9");
    proxy.turn(7 * SECOND);
    let finish = proxy.finished().await;
    assert_eq!(wait(&proxy, &finish.next), 6 * SECOND);
    assert_eq!(proxy.renew(&worker, json!({"retry": null, "maxInFlight": 3})).await.status, 200);
    proxy.turn(6 * SECOND);
    let finish = proxy.finished().await;
    assert!((240 * SECOND..=360 * SECOND).contains(&wait(&proxy, &finish.next)), "the proxy's third wait");
    assert_eq!(proxy.record(event).await.deliveries[0].attempts.len(), 3);
    let list: WorkerList = proxy.get("/v1/workers", &proxy.token).await.json();
    let policy = &list.workers[0].policy;
    assert_eq!((policy.retry.clone(), policy.max_in_flight), (None, Some(3)));
}

#[tokio::test]
async fn a_policy_that_cannot_be_had_changes_nothing() {
    let mut proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["retry"] = json!({"strategy": "linear", "step": "3s", "max": "1s", "attempts": 9});
    assert_eq!(proxy.register_with(&request, None).await.error(), "400 request.malformed");
    request["retry"] = json!({"strategy": "sometimes"});
    assert_eq!(proxy.register_with(&request, None).await.error(), "400 request.malformed");
    let worker = proxy.register(&receiver).await;
    let path = format!("/v1/workers/{}", worker.id);
    for change in [json!({"maxInFlight": 0}), json!({"rate": {"count": 5, "per": "never"}}), json!("fast")] {
        let refused = proxy.patch(&path, &proxy.token, &change).await;
        assert_eq!(refused.error(), "400 request.malformed", "{change}");
    }
    assert_eq!(proxy.renew(&worker, json!({"maxInFlight": 0})).await.error(), "400 request.malformed");
    let reading = proxy.make_token(&[Scope::EventsRead], None).await;
    assert_eq!(proxy.patch(&path, &reading, &json!({})).await.error(), "403 auth.forbidden");
    assert_eq!(proxy.patch(&path, &worker.credential, &json!({})).await.error(), "401 auth.invalid");
    let unknown = format!("/v1/workers/{}", postern_proxy::entropy::worker_id(proxy.now()));
    assert_eq!(proxy.patch(&unknown, &proxy.token, &json!({})).await.error(), "404 not_found");
    let stored = proxy.store.worker(worker.id).await.unwrap().unwrap();
    assert_eq!(stored.policy, WorkerPolicy::default());
}

#[tokio::test]
async fn a_worker_that_answers_410_is_gone() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    receiver.replies([Reply::status(410)]);
    let event = proxy.event(&source, 1).await;
    assert_eq!(proxy.finished().await.next, Next::WorkerGone);
    assert_eq!(proxy.store.worker(worker.id).await.unwrap().unwrap().state, WorkerState::Gone);
    assert_eq!(proxy.record(event).await.deliveries[0].state, DeliveryState::Dead);
    let later = proxy.event(&source, 2).await;
    assert!(proxy.record(later).await.deliveries.is_empty());
}

#[tokio::test]
async fn a_request_that_did_not_arrive_whole_costs_no_attempt() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    receiver.replies([Reply::status(408), Reply::status(500)]);
    proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!((finish.attempt.outcome, finish.attempt.status), (AttemptOutcome::Timeout, Some(408)));
    assert_eq!(finish.next, Next::NotReached);
    proxy.turn(2 * SECOND);
    // The schedule's first wait: the 408 has not counted.
    let next = proxy.finished().await.next;
    assert!(matches!(next, Next::RetryAt(_)) && (4_000..=6_000).contains(&wait(&proxy, &next)), "{next:?}");
}

#[tokio::test]
async fn a_worker_whose_clock_is_off_is_held_without_cost() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    let stale = ErrorBody::new(ErrorCode::TimestampStale, "signed 400000 ms ago");
    receiver.replies([
        Reply::Status(401, vec![], serde_json::to_vec(&stale).unwrap().into()),
        Reply::status(500),
    ]);
    let event = proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!(finish.attempt.outcome, AttemptOutcome::ClockSkew);
    assert_eq!(finish.attempt.error.as_deref(), Some("signed 400000 ms ago"));
    let until = wait(&proxy, &finish.next);
    assert!(matches!(finish.next, Next::HoldUntil(_)) && (48 * SECOND..=72 * SECOND).contains(&until));
    proxy.turn(until);
    // The lease has run out meanwhile or not; what counts is the first wait.
    let finish = proxy.finished().await;
    assert!((4 * SECOND..=6 * SECOND).contains(&wait(&proxy, &finish.next)), "nothing was used up");
    assert_eq!(proxy.record(event).await.deliveries[0].attempts.len(), 2);
}

#[tokio::test]
async fn what_was_under_way_when_the_proxy_ended_is_delivered_after() {
    let mut proxy = Proxy::with("drain = \"50ms\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    receiver.replies([Reply::Hang]);
    let event = proxy.event(&source, 1).await;
    receiver.delivery().await;
    let mut proxy = proxy.restart().await;
    assert_eq!(receiver.delivery().await.header("webhook-id"), event.to_string());
    assert_eq!(proxy.finished().await.next, Next::Delivered);
}
