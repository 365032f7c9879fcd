//! What nobody should send to the routes of edges and workspace clients, and to
//! health and metrics: a precise error each, nothing written, no secret in the
//! log, and the proxy goes on. The routes of `/v1` are those that its own
//! description names.

use crate::harness::{Proxy, Receiver, Registered, call, soon};
use http::Method;
use postern_protocol::api::WorkerList;
use postern_proxy::store::{Depth, Store};
use serde_json::Value;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing_subscriber::fmt::MakeWriter;

const QUICK: &str = "[limits]\nheader_timeout = \"100ms\"\nbody_timeout = \"100ms\"\n";
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];

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

/// A route, asked as who may.
#[derive(Clone, Debug)]
struct Route {
    method: String,
    path: String,
    bearer: String,
    /// Whether it reads a body of JSON, and whether it may be left out.
    body: Option<bool>,
}

/// A proxy with a worker, and the routes that both concern.
struct Scene {
    proxy: Proxy,
    worker: Registered,
    routes: Vec<Route>,
    _receiver: Receiver,
}

impl Scene {
    async fn new() -> Self {
        let mut proxy = Proxy::with(QUICK).await;
        let receiver = Receiver::start().await;
        let worker = proxy.register(&receiver).await;
        let token = proxy.token.reveal().to_owned();
        let own = worker.credential.reveal().to_owned();
        let id = worker.id;
        let event = "evt_01K9Z3V8Q4T5N6M7P8R9S0ABCD";
        let mut routes: Vec<_> = [
            ("POST", "/edge/register".to_owned(), Some(false)),
            ("POST", format!("/edge/workers/{id}/lease"), Some(true)),
            ("POST", format!("/edge/workers/{id}/catch-up"), Some(false)),
            ("POST", format!("/edge/events/{event}/redeliver"), None),
            ("GET", format!("/edge/events/{event}"), None),
            ("DELETE", format!("/edge/workers/{id}"), None),
            ("GET", "/edge/tunnels".to_owned(), None),
            ("POST", "/edge/tunnels".to_owned(), Some(false)),
            ("PUT", format!("/edge/tunnels/{event}/options"), Some(false)),
            ("DELETE", format!("/edge/tunnels/{event}"), None),
        ]
        .into_iter()
        .map(|(method, path, body)| Route { method: method.into(), path, bearer: own.clone(), body })
        .collect();
        routes[0].bearer.clear();
        let described: Value = call(proxy.address, Method::GET, "/v1/openapi.json", &[], "").await.json();
        for (path, operations) in described["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let mut path = path.clone();
                while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
                    path.replace_range(from..=to, event);
                }
                let read = operation.get("requestBody");
                let body = read.map(|body| body["required"] != true);
                routes.push(Route { method: method.to_uppercase(), path, bearer: token.clone(), body });
            }
        }
        assert!(routes.iter().any(|route| route.path == "/v1/events/trigger" && route.body == Some(false)));
        Self { proxy, worker, routes, _receiver: receiver }
    }

    /// All is as it was: the worker is there and active, and there is no event.
    async fn is_untouched(&self) {
        let list: WorkerList = self.proxy.get("/v1/workers", &self.proxy.token).await.json();
        assert_eq!(list.workers.iter().map(|w| w.id).collect::<Vec<_>>(), [self.worker.id]);
        assert_eq!(self.proxy.store.depth().await.unwrap(), Depth::default());
        assert!(self.proxy.store.sources(self.proxy.workspace).await.unwrap().is_empty());
        assert!(self.proxy.store.tunnels(self.proxy.workspace).await.unwrap().is_empty());
        assert_eq!(call(self.proxy.admin, Method::GET, "/readyz", &[], "").await.status, 200);
    }
}

impl Route {
    /// The head of a request up to where its own headers go on.
    fn head(&self) -> String {
        let Self { method, path, bearer, .. } = self;
        let who =
            if bearer.is_empty() { String::new() } else { format!("authorization: Bearer {bearer}\r\n") };
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{who}")
    }

