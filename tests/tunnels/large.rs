//! Large bodies, both ways at once, with flat memory. `POSTERN_MEGABYTES` says how
//! large; `make soak` has a gigabyte.

use crate::{machine, public, serve, tunnel};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use postern_testkit::{ProxyHome, client, setting, within};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::time::Duration;

const PIECE: usize = 1 << 20;
/// What a process may need beyond what it needed before, in KiB: far less than
/// the body.
const ROOM: u64 = 48 << 10;

/// The bytes of a megabyte: each has its own.
fn piece(n: u64) -> Bytes {
    let mut hash = Sha256::digest(n.to_le_bytes());
    let mut bytes = Vec::with_capacity(PIECE);
    while bytes.len() < PIECE {
        bytes.extend_from_slice(&hash);
        hash[0] = hash[0].wrapping_add(1);
    }
    bytes.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_and_download_keep_their_bytes_and_memory_flat() {
    let megabytes = setting("POSTERN_MEGABYTES", 64);
    let proxy = ProxyHome::new();
    let proxy = proxy.dev().await;
    // The body comes back as it went: one exchange for both directions.
    let (port, _server) = serve(Router::new().fallback(|body: Body| async move { body })).await;
    let machine = machine(&proxy);
    let postern = tunnel(&machine, port).await;
    let small = client().post(public(&proxy, "/")).body("x").send().await.expect("an answer");
    assert_eq!(small.text().await.expect("a body"), "x");
    let before = (postern.peak_memory(), proxy.process().peak_memory());

    let pieces = stream::iter((0..megabytes).map(|n| Ok::<_, Infallible>(piece(n))));
    let sending = client()
        .post(public(&proxy, "/"))
        // As long as it takes: each piece is waited for on its own.
        .timeout(Duration::MAX)
        .body(reqwest::Body::wrap_stream(pieces))
        .send();
    let mut answer = within("an answer", sending).await.expect("an answer");
    let (mut hash, mut came) = (Sha256::new(), 0);
    while let Some(piece) = within("a piece", answer.chunk()).await.expect("no error") {
        hash.update(&piece);
        came += piece.len() as u64;
    }
    assert_eq!(came, megabytes << 20);
    let mut expected = Sha256::new();
    (0..megabytes).for_each(|n| expected.update(piece(n)));
    assert_eq!(hash.finalize(), expected.finalize());
    let after = (postern.peak_memory(), proxy.process().peak_memory());
    println!("{megabytes} MiB both ways: the most memory in KiB of edge and proxy {before:?} → {after:?}");
    assert!(after.0 < before.0 + ROOM && after.1 < before.1 + ROOM, "{before:?} → {after:?}");
}
