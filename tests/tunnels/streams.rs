//! What a visitor gets, and when.

use crate::{line, machine, public, serve, tunnel};
use axum::Router;
use axum::routing::get;
use http::HeaderMap;
use postern_testkit::{ProxyHome, client, within};
use serde_json::Value;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_visitor_reaches_the_local_server_and_is_told_when_it_is_down() {
    let proxy = ProxyHome::new();
    let proxy = proxy.dev().await;
    let app = Router::new().route(
        "/hello",
        get(|headers: HeaderMap| async move {
            let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
            format!("{} {} {}", text("host"), text("x-forwarded-proto"), text("x-forwarded-prefix"))
        }),
    );
    let (port, server) = serve(app).await;
    let machine = machine(&proxy);
    let postern = tunnel(&machine, port).await;
    let client = client();
    let answer = client.get(public(&proxy, "/hello?q=1")).send().await.expect("the proxy answers");
    assert_eq!(answer.text().await.expect("a body"), format!("localhost:{port} http /t/app"));
    let told = line(&postern, "/hello?q=1").await;
    assert_eq!((&told["method"], &told["status"]), (&Value::from("GET"), &Value::from(200)));

    // By its host, and forged marks change nothing.
    let by_host = client.get(format!("{}/hello", proxy.url())).header("host", "app.localhost");
    let answer = by_host.header("x-postern-tunnel", "other").send().await.expect("the proxy answers");
    assert_eq!(answer.status(), 200);

    drop(server);
    let answer = client.get(public(&proxy, "/hello")).send().await.expect("the proxy answers");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-postern-error"]),
        (502, &"target.refused".parse().expect("ascii"))
    );
    let listed = machine.ask(&["tunnel", "list"]).await;
    assert_eq!(listed["reserved"][0]["name"], "app");
    assert!(postern.stop().await.success());
    let answer = client.get(public(&proxy, "/hello")).send().await.expect("the proxy answers");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-postern-error"]),
        (502, &"tunnel.offline".parse().expect("ascii"))
    );
    machine.ask(&["tunnel", "release", "app", "--yes"]).await;
    let answer = client.get(public(&proxy, "/hello")).send().await.expect("the proxy answers");
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn events_and_websocket_messages_come_one_by_one() {
    let proxy = ProxyHome::new();
    let proxy = proxy.dev().await;
    let local = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let port = local.local_addr().expect("a bound listener has an address").port();
    let machine = machine(&proxy);
    let _postern = tunnel(&machine, port).await;

    let visit = tokio::spawn(client().get(public(&proxy, "/events")).send());
    let mut server = accept(&local).await;
    let head = head(&mut server).await;
    assert!(head.starts_with("GET /events HTTP/1.1"), "{head}");
    say(&mut server, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
    let mut events = within("the head", visit).await.expect("a task ends").expect("an answer");
    for n in 0..3 {
        let event = format!("data: {n}\n\n");
        say(&mut server, &event).await;
        // The next is written only when this one has come.
        let came = within("an event", events.chunk()).await.expect("no error").expect("not the end");
        assert_eq!(came, event);
    }
    drop(server);
    assert!(within("the end", events.chunk()).await.expect("no error").is_none());

    let mut visitor = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
    let asks = "GET /t/app/chat HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    say(&mut visitor, asks).await;
    let mut server = accept(&local).await;
    let asked = crate::streams::head(&mut server).await.to_lowercase();
    assert!(asked.starts_with("get /chat ") && asked.contains("upgrade: websocket"), "{asked}");
    say(&mut server, "HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    let accepted = crate::streams::head(&mut visitor).await;
    // RFC 6455, section 1.3.
    assert!(accepted.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{accepted}");
    for n in 0..3 {
        say(&mut visitor, &format!("ping {n}")).await;
        assert_eq!(read(&mut server, 6).await, format!("ping {n}"));
        say(&mut server, &format!("pong {n}")).await;
        assert_eq!(read(&mut visitor, 6).await, format!("pong {n}"));
    }
    // Who hangs up is heard at the other end.
    drop(visitor);
    let mut rest = Vec::new();
    let _ = within("the end", server.read_to_end(&mut rest)).await;
}

async fn accept(local: &TcpListener) -> TcpStream {
    within("a connection", local.accept()).await.expect("a listener accepts").0
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("the other end reads");
}

async fn read(stream: &mut TcpStream, len: usize) -> String {
    let mut bytes = vec![0; len];
    within("bytes", stream.read_exact(&mut bytes)).await.expect("the other end writes");
    String::from_utf8(bytes).expect("text")
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("a head", stream.read_u8()).await.expect("a head"));
    }
    String::from_utf8(head).expect("text")
}
