//! What nobody should send, to the receiver and to the local API: a precise
//! error each, nothing written, no secret in the log, and the edge goes on.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, config, soon};
use postern_edge::Timing;
use postern_protocol::signature::standard;
use serde_json::{Value, json};
use std::fmt::Write;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing_subscriber::fmt::MakeWriter;

/// Everything that is logged on this thread, in the finest detail.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Until what it returns is dropped.
    fn kept() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writes = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
        let guard = tracing::subscriber::set_default(writes.finish());
        (log, guard)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;
    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// The status of an answer, and its code where it has one: `400 request.malformed`.
fn read(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or("no answer");
    let body: Value = serde_json::from_str(body.trim()).unwrap_or_default();
    let code = [&body["error"]["code"], &body["code"]].into_iter().find_map(Value::as_str);
    code.map_or(status.to_owned(), |code| format!("{status} {code}"))
}

/// Sends these bytes, closes this side where told to, and reads to the end.
async fn exchange(to: &str, bytes: &[u8], close: bool) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // It may have answered and closed before it has read all.
    let _ = stream.write_all(bytes).await;
    if close {
        let _ = stream.shutdown().await;
    }
    let mut came = Vec::new();
    let _ = soon("the connection's end", stream.read_to_end(&mut came)).await;
    read(&came)
}

/// Where a URL's server listens, and the path.
fn parts(url: &str) -> (String, String) {
    let uri: http::Uri = url.parse().unwrap();
    (uri.authority().unwrap().to_string(), uri.path().to_owned())
}

async fn with_timing(proxy: &FakeProxy, timing: impl FnOnce(&mut Timing)) -> TestEdge {
    let (clock, dir) = TestEdge::start().await.stop().await;
    let mut config = config(dir.path(), &clock);
    timing(&mut config.timing);
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(proxy).await;
    edge
}

/// A delivery as bytes: `framing` is the headers that say how long it is.
fn signed(edge: &TestEdge, proxy: &FakeProxy, path: &str, id: &str, body: &[u8], framing: &str) -> Vec<u8> {
    let at = Delivery::new(id, edge, proxy).at;
    let signature = standard::sign(&[proxy.secret()], id, at, body);
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nwebhook-id: {id}\r\nwebhook-timestamp: {}\r\n\
         webhook-signature: {signature}\r\npostern-provider: linear\r\n{framing}\r\n",
        at.seconds()
    )
    .into_bytes()
}

fn headers(count: usize) -> String {
    let mut many = String::new();
    for n in 0..count {
        write!(many, "x-{n}: y\r\n").unwrap();
    }
    many
}

/// Heads that are no HTTP, or that a server must not take, each with its answer.
/// `request` makes one of the headers that follow its first lines.
fn bad_heads(request: impl Fn(&str) -> Vec<u8>) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let long = format!("x-long: {}\r\n\r\n", "y".repeat(1 << 20));
    vec![
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "400"),
        ("nonsense", b"nonsense\r\n\r\n".to_vec(), "400"),
        ("a long path", format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into_bytes(), "414"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "no answer"),
        ("two lengths", request("content-length: 3\r\ncontent-length: 4\r\n\r\nabc"), "400"),
        ("a list of lengths", request("content-length: 3, 4\r\n\r\nabc"), "400"),
        ("a negative length", request("content-length: -1\r\n\r\n"), "400"),
        ("a length with a sign", request("content-length: +3\r\n\r\nabc"), "400"),
        ("a length beyond all", request("content-length: 99999999999999999999999\r\n\r\n"), "400"),
        ("another coding", request("transfer-encoding: gzip\r\n\r\nzz\r\n"), "400"),
        ("chunked not last", request("transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), "400"),
        ("a bare CR", request("x: a\rb\r\n\r\n"), "400"),
        ("a folded header", request("x: a\r\n b\r\n\r\n"), "400"),
        ("a space before the colon", request("x : a\r\n\r\n"), "400"),
        ("a header without a name", request(": a\r\n\r\n"), "400"),
        ("a NUL", request("x: a\0b\r\n\r\n"), "400"),
        ("many headers", request(&format!("{}\r\n", headers(500))), "431"),
        ("a long header", request(&long), "431"),
    ]
}

