//! Ends that come too soon, on any side.

use crate::on_both_carriers;
use crate::scene::{Carrier, Local, OK, Scene, ask, get};
use postern_edge::api::TunnelSettings;
use std::net::Ipv4Addr;
use tokio::net::TcpSocket;

on_both_carriers! {
    a_visitor_who_hangs_up_is_heard
    a_local_server_that_breaks_off_is_an_error
    a_port_that_is_closed_and_opened_again
    a_server_that_never_answers
    many_hang_up_and_the_connection_stays
    a_revoked_token_cuts_the_tunnel
}

async fn a_visitor_who_hangs_up_is_heard(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    // Before the answer, in the middle of it, in the middle of an upload.
    let (visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    drop(visitor);
    assert_eq!(local.rest().await, b"");

    let (mut visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    local.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun").await;
    visitor.head().await;
    assert_eq!(visitor.read(5).await, b"begun");
    drop(visitor);
    assert_eq!(local.rest().await, b"");

    let (visitor, mut local) = scene.visit(ask("POST", "/", "content-length: 100\r\n") + "begun").await;
    local.head().await;
    assert_eq!(local.read(5).await, b"begun");
    drop(visitor);
    assert_eq!(local.rest().await, b"");

    // The same without an orderly close.
    let (visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    visitor.reset();
    assert_eq!(local.rest().await, b"");
    scene.works().await;
}

/// Never a clean end of what was cut short.
async fn a_local_server_that_breaks_off_is_an_error(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for abruptly in [false, true] {
        for framing in ["content-length: 100", "transfer-encoding: chunked"] {
            let (mut visitor, mut local) = scene.visit(get("/")).await;
            local.head().await;
            local.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nbegun\r\n")).await;
            visitor.head().await;
            if abruptly {
                local.reset()
            } else {
                drop(local)
            }
            let rest = visitor.rest().await;
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&rest));
        }
    }
    // Without an answer, it is one of ours; and what makes no sense is none.
    for nonsense in [
        "",
        "HTTP/1.1 20",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ] {
        let (_, mut visitor) = scene.trade(get("/"), nonsense).await;
        let head = visitor.head().await;
        assert_eq!((head.second(), head.one("x-postern-error")), ("502", "target.refused"), "{nonsense:?}");
    }
    scene.works().await;
}

async fn a_port_that_is_closed_and_opened_again(carrier: Carrier) {
    let mut scene = Scene::of(carrier).await;
    scene.works().await;
    // Nobody else gets it, and nobody listens on it yet.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has a free port");
    let port = closed.local_addr().expect("a bound socket has an address").port();
    scene.lead_to(port).await;
    for accept in ["", "accept: text/html\r\n"] {
        let mut visitor = scene.visitor().await;
        visitor.say(ask("GET", "/", accept)).await;
        let head = visitor.head().await;
        assert_eq!((head.second(), head.one("x-postern-error")), ("502", "target.refused"));
        let said = visitor.body(&head).await;
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains(&format!("port {port}")), "which port was tried: {said}");
        assert_eq!(said.contains("<!doctype html>"), !accept.is_empty());
    }
    scene.local = Local::on(closed.listen(16).expect("it can be listened on"));
    scene.works().await;
    // Closed again, with a connection that was kept.
    let (mut visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    local.say(OK).await;
    visitor.head().await;
    scene.local = Local::start().await;
    drop(local);
    visitor.say(get("/")).await;
    assert_eq!(visitor.head().await.one("x-postern-error"), "target.refused");
}

async fn a_server_that_never_answers(carrier: Carrier) {
    let settings = TunnelSettings { timeout_seconds: 1, ..TunnelSettings::default() };
    let scene = Scene::with(carrier, settings).await;
    let (mut visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    let head = visitor.head().await;
    assert_eq!((head.second(), head.one("x-postern-error")), ("504", "target.timeout"));
    assert_eq!(local.rest().await, b"", "and it is told");
    scene.works().await;
}

/// `POSTERN_ABORTS` hang-ups, a hundred at a time; `make soak` has ten
/// thousand.
async fn many_hang_up_and_the_connection_stays(carrier: Carrier) {
    const AT_ONCE: usize = 100;
    let rounds = postern_testkit::setting("POSTERN_ABORTS", 300).div_ceil(AT_ONCE as u64);
    let scene = Scene::of(carrier).await;
    let since = scene.online().await;
    for _ in 0..rounds {
        let (mut visitors, mut locals) = (Vec::new(), Vec::new());
        for n in 0..AT_ONCE {
            let upload = if n % 2 == 0 { "content-length: 100\r\n" } else { "" };
            let (visitor, mut local) = scene.visit(ask("POST", "/", upload)).await;
            local.head().await;
            visitors.push(visitor);
            locals.push(local);
        }
        for (n, visitor) in visitors.into_iter().enumerate() {
            if n % 3 == 0 { visitor.reset() } else { drop(visitor) }
        }
        for mut local in locals {
            let rest = local.rest().await;
            assert!(rest.is_empty(), "each is heard");
        }
    }
    // And those who leave before anybody has heard of them.
    for n in 0..AT_ONCE {
        let mut visitor = scene.visitor().await;
        visitor.say(&get("/")[..n % 30]).await;
    }
    scene.works().await;
    assert_eq!(scene.online().await, since, "it is the same connection");
}

async fn a_revoked_token_cuts_the_tunnel(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (mut visitor, mut local) = scene.visit(get("/")).await;
    local.head().await;
    local.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun").await;
    visitor.head().await;
    scene.proxy.revoke_tokens().await;
    assert_eq!(visitor.rest().await, b"begun", "what was under way is cut");
    assert_eq!(local.rest().await, b"");
    let mut visitor = scene.visitor().await;
    visitor.say(get("/")).await;
    assert_eq!(visitor.head().await.one("x-postern-error"), "tunnel.offline");
}
