//! A proxy of one's own on this machine: started, signed in to, brought back,
//! ended. A script stands for the program; the real one is in the browser's tests.

#![cfg(unix)]

use crate::proxy::FakeProxy;
use crate::support::{TestClock, TestEdge, config, soon};
use postern_edge::api::{self, Connection};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// An edge whose `postern-proxy` is this shell script.
async fn edge(dir: &Arc<TempDir>, clock: &TestClock, script: &str) -> TestEdge {
    let program = dir.path().join("postern-proxy");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = postern_edge::EdgeConfig { proxy_program: program, ..config(dir.path(), clock) };
    let edge = TestEdge::run(config, clock.clone(), Arc::clone(dir)).await;
    // It is at work once it has had its turn.
    tokio::task::yield_now().await;
    edge
}

/// What the script notes: one line for each start, its process.
fn starts(dir: &Path) -> Vec<PathBuf> {
    let noted = fs::read_to_string(dir.join("starts")).unwrap_or_default();
    noted.lines().map(|pid| Path::new("/proc").join(pid)).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(what, wait).await;
}

#[tokio::test]
async fn it_is_started_signed_in_to_and_comes_back_with_the_edge() {
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let proxy = FakeProxy::start(&clock).await;
    let (url, own) = (&proxy.url, dir.path().display());
    // The folder's name is the last argument.
    let script = format!(
        r#"[ -z "$POSTERN_TOKEN" ] || exit 9
for folder; do :; done
echo pst_good >"$folder/token"
echo $$ >>'{own}/starts'
echo '{{"proxyUrl":"{url}","adminUrl":"http://127.0.0.1:1","tokenFile":"'"$folder"'/token","sources":[]}}'
exec cat >/dev/null"#
    );
    let first = edge(&dir, &clock, &script).await;
    let status = api::run_local_proxy(&first.handle).await.unwrap();
    assert_eq!(status.session.unwrap().proxy_url, *url);
    first.until("live", |status| matches!(status.connection, Connection::Live { .. })).await;
    api::run_local_proxy(&first.handle).await.unwrap();
    assert_eq!((starts(dir.path()).len(), first.status().await.profiles.len()), (1, 1), "there is one");
    first.stop().await;
    assert!(!starts(dir.path())[0].exists(), "it ends with the edge");

    let again = edge(&dir, &clock, &script).await;
    until("the proxy to be back", || starts(dir.path()).len() == 2).await;
    api::sign_out(&again.handle.current()).await.unwrap();
    until("its end, for want of anybody", || !starts(dir.path())[1].exists()).await;
    again.stop().await;
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said() {
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let refused = async |script: &str| {
        let edge = edge(&dir, &clock, script).await;
        let error = api::run_local_proxy(&edge.handle).await.unwrap_err();
        assert!(matches!(edge.status().await.connection, Connection::SignedOut));
        edge.stop().await;
        error
    };
    let ended = refused("echo 'postern-proxy: the address 127.0.0.1:4600 is taken' >&2; exit 1").await;
    assert_eq!(ended.code, "unavailable");
    assert!(
        ended.message.contains("127.0.0.1:4600 is taken") && ended.message.contains("proxy.log"),
        "{ended}"
    );
    assert!(refused("echo nonsense; exec sleep 1000").await.message.contains("another version"));

    let config =
        postern_edge::EdgeConfig { proxy_program: dir.path().join("nowhere"), ..config(dir.path(), &clock) };
    let edge = TestEdge::run(config, clock.clone(), Arc::clone(&dir)).await;
    tokio::task::yield_now().await;
    assert_eq!(api::run_local_proxy(&edge.handle).await.unwrap_err().code, "request.unsupported");
}
