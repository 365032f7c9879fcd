//! What goes on for long: events, gRPC, upgrades that are refused.

use crate::on_both_carriers;
use crate::scene::{APP, Carrier, Scene, ask};
use axum::body::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern_testkit::within;
use std::convert::Infallible;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

on_both_carriers! {
    events_of_any_kind_come_before_the_next_is_written
    grpc_messages_both_ways_with_their_trailers
    a_refused_upgrade_with_its_body
    other_upgrades_are_declined
}

async fn events_of_any_kind_come_before_the_next_is_written(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for (method, kind) in
        [("GET", "text/event-stream"), ("POST", "application/x-ndjson"), ("GET", "text/html")]
    {
        let (mut visitor, mut local) = scene.visit(ask(method, "/events", "content-length: 0\r\n")).await;
        local.head().await;
        // Until it ends: without a length, and not chunked either.
        local.say(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n")).await;
        assert_eq!(visitor.head().await.one("content-type"), kind);
        for n in 0..20 {
            let event = format!("data: {n}\n\n");
            local.say(&event).await;
            assert_eq!(visitor.chunks(event.len()).await, event.into_bytes());
        }
        local.end().await;
        drop(local);
        assert_eq!(visitor.chunk().await, b"");
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A body that is written frame by frame.
fn written() -> (mpsc::UnboundedSender<Frame<Bytes>>, Body) {
    let (sender, mut frames) = mpsc::unbounded_channel();
    let frames =
        futures_util::stream::poll_fn(move |context| frames.poll_recv(context).map(|frame| frame.map(Ok)));
    (sender, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

/// Answers every message with itself, and ends with a status.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    assert_eq!((request.version(), request.uri().path()), (Version::HTTP_2, "/pkg.Greeter/Say"));
    assert_eq!(request.headers()["te"], "trailers");
    let (frames, body) = written();
    tokio::spawn(async move {
        let mut messages = request.into_body();
        while let Some(Ok(frame)) = messages.frame().await {
            let _ = frames.send(frame);
        }
        let status: HeaderMap =
            [("grpc-status".parse().expect("a name"), "0".parse().expect("a value"))].into_iter().collect();
        let _ = frames.send(Frame::trailers(status));
    });
    let answer = Response::builder().header("content-type", "application/grpc");
    Ok(answer.body(body).expect("an answer"))
}

async fn grpc_messages_both_ways_with_their_trailers(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let stream = TcpStream::connect(scene.proxy.address()).await.expect("the proxy listens");
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let server = async {
        let local = scene.local.accept().await.into_inner();
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(TokioIo::new(local), hyper::service::service_fn(echo)).await;
    };
    let client = async {
        for _ in 0..3 {
            let (frames, body) = written();
            let request = Request::post(format!("http://{APP}/pkg.Greeter/Say"))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let sent = sender.send_request(request.body(body).expect("a request"));
            let mut answer = within("an answer", sent).await.expect("an answer");
            for n in 0..10_u8 {
                let message = Bytes::from(vec![n; 1000]);
                frames.send(Frame::data(message.clone())).expect("somebody reads");
                let frame = within("a message", answer.body_mut().frame()).await.expect("a message");
                assert_eq!(frame.expect("no error").into_data().expect("data"), message);
            }
            drop(frames);
            let last = within("the trailers", answer.body_mut().frame()).await.expect("trailers");
            assert_eq!(last.expect("no error").into_trailers().expect("trailers")["grpc-status"], "0");
        }
    };
    tokio::select! {
        () = client => {}
        () = server => panic!("the local server ended"),
    }
}

pub(crate) const UPGRADE: &str = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                                  sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn a_refused_upgrade_with_its_body(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for (answer, body) in [
        ("HTTP/1.1 403 Forbidden\r\nx-why: no\r\ncontent-length: 7\r\n\r\nrefused", "7"),
        (
            "HTTP/1.1 401 Unauthorized\r\nx-why: no\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
            "0",
        ),
        ("HTTP/1.1 200 OK\r\nx-why: no\r\ncontent-length: 10000\r\n\r\n", "10000"),
        ("HTTP/1.1 302 Found\r\nx-why: no\r\nlocation: /login\r\ncontent-length: 3\r\n\r\nout", "3"),
    ] {
        let large = "x".repeat(if body == "10000" { 10_000 } else { 0 });
        let (asked, mut visitor) =
            scene.trade(ask("GET", "/chat", UPGRADE), format!("{answer}{large}")).await;
        assert_eq!((asked.one("upgrade"), asked.one("connection")), ("websocket", "Upgrade"));
        let head = visitor.head().await;
        assert_eq!(
            (head.second(), head.one("x-why"), head.one("content-length")),
            (&answer[9..12], "no", body)
        );
        assert_eq!(head.one("upgrade"), "");
        let expected = answer.split("\r\n\r\n").nth(1).expect("a body").to_owned() + &large;
        assert_eq!(visitor.read(expected.len()).await, expected.into_bytes());
        // It is a connection like any other again.
        visitor.say(ask("GET", "/", "connection: close\r\n")).await;
        let mut local = scene.local.accept().await;
        local.head().await;
        local.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
        assert_eq!(visitor.head().await.second(), "200");
    }
    // One that breaks off never looks whole.
    let (_, mut visitor) = scene
        .trade(ask("GET", "/chat", UPGRADE), "HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\nref")
        .await;
    let rest = String::from_utf8_lossy(&visitor.rest().await).into_owned();
    assert!(
        rest.is_empty() || (rest.contains("content-length: 7") && rest.ends_with("\r\n\r\nref")),
        "{rest}"
    );
}

async fn other_upgrades_are_declined(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for protocol in ["h2c", "postern-h2/1", "TLS/1.0", "websocket2"] {
        let more = format!("connection: Upgrade\r\nupgrade: {protocol}\r\n");
        let (asked, mut visitor) =
            scene.trade(ask("GET", "/", &more), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!((asked.one("upgrade"), asked.one("connection")), ("", ""));
        assert_eq!(visitor.head().await.second(), "200");
    }
}
