//! What nobody should send, at every endpoint: a precise error each, and the
//! server goes on serving.

use crate::harness::{Proxy, call, exchange, soon};
use http::Method;
use postern_protocol::Provider;
use postern_protocol::api::WorkspaceInfo;
use std::fmt::Write;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whether all is well after what was sent.
async fn goes_on(proxy: &Proxy) {
    let info: WorkspaceInfo = proxy.get("/v1/workspace", &proxy.token).await.json();
    assert_eq!(info.id, proxy.workspace);
    assert_eq!(call(proxy.admin, Method::GET, "/readyz", &[], "").await.status, 200);
}

/// Sends these bytes, closes this side, and reads the status line of what comes.
async fn status(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // The server may have answered and closed before it has read all.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut came = Vec::new();
    let _ = soon("the connection's end", stream.read_to_end(&mut came)).await;
    String::from_utf8_lossy(&came).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn json_that_is_none_is_refused_where_json_is_read() {
    let proxy = Proxy::start().await;
    let deep = "[".repeat(10_000);
    let deep_member = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let bearer = format!("Bearer {}", proxy.token.reveal());
    let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
    for path in ["/edge/register", "/v1/events/trigger"] {
        for body in [
            b"".as_slice(),
            b"{",
            b"null",
            b"[]",
            b"\"text\"",
            b"{}",
            b"{\"token\":1e999}",
            b"{\"token\":123456789012345678901234567890123456789012345678901234567890}",
            b"{\"token\":\"a\",\"token\":\"b\"}",
            b"{\"provider\":\"none\",\"provider\":\"none\",\"body\":\"x\"}",
            b"{\"token\":\"\xff\xfe\"}",
            b"\xff",
            b"\xef\xbb\xbf{}",
            b"{\"token\":\"\\ud800\"}",
            deep.as_bytes(),
            deep_member.as_bytes(),
        ] {
            let answer = proxy.post(path, &headers, body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.error(), "400 request.malformed", "{path} {shown}");
            assert!(answer.body.len() < 500, "{path} {shown}: {answer:?}");
        }
    }
    let large = vec![b' '; 1 << 20];
    assert_eq!(proxy.post("/edge/register", &headers, &large).await.error(), "413 body.too_large");
    goes_on(&proxy).await;
}

#[tokio::test]
async fn webhooks_of_every_kind_are_judged_by_their_signature_alone() {
    let proxy = Proxy::start().await;
    let linear = proxy.make_source(Provider::Linear).await;
    let open = proxy.make_source(Provider::None).await;
    let deep = "[".repeat(10_000);
    let bodies: [&[u8]; 7] =
        [b"", b"{", b"\xff\xfe", deep.as_bytes(), b"{\"a\":1e999}", b"{\"a\":1,\"a\":2}", b"a=b&c=d"];
    for body in bodies {
        for content_type in [b"application/json".as_slice(), b"text/plain", b"\xff", b"multipart/form-data"] {
            let headers = [("content-type", content_type)];
            let path = format!("/hooks/{}", linear.id);
            assert_eq!(proxy.post(&path, &headers, body).await.error(), "401 signature.missing");
            let answer = proxy.post(&format!("/hooks/{}", open.id), &headers, body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        // What is signed is kept, whatever it is.
        assert_eq!(proxy.linear(&linear, "d", body).await.status, 200);
    }
    goes_on(&proxy).await;
}

#[tokio::test]
async fn what_is_not_http_ends_its_own_connection() {
    let proxy = Proxy::with("[limits]\nheader_timeout = \"100ms\"\nbody_timeout = \"100ms\"\n").await;
    let source = proxy.make_source(Provider::None).await;
    let hook = format!("/hooks/{}", source.id);
    let post = |rest: &str| format!("POST {hook} HTTP/1.1\r\nhost: x\r\n{rest}").into_bytes();
    let mut many = String::new();
    for n in 0..500 {
        write!(many, "x-{n}: y\r\n").unwrap();
    }
    let mut wrong = Vec::new();
    let long = format!("x-long: {}\r\n", "y".repeat(1 << 20));
    for (bytes, expected) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "HTTP/1.1 400 Bad Request"),
        (b"nonsense\r\n\r\n".to_vec(), "HTTP/1.1 400 Bad Request"),
        (post("content-length: 3\r\ncontent-length: 4\r\n\r\nabc"), "HTTP/1.1 400 Bad Request"),
        (post("content-length: -1\r\n\r\n"), "HTTP/1.1 400 Bad Request"),
        (post("content-length: 99999999999999999999999\r\n\r\n"), "HTTP/1.1 400 Bad Request"),
        (post("content-length: 9999999999999\r\n\r\n"), "HTTP/1.1 413 Payload Too Large"),
        (post("x: a\rb\r\n\r\n"), "HTTP/1.1 400 Bad Request"),
        (post("transfer-encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 400 Bad Request"),
        (post("transfer-encoding: gzip\r\n\r\nzz\r\n"), "HTTP/1.1 400 Bad Request"),
        (post("content-length: 10\r\n\r\nabc"), "HTTP/1.1 408 Request Timeout"),
        (post("transfer-encoding: chunked\r\n\r\n5\r\nab"), "HTTP/1.1 408 Request Timeout"),
        (post(&format!("{many}\r\n")), "HTTP/1.1 431 Request Header Fields Too Large"),
        (post(&format!("{long}\r\n")), "HTTP/1.1 431 Request Header Fields Too Large"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into_bytes(), "HTTP/1.1 414 URI Too Long"),
    ] {
        let came = status(proxy.address, &bytes).await;
        if came != expected {
            wrong.push((
                String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned(),
                came,
                expected,
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Slow ones: the head, the body, a chunk.
    for (bytes, expected) in [
        (post("x: "), ""),
        (post("content-length: 10\r\n\r\nabc"), "HTTP/1.1 408 Request Timeout"),
        (post("transfer-encoding: chunked\r\n\r\n5\r\nab"), "HTTP/1.1 408 Request Timeout"),
    ] {
        let came = exchange(proxy.address, &bytes).await;
        let line = came.lines().next().unwrap_or_default();
        assert!(line == expected || expected.is_empty() && line.starts_with("HTTP/1.1 408"), "{came}");
    }
    goes_on(&proxy).await;
}

#[tokio::test]
async fn sixty_four_senders_of_the_largest_body_share_the_room() {
    const ROOM: usize = 50 << 20;
    let proxy = Proxy::with("[limits]\ninflight = \"50MiB\"\n").await;
    let source = proxy.make_source(Provider::Github).await;
    let to = proxy.address;
    let path = format!("/hooks/{}", source.id);
    let body = bytes::Bytes::from(vec![b'x'; 25 << 20]);
    assert!(64 * body.len() > ROOM);
    let senders = (0..64).map(|_| {
        let (path, body) = (path.clone(), body.clone());
        tokio::spawn(async move {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let _ = stream.write_all(&body).await;
            let mut came = vec![0; 12];
            // Refused before it was read whole, the answer may be lost to a reset.
            match stream.read_exact(&mut came).await {
                Ok(_) => String::from_utf8(came).unwrap(),
                Err(_) => "reset".to_owned(),
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    for sender in senders {
        let came = soon("an answer", sender).await.unwrap();
        // Unsigned: 401 for those that found room.
        assert!(["HTTP/1.1 401", "HTTP/1.1 429", "reset"].contains(&came.as_str()), "{came}");
    }
    goes_on(&proxy).await;
}
