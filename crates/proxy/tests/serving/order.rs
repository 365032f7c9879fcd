//! First in, first out for each entity, where a worker asks for it.

use crate::harness::{Proxy, Receiver, Reply};
use postern_protocol::api::DeliveryState;
use postern_protocol::id::EventId;
use postern_protocol::signature::Scheme;
use postern_proxy::store::{Next, Source, Store};
use serde_json::{Value, json};

/// A source whose events say themselves what they are about.
async fn orders(proxy: &Proxy) -> Source {
    let template = proxy.make_source_by(Scheme::None, None, "template").await;
    let id = postern_protocol::id::SourceId::new(proxy.now(), [9; 10]);
    let pointer = Some("/order".parse().unwrap());
    let source = Source { id, name: "shop".into(), entity_pointer: pointer, ..template };
    proxy.store.create_source(source.clone()).await.unwrap();
    source
}

async fn event(proxy: &Proxy, source: &Source, order: &str) -> EventId {
    let body = json!({ "order": order }).to_string();
    let answer = proxy.post(&format!("/hooks/{}", source.id), &[], body.as_bytes()).await;
    answer.json::<Value>()["eventId"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_failing_event_holds_back_its_own_entity_alone() {
    let mut proxy = Proxy::start().await;
    let source = orders(&proxy).await;
    let mut receiver = Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["ordering"] = json!("entity");
    let worker = proxy.register_pending(&receiver, &request).await;
    assert_eq!(proxy.settled().await, (worker.id, Ok(())));

    receiver.replies([Reply::status(500)]);
    let first = event(&proxy, &source, "a").await;
    let failed = receiver.delivery().await;
    assert_eq!(failed.header("postern-entity"), "shop:a");
    let Next::RetryAt(again) = proxy.finished().await.next else { panic!("no failure") };
    let second = event(&proxy, &source, "a").await;
    let other = event(&proxy, &source, "b").await;
    assert_eq!(receiver.delivery().await.header("webhook-id"), other.to_string());
    proxy.finished().await;
    assert_eq!(proxy.record(second).await.deliveries[0].state, DeliveryState::Queued);

    proxy.turn(again.since(proxy.now()));
    for expected in [first, second] {
        assert_eq!(receiver.delivery().await.header("webhook-id"), expected.to_string());
    }
}
