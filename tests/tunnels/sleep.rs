//! A laptop that sleeps: its visitors are told, and find it again at the same
//! address when it wakes.

use crate::{machine, public, serve, tunnel};
use axum::Router;
use postern_testkit::{ProxyHome, client, within};

#[tokio::test]
async fn a_laptop_that_slept_has_its_address_again() {
    let home = ProxyHome::new()
        .with("POSTERN_TUNNEL__HEARTBEAT", "100ms")
        .with("POSTERN_TUNNEL__TOLERANCE", "200ms")
        .with("POSTERN_TUNNEL__RATE", "0");
    let proxy = home.dev().await;
    let (port, _server) = serve(Router::new().fallback(async || "here")).await;
    let machine = machine(&proxy);
    let postern = tunnel(&machine, port).await;
    let visit = async || {
        let answer = client().get(public(&proxy, "/")).send().await.expect("the proxy answers");
        let error = answer.headers().get("x-postern-error").map(|e| e.to_str().expect("text").to_owned());
        error.unwrap_or_else(|| answer.status().to_string())
    };
    for _ in 0..2 {
        assert_eq!(visit().await, "200 OK");
        postern.sleep().await;
        // Whoever comes before anybody has noticed waits for the answer, and is told then.
        within("the tunnel to be offline", async { while visit().await != "tunnel.offline" {} }).await;
        postern.wake().await;
        within("the tunnel to be back", async { while visit().await != "200 OK" {} }).await;
    }
    assert!(postern.stop().await.success());
}
