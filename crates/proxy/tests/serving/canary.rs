//! Canaries: quiet ones leave nothing behind; the others take the whole path
//! and say when they had come how far.

use crate::harness::{Answer, Proxy, Receiver, Registered, Reply, Tunnel};
use postern_protocol::api::{AttemptOutcome, Canary, CanaryReport};
use postern_proxy::store::{Scope, Store};
use serde_json::{Value, json};

const NONCE: &str = "nonce-0123456789";

async fn ask(proxy: &Proxy, worker: &Registered, request: Value) -> Answer {
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let path = format!("/edge/workers/{}/canary", worker.id);
    proxy.post(&path, &[("authorization", bearer.as_bytes())], request.to_string().as_bytes()).await
}

async fn quiet(proxy: &Proxy, worker: &Registered) -> CanaryReport {
    let answer = ask(proxy, worker, json!({"nonce": NONCE, "quiet": true})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn whole_path(proxy: &Proxy, worker: &Registered) -> CanaryReport {
    let answer = ask(proxy, worker, json!({"nonce": NONCE, "quiet": false})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What an operator would see of it: events, attempts, pings.
async fn traces(proxy: &Proxy) -> (usize, String) {
    let events: Value = proxy.get("/v1/events", &proxy.token).await.json();
    let metrics = crate::harness::call(proxy.admin, http::Method::GET, "/metrics", &[], &b""[..]).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let told = ["postern_delivery_attempts_total", "postern_pings_total", "postern_ingest_events_total"];
    let mut told: Vec<&str> =
        text.lines().filter(|line| told.iter().any(|name| line.starts_with(name))).collect();
    told.sort_unstable();
    (events["events"].as_array().unwrap().len(), told.join("\n"))
}

#[tokio::test]
async fn a_quiet_canary_is_signed_arrives_and_leaves_nothing() {
    let mut proxy = Proxy::start().await;
    let mut receiver = Receiver::start().await;
    let me = proxy.register(&receiver).await;
    let before = traces(&proxy).await;
    for _ in 0..3 {
        let report = quiet(&proxy, &me).await;
        assert_eq!((report.outcome, report.status), (Some(AttemptOutcome::Delivered), Some(200)));
        assert_eq!((report.event_id, report.committed, report.claimed), (None, None, None));
        let (sent, answered) = (report.sent.unwrap(), report.answered.unwrap());
        assert!(sent <= answered && answered <= report.reported, "{report:?}");
        let arrived = receiver.delivery().await;
        arrived.verify(&me.secret, proxy.now()).unwrap();
        assert_eq!(arrived.header("postern-kind"), "canary");
        assert_eq!(Canary::read(&arrived.body).unwrap(), Canary::new(NONCE.into(), proxy.now()));
    }
    assert_eq!(traces(&proxy).await, before);
    let worker = proxy.store.worker(me.id).await.unwrap().unwrap();
    assert_eq!(proxy.store.waiting(worker.id).await.unwrap().count, 0);
}

#[tokio::test]
async fn a_quiet_canary_goes_through_the_tunnel_where_deliveries_do() {
    let proxy = Proxy::start().await;
    let me = proxy.register_without_url().await;
    let report = quiet(&proxy, &me).await;
    assert_eq!(report.outcome, Some(AttemptOutcome::Connect));
    assert_eq!(report.error.as_deref(), Some("the worker's tunnel is not up"));
    let mut agent = Tunnel::to(&proxy, &me.credential);
    agent.up().await;
    assert_eq!(quiet(&proxy, &me).await.outcome, Some(AttemptOutcome::Delivered));
    agent.delivery().await.verify(&me.secret, proxy.now()).unwrap();
}

#[tokio::test]
async fn a_canary_takes_the_whole_path_and_each_step_has_its_time() {
    let mut proxy = Proxy::start().await;
    let mut receiver = Receiver::start().await;
    let me = proxy.register(&receiver).await;
    let mut other = Receiver::start().await;
    proxy.register(&other).await;
    let report = whole_path(&proxy, &me).await;
    assert_eq!((report.outcome, report.status), (Some(AttemptOutcome::Delivered), Some(200)));
    let steps = [report.verified, report.committed, report.claimed, report.sent, report.answered];
    let steps: Vec<u64> = steps.into_iter().map(Option::unwrap).chain([report.reported]).collect();
    assert!(steps.is_sorted(), "{report:?}");
    assert_eq!(report.accepted_at, proxy.now());
    let arrived = receiver.delivery().await;
    arrived.verify(&me.secret, proxy.now()).unwrap();
    let event = report.event_id.unwrap();
    assert_eq!(arrived.header("webhook-id"), event.to_string());
    assert_eq!(
        (arrived.header("postern-synthetic"), arrived.header("postern-provider")),
        ("true", "postern")
    );
    assert_eq!((arrived.header("postern-event"), arrived.header("postern-kind")), ("path.tested", ""));
    let record = proxy.record(event).await;
    assert!(record.synthetic && record.deliveries.len() == 1);
    assert_eq!(other.unasked(), 0);
}

#[tokio::test]
async fn what_the_worker_answers_is_told() {
    let mut proxy = Proxy::start().await;
    let mut receiver = Receiver::start().await;
    let me = proxy.register(&receiver).await;
    receiver.replies([Reply::status(401), Reply::status(401)]);
    let report = whole_path(&proxy, &me).await;
    assert_eq!((report.outcome, report.status), (Some(AttemptOutcome::Refused), Some(401)));
    assert_eq!(report.error.as_deref(), Some("answered 401"));
    let report = quiet(&proxy, &me).await;
    assert_eq!((report.outcome, report.status), (Some(AttemptOutcome::Refused), Some(401)));
    receiver.delivery().await;
    receiver.delivery().await;
    receiver.stop().await;
    let report = quiet(&proxy, &me).await;
    assert_eq!(report.outcome, Some(AttemptOutcome::Connect));
}

#[tokio::test]
async fn only_the_worker_itself_may_ask_and_not_while_its_events_are_held() {
    let mut proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let (me, other) = (proxy.register(&receiver).await, proxy.register(&receiver).await);
    let request = json!({"nonce": NONCE, "quiet": true});
    let stranger = Registered { id: me.id, ..other.clone() };
    assert_eq!(ask(&proxy, &stranger, request.clone()).await.error(), "403 auth.forbidden");
    let token = proxy.make_token(&Scope::ALL, None).await;
    let by_token = Registered { credential: token, ..me.clone() };
    assert_eq!(ask(&proxy, &by_token, request.clone()).await.error(), "401 auth.invalid");
    for nonce in ["short", "with spaces in it", &"n".repeat(65)] {
        let bad = json!({"nonce": nonce, "quiet": true});
        assert_eq!(ask(&proxy, &me, bad).await.error(), "400 request.malformed", "{nonce}");
    }
    proxy.renew(&me, json!({"paused": true})).await;
    assert_eq!(ask(&proxy, &me, request.clone()).await.error(), "422 request.unsupported");
    proxy.renew(&me, json!({"paused": false})).await;
    for _ in 0..10 {
        assert_eq!(ask(&proxy, &me, request.clone()).await.status, 200);
    }
    assert_eq!(ask(&proxy, &me, request).await.error(), "429 rate_limited");
}
