//! The port on which deliveries are received, set while the edge runs.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, config};
use postern_edge::api::{self, ApiError, Connection, ImportSettings, Settings, Status};
use serde_json::json;
use tokio::net::TcpListener;

async fn set(edge: &TestEdge, port: Option<u16>) -> Result<Status, ApiError> {
    let settings = Settings { port, ..edge.status().await.settings };
    api::set_settings(&edge.handle, settings).await
}

/// A port that was free a moment ago.
async fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_receiver_moves_while_it_runs_and_the_proxy_is_told() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let old = edge.hook().await;
    let port = free().await;
    let status = set(&edge, Some(port)).await.unwrap();
    assert_eq!((status.receiver.port, status.receiver.fixed), (port, false));
    let url = format!("http://127.0.0.1:{port}");
    proxy
        .until("the new address", |book| {
            book.workers.values().any(|w| w.url.as_ref().is_some_and(|at| at.starts_with(&url)))
        })
        .await;
    edge.until("live", |status| matches!(status.connection, Connection::Live { .. })).await;
    assert_eq!(proxy.book().workers.len(), 1, "it is the same worker");
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
    assert!(reqwest::Client::new().post(&old).send().await.is_err(), "the old port is let go");
    let own = api::set_forward(&edge.handle, api::SetForward { url: Some(url) }).await.unwrap_err();
    assert!(own.message.contains("Postern itself"), "{}", own.message);

    let edge = edge.restart().await;
    assert_eq!(edge.status().await.receiver.port, port);
    // Left to Postern again, it stays where it is.
    assert_eq!(set(&edge, None).await.unwrap().receiver.port, port);
    assert_eq!(edge.restart().await.status().await.receiver.port, port);
}

#[tokio::test]
async fn a_port_that_cannot_be_had_changes_nothing() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let before = edge.status().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = set(&edge, Some(port)).await.unwrap_err();
    assert_eq!(refused.code, "unavailable");
    assert!(refused.message.starts_with(&format!("port {port} is taken by ")), "{}", refused.message);
    assert_eq!(set(&edge, Some(0)).await.unwrap_err().code, "request.malformed");
    let after = edge.status().await;
    assert_eq!((&after.settings, after.receiver), (&before.settings, before.receiver));
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await.status(), 200);

    // Of another machine's settings the rest is taken over.
    let document = json!({
        "format": "postern-settings", "version": 1,
        "settings": { "notifications": !before.settings.notifications, "port": port }, "profiles": [],
    });
    let import = ImportSettings { document: document.to_string(), apply: true, appearance: None };
    let imported = api::import_settings(&edge.handle, import).await.unwrap();
    assert!(imported.left.iter().any(|left| left.contains(&port.to_string())), "{:?}", imported.left);
    let settings = edge.status().await.settings;
    assert_eq!((settings.port, settings.notifications), (None, !before.settings.notifications));
}

#[tokio::test]
async fn a_port_that_is_taken_at_the_start_is_passed_over_once() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let port = free().await;
    set(&edge, Some(port)).await.unwrap();
    let (clock, dir) = edge.stop().await;
    let taken = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let edge = TestEdge::run(config(dir.path(), &clock), clock, dir).await;
    let status = edge.status().await;
    assert_eq!(status.settings.port, Some(port));
    assert_ne!(status.receiver.port, port);
    drop(taken);
    assert_eq!(edge.restart().await.status().await.receiver.port, port);
}

#[tokio::test]
async fn a_port_given_at_the_start_counts() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (clock, dir) = edge.stop().await;
    let mut config = config(dir.path(), &clock);
    config.receiver_bind.set_port(free().await);
    let given = config.receiver_bind.port();
    let edge = TestEdge::run(config, clock, dir).await;
    let status = edge.status().await;
    assert_eq!((status.receiver.port, status.receiver.fixed), (given, true));
    assert_eq!(set(&edge, Some(free().await)).await.unwrap_err().code, "request.unsupported");
    assert_eq!(edge.status().await.settings.port, None);
    edge.stop().await;
}
