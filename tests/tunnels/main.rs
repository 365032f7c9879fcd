//! Public tunnels between real programs: a visitor, `postern-proxy dev`,
//! `postern tunnel` and servers on this machine.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod kills;
mod large;
mod sleep;
mod streams;
#[cfg(target_os = "linux")]
mod view;

use axum::Router;
use postern_testkit::{Machine, Process, ProxyProcess, within};
use serde_json::Value;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A machine on which `postern tunnel` leads `app` to `port`.
async fn tunnel(machine: &Machine, port: u16) -> Process {
    let port = port.to_string();
    let process = Process::spawn(machine.command(&["--json", "-v", "tunnel", &port, "--name", "app"]));
    process
        .line("the tunnel online", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["tunnel"]["state"]["state"] == "online").then_some(())
        })
        .await;
    process
}

fn machine(proxy: &ProxyProcess) -> Machine {
    Machine::new().signed_in(proxy.url(), proxy.token())
}

/// Where visitors of `app` find `path`.
fn public(proxy: &ProxyProcess, path: &str) -> String {
    format!("{}/t/app{path}", proxy.url())
}

/// A server on this machine.
async fn serve(app: Router) -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound listener has an address").port();
    let server = tokio::spawn(async move {
        // Ends with the test.
        let _ = axum::serve(listener, app).await;
    });
    (port, AbortOnDropHandle::new(server))
}

/// The next request's line of a tunnel, as `postern tunnel --json` prints it.
async fn line(tunnel: &Process, path: &str) -> Value {
    let wanted = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["request"]["path"] == path && line["request"]["open"] == false).then(|| line["request"].clone())
    };
    within("the request's line", tunnel.line("the request's line", wanted)).await
}
