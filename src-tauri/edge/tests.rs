//! One edge after the other, without a display.

use super::{CurrentEdge, EdgeState};
use futures_util::StreamExt;
use postern_edge::attach::UNREACHABLE;
use postern_edge::{Edge, EdgeConfig, MemorySecrets};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn config(dir: &Path) -> EdgeConfig {
    let mut config = EdgeConfig::new(dir, MemorySecrets::new());
    config.program = "postern serve".to_owned();
    config
}

/// Another program's edge.
struct Other {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Other {
    async fn start(dir: &Path) -> Self {
        let (_, edge) = Edge::start(config(dir)).await.unwrap();
        let stop = CancellationToken::new();
        Self { stop: stop.clone(), running: tokio::spawn(edge.run(stop)) }
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

/// Waits for what must come.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn alone_it_runs_an_edge_of_its_own() {
    let dir = data();
    let edge = CurrentEdge::of(config(dir.path())).await.unwrap();
    assert_eq!(edge.state(), EdgeState::Own);
    edge.stop().await;
    assert!(Edge::start(config(dir.path())).await.is_ok(), "the folder is free again");
}

#[tokio::test]
async fn it_attaches_and_takes_over_when_the_other_ends() {
    let dir = data();
    let other = Other::start(dir.path()).await;
    let edge = CurrentEdge::of(config(dir.path())).await.unwrap();
    let attached = EdgeState::Attached { pid: std::process::id(), program: "postern serve".to_owned() };
    assert_eq!(edge.state(), attached);
    let mut states = Box::pin(edge.states());
    assert_eq!(states.next().await, Some(attached));

    edge.call("set_settings", json!({ "notifications": false })).await.unwrap();
    let mut live = Box::pin(edge.live());
    let first = soon("the status", live.next()).await.unwrap().status.unwrap();
    assert!(!first.settings.notifications);

    other.end().await;
    let next = soon("the next edge's status", live.next()).await.unwrap().status.unwrap();
    assert_eq!(edge.state(), EdgeState::Own);
    assert!(!next.settings.notifications, "it goes on with the same data");
    let mut seen = soon("its state", states.next()).await;
    if matches!(seen, Some(EdgeState::Between { .. })) {
        seen = soon("its state", states.next()).await;
    }
    assert_eq!(seen, Some(EdgeState::Own));
    let status = edge.call("status", Value::Null).await.unwrap();
    assert_eq!(status["settings"]["notifications"], json!(false));

    edge.stop().await;
    soon("the end", async { while live.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn before_it_has_begun_a_call_waits_and_nothing_is_told() {
    let dir = data();
    let edge = CurrentEdge::new(config(dir.path()));
    assert_eq!(edge.state(), EdgeState::Between { problem: None });
    let call = tokio::spawn({
        let edge = edge.clone();
        async move { edge.call("status", Value::Null).await }
    });
    edge.begin().await.unwrap();
    assert!(soon("the answer", call).await.unwrap().is_ok());
    edge.stop().await;
}

#[tokio::test]
async fn whoever_reads_at_their_own_pace_goes_on_with_the_next_edge() {
    let dir = data();
    let other = Other::start(dir.path()).await;
    let edge = CurrentEdge::of(config(dir.path())).await.unwrap();
    let leading = tokio::spawn(edge.live().for_each(|_| std::future::ready(())));
    let mut live = Box::pin(edge.live_after(0));
    assert!(soon("the status", live.next()).await.unwrap().status.is_some());
    other.end().await;
    let of_own = soon("the next edge's status", async {
        while let Some(live) = live.next().await {
            if live.status.is_some() && edge.state() == EdgeState::Own {
                return true;
            }
        }
        false
    });
    assert!(of_own.await);
    edge.stop().await;
    soon("the end", async { while live.next().await.is_some() {} }).await;
    soon("the end of the leading one", leading).await.unwrap();
}

#[tokio::test]
async fn while_none_starts_it_says_why_and_goes_on_trying() {
    let dir = data();
    let other = Other::start(dir.path()).await;
    let mut own = config(dir.path());
    // Not loopback: no edge starts with it.
    own.api = Some(postern_edge::ApiConfig { bind: ([192, 0, 2, 1], 0).into(), ui: None });
    let edge = CurrentEdge::of(own).await.unwrap();
    let mut states = Box::pin(edge.states());
    let live = tokio::spawn({
        let live = edge.live();
        async move { live.for_each(|_| std::future::ready(())).await }
    });
    other.end().await;
    let problem = soon("the reason", async {
        loop {
            if let Some(EdgeState::Between { problem: Some(problem) }) = states.next().await {
                return problem;
            }
        }
    });
    assert!(problem.await.contains("192.0.2.1"));
    let refused = edge.call("status", Value::Null).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.retryable), (UNREACHABLE, true));
    assert!(refused.message.contains("192.0.2.1"), "{}", refused.message);
    edge.stop().await;
    soon("the end of what it tells", live).await.unwrap();
}

#[tokio::test]
async fn the_other_goes_on_when_the_app_is_quit() {
    let dir = data();
    let other = Other::start(dir.path()).await;
    let edge = CurrentEdge::of(config(dir.path())).await.unwrap();
    edge.stop().await;
    let again = CurrentEdge::of(config(dir.path())).await.unwrap();
    assert!(matches!(again.state(), EdgeState::Attached { .. }));
    other.end().await;
}
