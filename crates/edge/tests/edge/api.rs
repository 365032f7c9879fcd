//! The operations by name, live changes, trigger.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, soon};
use futures_util::StreamExt;
use postern_edge::api::{self, EventQuery, Keep, OPERATIONS, Settings, Since, Trigger, Via};
use postern_protocol::Provider;
use postern_protocol::api::{CatchUp, Ordering};
use serde_json::{Value, json};

#[tokio::test]
async fn every_operation_of_the_table_can_be_called_by_name() {
    let edge = TestEdge::start().await;
    for op in OPERATIONS {
        match api::call(&edge.handle, op, Value::Null).await {
            Ok(answer) => assert!(answer.is_object(), "{op}"),
            Err(e) => {
                // The edge of a test has no proxy's program beside it.
                let refused = *op == "run_local_proxy" && e.code == "request.unsupported";
                let usual = ["request.malformed", "edge.not_signed_in"].contains(&e.code.as_str());
                assert!(refused || usual, "{op}: {e}");
            }
        }
    }
    let unknown = api::call(&edge.handle, "explode", Value::Null).await.unwrap_err();
    assert_eq!(unknown.code, "not_found");
    let wrong = api::call(&edge.handle, "set_paused", json!({"paused": "maybe"})).await.unwrap_err();
    assert_eq!(wrong.code, "request.malformed");
    assert!(wrong.message.contains("set_paused") && wrong.message.contains("expected a boolean"));
}

