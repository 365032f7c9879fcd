//! Several workspaces on one machine: all receive, one is shown.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, config, sign_in, soon};
use futures_util::StreamExt;
use postern_edge::api::{
    self, Connection, EventQuery, ProfileKey, ProfileState, RenameProfile, SetForward, Status,
};
use postern_edge::{Edge, EdgeHandle, Running};
use serde_json::{Value, json};
use std::sync::Arc;

/// Signed in to both; the second is shown.
async fn both(one: &FakeProxy, two: &FakeProxy) -> TestEdge {
    let edge = TestEdge::live(one).await;
    api::sign_in(&edge.handle.current(), sign_in(two)).await.unwrap();
    edge.until("both live", |status| status.profiles.len() == 2 && all_live(status)).await;
    edge
}

fn all_live(status: &Status) -> bool {
    status.profiles.iter().all(|profile| matches!(profile.connection, Connection::Live { .. }))
}

async fn shown(edge: &EdgeHandle) -> ProfileState {
    let status = api::status(&edge.current()).await.unwrap();
    status.profiles.into_iter().find(|profile| profile.shown).unwrap()
}

async fn of(edge: &TestEdge, proxy: &FakeProxy) -> ProfileState {
    let status = edge.status().await;
    status.profiles.into_iter().find(|profile| profile.proxy_url == proxy.url).unwrap()
}

/// The ids of the events of the profile that is shown.
async fn events(edge: &EdgeHandle) -> Vec<String> {
    let page = api::events(&edge.current(), EventQuery::default()).await.unwrap();
    page.rows.into_iter().map(|row| row.id).collect()
}

/// Posts an event to where `proxy`'s worker receives.
async fn deliver(id: &str, edge: &TestEdge, proxy: &FakeProxy) -> u16 {
    let url = proxy.book().workers.values().last().unwrap().url.clone().unwrap();
    Delivery::new(id, edge, proxy).post(&url).await.status().as_u16()
}

#[tokio::test]
async fn both_receive_whichever_is_shown_and_switching_stops_neither() {
    let (one, two) = (FakeProxy::new().await, FakeProxy::new().await);
    let edge = both(&one, &two).await;
    assert_eq!(shown(&edge.handle).await.proxy_url, two.url, "who signs in is shown");
    assert_eq!((deliver("evt_1", &edge, &one).await, deliver("evt_2", &edge, &two).await), (200, 200));
    assert_eq!(events(&edge.handle).await, ["evt_2"]);
    assert_eq!(of(&edge, &one).await.events, 1);

    let mut live = Box::pin(edge.handle.live(None));
    soon("the status", live.next()).await.unwrap();
    let asked = |proxy: &FakeProxy| {
        let book = proxy.book();
        (book.leases, book.registrations)
    };
    let before = asked(&one);
    let id = of(&edge, &one).await.id;
    let status = api::switch_profile(&edge.handle, ProfileKey { id }).await.unwrap();
    assert_eq!(status.session.unwrap().proxy_url, one.url);
    let reset = async {
        while let Some(batch) = live.next().await {
            if batch.changes.is_some_and(|changes| changes.reset) {
                return batch.status.unwrap();
            }
        }
        panic!("the stream ended");
    };
    assert_eq!(soon("a fresh start", reset).await.session.unwrap().proxy_url, one.url);
    assert_eq!(events(&edge.handle).await, ["evt_1"]);
    assert_eq!(asked(&one), before, "it only shows");
    assert_eq!((deliver("evt_3", &edge, &one).await, deliver("evt_4", &edge, &two).await), (200, 200));
    assert_eq!(events(&edge.handle).await, ["evt_3", "evt_1"]);
    let missing = api::switch_profile(&edge.handle, ProfileKey { id: 99 }).await.unwrap_err();
    assert_eq!(missing.code, "not_found");
}

#[tokio::test]
async fn both_come_back_after_a_restart_with_what_is_theirs() {
    let (one, two) = (FakeProxy::new().await, FakeProxy::new().await);
    let edge = both(&one, &two).await;
    let target = SetForward { url: Some("http://localhost:3000/two".into()) };
    api::set_forward(&edge.handle.current(), target).await.unwrap();
    let id = of(&edge, &one).await.id;
    api::switch_profile(&edge.handle, ProfileKey { id }).await.unwrap();
    api::rename_profile(&edge.handle, RenameProfile { id, name: Some("Work".into()) }).await.unwrap();
    let edge = edge.restart().await;
    let status = edge.until("both live", |status| status.profiles.len() == 2 && all_live(status)).await;
    assert_eq!((status.session.unwrap().proxy_url, status.targets), (one.url.clone(), vec![]));
    assert_eq!(shown(&edge.handle).await.name, "Work");
    let two = edge.handle.named(&of(&edge, &two).await.name).unwrap();
    let forward = api::status(&two).await.unwrap().targets.remove(0);
    assert_eq!(forward.url, "http://localhost:3000/two");
}

