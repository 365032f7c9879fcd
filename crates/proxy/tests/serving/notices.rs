//! Operational events: they go to those who ask for them by name, once an hour
//! for each subject, and make no further ones.

use crate::harness::{Proxy, Receiver, Registered, Reply, soon};
use http::StatusCode;
use postern_protocol::{Provider, UnixMillis};
use postern_proxy::store::{DeadReason, Next};
use serde_json::{Value, json};

/// A worker that asks for these.
async fn operator(proxy: &mut Proxy, receiver: &Receiver, filter: &[&str]) -> Registered {
    let mut request = proxy.registration(&receiver.url());
    request["name"] = "operator".into();
    request["capabilities"] = json!(filter);
    let worker = proxy.register_pending(receiver, &request).await;
    assert_eq!(proxy.settled().await, (worker.id, Ok(())));
    worker
}

/// What the next delivery says, which is an operational event of this kind.
async fn told(receiver: &mut Receiver, kind: &str, proxy: &Proxy, worker: &Registered) -> Value {
    let delivery = receiver.delivery().await;
    // The clock may have been turned since.
    let signed_at: i64 = delivery.header("webhook-timestamp").parse().unwrap();
    delivery.verify(&worker.secret, UnixMillis(signed_at * 1000)).unwrap();
    assert_eq!(delivery.header("postern-event"), kind);
    assert_eq!(
        (delivery.header("postern-provider"), delivery.header("postern-source")),
        ("postern", "postern")
    );
    assert_eq!(delivery.header("content-type"), "application/json");
    let mut body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!((&body["type"], &body["workspaceId"]), (&json!(kind), &json!(proxy.workspace)));
    body["data"].take()
}

