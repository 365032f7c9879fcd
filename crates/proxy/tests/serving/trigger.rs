//! Synthetic events take the whole path.

use crate::harness::{Proxy, Receiver, Registered};
use http::HeaderMap;
use postern_protocol::api::{TriggerRequest, TriggerResponse};
use postern_protocol::signature::{self, Freshness};
use postern_protocol::{HeaderList, Provider, Secret};
use postern_proxy::store::{Scope, Store};
use serde_json::{Value, json};

async fn trigger(proxy: &Proxy, bearer: &Secret, request: Value) -> crate::harness::Answer {
    let bearer = format!("Bearer {}", bearer.reveal());
    let body = request.to_string();
    proxy.post("/v1/events/trigger", &[("authorization", bearer.as_bytes())], body.as_bytes()).await
}

fn issue(proxy: &Proxy) -> Value {
    let body = String::from_utf8(crate::harness::linear_body(proxy.now(), 1)).unwrap();
    json!({"provider": "linear", "headers": [["linear-event", "Issue"], ["linear-signature", "forged"]], "body": body})
}

fn list(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect()
}

async fn worker(proxy: &mut Proxy) -> (Receiver, Registered) {
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    (receiver, worker)
}

#[tokio::test]
async fn a_workers_trigger_comes_back_to_it_alone_signed_like_the_providers() {
    let mut proxy = Proxy::start().await;
    let (mut mine, me) = worker(&mut proxy).await;
    let (mut other, _) = worker(&mut proxy).await;
    let bodies = [
        (Provider::Linear, issue(&proxy)),
        (
            Provider::Github,
            json!({"provider": "github", "headers": [["x-github-event", "ping"]], "body": "{\"zen\":1}"}),
        ),
        (Provider::StandardWebhooks, json!({"provider": "standard_webhooks", "body": "{\"type\":\"a.b\"}"})),
        (Provider::Stripe, json!({"provider": "stripe", "body": "{\"id\":\"evt_1\"}"})),
        (Provider::Slack, json!({"provider": "slack", "body": "{\"event_id\":\"Ev1\"}"})),
        (Provider::None, json!({"provider": "none", "body": "hello"})),
    ];
    for (provider, request) in bodies {
        let parsed: TriggerRequest = serde_json::from_value(request.clone()).unwrap();
        let answer = trigger(&proxy, &me.credential, request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let triggered: TriggerResponse = answer.json();
        assert_eq!(triggered.deliveries, 1);
        assert!(proxy.record(triggered.event_id).await.synthetic);
        let delivery = mine.delivery().await;
        assert_eq!(delivery.header("postern-synthetic"), "true");
        assert_eq!(delivery.body, parsed.body);
        delivery.verify(&me.secret, proxy.now()).unwrap();

        // The source was made on the spot; its secret verifies what arrived.
        let sources = proxy.store.sources(proxy.workspace).await.unwrap();
        let source = sources.iter().find(|s| s.provider() == provider).unwrap();
        let mut headers = list(&delivery.headers);
        if provider == Provider::StandardWebhooks {
            headers = headers
                .iter()
                .filter(|(n, _)| !n.starts_with("webhook-"))
                .map(|(n, v)| (n.trim_start_matches("postern-original-").to_owned(), v.to_vec()))
                .collect();
        }
        let freshness = Some(Freshness { now: proxy.now(), tolerance: 1_000 });
        if let Some(verdict) =
            signature::verify(&source.scheme, &source.secrets, &headers, &delivery.body, freshness)
        {
            verdict.unwrap();
        }
    }
    assert_eq!(other.unasked(), 0);
    assert_eq!(proxy.store.sources(proxy.workspace).await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_token_says_for_whom() {
    let mut proxy = Proxy::start().await;
    let (mut one, first) = worker(&mut proxy).await;
    let (mut two, _) = worker(&mut proxy).await;
    let token = proxy.token.clone();
    let nobody = trigger(&proxy, &token, issue(&proxy)).await;
    assert_eq!(nobody.error(), "400 request.malformed");
    let mut all = issue(&proxy);
    all["all"] = json!(true);
    let answer: TriggerResponse = trigger(&proxy, &token, all.clone()).await.json();
    assert_eq!(answer.deliveries, 2);
    one.delivery().await;
    two.delivery().await;
    let mut named = issue(&proxy);
    named["worker"] = json!(first.id);
    let answer: TriggerResponse = trigger(&proxy, &token, named.clone()).await.json();
    assert_eq!(answer.deliveries, 1);
    one.delivery().await;

    let unscoped = proxy.make_token(&[Scope::EventsRead], None).await;
    assert_eq!(trigger(&proxy, &unscoped, all).await.error(), "403 auth.forbidden");
    named["worker"] = json!("wrk_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_eq!(trigger(&proxy, &token, named).await.error(), "404 not_found");
}

#[tokio::test]
async fn a_worker_without_the_scope_reaches_itself_alone() {
    let mut proxy = Proxy::start().await;
    let (_two, other) = worker(&mut proxy).await;
    proxy.token = proxy.make_token(&[Scope::WorkersRegister], None).await;
    let (mut one, me) = worker(&mut proxy).await;
    let answer = trigger(&proxy, &me.credential, issue(&proxy)).await;
    assert_eq!(answer.status, 200);
    one.delivery().await;
    for (key, value) in [("all", json!(true)), ("worker", json!(other.id))] {
        let mut request = issue(&proxy);
        request[key] = value;
        assert_eq!(trigger(&proxy, &me.credential, request).await.error(), "403 auth.forbidden");
    }
}

#[tokio::test]
async fn the_source_can_be_named() {
    let mut proxy = Proxy::start().await;
    let (_receiver, me) = worker(&mut proxy).await;
    proxy.make_source_named(Provider::Linear, "first").await;
    let second = proxy.make_source_named(Provider::Linear, "second").await;
    for name in ["second".to_owned(), second.id.to_string()] {
        let mut request = issue(&proxy);
        request["source"] = json!(name);
        let answer: TriggerResponse = trigger(&proxy, &me.credential, request).await.json();
        assert_eq!(proxy.record(answer.event_id).await.source, "second");
    }
    for (name, error) in [("third", "404 not_found"), ("first", "400 request.malformed")] {
        let mut request = issue(&proxy);
        request["source"] = json!(name);
        if name == "first" {
            request["provider"] = json!("github");
        }
        assert_eq!(trigger(&proxy, &me.credential, request).await.error(), error);
    }
}

#[tokio::test]
async fn what_cannot_be_triggered_is_said_so() {
    let mut proxy = Proxy::start().await;
    let (_receiver, me) = worker(&mut proxy).await;
    let mut request = issue(&proxy);
    request["headers"] = json!([["a b", "c"]]);
    assert_eq!(trigger(&proxy, &me.credential, request).await.error(), "400 request.malformed");
    let large = json!({"provider": "linear", "body": "x".repeat(5 * 1024 * 1024 + 1)});
    assert_eq!(trigger(&proxy, &me.credential, large).await.error(), "413 body.too_large");
    let nobody = proxy.post("/v1/events/trigger", &[], b"{}").await;
    assert_eq!(nobody.error(), "401 auth.invalid");
}

#[tokio::test]
async fn a_source_of_a_sender_of_ones_own_is_signed_as_it_is_configured() {
    let mut proxy = Proxy::start().await;
    let (mut mine, me) = worker(&mut proxy).await;
    let schemes = [
        (json!({"provider": "hmac", "header": "x-acme-signature", "algorithm": "sha512"}), "x-acme-id"),
        (json!({"provider": "timestamped", "headerPrefix": "x-acme"}), "x-acme-delivery"),
    ];
    for (scheme, id) in schemes {
        let scheme: signature::Scheme = serde_json::from_value(scheme).unwrap();
        let request = json!({
            "provider": scheme.provider(), "headers": [["x-acme-signature", "forged"]], "body": "{}",
        });
        let none = trigger(&proxy, &me.credential, request.clone()).await;
        assert_eq!(none.error(), "404 not_found", "what it signs like cannot be known");
        let id_from = serde_json::from_value(json!({"header": "x-acme-id"})).unwrap();
        let source = proxy.make_source_by(scheme, Some(id_from), "acme").await;
        for _ in 0..2 {
            let answer = trigger(&proxy, &me.credential, request.clone()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let delivery = mine.delivery().await;
            assert!(!delivery.header(id).is_empty());
            let headers = list(&delivery.headers);
            let verdict = signature::verify(&source.scheme, &source.secrets, &headers, &delivery.body, None);
            verdict.unwrap().unwrap();
        }
        proxy.store.remove_source(source.id).await.unwrap();
    }
}
