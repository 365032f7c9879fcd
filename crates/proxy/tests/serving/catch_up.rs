//! What becomes of events that came while a worker was away.

use crate::harness::{Answer, Proxy, Receiver, Registered, linear_body};
use postern_protocol::Provider;
use postern_protocol::api::{CaughtUp, DeliveryState, LeaseResponse, SkippedBy};
use postern_protocol::id::EventId;
use postern_proxy::store::Source;
use serde_json::{Value, json};

/// A worker with this catch-up that has been away while five events came and
/// is back.
async fn after_an_absence(
    catch_up: &str,
) -> (Proxy, Source, Receiver, Registered, Vec<EventId>, LeaseResponse) {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["catchUp"] = json!(catch_up);
    let worker = proxy.register_pending(&receiver, &request).await;
    assert_eq!(proxy.settled().await, (worker.id, Ok(())));
    proxy.turn(60_001);
    assert_eq!(proxy.away().await, [worker.id]);
    let mut events = Vec::new();
    for number in 1..=5_u32 {
        proxy.clock.turn(10);
        // Two of one issue, two of another, one of a third.
        let body = linear_body(proxy.now(), number.div_ceil(2));
        let answer = proxy.linear(&source, &format!("absent-{number}"), &body).await;
        events.push(answer.json::<Value>()["eventId"].as_str().unwrap().parse().unwrap());
    }
    assert_eq!(receiver.unasked(), 0);
    let back = proxy.renewed(&worker).await;
    (proxy, source, receiver, worker, events, back)
}

/// The events that arrive, as many as there are in `expected`, sorted.
async fn arrivals(proxy: &mut Proxy, receiver: &mut Receiver, count: usize) -> Vec<EventId> {
    let mut arrived: Vec<EventId> = Vec::new();
    for _ in 0..count {
        arrived.push(receiver.delivery().await.header("webhook-id").parse().unwrap());
        proxy.finished().await;
    }
    arrived.sort();
    arrived
}

async fn states(proxy: &Proxy, events: &[EventId]) -> Vec<DeliveryState> {
    let mut states = Vec::new();
    for event in events {
        states.push(proxy.record(*event).await.deliveries[0].state);
    }
    states
}

async fn choose(proxy: &Proxy, worker: &Registered, choice: Value) -> Answer {
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let path = format!("/edge/workers/{}/catch-up", worker.id);
    let body = json!({ "choice": choice }).to_string();
    proxy.post(&path, &[("authorization", bearer.as_bytes())], body.as_bytes()).await
}

async fn redeliver(proxy: &Proxy, worker: &Registered, event: &str) -> Answer {
    let bearer = format!("Bearer {}", worker.credential.reveal());
    proxy.post(&format!("/edge/events/{event}/redeliver"), &[("authorization", bearer.as_bytes())], b"").await
}

#[tokio::test]
async fn with_none_they_are_skipped_and_new_ones_arrive() {
    let (mut proxy, source, mut receiver, worker, events, back) = after_an_absence("none").await;
    assert_eq!((back.waiting.count, back.waiting.held), (0, None));
    let new = proxy.event(&source, 6).await;
    assert_eq!(arrivals(&mut proxy, &mut receiver, 1).await, [new]);
    assert_eq!(states(&proxy, &events).await, [DeliveryState::Skipped; 5]);
    let skipped = proxy.record(events[0]).await.deliveries[0].skipped.unwrap();
    assert_eq!((skipped.by, skipped.at), (SkippedBy::Setting, back.now));

    // One of them after all.
    assert_eq!(redeliver(&proxy, &worker, &events[2].to_string()).await.status, 204);
    assert_eq!(arrivals(&mut proxy, &mut receiver, 1).await, [events[2]]);
    assert_eq!(states(&proxy, &events[2..3]).await, [DeliveryState::Delivered]);
    let again = redeliver(&proxy, &worker, &events[2].to_string()).await;
    assert_eq!(again.error(), "422 request.unsupported");
    assert_eq!(redeliver(&proxy, &worker, "evt_x").await.error(), "404 not_found");
}

