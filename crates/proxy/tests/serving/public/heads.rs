//! What becomes of the heads, both ways.

use super::stage::{APP, DOMAIN, Stage, full, raw, read, request, status, told, visit};
use crate::harness::call;
use http::{Method, Response};
use serde_json::{Value, json};

#[tokio::test]
async fn forged_headers_are_overwritten() {
    let stage = Stage::telling(DOMAIN).await;
    let forged = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "bank.example"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-server", "evil"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("x-postern-tunnel", "other"),
        ("x-postern-request-id", "mine"),
        ("postern-kind", "canary"),
        // What a connection names is its own, but not what we put there after.
        ("connection", "x-postern-tunnel, x-forwarded-for, x-mine"),
        ("x-mine", "1"),
        ("x-kept", "a"),
        ("x-kept", "b"),
        ("cookie", "a=1"),
        ("via", "1.0 fred"),
    ];
    let answer: Value = stage.get("/", &forged).await.json();
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", APP),
        ("x-forwarded-port", "80"),
        ("x-postern-tunnel", "app"),
        ("cookie", "a=1"),
    ] {
        assert_eq!(told(&answer, name), [value], "{name}");
    }
    assert_eq!(told(&answer, "x-kept"), ["a", "b"]);
    assert_eq!(told(&answer, "via"), ["1.0 fred", "1.1 postern"]);
    assert_eq!(told(&answer, "x-postern-request-id")[0].len(), 16);
    for gone in [
        "x-forwarded-prefix",
        "x-forwarded-server",
        "forwarded",
        "x-real-ip",
        "postern-kind",
        "x-mine",
        "connection",
    ] {
        assert!(told(&answer, gone).is_empty(), "{gone}: {answer}");
    }
    assert_eq!(answer["uri"], format!("http://{APP}/"));
}