#[tokio::test]
async fn the_receiver_refuses_what_is_not_http() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (to, path) = parts(&edge.hook().await);
    let request = |rest: &str| {
        let mut bytes = signed(&edge, &proxy, &path, "evt_1", b"abc", "");
        // The blank line that ends the head is the caller's.
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    };
    for (what, bytes, expected) in bad_heads(request) {
        assert_eq!(exchange(&to, &bytes, true).await, expected, "{what}");
    }
    assert_eq!(edge.status().await.events, 0);
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
}

#[tokio::test]
async fn the_receiver_tells_methods_and_bodies_apart() {
    let proxy = FakeProxy::new().await;
    let edge = with_timing(&proxy, |timing| {
        timing.body_limit = 1000;
        timing.body_timeout = Duration::from_millis(50);
        timing.head_timeout = Duration::from_millis(50);
    })
    .await;
    let (to, path) = parts(&edge.hook().await);
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", &"X".repeat(60)] {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(exchange(&to, request.as_bytes(), false).await, "405 method_not_allowed", "{method}");
    }
    let post = |framing: &str| signed(&edge, &proxy, &path, "evt_1", b"abcde", framing);
    let long = "b".repeat(1001);
    let broken: [(&str, &str, &str, bool, &str); 9] = [
        ("half-closed", "content-length: 5\r\n", "ab", true, "408 body.incomplete"),
        ("half-closed in a chunk", "transfer-encoding: chunked\r\n", "5\r\nab", true, "408 body.incomplete"),
        ("no last chunk", "transfer-encoding: chunked\r\n", "5\r\nabcde\r\n", true, "408 body.incomplete"),
        ("slow", "content-length: 5\r\n", "ab", false, "408 body.timeout"),
        ("a slow chunk", "transfer-encoding: chunked\r\n", "5\r\nab", false, "408 body.timeout"),
        ("no chunk", "transfer-encoding: chunked\r\n", "zz\r\n", true, "400 request.malformed"),
        (
            "an endless chunk",
            "transfer-encoding: chunked\r\n",
            "fffffffffffffffff\r\n",
            true,
            "400 request.malformed",
        ),
        ("announced too large", "content-length: 1001\r\n", "", true, "413 body.too_large"),
        (
            "too large",
            "transfer-encoding: chunked\r\n",
            &format!("3e9\r\n{long}\r\n0\r\n\r\n"),
            true,
            "413 body.too_large",
        ),
    ];
    for (what, framing, body, close, expected) in broken {
        let bytes = [&post(framing)[..], body.as_bytes()].concat();
        assert_eq!(exchange(&to, &bytes, close).await, expected, "{what}");
    }
    // A head that does not come ends the connection.
    assert_eq!(exchange(&to, b"POST /hook HTTP/1.1\r\nhost:", false).await, "no answer");
    assert_eq!(edge.status().await.events, 0, "nothing of all this is kept");

    // Both lengths: the chunks count (RFC 9112, section 6.3), and the other is dropped.
    // What follows is no second request: the connection ends (section 6.1).
    let both = [&post("content-length: 3\r\ntransfer-encoding: chunked\r\n")[..], b"5\r\nabcde\r\n0\r\n\r\n"]
        .concat();
    let both = String::from_utf8(both).unwrap().replace("connection: close\r\n", "");
    let mut stream = TcpStream::connect(&to).await.unwrap();
    stream.write_all(format!("{both}GET / HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut came = Vec::new();
    let _ = soon("the connection's end", stream.read_to_end(&mut came)).await;
    assert_eq!(read(&came), "200");
    assert_eq!(String::from_utf8_lossy(&came).matches("HTTP/1.1 ").count(), 1);
    let event = postern_edge::api::event(&edge.handle, postern_edge::api::EventKey { id: "evt_1".into() });
    let event = event.await.unwrap();
    assert_eq!(event.summary.size, 5);
    assert!(!event.headers.iter().any(|(name, _)| name == "content-length"));
}

#[tokio::test]
async fn what_is_signed_is_kept_whatever_it_is() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    let deep_members = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)).into_bytes();
    let number = format!("{{\"data\":{{\"id\":{}}}}}", "9".repeat(10_000)).into_bytes();
    let bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"null",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"{\"action\":\"\\ud800\"}",
        b"{\"type\":\"Issue\",\"type\":\"Comment\"}",
        b"{\"data\":1e999}",
        b"a=b&c=%ff",
        &number,
        &deep,
        &deep_members,
    ];
    for (n, body) in bodies.into_iter().enumerate() {
        let id = format!("evt_{n}");
        let types: [&[u8]; 3] = [b"application/json", b"\xff", b"multipart/form-data"];
        let delivery =
            Delivery::new(&id, &edge, &proxy).body(body).header("content-type", types[n % types.len()]);
        assert_eq!(delivery.post(&hook).await.status(), 200, "{n}");
        let event = postern_edge::api::event(&edge.handle, postern_edge::api::EventKey { id }).await.unwrap();
        assert_eq!(event.summary.size, body.len() as u64);
    }
    assert_eq!(edge.status().await.events, 12);
}

