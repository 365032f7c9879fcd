//! What nobody should send.

use super::stage::{APP, DOMAIN, Stage, raw, status};

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let stage = Stage::telling(DOMAIN).await;
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nhost: {APP}\r\nconnection: close\r\n{rest}");
    let get = |head: &str| format!("{head}\r\nconnection: close\r\n\r\n");
    for (what, bytes, expected) in [
        ("two lengths", post("content-length: 3\r\ncontent-length: 4\r\n\r\nabc"), "400"),
        ("a list of lengths", post("content-length: 3, 4\r\n\r\nabc"), "400"),
        ("a length with a sign", post("content-length: +3\r\n\r\nabc"), "400"),
        ("another coding", post("transfer-encoding: gzip\r\n\r\n"), "400"),
        ("chunked not last", post("transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), "400"),
        ("a coding that looks like chunked", post("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"), "400"),
        ("a bare CR", post("x: a\rb\r\n\r\n"), "400"),
        ("a folded header", post("x: a\r\n b\r\n\r\n"), "400"),
        ("a space before the colon", post("transfer-encoding : chunked\r\n\r\n0\r\n\r\n"), "400"),
        ("a NUL", post("x: a\0b\r\n\r\n"), "400"),
        (
            "chunked in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nhost: {APP}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        ("two hosts", get(&format!("GET / HTTP/1.1\r\nhost: {APP}\r\nhost: {APP}")), "400"),
        ("a second host", get(&format!("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: {APP}")), "400"),
        ("no host", get("GET /t/app/ HTTP/1.1\r\nx: y"), "400"),
        ("another host in the target", get(&format!("GET http://{APP}/ HTTP/1.1\r\nhost: 127.0.0.1")), "400"),
        ("a user in the host", get(&format!("GET / HTTP/1.1\r\nhost: a@{APP}")), "400"),
        ("CONNECT", get(&format!("CONNECT {APP}:443 HTTP/1.1\r\nhost: {APP}:443")), "405"),
    ] {
        let came = raw(stage.address(), bytes).await;
        assert_eq!(status(&came), expected, "{what}: {came}");
        assert!(!came.contains("\"target\""), "{what} got through: {came}");
    }
}

/// Read by its chunks, and nothing is read after it: what some part in between
/// took for a second request is none (RFC 9112, section 6.1).
#[tokio::test]
async fn a_request_with_both_lengths_smuggles_nothing() {
    let stage = Stage::telling(DOMAIN).await;
    let (length, chunks) = ("content-length: 5\r\n", "transfer-encoding: chunked\r\n");
    for framing in [format!("{length}{chunks}"), format!("{chunks}{length}")] {
        let first = format!("POST /first HTTP/1.1\r\nhost: {APP}\r\n{framing}\r\n0\r\n\r\n");
        let smuggled = format!("GET /smuggled HTTP/1.1\r\nhost: {APP}\r\n\r\n");
        let came = raw(stage.address(), first + &smuggled).await;
        assert_eq!(came.matches("HTTP/1.1 ").count(), 1, "{came}");
        assert!(came.contains("\"target\":\"/first\"") && came.contains("\"body\":\"\""), "{came}");
        assert!(!came.contains("content-length\",\"5\""), "{came}");
    }
}

#[tokio::test]
async fn slow_heads_end_by_themselves() {
    let settings = "[limits]\nheader_timeout = \"50ms\"\n[tunnel]\ndomain = \"tunnels.test\"\n";
    let stage = Stage::telling(settings).await;
    for begun in ["", "G", "PRI * HTT", "GET / HTTP/1.1\r\nhost: app.tunn"] {
        let came = raw(stage.address(), begun).await;
        assert!(came.is_empty() || came.starts_with("HTTP/1.1 408"), "{begun}: {came}");
    }
    assert_eq!(stage.get("/", &[]).await.status, 200);
}