    async fn send(&self, to: SocketAddr, body: &[u8]) -> String {
        let head = format!("{}content-length: {}\r\n\r\n", self.head(), body.len());
        exchange(to, &[head.as_bytes(), body].concat(), false).await
    }
}

/// The status of an answer, and its code where it has one: `400 request.malformed`.
fn read(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or("no answer");
    let body: Value = serde_json::from_str(body.trim()).unwrap_or_default();
    body["error"]["code"].as_str().map_or(status.to_owned(), |code| format!("{status} {code}"))
}

/// Sends these bytes, closes this side where told to, and reads to the end.
async fn exchange(to: SocketAddr, bytes: &[u8], close: bool) -> String {
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

/// Heads that are no HTTP, or that a server must not take, each with its answer.
fn bad_heads(head: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let mut many = String::new();
    for n in 0..500 {
        write!(many, "x-{n}: y\r\n").unwrap();
    }
    let request = |rest: &str| [head.as_bytes(), rest.as_bytes()].concat();
    vec![
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
        ("many headers", request(&format!("{many}\r\n")), "431"),
        ("a long header", request(&format!("x-long: {}\r\n\r\n", "y".repeat(1 << 20))), "431"),
    ]
}

#[tokio::test]
async fn every_route_takes_its_methods_alone_and_knows_who_asks() {
    let scene = Scene::new().await;
    let to = scene.proxy.address;
    let (log, _guard) = Log::kept();
    for route in &scene.routes {
        let taken: Vec<_> =
            scene.routes.iter().filter(|r| r.path == route.path).map(|r| &*r.method).collect();
        for method in METHODS.iter().filter(|method| !taken.contains(method)) {
            let wrong = Route { method: (*method).to_owned(), ..route.clone() };
            assert_eq!(wrong.send(to, b"").await, "405 method_not_allowed", "{method} {}", route.path);
        }
        if route.path == "/edge/register" {
            continue;
        }
        let stranger = Route { bearer: String::new(), ..route.clone() };
        assert_eq!(stranger.send(to, b"{}").await, "401 auth.invalid", "{}", route.path);
        for authorization in ["Basic eDp5", "Bearer", "Bearer ", "bearer x", "Bearer \u{e9}", "x"] {
            let head = format!("{}authorization: {authorization}\r\n\r\n", stranger.head());
            assert_eq!(exchange(to, head.as_bytes(), false).await, "401 auth.invalid", "{authorization}");
        }
    }
    scene.is_untouched().await;
    let log = log.text();
    for secret in [&scene.proxy.token, &scene.worker.credential, &scene.worker.secret] {
        assert!(!log.contains(secret.reveal()), "a secret is in the log");
    }
}

#[tokio::test]
async fn every_route_refuses_what_is_not_http() {
    let scene = Scene::new().await;
    for route in &scene.routes {
        for (what, bytes, expected) in bad_heads(&route.head()) {
            let came = exchange(scene.proxy.address, &bytes, true).await;
            assert_eq!(came, expected, "{} {}: {what}", route.method, route.path);
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for (what, bytes, expected) in bad_heads(&head) {
            assert_eq!(exchange(scene.proxy.admin, &bytes, true).await, expected, "{path}: {what}");
        }
        for method in METHODS.iter().filter(|method| **method != "GET") {
            let bytes = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let came = exchange(scene.proxy.admin, bytes.as_bytes(), false).await;
            assert_eq!(came, "405 method_not_allowed", "{method} {path}");
        }
        // A body that nobody asked for is not waited for.
        let body = format!("{head}content-length: 9999999\r\n\r\n{{");
        assert_eq!(exchange(scene.proxy.admin, body.as_bytes(), false).await, "200", "{path}");
    }
    for path in ["/", "/v1/workspace", "/metrics/x", "/%ff", "//healthz"] {
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(exchange(scene.proxy.admin, bytes.as_bytes(), false).await, "404 not_found", "{path}");
    }
    assert_eq!(exchange(scene.proxy.admin, b"GET /healthz HTTP/1.1\r\nhost:", false).await, "no answer");
    scene.is_untouched().await;
}

#[tokio::test]
async fn every_body_is_read_strictly() {
    let scene = Scene::new().await;
    let to = scene.proxy.address;
    let (log, _guard) = Log::kept();
    let deep = b"[".repeat(10_000);
    let deep_members = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)).into_bytes();
    let bodies: [&[u8]; 11] = [
        b" ",
        b"{",
        b"{}x",
        b"[]",
        b"7",
        b"null",
        b"\"text\"",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\xfe\"}",
        &deep,
    ];
    // Members that no route knows: nobody reads them, however they are.
    let unknown: [&[u8]; 3] = [b"{\"a\":\"\\ud800\"}", b"{\"a\":1e999}", &deep_members];
    for route in scene.routes.iter().filter(|route| route.body.is_some()) {
        let path = &route.path;
        for body in bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(route.send(to, body).await, "400 request.malformed", "{path} {shown}");
        }
        // A change of nothing can be read; its worker is not there.
        let change = route.method == "PATCH" && path.starts_with("/v1/workers/");
        let expected = if change { "404 not_found" } else { "400 request.malformed" };
        for body in unknown {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(route.send(to, body).await, expected, "{} {path} {shown}", route.method);
        }
        if route.body == Some(false) {
            assert_eq!(route.send(to, b"").await, "400 request.malformed", "{path} without a body");
        }
        let framed = |framing: &str, body: &str| format!("{}{framing}\r\n{body}", route.head());
        for (what, bytes, close, expected) in [
            ("half-closed", framed("content-length: 5\r\n", "{"), true, "408 body.incomplete"),
            (
                "half-closed in a chunk",
                framed("transfer-encoding: chunked\r\n", "5\r\n{"),
                true,
                "408 body.incomplete",
            ),
            (
                "no last chunk",
                framed("transfer-encoding: chunked\r\n", "1\r\n{\r\n"),
                true,
                "408 body.incomplete",
            ),
            ("no chunk", framed("transfer-encoding: chunked\r\n", "zz\r\n"), true, "400 request.malformed"),
            ("slow", framed("content-length: 5\r\n", "{"), false, "408 body.timeout"),
            ("a slow chunk", framed("transfer-encoding: chunked\r\n", "5\r\n{"), false, "408 body.timeout"),
            ("announced too large", framed("content-length: 999999999\r\n", ""), false, "413 body.too_large"),
            // The chunks count (RFC 9112, section 6.3).
            (
                "both lengths",
                framed("content-length: 2\r\ntransfer-encoding: chunked\r\n", "1\r\n7\r\n0\r\n\r\n"),
                false,
                "400 request.malformed",
            ),
        ] {
            assert_eq!(exchange(to, bytes.as_bytes(), close).await, expected, "{path}: {what}");
        }
    }
    scene.is_untouched().await;
    let log = log.text();
    for secret in [&scene.proxy.token, &scene.worker.credential, &scene.worker.secret] {
        assert!(!log.contains(secret.reveal()), "a secret is in the log");
    }
}

