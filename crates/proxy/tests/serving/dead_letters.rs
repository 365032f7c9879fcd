//! What becomes of dead letters, replays, and recovery, over HTTP.

use crate::harness::{Answer, Proxy, Receiver, Registered, Reply};
use postern_protocol::api::{DeliveryDetail, DeliveryList, DeliveryState, Progress, Recovered, Replayed};
use postern_protocol::id::EventId;
use postern_protocol::{Provider, Secret};
use postern_proxy::store::{Next, Scope, Source};
use serde_json::{Value, json};

async fn post(proxy: &Proxy, path: &str, bearer: &Secret, body: Value) -> Answer {
    let bearer = format!("Bearer {}", bearer.reveal());
    proxy.post(path, &[("authorization", bearer.as_bytes())], body.to_string().as_bytes()).await
}

/// A worker that refuses whatever comes for good, and an event it refused.
async fn with_a_dead_letter() -> (Proxy, Source, Receiver, Registered, EventId) {
    let mut proxy = Proxy::with("[delivery]\nschedule = [\"0s\"]\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    receiver.always(Reply::status(500));
    let worker = proxy.register(&receiver).await;
    let event = proxy.event(&source, 1).await;
    receiver.delivery().await;
    assert!(matches!(proxy.finished().await.next, Next::Dead(_)));
    (proxy, source, receiver, worker, event)
}

#[tokio::test]
async fn a_dead_letter_is_found_looked_at_and_redriven() {
    let (mut proxy, _, mut receiver, worker, event) = with_a_dead_letter().await;
    let token = proxy.token.clone();
    let list: DeliveryList = proxy.get("/v1/dead-letters?reason=exhausted&type=Issue", &token).await.json();
    let [dead] = &list.deliveries[..] else { panic!("{list:?}") };
    assert_eq!((dead.event_id, dead.worker_id, dead.attempt_count), (event, Some(worker.id), 1));
    assert_eq!(dead.last_attempt.as_ref().unwrap().status, Some(500));
    let shown: DeliveryDetail = proxy.get(&format!("/v1/deliveries/{}", dead.id), &token).await.json();
    assert_eq!((shown.attempts.len(), &shown.delivery), (1, dead));

    let which = json!({"filter": {"worker": worker.id, "state": "dead"}});
    let dry = post(&proxy, "/v1/dead-letters/redrive", &token, json!({"which": which, "dryRun": true})).await;
    assert_eq!(dry.json::<Progress>(), Progress { matched: 1, ..Progress::default() });
    assert_eq!(receiver.unasked(), 0);
    receiver.always(Reply::status(200));
    let done = post(&proxy, "/v1/dead-letters/redrive", &token, json!({ "which": which })).await;
    assert_eq!(done.json::<Progress>(), Progress { matched: 1, changed: 1, ..Progress::default() });
    let again = receiver.delivery().await;
    assert_eq!(
        (again.header("webhook-id"), again.header("postern-redriven")),
        (event.to_string().as_str(), "1")
    );
    assert_eq!(proxy.finished().await.next, Next::Delivered);
    let list: DeliveryList = proxy.get("/v1/dead-letters", &token).await.json();
    assert!(list.deliveries.is_empty());
}

#[tokio::test]
async fn a_dead_letter_is_discarded_by_somebody_for_a_reason() {
    let (proxy, _, _, worker, event) = with_a_dead_letter().await;
    let token = proxy.token.clone();
    let id = proxy.record(event).await.deliveries[0].id;
    let discard = async |bearer: &Secret, reason: &str| {
        let body = json!({"which": {"ids": [id]}, "reason": reason});
        post(&proxy, "/v1/dead-letters/discard", bearer, body).await
    };
    for reason in ["", "two\nlines", &"x".repeat(201)] {
        assert_eq!(discard(&token, reason).await.error(), "400 request.malformed", "{reason:?}");
    }
    let done = discard(&worker.credential, "a bug of ours").await;
    assert_eq!(done.json::<Progress>(), Progress { matched: 1, changed: 1, ..Progress::default() });
    let shown: DeliveryDetail = proxy.get(&format!("/v1/deliveries/{id}"), &token).await.json();
    let ended = shown.delivery.ended.unwrap();
    assert_eq!(shown.delivery.state, DeliveryState::Discarded);
    assert_eq!(
        (ended.at, ended.by, ended.reason.as_deref()),
        (proxy.now(), worker.id.to_string(), Some("a bug of ours"))
    );
    let list: DeliveryList = proxy.get("/v1/dead-letters?state=discarded", &token).await.json();
    assert_eq!(list.deliveries.len(), 1);
}

#[tokio::test]
async fn a_worker_may_act_on_its_own_and_a_token_needs_the_scope() {
    let (mut proxy, _, _, worker, event) = with_a_dead_letter().await;
    let theirs = proxy.record(event).await.deliveries[0].id;
    // A worker whose token may do no more than register it.
    let receiver = Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["token"] = json!(proxy.make_token(&[Scope::WorkersRegister], None).await.reveal());
    let other = proxy.register_pending(&receiver, &request).await;
    assert_eq!(proxy.settled().await, (other.id, Ok(())));
    let reader = proxy.make_token(&[Scope::EventsRead], None).await;

    let all = json!({"which": {"filter": {}}});
    let of_worker = json!({"which": {"filter": {"worker": worker.id}}});
    let own = json!({"which": {"filter": {"worker": other.id}}});
    for (bearer, body) in
        [(&reader, &all), (&reader, &of_worker), (&other.credential, &all), (&other.credential, &of_worker)]
    {
        let refused = post(&proxy, "/v1/dead-letters/redrive", bearer, body.clone()).await;
        assert_eq!(refused.error(), "403 auth.forbidden");
    }
    let nothing = post(&proxy, "/v1/dead-letters/redrive", &other.credential, own).await;
    assert_eq!(nothing.json::<Progress>(), Progress::default());
    // Another's, named by its id, does not count.
    let named = json!({"which": {"ids": [theirs]}});
    let nothing = post(&proxy, "/v1/dead-letters/redrive", &other.credential, named).await;
    assert_eq!(nothing.json::<Progress>(), Progress::default());
    let path = format!("/v1/deliveries/{theirs}");
    assert_eq!(proxy.get(&path, &other.credential).await.error(), "403 auth.forbidden");
    assert_eq!(proxy.get(&path, &worker.credential).await.status, 200);
    for path in ["/v1/dead-letters", "/v1/deliveries", "/v1/events", "/v1/live"] {
        assert_eq!(proxy.get(path, &other.credential).await.error(), "403 auth.forbidden", "{path}");
    }
    let path = format!("/v1/dead-letters?worker={}", other.id);
    assert_eq!(proxy.get(&path, &other.credential).await.status, 200);
    let replay = json!({"to": "all"});
    let path = format!("/v1/events/{event}/replay");
    assert_eq!(post(&proxy, &path, &other.credential, replay).await.error(), "403 auth.forbidden");
    let path = format!("/v1/workers/{}/recover", worker.id);
    let recover = json!({"since": 0});
    assert_eq!(post(&proxy, &path, &other.credential, recover.clone()).await.error(), "403 auth.forbidden");
    let path = format!("/v1/workers/{}/recover", other.id);
    assert_eq!(post(&proxy, &path, &other.credential, recover).await.status, 200);
}

#[tokio::test]
async fn a_misspelt_filter_does_nothing() {
    let (proxy, _, _, _, event) = with_a_dead_letter().await;
    let token = proxy.token.clone();
    for body in [
        json!({}),
        json!({"which": "all"}),
        json!({"which": {"filter": {"wroker": "x"}}}),
        json!({"which": {"filter": {"state": "delivered"}}}),
        json!({"which": {"filter": {}}, "dryrun": true}),
        json!({"which": {"filter": {}}, "cursor": "x"}),
        json!({"which": {"ids": ["dlv_1"]}}),
    ] {
        let refused = post(&proxy, "/v1/dead-letters/redrive", &token, body.clone()).await;
        assert_eq!(refused.error(), "400 request.malformed", "{body}");
    }
    for query in [
        "stat=dead",
        "state=nothing",
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "cursor=00",
        "since=x",
    ] {
        let refused = proxy.get(&format!("/v1/dead-letters?{query}"), &token).await;
        assert_eq!(refused.error(), "400 request.malformed", "{query}");
    }
    assert_eq!(proxy.record(event).await.deliveries[0].state, DeliveryState::Dead);
}

#[tokio::test]
async fn a_replay_arrives_again_under_an_id_of_its_own() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let event = proxy.event(&source, 1).await;
    let first = receiver.delivery().await;
    proxy.finished().await;
    let path = format!("/v1/events/{event}/replay");
    for (n, to) in [(1, json!("all")), (2, json!({"worker": worker.id}))] {
        let answer = post(&proxy, &path, &proxy.token, json!({ "to": to })).await;
        assert_eq!(answer.json::<Replayed>(), Replayed { replay: n, deliveries: 1 });
        let again = receiver.delivery().await;
        let id = format!("{event}.r{n}");
        assert_eq!((again.header("webhook-id"), &again.body), (id.as_str(), &first.body));
        again.verify(&worker.secret, proxy.now()).unwrap();
        assert_eq!(proxy.finished().await.next, Next::Delivered);
        // The worker finds the event's record by that id too.
        let record = proxy.get(&format!("/edge/events/{id}"), &worker.credential).await;
        assert_eq!(record.json::<Value>()["id"], json!(event));
    }
    let nobody = json!({"to": {"worker": "wrk_01JD0000000000000000000000"}});
    assert_eq!(post(&proxy, &path, &proxy.token, nobody).await.error(), "404 not_found");
    let nothing = post(&proxy, "/v1/events/evt_1/replay", &proxy.token, json!({"to": "all"})).await;
    assert_eq!(nothing.error(), "404 not_found");
}

#[tokio::test]
async fn a_worker_recovers_what_came_before_it() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let old = proxy.event(&source, 1).await;
    proxy.clock.turn(10);
    let since = proxy.now();
    let event = proxy.event(&source, 2).await;
    proxy.clock.turn(10);
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let path = format!("/v1/workers/{}/recover", worker.id);
    let dry = post(&proxy, &path, &worker.credential, json!({"since": 0, "dryRun": true})).await;
    assert_eq!(dry.json::<Recovered>(), Recovered { missing: 2, ..Recovered::default() });
    let done = post(&proxy, &path, &worker.credential, json!({ "since": since })).await;
    assert_eq!(done.json::<Recovered>(), Recovered { missing: 1, delivering: 1, ..Recovered::default() });
    let arrived = receiver.delivery().await;
    assert_eq!(
        (arrived.header("webhook-id"), arrived.header("postern-redriven")),
        (event.to_string().as_str(), "1")
    );
    proxy.finished().await;
    assert!(proxy.record(old).await.deliveries.is_empty());
}
