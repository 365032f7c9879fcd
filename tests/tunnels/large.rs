//! Large bodies, both ways, with flat memory.

use crate::{machine, public, serve, tunnel};
use axum::Router;
use axum::body::Body;
use postern_testkit::{ProxyHome, client, within};

const BYTES: usize = 64 << 20;
/// What a process may need beyond what it needed before, in bytes: far less than
/// the body.
const ROOM: u64 = 40 << 20;

#[tokio::test]
async fn a_large_upload_and_download_keep_their_bytes_and_memory_flat() {
    let proxy = ProxyHome::new();
    let proxy = proxy.dev().await;
    // The body comes back as it went: one exchange for both directions.
    let (port, _server) = serve(Router::new().fallback(|body: Body| async move { body })).await;
    let machine = machine(&proxy);
    let postern = tunnel(&machine, port).await;
    let small = client().post(public(&proxy, "/")).body("x").send().await.expect("an answer");
    assert_eq!(small.text().await.expect("a body"), "x");
    let before = (postern.peak_memory(), proxy.process().peak_memory());

    // Every byte's place is in its value.
    let body: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
    let sending = client().post(public(&proxy, "/")).body(body).send();
    let mut answer = within("an answer", sending).await.expect("an answer");
    let mut came = 0;
    while let Some(piece) = within("a piece", answer.chunk()).await.expect("no error") {
        assert!(piece.iter().enumerate().all(|(n, byte)| *byte == ((came + n) % 251) as u8), "at {came}");
        came += piece.len();
    }
    assert_eq!(came, BYTES);
    let after = (postern.peak_memory(), proxy.process().peak_memory());
    assert!(after.0 < before.0 + ROOM && after.1 < before.1 + ROOM, "{before:?} → {after:?}");
}
