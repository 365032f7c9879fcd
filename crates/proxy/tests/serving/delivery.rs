//! What arrives at a worker, and that one worker does not disturb another.

use crate::harness::{Proxy, Receiver, Reply};
use bytes::Bytes;
use postern_protocol::Provider;
use postern_protocol::api::{AttemptOutcome, DeliveryState};
use postern_proxy::store::Next;
use serde_json::Value;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn body_and_headers_arrive_byte_for_byte() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Github).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let body = b" { \"zen\" :\t\"caf\xc3\xa9 \\u00e9\", \"n\": 1.0e+2 }\r\n";
    let more: [(&str, &[u8]); 12] = [
        ("content-type", b"application/json"),
        ("x-github-delivery", b"72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("user-agent", b"GitHub-Hookshot/044aadd"),
        ("X-Repeated", b"one"),
        ("x-other", b"\x80\xff caf\xc3\xa9"),
        ("x-repeated", b"two"),
        ("x-repeated", b"one"),
        ("webhook-id", b"theirs"),
        ("postern-event", b"theirs too"),
        ("authorization", b"Bearer secret"),
        ("cookie", b"c=1"),
        ("proxy-authorization", b"Basic eDp5"),
    ];
    let receipt: Value = proxy.github(&source, &more, body).await.json();

    let delivery = receiver.delivery().await;
    assert_eq!(delivery.body, body.as_slice());
    delivery.verify(&worker.secret, proxy.now()).unwrap();
    let all = |name: &str| -> Vec<Vec<u8>> {
        delivery.headers.get_all(name).iter().map(|v| v.as_bytes().to_vec()).collect()
    };
    assert_eq!(all("x-repeated"), [b"one", b"two", b"one"]);
    assert_eq!(all("x-other"), [b"\x80\xff caf\xc3\xa9"]);
    assert_eq!(all("user-agent"), [b"GitHub-Hookshot/044aadd"]);
    assert_eq!(all("x-github-delivery").len(), 1);
    assert_eq!(all("x-hub-signature-256").len(), 1, "the provider's signature travels on");
    assert_eq!(all("postern-original-webhook-id"), [b"theirs"]);
    assert_eq!(all("postern-original-postern-event"), [b"theirs too"]);
    for gone in ["authorization", "cookie", "proxy-authorization", "accept", "transfer-encoding"] {
        assert!(all(gone).is_empty(), "{gone}");
    }
    let expected = [
        ("webhook-id", receipt["eventId"].as_str().unwrap().to_owned()),
        ("webhook-timestamp", proxy.now().seconds().to_string()),
        ("postern-event", "ping".into()),
        ("postern-source", "github".into()),
        ("postern-provider", "github".into()),
        ("postern-workspace", proxy.workspace.to_string()),
        ("postern-attempt", "1".into()),
        ("postern-received-at", proxy.now().0.to_string()),
        ("content-length", body.len().to_string()),
        ("host", receiver.address.to_string()),
    ];
    for (name, value) in expected {
        assert_eq!(all(name), [value.as_bytes()], "{name}");
    }
}

#[tokio::test]
async fn every_worker_gets_its_own_delivery() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (mut one, mut two) = (Receiver::start().await, Receiver::start().await);
    let (first, second) = (proxy.register(&one).await, proxy.register(&two).await);
    let event = proxy.event(&source, 1).await;
    one.delivery().await.verify(&first.secret, proxy.now()).unwrap();
    two.delivery().await.verify(&second.secret, proxy.now()).unwrap();
    for _ in 0..2 {
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
    let record = proxy.record(event).await;
    assert_eq!(record.deliveries.len(), 2);
    for delivery in record.deliveries {
        assert_eq!(delivery.state, DeliveryState::Delivered);
        let attempt = &delivery.attempts[0];
        assert_eq!(
            (attempt.number, attempt.outcome, attempt.status),
            (1, AttemptOutcome::Delivered, Some(200))
        );
    }
}

