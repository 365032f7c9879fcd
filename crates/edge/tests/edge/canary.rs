//! Canaries: what proves the path, and what is said when nothing does.

use crate::proxy::{FakeProxy, NoCanary, post_canary};
use crate::support::{Delivery, TestEdge, config};
use axum::Router;
use axum::routing::post;
use postern_edge::api::{
    self, Connection, EventQuery, HopState, RejectedQuery, SetForward, SetPaused, Settings, Status, Unproven,
};
use postern_protocol::api::Canary;
use postern_protocol::{Clock, UnixMillis};
use tokio::net::TcpListener;

const MINUTE: i64 = 60_000;

/// An edge on the proxy's clock that is live and proven by its first canary.
async fn proven(proxy: &FakeProxy) -> TestEdge {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let edge = TestEdge::run(config(dir.path(), &proxy.clock), proxy.clock.clone(), dir).await;
    edge.sign_in(proxy).await;
    edge.until("the first canary", |status| proof(status).0.is_some()).await;
    edge
}

/// When the path was proven, and why it is not any more.
fn proof(status: &Status) -> (Option<UnixMillis>, Option<Unproven>) {
    match &status.connection {
        Connection::Live { proven_at, unproven, .. } => (*proven_at, unproven.clone()),
        _ => (None, None),
    }
}

fn asked(proxy: &FakeProxy) -> usize {
    proxy.book().canaries.len()
}

async fn settings(edge: &TestEdge, canary_minutes: u32) {
    let settings = Settings { canary_minutes, ..edge.status().await.settings };
    api::set_settings(&edge.handle, settings).await.unwrap();
}

#[tokio::test]
async fn a_quiet_canary_proves_the_path_and_leaves_no_trace() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    assert_eq!(proof(&edge.status().await), (Some(proxy.clock.now()), None));
    // Nothing is due before four and a half minutes; after five and a half it is.
    for round in 2..5 {
        proxy.clock.turn(6 * MINUTE);
        proxy.until("another canary", |book| book.canaries.len() == round).await;
        let now = proxy.clock.now();
        edge.until("its arrival", |status| proof(status).0 == Some(now)).await;
    }
    assert!(proxy.book().canaries.iter().all(|canary| canary.quiet));
    let status = edge.status().await;
    assert_eq!((status.events, status.rejected), (0, 0));
    assert!(api::events(&edge.handle, EventQuery::default()).await.unwrap().rows.is_empty());
    assert_eq!(api::rejected(&edge.handle, RejectedQuery::default()).await.unwrap().total, 0);
    let (_, dir) = edge.stop().await;
    let history = rusqlite::Connection::open(dir.path().join("history.db")).unwrap();
    for table in ["event", "seen", "payload", "run", "rejected"] {
        let rows: i64 =
            history.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn a_delivery_proves_as_much() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    proxy.clock.turn(4 * MINUTE);
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let arrived = proxy.clock.now();
    edge.until("proven by it", |status| proof(status).0 == Some(arrived)).await;
    // Six minutes after the canary, two after the delivery: none is due.
    proxy.clock.turn(2 * MINUTE);
    let leases = proxy.book().leases;
    api::reconnect(&edge.handle).await.unwrap();
    proxy.until("a renewal", |book| book.leases > leases).await;
    proxy.clock.turn(4 * MINUTE);
    proxy.until("the next canary", |book| book.canaries.len() == 2).await;
    assert_eq!(proxy.book().canaried_at.last(), Some(&proxy.clock.now()));
}

#[tokio::test]
async fn one_that_is_missed_is_said_and_tried_again_soon() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    let first = proxy.clock.now();
    proxy.book().no_canary = Some(NoCanary::Unreached);
    proxy.clock.turn(6 * MINUTE);
    let status = edge.until("not proven", |status| proof(status).1.is_some()).await;
    let unproven = Unproven { since: first, problem: "connection refused".into() };
    assert_eq!(proof(&status), (Some(first), Some(unproven)));
    proxy.book().no_canary = Some(NoCanary::Elsewhere);
    proxy.clock.turn(34_000);
    let elsewhere = |status: &Status| proof(status).1.is_some_and(|u| u.problem.contains("something else"));
    let status = edge.until("another answers", elsewhere).await;
    assert_eq!(proof(&status).1.unwrap().since, first);
    proxy.book().no_canary = None;
    proxy.clock.turn(34_000);
    let now = proxy.clock.now();
    edge.until("proven again", |status| proof(status) == (Some(now), None)).await;
}

