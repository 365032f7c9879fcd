//! Bodies.

use crate::on_both_carriers;
use crate::scene::{Carrier, OK, Scene, ask, get};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_both_carriers! {
    an_empty_post
    a_body_with_a_length
    a_chunked_body
    each_piece_comes_before_the_next_is_sent
    a_slow_reader_of_an_answer_stops_its_writer
    a_slow_reader_of_an_upload_stops_its_writer
    an_early_413
    compressed_bytes_are_left_alone
    a_range
    trailers_both_ways
    a_go_ahead_is_the_local_servers_own
    an_expectation_that_is_not_met
    chunks_of_one_byte
}

async fn an_empty_post(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for more in ["content-length: 0\r\n", ""] {
        let (asked, mut visitor) = scene.trade(ask("POST", "/", more), OK).await;
        assert_eq!((asked.line.as_str(), asked.one("content-length")), ("POST / HTTP/1.1", "0"));
        assert_eq!(asked.one("transfer-encoding"), "");
        assert_eq!(visitor.head().await.one("content-length"), "0");
        // The next request of the same connection is one.
        visitor.say(get("/next")).await;
        let mut local = scene.local.accept().await;
        assert_eq!(local.head().await.line, "GET /next HTTP/1.1");
        local.say(OK).await;
        visitor.head().await;
    }
}

async fn a_body_with_a_length(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut asks = ask("PUT", "/", "content-length: 300000\r\n").into_bytes();
    asks.extend(&body);
    let (mut visitor, mut local) = scene.visit(asks).await;
    let asked = local.head().await;
    assert_eq!((asked.one("content-length"), asked.one("transfer-encoding")), ("300000", ""));
    assert!(local.read(300_000).await == body);
    local.say("HTTP/1.1 201 Created\r\ncontent-length: 300000\r\n\r\n").await;
    local.say(&body).await;
    let answer = visitor.head().await;
    assert_eq!((answer.line.as_str(), answer.one("content-length")), ("HTTP/1.1 201 Created", "300000"));
    assert!(visitor.read(300_000).await == body);
}

async fn a_chunked_body(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let chunks = "3\r\nabc\r\n1;ext=\"x\"\r\nd\r\n0\r\n\r\n";
    let (mut visitor, mut local) =
        scene.visit(ask("POST", "/", "transfer-encoding: chunked\r\n") + chunks).await;
    let asked = local.head().await;
    assert_eq!((asked.one("content-length"), asked.one("transfer-encoding")), ("", "chunked"));
    assert_eq!(local.chunks(4).await, b"abcd");
    assert_eq!(local.chunk().await, b"");
    local.say(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")).await;
    let answer = visitor.head().await;
    assert_eq!((answer.one("content-length"), answer.one("transfer-encoding")), ("", "chunked"));
    assert_eq!(visitor.chunks(4).await, b"abcd");
    assert_eq!(visitor.chunk().await, b"");
}

/// Both ways at once: no end waits for the other to finish.
async fn each_piece_comes_before_the_next_is_sent(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) = scene.visit(ask("POST", "/", "transfer-encoding: chunked\r\n")).await;
    local.head().await;
    local.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    visitor.head().await;
    for n in b'a'..=b'z' {
        visitor.say([b'1', b'\r', b'\n', n, b'\r', b'\n']).await;
        assert_eq!(local.chunk().await, [n]);
        local.say([b'2', b'\r', b'\n', n, n, b'\r', b'\n']).await;
        assert_eq!(visitor.chunk().await, [n, n]);
    }
    visitor.say("0\r\n\r\n").await;
    local.chunk().await;
    local.say("0\r\n\r\n").await;
    assert_eq!(visitor.chunk().await, b"");
}

const PIECE: usize = 64 << 10;
/// More than all the windows and socket buffers on the way hold.
const LARGE: usize = 64 << 20;
/// What those hold at most.
const HELD: usize = 40 << 20;

/// Waits until `count` no longer grows while others are served; what it is.
async fn settled(scene: &Scene, count: &AtomicUsize) -> usize {
    let mut before = usize::MAX;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now == before {
            return now;
        }
        before = now;
        for _ in 0..10 {
            scene.works().await;
        }
    }
}

async fn a_slow_reader_of_an_answer_stops_its_writer(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writer = tokio::spawn(async move {
        local.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n")).await;
        for _ in 0..LARGE / PIECE {
            local.say([b'x'; PIECE]).await;
            count.fetch_add(PIECE, Ordering::SeqCst);
        }
    });
    visitor.head().await;
    let held = settled(&scene, &written).await;
    assert!(held < HELD, "{held} bytes were taken for a reader that does not read");
    for _ in 0..LARGE / PIECE {
        visitor.read(PIECE).await;
    }
    writer.await.expect("all of it is written");
}

async fn a_slow_reader_of_an_upload_stops_its_writer(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) =
        scene.visit(ask("PUT", "/", &format!("content-length: {LARGE}\r\n"))).await;
    local.head().await;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writer = tokio::spawn(async move {
        for _ in 0..LARGE / PIECE {
            visitor.say([b'x'; PIECE]).await;
            count.fetch_add(PIECE, Ordering::SeqCst);
        }
        visitor
    });
    let held = settled(&scene, &written).await;
    assert!(held < HELD, "{held} bytes were taken for a reader that does not read");
    for _ in 0..LARGE / PIECE {
        local.read(PIECE).await;
    }
    local.say(OK).await;
    writer.await.expect("all of it is written").head().await;
}

