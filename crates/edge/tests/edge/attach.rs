//! A second program, attached to a running edge.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, config, soon};
use futures_util::StreamExt;
use postern_edge::attach::{Client, UNREACHABLE};
use postern_edge::{Edge, Running};
use serde_json::{Value, json};

async fn attach(edge: &TestEdge) -> Client {
    let running = Running::find(edge.dir.path()).unwrap().unwrap();
    Client::attach(edge.dir.path(), running).await.unwrap().unwrap()
}

#[tokio::test]
async fn it_asks_and_hears_what_the_first_would() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let client = attach(&edge).await;
    assert_eq!((client.pid(), client.program()), (std::process::id(), "Postern"));
    let status = client.call("status", Value::Null).await.unwrap();
    assert_eq!(status["name"], "laptop");
    let refused = client.call("set_paused", json!({"paused": "maybe"})).await.unwrap_err();
    assert_eq!(refused.code, "request.malformed");

    let mut live = client.live(None, None).await.unwrap();
    let first = soon("the status", live.next()).await.unwrap().unwrap();
    assert!(first.status.is_some() && first.changes.is_none());
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let changes = loop {
        let batch = soon("the event", live.next()).await.unwrap().unwrap();
        if let Some(changes) = batch.changes {
            break changes;
        }
    };
    assert_eq!(changes.rows[0].id, "evt_1");
}

#[tokio::test]
async fn it_stays_attached_however_many_come_after_it() {
    let edge = TestEdge::start().await;
    let client = attach(&edge).await;
    for _ in 0..64 {
        attach(&edge).await;
    }
    let status = client.call("status", Value::Null).await.unwrap();
    assert_eq!(status["name"], "test-machine");
}

#[tokio::test]
async fn it_is_told_when_the_first_has_ended() {
    let edge = TestEdge::start().await;
    let client = attach(&edge).await;
    let mut live = client.live(Some(0), None).await.unwrap();
    soon("the status", live.next()).await.unwrap().unwrap();
    let (_, dir) = edge.stop().await;
    let last = soon("the end", async {
        loop {
            match live.next().await {
                Some(Ok(_)) => {}
                other => return other,
            }
        }
    });
    assert_eq!(last.await.unwrap().unwrap_err().code, UNREACHABLE);
    let refused = client.call("status", Value::Null).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.retryable), (UNREACHABLE, true));
    assert_eq!(Running::find(dir.path()).unwrap(), None);
}

#[tokio::test]
async fn it_waits_for_one_that_is_only_looking_something_up() {
    let edge = TestEdge::start().await;
    let (clock, dir) = edge.stop().await;
    let mut looking = config(dir.path(), &clock);
    looking.api = None;
    let (_handle, other) = Edge::start(looking).await.unwrap();
    let running = Running::find(dir.path()).unwrap().unwrap();
    assert_eq!(running.api_url, None);
    let attached = tokio::spawn({
        let dir = dir.path().to_owned();
        async move { Client::attach(&dir, running).await }
    });
    drop(other);
    assert!(soon("its end", attached).await.unwrap().unwrap().is_none());
}