#[tokio::test]
async fn none_while_paused_or_switched_off_and_one_at_once_after() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    api::set_paused(&edge.handle, SetPaused { paused: true }).await.unwrap();
    proxy.clock.turn(60 * MINUTE);
    api::set_paused(&edge.handle, SetPaused { paused: false }).await.unwrap();
    proxy.until("one after the pause", |book| book.canaries.len() == 2).await;
    let now = proxy.clock.now();
    edge.until("its arrival", |status| proof(status).0 == Some(now)).await;
    settings(&edge, 0).await;
    proxy.clock.turn(60 * MINUTE);
    settings(&edge, 1).await;
    proxy.until("one when it is on again", |book| book.canaries.len() == 3).await;
    assert_eq!(asked(&proxy), 3, "an hour paused and an hour off, and none in them");
    for minutes in [1_441, u32::MAX] {
        let wrong = Settings { canary_minutes: minutes, ..Settings::default() };
        assert_eq!(api::set_settings(&edge.handle, wrong).await.unwrap_err().code, "request.malformed");
    }
}

#[tokio::test]
async fn a_canary_that_nobody_asked_for_proves_nothing() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    let first = proxy.clock.now();
    let repeated = proxy.book().canaries[0].nonce.clone();
    proxy.clock.turn(MINUTE);
    let canary = Canary::new(repeated, first);
    let status = post_canary(&edge.hook().await, &proxy.secret(), proxy.clock.now(), &canary, None).await;
    assert_eq!(status, 204);
    assert_eq!(proof(&edge.status().await).0, Some(first));
    assert_eq!(edge.status().await.events, 0);
}

#[tokio::test]
async fn an_older_proxy_is_asked_once_and_nothing_is_held_against_it() {
    let proxy = FakeProxy::new().await;
    proxy.book().no_canary = Some(NoCanary::Old);
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let edge = TestEdge::run(config(dir.path(), &proxy.clock), proxy.clock.clone(), dir).await;
    edge.sign_in(&proxy).await;
    assert_eq!(proof(&edge.status().await), (None, None));
    let error = api::test_path(&edge.handle).await.unwrap_err();
    assert_eq!(error.code, "request.unsupported");
    assert!(error.message.contains("too old"), "{error}");
    assert_eq!(proof(&edge.status().await), (None, None));
}

/// A server that answers everything so.
async fn target(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let status = http::StatusCode::from_u16(status).unwrap();
    let routes = Router::new().route("/hook", post(move || async move { status }));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

#[tokio::test]
async fn the_whole_path_is_tested_to_the_handler() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    let test = api::test_path(&edge.handle).await.unwrap();
    assert!(test.passed, "{test:?}");
    let last = test.hops.last().unwrap();
    assert_eq!((last.state, last.note.as_str()), (HopState::Skipped, "no handler takes it"));
    assert!(test.hops[..9].iter().all(|hop| hop.state == HopState::Passed), "{test:?}");

    let url = target(401).await;
    api::set_forward(&edge.handle, SetForward { url: Some(url.clone()) }).await.unwrap();
    let test = api::test_path(&edge.handle).await.unwrap();
    let last = test.hops.last().unwrap();
    // It is there, and refuses what is not its provider's.
    assert_eq!(last.state, HopState::Passed, "{test:?}");
    assert!(last.note.starts_with(&format!("{url} · 401")), "{}", last.note);
    assert!(test.total_micros.is_some());
    let id = test.event_id.unwrap();
    let event = api::event(&edge.handle, api::EventKey { id }).await.unwrap();
    assert!(event.summary.synthetic);
    assert_eq!((event.summary.name.as_str(), event.runs.len()), ("path.tested", 1));

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = format!("http://{nobody}/hook");
    api::set_forward(&edge.handle, SetForward { url: Some(gone) }).await.unwrap();
    let test = api::test_path(&edge.handle).await.unwrap();
    assert!(!test.passed);
    assert_eq!(test.hops.last().unwrap().state, HopState::Failed);
}

#[tokio::test]
async fn a_test_that_does_not_arrive_says_where_it_ended() {
    let proxy = FakeProxy::new().await;
    let edge = proven(&proxy).await;
    proxy.book().no_canary = Some(NoCanary::Elsewhere);
    let test = api::test_path(&edge.handle).await.unwrap();
    let failed: Vec<_> = test.hops.iter().filter(|hop| hop.state == HopState::Failed).collect();
    assert_eq!(failed.len(), 1, "{test:?}");
    assert!(failed[0].name == "Arrived" && failed[0].note.contains("something else"), "{test:?}");
    assert!(proof(&edge.status().await).1.is_some());
    proxy.crash().await;
    let test = api::test_path(&edge.handle).await.unwrap();
    assert_eq!((test.hops.len(), test.hops[0].state, test.passed), (1, HopState::Failed, false));
    assert!(test.hops[0].note.contains("cannot reach the proxy"), "{test:?}");
}