async fn an_early_413(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) =
        scene.visit(ask("POST", "/", "content-length: 1000000000\r\n") + "some").await;
    local.head().await;
    local.read(4).await;
    local
        .say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 8\r\nconnection: close\r\n\r\ntoo much")
        .await;
    local.end().await;
    // It has not sent all, and need not.
    assert_eq!(visitor.head().await.second(), "413");
    assert_eq!(visitor.read(8).await, b"too much");
    scene.works().await;
}

async fn compressed_bytes_are_left_alone(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";
    let coded = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", gzip.len());
    let mut asks = ask("POST", "/", &format!("accept-encoding: gzip, br;q=0.5\r\n{coded}")).into_bytes();
    asks.extend(gzip);
    let (mut visitor, mut local) = scene.visit(asks).await;
    let asked = local.head().await;
    assert_eq!((asked.one("accept-encoding"), asked.one("content-encoding")), ("gzip, br;q=0.5", "gzip"));
    assert_eq!(local.read(gzip.len()).await, gzip);
    local.say(format!("HTTP/1.1 200 OK\r\nvary: accept-encoding\r\n{coded}\r\n")).await;
    local.say(gzip).await;
    let answer = visitor.head().await;
    assert_eq!((answer.one("content-encoding"), answer.one("vary")), ("gzip", "accept-encoding"));
    assert_eq!(visitor.read(gzip.len()).await, gzip);
}

async fn a_range(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let partial = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 2-5/10\r\naccept-ranges: bytes\r\n\
                   content-length: 4\r\n\r\n2345";
    let (asked, mut visitor) =
        scene.trade(ask("GET", "/", "range: bytes=2-5\r\nif-range: \"x\"\r\n"), partial).await;
    assert_eq!((asked.one("range"), asked.one("if-range")), ("bytes=2-5", "\"x\""));
    let answer = visitor.head().await;
    assert_eq!(
        (answer.line.as_str(), answer.one("content-range")),
        ("HTTP/1.1 206 Partial Content", "bytes 2-5/10")
    );
    assert_eq!(visitor.read(4).await, b"2345");
}

async fn trailers_both_ways(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let head = ask(
        "POST",
        "/",
        "te: trailers\r\nconnection: te\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n",
    );
    let (mut visitor, mut local) = scene.visit(head + "4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n").await;
    let asked = local.head().await;
    assert_eq!((asked.one("te"), asked.one("trailer")), ("trailers", "x-sum"));
    assert_eq!(local.chunks(4).await, b"body");
    assert_eq!(local.chunk().await, b"");
    assert_eq!(local.read(13).await, b"x-sum: 42\r\n\r\n");
    local.say("HTTP/1.1 200 OK\r\ntrailer: x-got\r\ntransfer-encoding: chunked\r\n\r\n").await;
    local.say("2\r\nok\r\n0\r\nx-got: 43\r\n\r\n").await;
    assert_eq!(visitor.head().await.one("trailer"), "x-got");
    assert_eq!(visitor.chunks(2).await, b"ok");
    assert_eq!(visitor.chunk().await, b"");
    assert_eq!(visitor.read(13).await, b"x-got: 43\r\n\r\n");
}

async fn a_go_ahead_is_the_local_servers_own(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) =
        scene.visit(ask("POST", "/", "expect: 100-continue\r\ncontent-length: 4\r\n")).await;
    assert_eq!(local.head().await.one("expect"), "100-continue");
    local.say("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(visitor.head().await.line, "HTTP/1.1 100 Continue");
    visitor.say("body").await;
    assert_eq!(local.read(4).await, b"body");
    local.say(OK).await;
    assert_eq!(visitor.head().await.line, "HTTP/1.1 200 OK");
    // Of servers that never give one, none is waited for long.
    visitor.say(ask("POST", "/", "expect: 100-continue\r\ncontent-length: 4\r\n")).await;
    assert_eq!(visitor.head().await.line, "HTTP/1.1 100 Continue");
}

/// The body is never asked for.
async fn an_expectation_that_is_not_met(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for (status, expect) in [("417", "100-continue"), ("401", "100-continue"), ("417", "tea")] {
        let head = ask("POST", "/", &format!("expect: {expect}\r\ncontent-length: 1000000\r\n"));
        let (mut visitor, mut local) = scene.visit(head).await;
        assert_eq!(local.head().await.one("expect"), expect);
        local.say(format!("HTTP/1.1 {status} No\r\ncontent-length: 2\r\n\r\nno")).await;
        let mut answer = visitor.head().await;
        if expect == "tea" {
            // What is not known is not waited for.
            if answer.second() == "100" {
                answer = visitor.head().await;
            }
        }
        assert_eq!(answer.second(), status);
        assert_eq!(visitor.read(2).await, b"no");
    }
    scene.works().await;
}

/// `POSTERN_CHUNKS` of them; `make soak` has a hundred thousand.
async fn chunks_of_one_byte(carrier: Carrier) {
    let many = usize::try_from(postern_testkit::setting("POSTERN_CHUNKS", 20_000)).expect("a number");
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) = scene.visit(ask("POST", "/", "transfer-encoding: chunked\r\n")).await;
    assert_eq!(local.head().await.one("host"), format!("localhost:{}", scene.local.port));
    local.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    visitor.head().await;
    let mut chunks: Vec<u8> = (0..many).flat_map(|n| format!("1\r\n{}\r\n", n % 10).into_bytes()).collect();
    chunks.extend(b"0\r\n\r\n");
    let bytes: Vec<u8> = (0..many).map(|n| b'0' + (n % 10) as u8).collect();
    let ((), came) = tokio::join!(visitor.say(&chunks), local.chunks(many));
    assert!(came == bytes);
    assert_eq!(local.chunk().await, b"");
    let ((), came) = tokio::join!(local.say(&chunks), visitor.chunks(many));
    assert!(came == bytes);
    assert_eq!(visitor.chunk().await, b"");
}