/// The operational events that were made: their names, newest first.
async fn made(proxy: &Proxy) -> Vec<String> {
    let list: Value = proxy.get("/v1/events?provider=postern", &proxy.token).await.json();
    let events = list["events"].as_array().unwrap_or_else(|| panic!("{list}"));
    events.iter().map(|event| event["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_worker_that_is_away_is_told_of_once_an_hour() {
    let mut proxy = Proxy::start().await;
    let (mut watches, laptop) = (Receiver::start().await, Receiver::start().await);
    let watching = operator(&mut proxy, &watches, &["postern:worker.away"]).await;
    // It takes everything, and that is not to name them.
    let worker = proxy.register(&laptop).await;
    let mut left = Vec::new();
    for hour_later in [false, false, true] {
        if hour_later {
            proxy.renew(&watching, json!({"paused": true})).await;
            proxy.turn(3_600_000);
            proxy.renew(&watching, json!({"paused": false})).await;
        }
        let lease = proxy.renewed(&worker).await;
        left.push(proxy.now().plus(i64::from(lease.lease_seconds) * 1000));
        proxy.turn(40_000);
        proxy.renewed(&watching).await;
        proxy.turn(20_001);
        assert_eq!(proxy.away().await, [worker.id]);
        // It is made, or found to be a repetition.
        soon("the telling", proxy.store.at_gate.acquire()).await.unwrap().forget();
    }
    let data = told(&mut watches, "worker.away", &proxy, &watching).await;
    assert_eq!(data, json!({"workerId": worker.id, "worker": "laptop", "leasedUntil": left[0]}));
    let data = told(&mut watches, "worker.away", &proxy, &watching).await;
    assert_eq!(data["leasedUntil"], json!(left[2]), "the second is within the first's hour");
    assert_eq!(made(&proxy).await, ["worker.away"; 2]);
    assert_eq!(proxy.renewed(&worker).await.waiting.count, 0);
}

#[tokio::test]
async fn where_nobody_asks_none_are_made() {
    let mut proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    proxy.turn(60_001);
    assert_eq!(proxy.away().await, [worker.id]);
    // Its parts have ended, the one that tells among them.
    let proxy = proxy.restart().await;
    assert!(made(&proxy).await.is_empty());
}

#[tokio::test]
async fn a_circuit_that_opens_is_told_of_once_an_hour() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (mut watches, mut laptop) = (Receiver::start().await, Receiver::start().await);
    let watching = operator(&mut proxy, &watches, &["postern:worker.circuit_opened"]).await;
    let worker = proxy.register(&laptop).await;
    let mut opened = Vec::new();
    for (number, hour_later) in [(1, false), (2, false), (3, true)] {
        if hour_later {
            for paused in [true, false] {
                for worker in [&watching, &worker] {
                    proxy.renew(worker, json!({"paused": paused})).await;
                }
                proxy.turn(if paused { 3_600_000 } else { 0 });
            }
        }
        let address = laptop.stop().await;
        proxy.event(&source, number).await;
        assert_eq!(proxy.finished().await.next, Next::NotReached);
        opened.push(proxy.now());
        if number != 2 {
            let data = told(&mut watches, "worker.circuit_opened", &proxy, &watching).await;
            assert!(data["error"].as_str().unwrap().starts_with("no connection"), "{data}");
            assert_eq!((&data["workerId"], &data["worker"]), (&json!(worker.id), &json!("laptop")));
            assert_eq!((&data["cause"], &data["since"]), (&json!("unreachable"), &json!(opened.last())));
            assert_eq!(proxy.finished().await.worker, watching.id);
        }
        laptop = Receiver::start_at(address).await;
        laptop.knows(&worker.secret);
        proxy.renewed(&worker).await;
        let finish = proxy.finished().await;
        assert_eq!((finish.worker, finish.next), (worker.id, Next::Delivered));
        proxy.turn(1_000);
    }
    assert_eq!(made(&proxy).await, ["worker.circuit_opened"; 2]);
}

#[tokio::test]
async fn a_circuit_that_a_ping_opens_is_told_of() {
    let mut proxy = Proxy::with("[delivery.circuit]\nhealth_interval = \"10s\"\n").await;
    let (mut watches, laptop) = (Receiver::start().await, Receiver::start().await);
    let watching = operator(&mut proxy, &watches, &["postern:*"]).await;
    let worker = proxy.register(&laptop).await;
    laptop.stop().await;
    proxy.turn(10_000);
    let data = told(&mut watches, "worker.circuit_opened", &proxy, &watching).await;
    assert_eq!((&data["workerId"], &data["cause"]), (&json!(worker.id), &json!("unreachable")));
}

#[tokio::test]
async fn a_delivery_given_up_is_told_of_and_its_telling_is_not() {
    let mut proxy = Proxy::with("[delivery]\nschedule = [\"immediate\", \"5s\"]\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let (mut watches, laptop) = (Receiver::start().await, Receiver::start().await);
    let watching = operator(&mut proxy, &watches, &["postern:*"]).await;
    let worker = proxy.register(&laptop).await;
    laptop.always(Reply::status(500));
    watches.always(Reply::status(500));
    let event = proxy.event(&source, 1).await;
    for given_up in [worker.id, watching.id] {
        let first = proxy.finished().await;
        assert!(matches!(first.next, Next::RetryAt(_)), "{first:?}");
        proxy.turn(6_001);
        let last = proxy.finished().await;
        assert_eq!((last.worker, &last.next), (given_up, &Next::Dead(DeadReason::Exhausted)));
    }
    let record = proxy.record(event).await;
    let data = told(&mut watches, "delivery.exhausted", &proxy, &watching).await;
    assert_eq!(
        data,
        json!({
            "workerId": worker.id, "worker": "laptop", "deliveryId": record.deliveries[0].id,
            "eventId": event, "source": "linear", "event": "Issue.update", "attempts": 2,
            "error": "answered 500", "requestId": record.request_id,
        })
    );
    // What is under way ends before the proxy does.
    let proxy = proxy.restart().await;
    assert_eq!(made(&proxy).await, ["delivery.exhausted"], "none about the one that failed");
}

#[tokio::test]
async fn a_source_whose_signatures_fail_is_told_of() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Github).await;
    let mut watches = Receiver::start().await;
    let watching = operator(&mut proxy, &watches, &["postern:source.signature_failing"]).await;
    for number in 0..30 {
        let wrong = "sha256=".to_owned() + &"0".repeat(64);
        let headers: [(&str, &[u8]); 2] =
            [("x-github-event", b"ping"), ("x-hub-signature-256", wrong.as_bytes())];
        let answer = proxy.post(&format!("/hooks/{}", source.id), &headers, b"{}").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{number}");
    }
    let data = told(&mut watches, "source.signature_failing", &proxy, &watching).await;
    assert_eq!(
        data,
        json!({
            "sourceId": source.id, "source": "github", "provider": "github", "refused": 10, "accepted": 0,
            "seconds": 300, "code": "signature.mismatch",
        })
    );
    assert_eq!(made(&proxy).await.len(), 1);
}

#[tokio::test]
async fn a_database_that_reached_its_size_is_told_of() {
    let mut proxy = Proxy::with("[retention]\nsize = \"16MiB\"\n").await;
    let source = proxy.make_source(Provider::Github).await;
    let mut watches = Receiver::start().await;
    let watching = operator(&mut proxy, &watches, &["postern:*"]).await;
    let body = json!({"zen": "x".repeat(20 << 20)}).to_string();
    assert_eq!(proxy.github(&source, &[], body.as_bytes()).await.status, 200);
    // It looks when it starts.
    let proxy = proxy.restart().await;
    let data = told(&mut watches, "retention.size_reached", &proxy, &watching).await;
    assert_eq!(data, json!({"limit": 16 << 20, "deleted": 1}));
}