#[tokio::test]
async fn with_newest_per_entity_the_last_of_an_issue_arrives() {
    let (mut proxy, _, mut receiver, _, events, _) = after_an_absence("newest_per_entity").await;
    assert_eq!(arrivals(&mut proxy, &mut receiver, 3).await, [events[1], events[3], events[4]]);
    assert_eq!(states(&proxy, &[events[0], events[2]]).await, [DeliveryState::Skipped; 2]);
}

#[tokio::test]
async fn with_ask_they_are_held_over_a_restart_until_the_worker_chooses() {
    let (mut proxy, source, mut receiver, worker, events, back) = after_an_absence("ask").await;
    let held = back.waiting.held.unwrap();
    assert_eq!((back.waiting.count, held.count), (0, 5));
    assert_eq!((held.entities, held.newest_per_entity), (3, 3));
    assert_eq!((held.oldest, held.newest), (back.now.plus(-40), back.now));
    let new = proxy.event(&source, 6).await;
    assert_eq!(arrivals(&mut proxy, &mut receiver, 1).await, [new], "new ones flow");
    assert_eq!(states(&proxy, &events).await, [DeliveryState::Held; 5]);

    let mut proxy = proxy.restart().await;
    assert_eq!(proxy.renewed(&worker).await.waiting.held.unwrap().count, 5);
    assert_eq!(receiver.unasked(), 0);
    let answer = choose(&proxy, &worker, json!({"events": [events[1]]})).await;
    assert_eq!(answer.json::<CaughtUp>(), CaughtUp { delivering: 1, skipped: 0, held: 4 });
    assert_eq!(arrivals(&mut proxy, &mut receiver, 1).await, [events[1]]);
    let answer = choose(&proxy, &worker, json!("all")).await;
    assert_eq!(answer.json::<CaughtUp>(), CaughtUp { delivering: 4, skipped: 0, held: 0 });
    let rest = [events[0], events[2], events[3], events[4]];
    assert_eq!(arrivals(&mut proxy, &mut receiver, 4).await, rest);
    assert_eq!(proxy.renewed(&worker).await.waiting.held, None);
}

#[tokio::test]
async fn a_renewal_may_say_what_becomes_of_them() {
    let (mut proxy, source, mut receiver, worker, events, _) = after_an_absence("ask").await;
    assert_eq!(choose(&proxy, &worker, json!("none")).await.status, 200);
    assert_eq!(states(&proxy, &events).await, [DeliveryState::Skipped; 5]);
    proxy.turn(60_001);
    assert_eq!(proxy.away().await, [worker.id]);
    let event = proxy.event(&source, 6).await;
    let back: LeaseResponse = proxy.renew(&worker, json!({"catchUp": "all"})).await.json();
    assert_eq!(back.waiting.held, None);
    assert_eq!(arrivals(&mut proxy, &mut receiver, 1).await, [event]);
}

#[tokio::test]
async fn bad_choices_are_refused_and_change_nothing() {
    let (mut proxy, _, _, worker, events, _) = after_an_absence("ask").await;
    let many = vec![events[0]; 1_001];
    for choice in [json!("some"), json!(null), json!({"events": "all"}), json!({"events": many})] {
        assert_eq!(choose(&proxy, &worker, choice).await.error(), "400 request.malformed");
    }
    let other = Receiver::start().await;
    let other = proxy.register(&other).await;
    let crossed = Registered { credential: other.credential.clone(), ..worker.clone() };
    assert_eq!(choose(&proxy, &crossed, json!("none")).await.error(), "403 auth.forbidden");
    assert_eq!(redeliver(&proxy, &other, &events[0].to_string()).await.error(), "404 not_found");
    assert_eq!(states(&proxy, &events).await, [DeliveryState::Held; 5]);
}
