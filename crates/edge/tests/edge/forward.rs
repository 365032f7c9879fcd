//! Forwarding: the target sees what the provider sent.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, config, soon};
use crate::target::Target;
use futures_util::StreamExt;
use postern_edge::api::{self, EventDetail, EventKey, OutcomeKind, Replay, SetForward};
use postern_protocol::filter::Filter;
use std::time::Duration;

async fn forward_to(edge: &TestEdge, url: &str) {
    api::set_forward(&edge.handle, SetForward { url: Some(url.into()) }).await.unwrap();
}

/// The event once it is as wanted. The stream of changes only wakes: what
/// counts is what is stored.
async fn once(edge: &TestEdge, id: &str, wanted: impl Fn(&EventDetail) -> bool) -> EventDetail {
    let done = async {
        let mut live = std::pin::pin!(edge.handle.live(None));
        while live.next().await.is_some() {
            let event = api::event(&edge.handle, EventKey { id: id.into() }).await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
        panic!("the edge ended");
    };
    soon("the event's outcome", done).await
}

/// The event once its one run has ended.
async fn handled(edge: &TestEdge, id: &str) -> EventDetail {
    once(edge, id, |event| event.summary.outcome.kind != OutcomeKind::Running).await
}

#[tokio::test]
async fn body_and_headers_are_the_providers() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut target = Target::ok().await;
    forward_to(&edge, &target.url()).await;
    let body = b"{ \"a\" :\t1e2,\n \"u\":\"\\u00e9\xff\" }".to_vec();
    let delivery = Delivery::new("evt_1", &edge, &proxy)
        .body(body.clone())
        .header("x-twice", "a")
        .header("x-twice", "b")
        .header("postern-original-webhook-id", "theirs");
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);

    let seen = target.next().await;
    assert_eq!(seen.line, "POST /webhooks?x=1 HTTP/1.1");
    assert_eq!(seen.body, body);
    let mut headers: Vec<_> = seen.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    headers.sort_unstable();
    let (host, length) = (format!("127.0.0.1:{}", target.port), body.len().to_string());
    // reqwest, which stands for the proxy here, adds `accept`.
    assert_eq!(
        headers,
        [
            ("accept", "*/*"),
            ("content-length", length.as_str()),
            ("content-type", "application/json; charset=utf-8"),
            ("host", host.as_str()),
            ("linear-event", "Issue"),
            ("postern-event-id", "evt_1"),
            ("webhook-id", "theirs"),
            ("x-twice", "a"),
            ("x-twice", "b"),
        ]
    );

    let event = handled(&edge, "evt_1").await;
    let [run] = event.runs.as_slice() else { panic!("{:?}", event.runs) };
    assert_eq!((run.status, run.response_body.as_deref(), run.replay), (Some(200), Some("OK"), false));
    assert_eq!(run.response_headers.get("x-app"), Some("1"));
    assert!(event.summary.outcome.label.starts_with("200 · "), "{:?}", event.summary.outcome);
    let last = edge.status().await.targets[0].last.clone().unwrap();
    assert_eq!(last.id, run.id);
}

#[tokio::test]
async fn a_refused_connection_is_said_in_words() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    forward_to(&edge, &format!("http://localhost:{port}/")).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let event = handled(&edge, "evt_1").await;
    assert_eq!(event.summary.outcome.kind, OutcomeKind::Failed);
    assert_eq!(event.summary.outcome.label, format!("localhost:{port} refused"));
    assert_eq!(event.runs[0].error, Some(format!("connection refused — nothing listens on {port}")));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_in_words() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    forward_to(&edge, "http://nowhere.invalid:3000/").await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let event = handled(&edge, "evt_1").await;
    assert_eq!(event.runs[0].error.as_deref(), Some("the name of nowhere.invalid:3000 does not resolve"));
}

#[tokio::test]
async fn localhost_is_found_by_either_protocol() {
    let Ok(probe) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
    drop(probe);
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let ok = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    for (n, address) in ["127.0.0.1:0", "[::1]:0"].into_iter().enumerate() {
        let mut target = Target::on(address, ok).await;
        forward_to(&edge, &format!("http://localhost:{}/", target.port)).await;
        Delivery::new(&format!("evt_{n}"), &edge, &proxy).post(&edge.hook().await).await;
        let seen = target.next().await;
        assert_eq!(seen.header("host"), Some(format!("localhost:{}", target.port).as_str()));
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_count_as_failed() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let elsewhere = Target::ok().await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        elsewhere.url()
    );
    let target = Target::answering(answer).await;
    forward_to(&edge, &target.url()).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let event = handled(&edge, "evt_1").await;
    assert_eq!((event.runs[0].status, event.summary.outcome.kind), (Some(302), OutcomeKind::Failed));
    assert!(elsewhere.seen.is_empty());
}

#[tokio::test]
async fn a_target_that_is_silent_or_breaks_off_is_a_failed_run() {
    let proxy = FakeProxy::new().await;
    let (clock, dir) = TestEdge::start().await.stop().await;
    let mut config = config(dir.path(), &clock);
    config.timing.forward_timeout = Duration::from_millis(200);
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    let hook = edge.hook().await;

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    forward_to(&edge, &format!("http://{}/", silent.local_addr().unwrap())).await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    assert_eq!(handled(&edge, "evt_1").await.summary.outcome.label, "timed out");

    let closing = Target::answering("").await;
    forward_to(&edge, &closing.url()).await;
    Delivery::new("evt_2", &edge, &proxy).post(&hook).await;
    let event = handled(&edge, "evt_2").await;
    assert!(event.runs[0].error.as_ref().unwrap().contains("closed the connection"), "{:?}", event.runs);
}