#[tokio::test]
async fn names_tell_profiles_apart() {
    let (one, two) = (FakeProxy::new().await, FakeProxy::new().await);
    let edge = both(&one, &two).await;
    // Both workspaces are called Acme.
    let names: Vec<_> = edge.status().await.profiles.into_iter().map(|profile| profile.name).collect();
    assert_eq!(names, ["Acme", "Acme (127.0.0.1)"]);
    let id = of(&edge, &two).await.id;
    let rename = |name: &str| RenameProfile { id, name: Some(name.to_owned()) };
    for wrong in ["", "  ", "acme", &"x".repeat(61), "two\nlines"] {
        let error = api::rename_profile(&edge.handle, rename(wrong)).await.unwrap_err();
        assert_eq!(error.code, "request.malformed", "{wrong:?}");
    }
    api::rename_profile(&edge.handle, rename(" Home ")).await.unwrap();
    assert_eq!(shown(&edge.handle).await.name, "Home");
    let found = |name: &str| edge.handle.named(name);
    assert_eq!(api::status(&found("home").unwrap()).await.unwrap().session.unwrap().proxy_url, two.url);
    let unknown = found("elsewhere").unwrap_err();
    assert_eq!(unknown.code, "not_found");
    assert!(unknown.message.contains("Acme, Home"), "{unknown}");
}

#[tokio::test]
async fn over_http_a_call_may_be_about_another_profile() {
    let (one, two) = (FakeProxy::new().await, FakeProxy::new().await);
    let edge = both(&one, &two).await;
    let running = Running::find(edge.dir.path()).unwrap().unwrap();
    let attached = postern_edge::attach::Client::attach(edge.dir.path(), running).await.unwrap().unwrap();
    let proxy = async |client: &postern_edge::attach::Client| {
        let status: Value = client.call("status", json!({})).await.unwrap();
        status["session"]["proxyUrl"].as_str().unwrap().to_owned()
    };
    assert_eq!(proxy(&attached).await, two.url);
    let about = attached.clone().about(Some("Acme".into()));
    assert_eq!(proxy(&about).await, one.url);
    let mut live = about.live(None, None).await.unwrap();
    let first = soon("the status", live.next()).await.unwrap().unwrap();
    assert_eq!(first.status.unwrap().session.unwrap().proxy_url, one.url);
    let unknown = attached.about(Some("Elsewhere".into())).call("status", json!({})).await.unwrap_err();
    assert_eq!(unknown.code, "not_found");
}

#[tokio::test]
async fn a_removed_profile_leaves_nothing_behind_and_the_others_alone() {
    let (one, two) = (FakeProxy::new().await, FakeProxy::new().await);
    let edge = both(&one, &two).await;
    for n in 0..3 {
        deliver(&format!("evt_{n}"), &edge, &two).await;
    }
    deliver("evt_9", &edge, &one).await;
    let removed = of(&edge, &two).await;
    let status = api::remove_profile(&edge.handle, ProfileKey { id: removed.id }).await.unwrap();
    assert_eq!(status.profiles.len(), 1);
    assert_eq!((status.session.unwrap().proxy_url, status.events), (one.url.clone(), 1));
    assert_eq!(two.book().left.len(), 1, "the proxy was told");
    assert_eq!(events(&edge.handle).await, ["evt_9"]);
    assert_eq!(deliver("evt_10", &edge, &one).await, 200);
    let (clock, dir) = edge.stop().await;
    let history = rusqlite::Connection::open(dir.path().join("history.db")).unwrap();
    for table in ["event", "seen", "rejected"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE profile = ?1");
        let rows: i64 = history.query_row(&sql, [removed.id], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let payloads: i64 = history.query_row("SELECT count(*) FROM payload", [], |row| row.get(0)).unwrap();
    assert_eq!(payloads, 2);
    drop(history);
    let secrets = std::fs::read_to_string(dir.path().join("secrets.json")).unwrap();
    assert!(secrets.contains(&one.url) && !secrets.contains(&two.url), "{secrets}");
    let (handle, _edge) = Edge::start(config(dir.path(), &clock)).await.unwrap();
    assert_eq!(api::status(&handle.current()).await.unwrap().profiles.len(), 1);
    // Signed in to again it starts afresh.
    drop((handle, _edge));
    let edge = TestEdge::run(config(dir.path(), &clock), clock, Arc::clone(&dir)).await;
    api::sign_in(&edge.handle.current(), sign_in(&two)).await.unwrap();
    assert_eq!(shown(&edge.handle).await.events, 0);
}

#[tokio::test]
async fn signing_out_of_one_shows_the_other_and_a_failed_sign_in_adds_none() {
    let (one, two) = (FakeProxy::new().await, FakeProxy::new().await);
    let edge = both(&one, &two).await;
    let status = api::sign_out(&edge.handle.current()).await.unwrap();
    assert_eq!((status.profiles.len(), status.session.unwrap().proxy_url), (1, one.url.clone()));
    two.book().tokens.clear();
    assert!(api::sign_in(&edge.handle.current(), sign_in(&two)).await.is_err());
    assert_eq!(edge.status().await.profiles.len(), 1);
    // The same workspace again is the same profile.
    api::sign_in(&edge.handle.current(), sign_in(&one)).await.unwrap();
    assert_eq!(edge.status().await.profiles.len(), 1);
    let status = api::sign_out(&edge.handle.current()).await.unwrap();
    assert!(status.session.is_none() && status.profiles.is_empty());
    assert_eq!(status.connection, Connection::SignedOut);
}
