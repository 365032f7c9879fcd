//! WebSockets: raw bytes both ways, ends included.

use super::stage::{APP, Body, Stage, full};
use crate::harness::soon;
use http::Response;
use postern_tunnel::{TunnelBody, TunnelStream, on_stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// The key and its answer of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {APP}\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{more}\r\n"
    )
}

/// A local server whose WebSockets are the test's.
async fn stage() -> (Stage, mpsc::UnboundedReceiver<TunnelStream>) {
    let (sender, streams) = mpsc::unbounded_channel();
    let stage = Stage::with(move |mut request: http::Request<TunnelBody>| {
        let sender = sender.clone();
        async move {
            let refuse = |status: u16| -> Response<Body> {
                Response::builder()
                    .status(status)
                    .header("x-why", "no")
                    .header("content-length", "7")
                    .body(full("refused"))
                    .unwrap()
            };
            let Some(stream) = on_stream(&mut request) else {
                return Response::new(full("no WebSocket"));
            };
            if request.uri().path() == "/refused" {
                return refuse(403);
            }
            if request.uri().path() == "/down" {
                return Response::builder()
                    .status(502)
                    .header("x-postern-error", "target.refused")
                    .header("content-length", "2")
                    .body(full("{}"))
                    .unwrap();
            }
            assert_eq!(stream.protocol(), "websocket");
            assert_eq!(request.headers()["x-postern-tunnel"], "app");
            assert!(!request.headers().contains_key("upgrade"));
            let protocol = request.headers().get("sec-websocket-protocol").cloned();
            tokio::spawn(async move {
                if let Ok(stream) = stream.await {
                    let _ = sender.send(stream);
                }
            });
            let mut response = Response::new(full(""));
            if let Some(protocol) = protocol {
                response.headers_mut().insert("sec-websocket-protocol", protocol);
            }
            response
        }
    })
    .await;
    (stage, streams)
}

/// The head of the answer, and the connection after it.
async fn open(stage: &Stage, request: String) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(stage.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    (read_head(&mut stream).await, stream)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("a head", stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

async fn exactly(stream: &mut (impl tokio::io::AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    soon("bytes", stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn bytes_go_both_ways_until_either_end_closes() {
    let (stage, mut streams) = stage().await;
    let (head, mut visitor) = open(&stage, upgrade("/ws", "sec-websocket-protocol: chat\r\n")).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains(&format!("sec-websocket-accept: {}", ACCEPT.to_lowercase())), "{head}");
    assert!(head.contains("sec-websocket-protocol: chat") && head.contains("upgrade: websocket"), "{head}");
    let mut local = soon("the local end", streams.recv()).await.unwrap();
    for n in 0..20u8 {
        visitor.write_all(&[n; 100]).await.unwrap();
        assert_eq!(exactly(&mut local, 100).await, [n; 100]);
        local.write_all(&[n; 3000]).await.unwrap();
        assert_eq!(exactly(&mut visitor, 3000).await, [n; 3000]);
    }
    // A close frame with its code, then the end, as the visitor sends it.
    visitor.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.unwrap();
    visitor.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon("the visitor's end", local.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"\x88\x82\0\0\0\0\x03\xe9");
    local.write_all(b"\x88\x02\x03\xe9").await.unwrap();
    local.shutdown().await.unwrap();
    rest.clear();
    soon("the local end's end", visitor.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"\x88\x02\x03\xe9");
}

#[tokio::test]
async fn a_broken_end_is_the_end_of_the_other() {
    let (stage, mut streams) = stage().await;
    let (_, visitor) = open(&stage, upgrade("/ws", "")).await;
    let mut local = soon("the local end", streams.recv()).await.unwrap();
    drop(visitor);
    assert!(matches!(soon("the end", local.read(&mut [0; 10])).await, Ok(0) | Err(_)));
    drop(local);
    let (_, mut visitor) = open(&stage, upgrade("/ws", "")).await;
    drop(soon("the local end", streams.recv()).await.unwrap());
    assert!(matches!(soon("the end", visitor.read(&mut [0; 10])).await, Ok(0) | Err(_)));
    let in_flight = "postern_tunnel_requests_in_flight{tunnel=\"app\"} 0\n";
    soon("all to be counted out", async {
        while !stage.metrics().await.contains(in_flight) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_body() {
    let (stage, _streams) = stage().await;
    let (head, mut stream) = open(&stage, upgrade("/refused", "")).await;
    assert!(head.starts_with("http/1.1 403") && head.contains("x-why: no"), "{head}");
    assert!(head.contains("content-length: 7"), "{head}");
    assert_eq!(exactly(&mut stream, 7).await, b"refused");
    // The connection is as good as before.
    stream.write_all(upgrade("/down", "").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("http/1.1 502") && head.contains("x-postern-error: target.refused"), "{head}");
    assert_eq!(exactly(&mut stream, 2).await, b"{}");
    for bad in [upgrade("/ws", "").replace(": 13", ": 8"), upgrade("/ws", "").replace("-key", "-lock")] {
        let (head, _) = open(&stage, bad).await;
        assert!(head.starts_with("http/1.1 400") && head.contains("sec-websocket-version: 13"), "{head}");
    }
    // Another upgrade is declined: it is a request like any other.
    let other = upgrade("/", "").replace("WebSocket", "h2c");
    let (head, mut stream) = open(&stage, other).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(exactly(&mut stream, 15).await.ends_with(b"no WebSocket"), "in a chunk");
}

#[tokio::test]
async fn a_tunnel_for_signed_requests_has_none() {
    let (stage, _streams) = stage().await;
    stage.proxy.make_source(postern_protocol::Provider::Github).await;
    stage.set(serde_json::json!({"onlySigned": "github"})).await;
    let (head, _) = open(&stage, upgrade("/ws", "")).await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
}