/// The local API with a bearer.
struct Local {
    to: String,
    bearer: String,
}

impl Local {
    async fn new(edge: &TestEdge) -> Self {
        let (to, _) = parts(edge.handle.api_url().unwrap());
        let token = json!({ "token": edge.handle.mint_token().reveal() }).to_string();
        let request = format!(
            "POST /api/session HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{token}",
            token.len()
        );
        let mut stream = TcpStream::connect(&to).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut came = String::new();
        soon("a bearer", stream.read_to_string(&mut came)).await.unwrap();
        let body: Value = serde_json::from_str(came.split_once("\r\n\r\n").unwrap().1).unwrap();
        Self { to, bearer: body["bearer"].as_str().unwrap().into() }
    }

    /// The head of a request up to where its own headers go on.
    fn head(&self, method: &str, path: &str) -> String {
        let Self { to, bearer } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\nauthorization: Bearer {bearer}\r\n"
        )
    }

    async fn post(&self, path: &str, body: &[u8]) -> String {
        let head = format!("{}content-length: {}\r\n\r\n", self.head("POST", path), body.len());
        exchange(&self.to, &[head.as_bytes(), body].concat(), false).await
    }
}

#[tokio::test]
async fn the_local_api_refuses_what_is_not_http() {
    let edge = TestEdge::start().await;
    let local = Local::new(&edge).await;
    for path in ["/api/events", "/api/session"] {
        let request = |rest: &str| [local.head("POST", path).as_bytes(), rest.as_bytes()].concat();
        for (what, bytes, expected) in bad_heads(request) {
            assert_eq!(exchange(&local.to, &bytes, true).await, expected, "{path}: {what}");
        }
    }
    let live = |rest: &str| [local.head("GET", "/api/live").as_bytes(), rest.as_bytes()].concat();
    for (what, bytes, expected) in bad_heads(live) {
        assert_eq!(exchange(&local.to, &bytes, true).await, expected, "live: {what}");
    }
    assert_eq!(local.post("/api/status", b"").await, "200");
}