#[tokio::test]
async fn a_hanging_worker_does_not_hold_up_another() {
    let mut proxy = Proxy::with("[delivery]\nper_worker = 2\ntotal = 8\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let (mut hangs, mut works) = (Receiver::start().await, Receiver::start().await);
    hangs.always(Reply::Hang);
    proxy.register(&hangs).await;
    proxy.register(&works).await;
    for number in 1..=20 {
        proxy.event(&source, number).await;
    }
    for _ in 1..=20 {
        works.delivery().await;
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
    hangs.delivery().await;
    hangs.delivery().await;
    assert_eq!(hangs.unasked(), 0, "no more than two at once");
}

#[tokio::test]
async fn a_burst_arrives_completely() {
    let mut proxy = Proxy::with("[delivery]\nper_worker = 4\ntotal = 4\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    let events = futures_util::future::join_all((0..200).map(|n| proxy.event(&source, n))).await;
    let mut arrived = Vec::new();
    for _ in &events {
        arrived.push(receiver.delivery().await.header("webhook-id").to_owned());
    }
    let mut expected: Vec<_> = events.iter().map(ToString::to_string).collect();
    expected.sort();
    arrived.sort();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn what_was_just_accepted_does_not_wait_for_the_scheduler() {
    let mut proxy = Proxy::with("[delivery]\nper_worker = 2\ntotal = 12\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receivers = Vec::new();
    // More than are written at once.
    for _ in 0..10 {
        let receiver = Receiver::start().await;
        proxy.register(&receiver).await;
        receivers.push(receiver);
    }
    proxy.store.blind.store(true, Ordering::SeqCst);
    // The room is for little more than one of them: whatever ends starts the next.
    for number in 1..=6 {
        proxy.event(&source, number).await;
    }
    for receiver in &mut receivers {
        for _ in 1..=6 {
            receiver.delivery().await;
        }
    }
    for _ in 0..60 {
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
}

#[tokio::test]
async fn the_answer_is_recorded_at_its_beginning() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    let long = Bytes::from(vec![b'x'; 100_000]);
    receiver.replies([Reply::Status(500, vec![], long)]);
    let event = proxy.event(&source, 1).await;
    proxy.finished().await;
    let attempt = proxy.record(event).await.deliveries[0].attempts[0].clone();
    assert_eq!((attempt.outcome, attempt.status), (AttemptOutcome::Refused, Some(500)));
    assert_eq!(attempt.answer.unwrap().len(), 4096);
    assert_eq!(attempt.error.unwrap(), "answered 500");
}

#[tokio::test]
async fn redirects_are_failures_and_not_followed() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (mut here, mut there) = (Receiver::start().await, Receiver::start().await);
    proxy.register(&here).await;
    here.replies([Reply::Status(307, vec![("location", there.url())], Bytes::new())]);
    proxy.event(&source, 1).await;
    here.delivery().await;
    let finish = proxy.finished().await;
    assert_eq!((finish.attempt.outcome, finish.attempt.status), (AttemptOutcome::Refused, Some(307)));
    assert!(matches!(finish.next, Next::RetryAt(_)));
    assert_eq!(there.unasked(), 0);
}

#[tokio::test]
async fn edges_and_workspaces_see_what_became_of_an_event() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let event = proxy.event(&source, 1).await;
    proxy.finished().await;
    let record = proxy.record(event).await;
    let by_worker = proxy.get(&format!("/edge/events/{event}"), &worker.credential).await;
    assert_eq!(by_worker.json::<postern_protocol::api::EventRecord>(), record);
    let by_token = proxy.get(&format!("/v1/events/{event}"), &proxy.token).await;
    assert_eq!(by_token.json::<postern_protocol::api::EventRecord>(), record);
    let unknown = proxy.get("/v1/events/evt_x", &proxy.token).await;
    assert_eq!(unknown.error(), "404 not_found");
    let crossed = proxy.get(&format!("/edge/events/{event}"), &proxy.token).await;
    assert_eq!(crossed.error(), "401 auth.invalid");
}