#[tokio::test]
async fn a_reverse_proxy_in_front_is_believed() {
    let settings = "[tunnel]\ndomain = \"tunnels.test\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let stage = Stage::telling(settings).await;
    let said =
        [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")];
    let answer: Value = stage.get("/", &said).await.json();
    assert_eq!(told(&answer, "x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(told(&answer, "x-forwarded-proto"), ["https"]);
    assert_eq!(told(&answer, "x-forwarded-port"), ["8443"]);
    assert_eq!(answer["uri"], format!("https://{APP}/"));
    // Which tunnel it is for, nobody in front says.
    let lost = stage.get("/", &[("host", "other.tunnels.test"), ("x-forwarded-host", APP)]).await;
    assert_eq!(lost.error(), "404 tunnel.unknown");
}

#[tokio::test]
async fn targets_travel_as_they_are() {
    let stage = Stage::telling(DOMAIN).await;
    let query = format!("/?{}", "q".repeat(8000));
    for target in [
        "/a%2Fb//c/../d/./e",
        "/%zz",
        "//",
        "/?",
        "/a?b?c",
        "/;p=1",
        "/\u{e9}\u{1f680}",
        "/t/other/x",
        &query,
    ] {
        let came = raw(
            stage.address(),
            format!("GET {target} HTTP/1.1\r\nhost: {APP}\r\nconnection: close\r\n\r\n"),
        )
        .await;
        let json = came.find('{').and_then(|from| came.get(from..=came.rfind('}')?)).unwrap_or_default();
        let body: Value = serde_json::from_str(json).unwrap_or_default();
        assert_eq!(body["target"], target, "{came}");
    }
    for method in ["OPTIONS", "PROPFIND", "BREW", "M-SEARCH", "TRACE"] {
        let came =
            raw(stage.address(), format!("{method} /x HTTP/1.1\r\nhost: {APP}\r\nconnection: close\r\n\r\n"))
                .await;
        assert!(came.contains(&format!("\"method\":\"{method}\"")), "{came}");
    }
    let asterisk =
        raw(stage.address(), format!("OPTIONS * HTTP/1.1\r\nhost: {APP}\r\nconnection: close\r\n\r\n")).await;
    assert!(asterisk.contains("\"target\":\"*\""), "{asterisk}");
    let absolute = format!("GET http://{APP}/abs HTTP/1.1\r\nhost: {APP}\r\nconnection: close\r\n\r\n");
    assert!(raw(stage.address(), absolute).await.contains("\"target\":\"/abs\""));
}

#[tokio::test]
async fn below_its_path_a_tunnel_is_told_its_prefix() {
    let stage = Stage::telling("").await;
    let own = stage.address().to_string();
    let ask = async |path: &str| {
        read(visit(stage.address(), request(Method::GET, path, &[("host", &own)], full(""))).await).await
    };
    let answer: Value = ask("/t/app/a/b?c=d").await.json();
    assert_eq!(answer["target"], "/a/b?c=d");
    assert_eq!(told(&answer, "x-forwarded-prefix"), ["/t/app"]);
    assert_eq!(told(&answer, "x-forwarded-host"), [own.as_str()]);
    assert_eq!(told(&answer, "x-forwarded-port"), [stage.address().port().to_string()]);
    assert_eq!(ask("/t/app/").await.json::<Value>()["target"], "/");
    let moved = ask("/t/app?x=1").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "/t/app/?x=1"));
    assert_eq!(ask("/t/nobody/").await.error(), "404 tunnel.unknown");
    // The proxy's own routes are where they were.
    assert_eq!(ask("/t/").await.error(), "404 not_found");
    assert_eq!(ask("/v1/workspace").await.error(), "401 auth.invalid");
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    let stage = Stage::with(async |request| {
        let response = Response::builder()
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("x-raw", http::HeaderValue::from_bytes(b"\x80\xff").unwrap())
            .header("x-postern-secret", "inner")
            .header("connection", "close")
            .header("content-encoding", "gzip")
            .header("set-cookie", "c=3");
        match request.uri().path() {
            "/204" => response.status(204).body(full("")).unwrap(),
            "/304" => response.status(304).header("etag", "\"x\"").body(full("")).unwrap(),
            "/299" => response.status(299).body(full("odd")).unwrap(),
            "/redirect" => {
                response.status(302).header("location", "http://localhost:3000/x").body(full("")).unwrap()
            }
            _ => response
                .header("content-length", "5")
                .body(full(if request.method() == "HEAD" { "" } else { "hello" }))
                .unwrap(),
        }
    })
    .await;
    let answer = stage.get("/", &[]).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    assert_eq!(cookies, ["a=1", "b=2", "c=3"]);
    assert_eq!(answer.headers["x-raw"].as_bytes(), b"\x80\xff");
    assert_eq!((answer.header("content-encoding"), &answer.body[..]), ("gzip", b"hello".as_slice()));
    assert!(!answer.headers.contains_key("x-postern-secret"), "{answer:?}");
    assert!(!answer.headers.contains_key("cache-control"), "the proxy adds nothing of its own");
    let head = read(visit(stage.address(), request(Method::HEAD, "/", &[], full(""))).await).await;
    assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
    for (path, expected) in [("/204", 204), ("/304", 304), ("/299", 299), ("/redirect", 302)] {
        assert_eq!(stage.get(path, &[]).await.status.as_u16(), expected);
    }
    assert_eq!(stage.get("/redirect", &[]).await.header("location"), "http://localhost:3000/x");
}

#[tokio::test]
async fn rules_change_headers_on_both_ways() {
    let stage = Stage::with(async |request| {
        let seen = request
            .headers()
            .get_all("x-in")
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect::<Vec<_>>()
            .join("|");
        let hidden = request.headers().contains_key("x-hidden");
        Response::builder().header("server", "secret/1").body(full(format!("{seen} {hidden}"))).unwrap()
    })
    .await;
    stage
        .set(json!({
            "requestHeaders": {"remove": ["X-Hidden"], "set": {"x-in": "ours"}},
            "responseHeaders": {"remove": ["server"], "set": {"x-frame-options": "DENY"}},
        }))
        .await;
    let answer = stage.get("/", &[("x-in", "1"), ("x-in", "2"), ("x-hidden", "y")]).await;
    assert_eq!(answer.body, "ours false");
    assert_eq!((answer.header("server"), answer.header("x-frame-options")), ("", "DENY"));
}

#[tokio::test]
async fn large_heads_pass_up_to_a_limit() {
    let stage = Stage::telling(DOMAIN).await;
    let cookie = "c".repeat(64 << 10);
    let answer: Value = stage.get("/", &[("cookie", &cookie)]).await.json();
    assert_eq!(told(&answer, "cookie"), [cookie]);
    let larger = "c".repeat(96 << 10);
    let refused = stage.get("/", &[("cookie", &larger)]).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-postern-error")), (431, "request.malformed"));
}

#[tokio::test]
async fn old_and_hasty_clients_are_served() {
    let stage = Stage::telling("").await;
    let old = raw(stage.address(), "GET /t/app/old HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200") && old.contains("\"target\":\"/old\""), "{old}");
    let (first, last) = ("", "connection: close\r\n");
    let one = |n, more| format!("POST /t/app/{n} HTTP/1.1\r\nhost: x\r\n{more}content-length: 1\r\n\r\n{n}");
    let pipelined = [one(1, first), one(2, first), one(3, last)].concat();
    let came = raw(stage.address(), pipelined).await;
    let bodies: Vec<_> = came.match_indices("\"body\":\"").map(|(at, _)| came.as_bytes()[at + 8]).collect();
    assert_eq!(bodies, *b"123", "{came}");
}

#[tokio::test]
async fn a_request_is_one_in_logs_and_metrics() {
    let stage = Stage::telling(DOMAIN).await;
    stage.get("/", &[]).await;
    let lost = stage.get("/", &[("host", "nobody.tunnels.test")]).await;
    assert_eq!(lost.header("x-postern-request-id").len(), 16);
    let metrics = stage.metrics().await;
    for line in [
        "postern_tunnel_requests_total{tunnel=\"app\",outcome=\"2xx\"} 1",
        "postern_tunnel_requests_total{tunnel=\"(others)\",outcome=\"tunnel.unknown\"} 1",
        "postern_tunnel_requests_in_flight{tunnel=\"app\"} 0",
        "postern_tunnel_answer_seconds_count{tunnel=\"app\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(!metrics.contains("nobody"), "strangers make no series");
    let bytes =
        metrics.lines().find(|line| line.contains("bytes_total{tunnel=\"app\",direction=\"out\"}")).unwrap();
    assert_ne!(bytes.rsplit(' ').next(), Some("0"));
    // Nothing of it is at the proxy's own routes.
    let own = call(stage.address(), Method::GET, "/v1/workspace", &[], "").await;
    assert_eq!(own.error(), "401 auth.invalid");
    assert_eq!(status("HTTP/1.1 200 OK"), "200");
}