#[tokio::test]
async fn the_local_api_refuses_precisely() {
    let proxy = FakeProxy::new().await;
    let edge = with_timing(&proxy, |timing| {
        timing.body_timeout = Duration::from_millis(50);
        timing.head_timeout = Duration::from_millis(50);
    })
    .await;
    let local = Local::new(&edge).await;
    let (log, _guard) = Log::kept();
    for op in postern_edge::api::OPERATIONS {
        let path = format!("/api/{op}");
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let bytes = format!("{}\r\n", local.head(method, &path));
            assert_eq!(exchange(&local.to, bytes.as_bytes(), false).await, "405 method_not_allowed", "{op}");
        }
    }
    for method in ["POST", "PUT", "DELETE"] {
        let bytes = format!("{}\r\n", local.head(method, "/api/live"));
        assert_eq!(exchange(&local.to, bytes.as_bytes(), false).await, "405 method_not_allowed", "{method}");
    }
    let deep = b"[".repeat(10_000);
    let deep_members = format!("{}1{}", "{\"id\":".repeat(10_000), "}".repeat(10_000)).into_bytes();
    let many = format!("{{\"listen\":[{}]}}", vec!["1"; 10_000].join(",")).into_bytes();
    let bodies: [&[u8]; 14] = [
        b"{",
        b"null x",
        b"[]",
        b"7",
        b"\"text\"",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{\"id\":\"\xff\"}",
        b"{\"id\":\"\\ud800\"}",
        b"{\"id\":1e999}",
        b"{\"limit\":123456789012345678901234567890,\"id\":7,\"target\":7,\"paused\":7,\"choice\":7,\"provider\":7,\"proxyUrl\":7,\"catchUp\":7,\"cursor\":-1,\"before\":7,\"url\":7,\"notifications\":7}",
        &deep,
        &deep_members,
        &many,
    ];
    // Operations without arguments read none, but only what is JSON gets there.
    let plain = [
        "status",
        "sign_out",
        "rules",
        "reconnect",
        "test_path",
        "templates",
        "rotate_secret",
        "sources",
        "workers",
        "views",
        "diagnostics",
        "run_local_proxy",
        "local_secrets",
        "local_ports",
        "tunnels",
        "reserved_tunnels",
    ];
    for op in postern_edge::api::OPERATIONS.iter().filter(|op| !plain.contains(op)) {
        for body in bodies.iter().take(13) {
            let answer = local.post(&format!("/api/{op}"), body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer, "400 request.malformed", "{op} {shown}");
        }
    }
    for body in bodies {
        let expected = if body.len() > 4096 { "413 body.too_large" } else { "400 request.malformed" };
        assert_eq!(local.post("/api/session", body).await, expected);
    }
    assert_eq!(local.post("/api/session", b"").await, "400 request.malformed");
    assert_eq!(local.post("/api/event", b"").await, "400 request.malformed");
    assert_eq!(
        local.post("/api/event", b"{\"id\":\"a\",\"id\":\"b\"}").await,
        "400 request.malformed",
        "twice"
    );

    let framed =
        |framing: &str, body: &str| format!("{}{framing}\r\n{body}", local.head("POST", "/api/events"));
    for (what, bytes, close, expected) in [
        // Refused before it is sent, or the answer may be lost to a reset.
        ("too large", framed("content-length: 1048577\r\n", ""), false, "413 body.too_large"),
        ("half-closed", framed("content-length: 5\r\n", "{"), true, "408 body.incomplete"),
        (
            "half-closed in a chunk",
            framed("transfer-encoding: chunked\r\n", "5\r\n{"),
            true,
            "408 body.incomplete",
        ),
        ("no chunk", framed("transfer-encoding: chunked\r\n", "zz\r\n"), true, "400 request.malformed"),
        ("slow", framed("content-length: 5\r\n", "{"), false, "408 body.timeout"),
        ("a slow chunk", framed("transfer-encoding: chunked\r\n", "5\r\n{"), false, "408 body.timeout"),
        ("a slow head", local.head("POST", "/api/events"), false, "no answer"),
    ] {
        assert_eq!(exchange(&local.to, bytes.as_bytes(), close).await, expected, "{what}");
    }
    let live = async |query: &str| {
        let bytes = format!("{}\r\n", local.head("GET", &format!("/api/live{query}")));
        exchange(&local.to, bytes.as_bytes(), false).await
    };
    assert_eq!(live("?after=-1").await, "400 request.malformed");
    assert_eq!(live("?after=99999999999999999999999").await, "400 request.malformed");
    assert_eq!(live("?after=1&after=2").await, "400 request.malformed");
    assert_eq!(live("?listen=%ff").await, "400 request.malformed");
    assert_eq!(live("?listen=ftp://x").await, "400 request.malformed");
    assert_eq!(live("?filter=Issue%5B").await, "422 filter.invalid");

    assert_eq!(edge.status().await.events, 0);
    assert_eq!(local.post("/api/status", b"").await, "200");
    let log = log.text();
    for secret in [&local.bearer, "pst_good", proxy.secret().reveal()] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