#[tokio::test]
async fn a_long_answer_is_kept_in_part() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 100000\r\nconnection: close\r\n\r\n".to_vec();
    answer.extend(vec![b'x'; 100_000]);
    let target = Target::answering(answer).await;
    forward_to(&edge, &target.url()).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let event = handled(&edge, "evt_1").await;
    assert_eq!(event.runs[0].response_body.as_ref().unwrap().len(), 64 * 1024);
    assert_eq!(event.summary.outcome.kind, OutcomeKind::Failed);
}

#[tokio::test]
async fn replay_sends_the_same_bytes_again() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let delivery = Delivery::new("evt_1", &edge, &proxy);
    delivery.post(&edge.hook().await).await;
    let none =
        api::replay(&edge.handle, Replay { id: "evt_1".into(), ..Replay::default() }).await.unwrap_err();
    assert_eq!(none.code, "edge.no_target");

    let mut target = Target::ok().await;
    let run = api::replay(
        &edge.handle,
        Replay { id: "evt_1".into(), target: Some(target.url()), ..Replay::default() },
    )
    .await
    .unwrap();
    assert_eq!((run.status, run.replay, run.outcome.kind), (Some(200), true, OutcomeKind::Succeeded));
    assert_eq!(target.next().await.body, delivery.body);
    let event = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!((event.runs.len(), event.summary.outcome.kind), (1, OutcomeKind::Succeeded));

    let unknown = api::replay(
        &edge.handle,
        Replay { id: "evt_0".into(), target: Some(target.url()), ..Replay::default() },
    )
    .await;
    assert_eq!(unknown.unwrap_err().code, "not_found");
}

#[tokio::test]
async fn a_listener_is_a_target_while_it_lives() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let (mut set, mut listening) = (Target::ok().await, Target::ok().await);
    forward_to(&edge, &set.url()).await;
    let listener = edge
        .handle
        .add_listener(&listening.url(), Filter::parse(&["Issue[exists(action)]"]).unwrap())
        .unwrap();
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    assert_eq!(set.next().await.header("postern-event-id"), Some("evt_1"));
    assert_eq!(listening.next().await.header("postern-event-id"), Some("evt_1"));
    once(&edge, "evt_1", |event| event.runs.iter().filter(|run| run.micros.is_some()).count() == 2).await;

    let other = Delivery::new("evt_other", &edge, &proxy).body(r#"{"type":"Comment","action":"create"}"#);
    other.post(&hook).await;
    set.next().await;
    assert_eq!(handled(&edge, "evt_other").await.runs.len(), 1, "the listener's filter does not take it");

    drop(listener);
    Delivery::new("evt_2", &edge, &proxy).post(&hook).await;
    set.next().await;
    assert_eq!(handled(&edge, "evt_2").await.runs.len(), 1);
    assert!(listening.seen.is_empty());
}

#[tokio::test]
async fn postern_itself_is_no_target() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    for own in [&edge.handle.receiver_url(), edge.handle.api_url().unwrap()] {
        let refused = api::set_forward(&edge.handle, SetForward { url: Some(own.into()) }).await.unwrap_err();
        assert!(refused.message.contains("Postern itself"), "{}", refused.message);
        assert!(edge.handle.add_listener(own, Filter::default()).is_err());
    }
    assert_eq!(edge.status().await.targets, []);
}

#[tokio::test]
async fn the_target_is_remembered_and_can_be_removed() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    forward_to(&edge, "localhost:3000/hook").await;
    let edge = edge.restart().await;
    edge.until("live", |s| matches!(s.connection, api::Connection::Live { .. })).await;
    assert_eq!(edge.status().await.targets[0].url, "http://localhost:3000/hook");
    let status = api::set_forward(&edge.handle, SetForward { url: None }).await.unwrap();
    assert_eq!(status.targets, []);
}

#[tokio::test]
async fn an_event_cut_off_by_a_crash_is_forwarded_again() {
    let proxy = FakeProxy::new().await;
    let (clock, dir) = TestEdge::start().await.stop().await;
    let mut impatient = config(dir.path(), &clock);
    impatient.timing.drain = Duration::ZERO;
    let edge = TestEdge::run(impatient, clock, dir).await;
    edge.sign_in(&proxy).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    forward_to(&edge, &format!("http://{address}/")).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    let (connection, _) = soon("the first try", silent.accept()).await.unwrap();
    // A copy of the files is what a crash at this moment would have left.
    let crashed = std::sync::Arc::new(tempfile::tempdir().unwrap());
    for file in ["history.db", "history.db-wal", "secrets.json"] {
        std::fs::copy(edge.dir.path().join(file), crashed.path().join(file)).unwrap();
    }
    drop(silent);
    drop(connection);
    let (clock, _first) = edge.stop().await;
    let mut target =
        Target::on(&address, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let edge = TestEdge::run(config(crashed.path(), &clock), clock, crashed).await;
    assert_eq!(target.next().await.header("postern-event-id"), Some("evt_1"));
    let event = once(&edge, "evt_1", |event| {
        event.runs.len() == 2 && event.summary.outcome.kind == OutcomeKind::Succeeded
    })
    .await;
    let labels: Vec<_> = event.runs.iter().map(|run| run.outcome.label.split(' ').next().unwrap()).collect();
    assert_eq!(labels, ["interrupted", "200"]);
}
