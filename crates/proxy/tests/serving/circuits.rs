//! Workers that cannot be reached, or take nothing: they are left alone,
//! pinged, and get all that waited when they are back. Workers at a rate.

use crate::harness::{Proxy, Receiver, Reply, call};
use http::Method;
use postern_protocol::Provider;
use postern_protocol::api::{
    AttemptOutcome, CircuitCause, CircuitState, DeliveryState, WaitsFor, WorkerInfo, WorkerList,
};
use postern_proxy::circuit::Observed;
use postern_proxy::store::Next;
use serde_json::json;

const SECOND: i64 = 1000;

async fn info(proxy: &Proxy) -> WorkerInfo {
    proxy.get("/v1/workers", &proxy.token).await.json::<WorkerList>().workers.remove(0)
}

async fn metrics(proxy: &Proxy) -> String {
    let metrics = call(proxy.admin, Method::GET, "/metrics", &[], "").await;
    String::from_utf8(metrics.body.to_vec()).unwrap()
}

/// Turns the clock to the next ping of the only worker.
async fn until_pinged(proxy: &Proxy) -> i64 {
    let until = info(proxy).await.circuit.unwrap().until.unwrap().since(proxy.now());
    proxy.turn(until.max(0));
    until
}

#[tokio::test]
async fn an_unreachable_worker_costs_nothing_and_is_found_to_be_back() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let address = receiver.stop().await;
    let event = proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!((finish.attempt.outcome, finish.next), (AttemptOutcome::Connect, Next::NotReached));
    for seconds in [1, 2, 4, 8] {
        let until = until_pinged(&proxy).await;
        assert!((seconds * 800..=seconds * 1200).contains(&until), "{until}");
        assert_eq!(proxy.pinged().await, (worker.id, Observed::Unreached));
    }
    let open = info(&proxy).await;
    assert_eq!((open.transport_failures, open.transport_error.is_some()), (5, true));
    let open = open.circuit.unwrap();
    assert_eq!((open.state, open.cause), (CircuitState::Open, Some(CircuitCause::Unreachable)));
    let pending = proxy.record(event).await.deliveries.remove(0);
    assert_eq!((pending.state, pending.waits_for), (DeliveryState::Pending, Some(WaitsFor::Circuit)));
    assert_eq!(pending.attempts.len(), 1, "pings are no attempts");

    // The circuit outlives the process; nothing is sent before a ping is taken.
    let mut proxy = proxy.restart().await;
    let mut receiver = Receiver::start_at(address).await;
    receiver.knows(&worker.secret);
    receiver.always(Reply::status(500));
    until_pinged(&proxy).await;
    assert_eq!(proxy.pinged().await, (worker.id, Observed::Well));
    assert_eq!(receiver.delivery().await.header("postern-attempt"), "2");
    let Next::RetryAt(again) = proxy.finished().await.next else { panic!() };
    let wait = again.since(proxy.now());
    assert!((4 * SECOND..=6 * SECOND).contains(&wait), "the schedule's first wait, not {wait}");
    assert_eq!(info(&proxy).await.circuit.unwrap().state, CircuitState::Closed);
    let metrics = metrics(&proxy).await;
    assert!(metrics.contains("postern_circuits{state=\"closed\"} 1"), "{metrics}");
    assert!(metrics.contains("postern_circuit_changes_total{to=\"closed\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_renewed_lease_is_answered_with_a_ping_and_what_waited() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let address = receiver.stop().await;
    let event = proxy.event(&source, 1).await;
    proxy.finished().await;
    let mut receiver = Receiver::start_at(address).await;
    receiver.knows(&worker.secret);
    // The clock stands still: by itself no ping falls due.
    let renewed = proxy.renewed(&worker).await;
    assert!(renewed.last_transport_error.unwrap().contains("no connection"));
    assert_eq!(receiver.delivery().await.header("webhook-id"), event.to_string());
    assert_eq!(proxy.finished().await.next, Next::Delivered);
}

#[tokio::test]
async fn no_answer_in_time_is_no_answer_for_a_while() {
    let mut proxy = Proxy::with("[delivery]\ntimeout = \"100ms\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    receiver.replies((0..17).map(|_| Reply::Hang));
    proxy.event(&source, 1).await;
    // It answers pings, and chokes on the one event.
    for _ in 0..16 {
        let finish = proxy.finished().await;
        assert_eq!((finish.attempt.outcome, finish.next), (AttemptOutcome::Timeout, Next::NotReached));
        until_pinged(&proxy).await;
        assert_eq!(proxy.pinged().await, (worker.id, Observed::Well));
    }
    let finish = proxy.finished().await;
    assert_eq!(finish.attempt.outcome, AttemptOutcome::Timeout);
    assert!(matches!(finish.next, Next::RetryAt(_)), "{:?}", finish.next);
}

#[tokio::test]
async fn a_failing_worker_burns_no_more_than_it_takes_to_see_that() {
    let mut proxy = Proxy::with("[delivery]\nper_worker = 1\n[delivery.circuit]\nmin_attempts = 5\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    receiver.always(Reply::status(500));
    let worker = proxy.register(&receiver).await;
    for number in 1..=20 {
        proxy.event(&source, number).await;
    }
    for _ in 1..=5 {
        assert!(matches!(proxy.finished().await.next, Next::RetryAt(_)));
    }
    let open = info(&proxy).await.circuit.unwrap();
    assert_eq!((open.state, open.cause), (CircuitState::Open, Some(CircuitCause::Failing)));
    // Each ping that is taken lets one delivery through, until one is taken.
    for trips in 2..=4 {
        until_pinged(&proxy).await;
        assert_eq!(proxy.pinged().await, (worker.id, Observed::Well));
        assert!(matches!(proxy.finished().await.next, Next::RetryAt(_)));
        assert_eq!(info(&proxy).await.circuit.unwrap().trips, trips);
    }
    assert_eq!(receiver.unasked(), 8);
    receiver.always(Reply::status(200));
    until_pinged(&proxy).await;
    for _ in 1..=12 {
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
    assert_eq!(info(&proxy).await.circuit.unwrap().state, CircuitState::Closed);
}

#[tokio::test]
async fn a_receiver_that_knows_no_pings_gets_a_delivery_to_tell() {
    let mut proxy = Proxy::with("[delivery]\ntimeout = \"100ms\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    receiver.pings(Reply::status(404));
    let worker = proxy.register(&receiver).await;
    receiver.replies([Reply::Hang]);
    for number in 1..=3 {
        proxy.event(&source, number).await;
        if number == 1 {
            assert_eq!(proxy.finished().await.next, Next::NotReached);
        }
    }
    until_pinged(&proxy).await;
    assert_eq!(proxy.pinged().await, (worker.id, Observed::Well));
    for _ in 1..=3 {
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
    assert_eq!(info(&proxy).await.circuit.unwrap().state, CircuitState::Closed);
}

#[tokio::test]
async fn idle_workers_are_pinged_where_that_is_set() {
    let mut proxy = Proxy::with("[delivery.circuit]\nhealth_interval = \"10s\"\n").await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    proxy.turn(10 * SECOND);
    assert_eq!(proxy.pinged().await, (worker.id, Observed::Well));
    receiver.stop().await;
    proxy.turn(10 * SECOND);
    while proxy.pinged().await != (worker.id, Observed::Unreached) {}
    assert_eq!(info(&proxy).await.circuit.unwrap().state, CircuitState::Open, "known before an event comes");
}

#[tokio::test]
async fn a_dead_worker_and_a_slow_one_do_not_hold_up_another() {
    let mut proxy = Proxy::with("[delivery]\ntotal = 32\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let (dead, slow, mut well) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    slow.always(Reply::Hang);
    for receiver in [&dead, &slow, &well] {
        proxy.register(receiver).await;
    }
    dead.stop().await;
    // The clock stands still: nobody gains from a wait.
    for number in 1..=100 {
        proxy.event(&source, number).await;
    }
    for _ in 1..=100 {
        well.delivery().await;
    }
}

#[tokio::test]
async fn a_worker_at_a_rate_is_throttled_and_fails_nothing() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (mut slow, mut fast) = (Receiver::start().await, Receiver::start().await);
    let mut request = proxy.registration(&slow.url());
    request["rate"] = json!({"count": 2, "per": "10s"});
    proxy.register_pending(&slow, &request).await;
    proxy.settled().await.1.unwrap();
    proxy.register(&fast).await;
    let mut last = None;
    for number in 1..=6 {
        last = Some(proxy.event(&source, number).await);
    }
    for _ in 1..=6 {
        fast.delivery().await;
    }
    for _ in 1..=8 {
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
    let throttled = info(&proxy).await;
    assert_eq!(throttled.throttled_until, Some(proxy.now().plus(5 * SECOND)));
    let waiting = proxy.record(last.unwrap()).await.deliveries;
    let waiting = waiting.iter().find(|delivery| delivery.worker_id == Some(throttled.id)).unwrap();
    assert_eq!((waiting.state, waiting.waits_for), (DeliveryState::Pending, Some(WaitsFor::Rate)));
    assert!(waiting.attempts.is_empty());
    let metrics = metrics(&proxy).await;
    assert!(metrics.contains("postern_workers_throttled 1"), "{metrics}");
    slow.delivery().await;
    slow.delivery().await;
    for _ in 0..4 {
        assert_eq!(slow.unasked(), 0);
        proxy.turn(5 * SECOND);
        slow.delivery().await;
    }
}
