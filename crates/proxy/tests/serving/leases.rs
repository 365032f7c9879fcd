//! Staying, pausing, going away, coming back, leaving.

use crate::harness::{Proxy, Receiver, Registered, call};
use http::Method;
use postern_protocol::Provider;
use postern_protocol::api::{DeliveryState, LeaseResponse, WorkerState};
use postern_proxy::store::Store;
use serde_json::json;

#[tokio::test]
async fn an_expired_worker_is_away_and_gets_all_when_it_is_back() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    proxy.turn(60_001);
    assert_eq!(proxy.away().await, [worker.id]);
    let mut events = Vec::new();
    for number in 1..=3 {
        proxy.clock.turn(1);
        events.push(proxy.event(&source, number).await);
    }
    for event in &events {
        assert_eq!(proxy.record(*event).await.deliveries[0].state, DeliveryState::Pending);
    }
    assert_eq!(receiver.unasked(), 0);

    let back = proxy.renewed(&worker).await;
    assert_eq!((back.state, back.waiting.count, back.now), (WorkerState::Active, 3, proxy.now()));
    assert_eq!(back.waiting.oldest, Some(proxy.now().plus(-2)));
    let mut arrived = Vec::new();
    for _ in &events {
        arrived.push(receiver.delivery().await.header("webhook-id").to_owned());
        assert_eq!(proxy.finished().await.attempt.number, 1);
    }
    arrived.sort();
    assert_eq!(arrived, events.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(proxy.renewed(&worker).await.waiting.count, 0);
}

#[tokio::test]
async fn a_renewed_lease_does_not_run_out() {
    let mut proxy = Proxy::start().await;
    let (stays, goes) = (Receiver::start().await, Receiver::start().await);
    let (staying, going) = (proxy.register(&stays).await, proxy.register(&goes).await);
    proxy.clock.turn(40_000);
    proxy.renewed(&staying).await;
    proxy.clock.turn(30_000);
    assert_eq!(proxy.away().await, [going.id]);
    assert_eq!(proxy.store.worker(staying.id).await.unwrap().unwrap().state, WorkerState::Active);
}

#[tokio::test]
async fn a_paused_worker_is_held_until_it_resumes() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let paused: LeaseResponse = proxy.renew(&worker, json!({"paused": true})).await.json();
    assert_eq!(paused.state, WorkerState::Paused);
    let event = proxy.event(&source, 1).await;
    assert_eq!(proxy.renewed(&worker).await.state, WorkerState::Paused);
    assert_eq!(proxy.record(event).await.deliveries[0].state, DeliveryState::Pending);
    assert_eq!(receiver.unasked(), 0);
    let resumed: LeaseResponse = proxy.renew(&worker, json!({"paused": false})).await.json();
    assert_eq!((resumed.state, resumed.waiting.count), (WorkerState::Active, 1));
    receiver.delivery().await;
}

#[tokio::test]
async fn a_worker_that_leaves_is_gone_with_what_waited() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    proxy.renew(&worker, json!({"paused": true})).await;
    let event = proxy.event(&source, 1).await;
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let path = format!("/edge/workers/{}", worker.id);
    let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
    let left = call(proxy.address, Method::DELETE, &path, &headers, "").await;
    assert_eq!((left.status.as_u16(), left.body.len()), (204, 0));
    assert_eq!(proxy.record(event).await.deliveries[0].state, DeliveryState::Dead);
    let again = call(proxy.address, Method::DELETE, &path, &headers, "").await;
    assert_eq!(again.error(), "401 auth.revoked");
    assert_eq!(proxy.renew(&worker, json!({})).await.error(), "401 auth.revoked");
    let request = proxy.registration(&receiver.url());
    assert_eq!(proxy.register_with(&request, Some(&worker.credential)).await.error(), "401 auth.revoked");
    let later = proxy.event(&source, 2).await;
    assert!(proxy.record(later).await.deliveries.is_empty());
}

#[tokio::test]
async fn a_credential_is_good_for_its_own_worker_alone() {
    let mut proxy = Proxy::start().await;
    let (one, two) = (Receiver::start().await, Receiver::start().await);
    let (mine, theirs) = (proxy.register(&one).await, proxy.register(&two).await);
    let crossed = Registered { id: theirs.id, ..mine.clone() };
    assert_eq!(proxy.renew(&crossed, json!({})).await.error(), "403 auth.forbidden");
    let bearer = format!("Bearer {}", mine.credential.reveal());
    let path = format!("/edge/workers/{}", theirs.id);
    let leave = call(proxy.address, Method::DELETE, &path, &[("authorization", bearer.as_bytes())], "").await;
    assert_eq!(leave.error(), "403 auth.forbidden");
    let with_token = Registered { credential: proxy.token.clone(), ..mine.clone() };
    assert_eq!(proxy.renew(&with_token, json!({})).await.error(), "401 auth.invalid");
    let path = format!("/edge/workers/{}/lease", mine.id);
    assert_eq!(proxy.post(&path, &[], b"{}").await.error(), "401 auth.invalid");
    assert_eq!(
        proxy.post(&path, &[("authorization", b"Basic eDp5")], b"{}").await.error(),
        "401 auth.invalid"
    );
    assert_eq!(proxy.post(&path, &[("authorization", bearer.as_bytes())], b"").await.status, 200);
    assert_eq!(
        proxy.post(&path, &[("authorization", bearer.as_bytes())], b"[]x").await.error(),
        "400 request.malformed"
    );
}

#[tokio::test]
async fn a_worker_survives_the_proxys_restart() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let mut proxy = proxy.restart().await;
    assert_eq!(proxy.renewed(&worker).await.state, WorkerState::Active);
    proxy.event(&source, 1).await;
    receiver.delivery().await.verify(&worker.secret, proxy.now()).unwrap();
    proxy.finished().await;
}