/// Read by its chunks, and nothing is read after it: what some part in between
/// took for a second request is none (RFC 9112, section 6.1).
#[tokio::test]
async fn a_request_with_both_lengths_is_the_last_of_its_connection() {
    let scene = Scene::new().await;
    let (length, chunks) = ("content-length: 5\r\n", "transfer-encoding: chunked\r\n");
    for framing in [format!("{length}{chunks}"), format!("{chunks}{length}")] {
        let first = format!("POST /edge/register HTTP/1.1\r\nhost: x\r\n{framing}\r\n0\r\n\r\n");
        let smuggled = "GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut stream = TcpStream::connect(scene.proxy.address).await.unwrap();
        stream.write_all(format!("{first}{smuggled}").as_bytes()).await.unwrap();
        let mut came = Vec::new();
        let _ = soon("the connection's end", stream.read_to_end(&mut came)).await;
        assert_eq!(read(&came), "400 request.malformed", "{framing}");
        assert_eq!(String::from_utf8_lossy(&came).matches("HTTP/1.1 ").count(), 1, "{framing}");
    }
    scene.is_untouched().await;
}

#[tokio::test]
async fn members_that_do_not_fit_are_refused() {
    let scene = Scene::new().await;
    let to = scene.proxy.address;
    let route = |path: &str| {
        let found = scene.routes.iter().find(|route| route.path.ends_with(path) && route.body.is_some());
        found.unwrap().clone()
    };
    let huge = "9".repeat(10_000);
    for (path, bodies) in [
        ("/register", vec![
            r#"{"token":"a","token":"b"}"#.to_owned(),
            format!(r#"{{"webhookUrl":"http://127.0.0.1:1/","token":"pst_x","name":{huge},"protocolVersion":"1.0"}}"#),
            r#"{"webhookUrl":"http://127.0.0.1:1/","token":["pst_x"],"name":"a","protocolVersion":"1.0"}"#.to_owned(),
        ]),
        ("/lease", vec![
            r#"{"paused":true,"paused":true}"#.to_owned(),
            r#"{"paused":"yes"}"#.to_owned(),
            r#"{"catchUp":"some"}"#.to_owned(),
            format!(r#"{{"paused":{huge}}}"#),
        ]),
        ("/catch-up", vec![
            r#"{"choice":"all","choice":"none"}"#.to_owned(),
            r#"{"choice":"some"}"#.to_owned(),
            r#"{"choice":{"events":["evt_"]}}"#.to_owned(),
            format!(r#"{{"choice":{{"events":[{}]}}}}"#, vec![r#""evt_01K9Z3V8Q4T5N6M7P8R9S0ABCD""#; 1001].join(",")),
        ]),
        ("/edge/tunnels", vec![
            r#"{"name":"a","name":"b"}"#.to_owned(),
            r#"{"name":"a.b"}"#.to_owned(),
            r#"{"name":["app"]}"#.to_owned(),
            r#"{"options":{"access":{"kind":"basic","user":"ada"}}}"#.to_owned(),
            r#"{"options":{"concurrency":-1}}"#.to_owned(),
            format!(r#"{{"options":{{"rate":{huge}}}}}"#),
        ]),
        ("/trigger", vec![
            r#"{"provider":"linear","provider":"linear","body":"{}","all":true}"#.to_owned(),
            r#"{"provider":"nobody","body":"{}","all":true}"#.to_owned(),
            r#"{"provider":"linear","body":"{}","headers":[["a b","c"]],"all":true}"#.to_owned(),
            r#"{"provider":"linear","body":"{}","headers":[["x","a\r\nb"]],"all":true}"#.to_owned(),
            r#"{"provider":"linear","body":"{}"}"#.to_owned(),
            format!(r#"{{"provider":"linear","body":"{{}}","all":{huge}}}"#),
        ]),
    ] {
        for body in bodies {
            let shown = body[..body.len().min(60)].to_owned();
            assert_eq!(route(path).send(to, body.as_bytes()).await, "400 request.malformed", "{path} {shown}");
        }
    }
    // Names in the path that are none.
    for route in scene.routes.iter().filter(|route| route.path.contains("evt_")) {
        for name in ["x", "%ff", "%00", "..%2f", &"e".repeat(4000), "evt_\u{e9}"] {
            let wrong = Route {
                path: route.path.replace("evt_01K9Z3V8Q4T5N6M7P8R9S0ABCD", name),
                body: None,
                ..route.clone()
            };
            let came = wrong.send(to, b"").await;
            let expected = ["404 not_found", "404 tunnel.not_reserved", "400 request.malformed", "400"];
            assert!(expected.contains(&&*came), "{} {}: {came}", wrong.method, wrong.path);
        }
    }
    for name in ["x", "%ff", "wrk_0"] {
        for (method, path) in [("POST", "/lease"), ("POST", "/catch-up"), ("DELETE", "")] {
            let path = format!("/edge/workers/{name}{path}");
            let wrong = Route { method: method.into(), path, ..scene.routes[1].clone() };
            let came = wrong.send(to, b"{}").await;
            assert!(["403 auth.forbidden", "400 request.malformed"].contains(&&*came), "{name}: {came}");
        }
    }
    scene.is_untouched().await;
}