#[tokio::test]
async fn before_sign_in_there_is_a_status_and_an_empty_history() {
    let edge = TestEdge::start().await;
    let status = api::call(&edge.handle, "status", json!({})).await.unwrap();
    assert_eq!(status["connection"], json!({"state": "signed_out"}));
    assert_eq!((&status["session"], &status["name"]), (&Value::Null, &json!("test-machine")));
    let page = api::call(&edge.handle, "events", Value::Null).await.unwrap();
    assert_eq!((&page["rows"], &page["total"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn limits_and_cursors_out_of_range_are_refused() {
    let edge = TestEdge::start().await;
    for args in [json!({"limit": 0}), json!({"limit": 501}), json!({"before": "x"})] {
        let refused = api::call(&edge.handle, "events", args).await.unwrap_err();
        assert_eq!(refused.code, "request.malformed");
    }
    let refused = api::call(&edge.handle, "rejected", json!({"limit": 0})).await.unwrap_err();
    assert_eq!(refused.code, "request.malformed");
}

#[tokio::test]
async fn live_says_the_status_first_and_then_what_arrives() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut live = std::pin::pin!(edge.handle.live(None));
    let first = live.next().await.unwrap();
    assert!(first.changes.is_none() && first.status.is_some());
    let hook = edge.hook().await;
    for n in 0..3 {
        Delivery::new(&format!("evt_{n}"), &edge, &proxy).post(&hook).await;
    }
    let mut seen = Vec::new();
    let mut counted = 0;
    let mut cursor = 0;
    while seen.len() < 3 || counted < 3 {
        let batch = soon("changes", live.next()).await.unwrap();
        counted = batch.status.map_or(counted, |status| status.events);
        if let Some(changes) = batch.changes {
            cursor = changes.cursor;
            seen.extend(changes.rows.into_iter().map(|row| row.id));
        }
    }
    assert_eq!(seen, ["evt_0", "evt_1", "evt_2"]);
    let rest = api::events_since(&edge.handle, Since { cursor }).await.unwrap();
    assert!(rest.rows.is_empty() && !rest.reset && !rest.more);
}

#[tokio::test]
async fn a_client_that_missed_some_resumes_from_its_cursor() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    let cursor = edge.status().await.cursor;
    Delivery::new("evt_2", &edge, &proxy).post(&hook).await;
    let mut live = std::pin::pin!(edge.handle.live(Some(cursor)));
    let changes = loop {
        if let Some(changes) = soon("changes", live.next()).await.unwrap().changes {
            break changes;
        }
    };
    assert_eq!(changes.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["evt_2"]);
    // A cursor of another history means: load afresh.
    let reset = api::events_since(&edge.handle, Since { cursor: 1_000_000 }).await.unwrap();
    assert!(reset.reset);
}

#[tokio::test]
async fn signing_in_elsewhere_resets_the_clients() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let cursor = edge.status().await.cursor;
    api::sign_out(&edge.handle).await.unwrap();
    assert!(api::events_since(&edge.handle, Since { cursor }).await.unwrap().reset);
}

#[tokio::test]
async fn the_streams_end_with_the_edge() {
    let edge = TestEdge::start().await;
    let live = edge.handle.live(None);
    edge.stop().await;
    soon("the end of the stream", live.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn settings_are_kept() {
    let edge = TestEdge::start().await;
    let quiet = Settings {
        notifications: false,
        catch_up: Some(CatchUp::None),
        via: Via::Auto,
        ordering: Ordering::Entity,
        capabilities: vec!["Issue".into()],
        keep: Keep { days: Some(30), gib: None },
        ..Settings::default()
    };
    assert_eq!(api::set_settings(&edge.handle, quiet.clone()).await.unwrap().settings, quiet);
    let edge = edge.restart().await;
    assert_eq!(edge.status().await.settings, quiet);
}

#[tokio::test]
async fn events_are_kept_for_as_long_as_is_set() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let keep = |days, gib| Settings { keep: Keep { days, gib }, ..Settings::default() };
    for wrong in [keep(Some(0), None), keep(Some(3651), None), keep(None, Some(0)), keep(None, Some(1001))] {
        assert_eq!(api::set_settings(&edge.handle, wrong).await.unwrap_err().code, "request.malformed");
    }
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    edge.clock.turn(8 * 24 * 3600 * 1000);
    Delivery::new("evt_2", &edge, &proxy).post(&edge.hook().await).await;
    edge.until("both", |status| status.events == 2).await;
    api::set_settings(&edge.handle, keep(Some(7), Some(1))).await.unwrap();
    edge.until("the old one gone", |status| status.events == 1).await;
    let left = api::events(&edge.handle, EventQuery::default()).await.unwrap();
    assert_eq!(left.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["evt_2"]);
}

#[tokio::test]
async fn trigger_posts_a_fresh_event_with_the_workers_credential() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let made = api::trigger(&edge.handle, Trigger::template(Provider::Linear, "Issue.create"));
    assert!(made.await.unwrap().event_id.starts_with("evt_"));
    {
        let book = proxy.book();
        let [request] = book.triggered.as_slice() else { panic!("not one") };
        assert!(request.headers.iter().any(|(n, v)| n == "linear-event" && v == "Issue"));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!((&body["action"], &body["type"]), (&json!("create"), &json!("Issue")));
    }
    let none = Trigger::template(Provider::Linear, "Issue.explode");
    assert_eq!(api::trigger(&edge.handle, none).await.unwrap_err().code, "not_found");
}

#[tokio::test]
async fn search_finds_words_by_their_beginning() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let found = |search: &str| {
        let query = EventQuery { search: Some(search.into()), ..EventQuery::default() };
        let handle = edge.handle.clone();
        async move { api::events(&handle, query).await.unwrap().rows.len() }
    };
    // Indexed after the answer: wait for it once.
    soon("the index", async {
        while found("ENG-42").await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(found("eng-4").await, 1, "as one types");
    assert_eq!(found("logi fix").await, 1, "in any order");
    assert_eq!(found("ENG-43").await, 0);
    assert_eq!(found("\" OR * NEAR(").await, 0, "no query language");
    assert_eq!(found("--").await, 0);
}

#[tokio::test]
async fn ports_of_this_machine_are_offered_and_not_our_own() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let answer = api::call(&edge.handle, "local_ports", Value::Null).await.unwrap();
    let ports: Vec<_> =
        answer["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64()).collect();
    assert!(ports.is_sorted(), "{ports:?}");
    let port = |url: &str| url::Url::parse(url).unwrap().port().map(u64::from);
    assert!(!ports.contains(&port(&edge.hook().await)), "{ports:?}");
    // Another server in the same process.
    assert_eq!(ports.contains(&port(&proxy.url)), cfg!(target_os = "linux"), "{ports:?}");
}
