//! Public tunnels over the real transport, from the proxy's end of the line to
//! servers on this machine.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, soon};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use postern_edge::api::{
    self, AddTunnel, ChangeTunnel, ExchangeKind, Live, PublicTunnelState, ReserveName, SetPaused,
    SetTunnelOn, TunnelKey, TunnelRequest, TunnelSettings,
};
use postern_protocol::api::tunnels::{
    NameOutcome, NameOutcomes, ServedNames, TunnelAccess, TunnelName, TunnelOptions, TunnelWorker,
};
use postern_protocol::{ErrorBody, Secret};
use postern_tunnel::{Link, TunnelBody};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) fn name(text: &str) -> TunnelName {
    text.parse().unwrap()
}

/// A server on this machine whose every connection the test plays itself.
pub(crate) struct Local {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Local {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    async fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) async fn accept(&self) -> Conn {
        Conn(soon("a connection", self.listener.accept()).await.unwrap().0)
    }
}

pub(crate) struct Conn(TcpStream);

impl Conn {
    /// A request's head.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("a head", self.0.read_u8()).await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn read(&mut self, len: usize) -> String {
        String::from_utf8(self.bytes(len).await).unwrap()
    }

    pub(crate) async fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        soon("bytes", self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Waits until the other end is gone.
    pub(crate) async fn gone(&mut self) {
        let mut rest = Vec::new();
        let _ = soon("the end of the connection", self.0.read_to_end(&mut rest)).await;
    }
}

/// An edge that deliveries reach at its address, with one tunnel that is online.
pub(crate) struct Served {
    proxy: FakeProxy,
    pub(crate) edge: TestEdge,
    pub(crate) link: Link,
}

pub(crate) fn to(target: impl ToString) -> TunnelSettings {
    TunnelSettings { target: target.to_string(), ..TunnelSettings::default() }
}

pub(crate) async fn served(settings: TunnelSettings) -> Served {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    add(&edge, "app", settings).await;
    let link = proxy.links.next().await;
    online(&edge, &link).await;
    Served { proxy, edge, link }
}

async fn add(edge: &TestEdge, text: &str, settings: TunnelSettings) {
    let add = AddTunnel { name: Some(name(text)), settings, options: None, on: None };
    api::add_tunnel(&edge.handle, add).await.unwrap();
}

/// Takes the names that the edge tells, and says that they are online.
async fn online(edge: &TestEdge, link: &Link) {
    let told = told(link, |names| !names.is_empty()).await;
    let outcome =
        |name: TunnelName| (name.clone(), NameOutcome::Online { url: format!("https://{name}.example.com") });
    let outcomes = NameOutcomes { tunnels: told.into_iter().map(outcome).collect() };
    link.configure(serde_json::to_value(outcomes).unwrap());
    edge.until("online", |status| status.tunnels.iter().all(|t| t.state == PublicTunnelState::Online)).await;
}

/// The names that the edge tells the proxy, once they are as wanted.
async fn told(link: &Link, wanted: impl Fn(&[TunnelName]) -> bool) -> Vec<TunnelName> {
    let mut config = link.config();
    soon("the names", async {
        loop {
            let names = config.borrow_and_update().clone().map(serde_json::from_value::<ServedNames>);
            let names: Vec<_> = names.map(|names| names.unwrap().tunnels).unwrap_or_default();
            let names: Vec<_> = names.into_iter().map(|served| served.name).collect();
            if wanted(&names) {
                return names;
            }
            config.changed().await.unwrap();
        }
    })
    .await
}

pub(crate) fn visit(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("https://app.example.com{path}"))
        .header("x-postern-tunnel", "app")
        .header("x-postern-request-id", "req_1")
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    visit("GET", path).body(Empty::new()).unwrap()
}

pub(crate) async fn text(response: Response<TunnelBody>) -> String {
    String::from_utf8(soon("a body", response.into_body().collect()).await.unwrap().to_bytes().to_vec())
        .unwrap()
}

/// A body that the test writes piece by piece.
fn written() -> (mpsc::Sender<Bytes>, impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static)
{
    let (sender, pieces) = mpsc::channel(1);
    let pieces = stream::unfold(pieces, |mut pieces: mpsc::Receiver<Bytes>| async move {
        pieces.recv().await.map(|piece| (Ok(Frame::data(piece)), pieces))
    });
    (sender, StreamBody::new(pieces))
}

async fn request_on_record(edge: &TestEdge, wanted: impl Fn(&TunnelRequest) -> bool) -> TunnelRequest {
    let mut live = std::pin::pin!(edge.handle.live(None));
    soon("the request among the live ones", async {
        loop {
            let Some(Live { requests, .. }) = live.next().await else { panic!("the edge ended") };
            if let Some(found) = requests.into_iter().flat_map(|all| all.rows).find(&wanted) {
                return found;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_request_reaches_the_local_server_as_the_visitor_sent_it() {
    let local = Local::start().await;
    let Served { edge, link, proxy } = served(to(local.port)).await;
    let request = visit("PROPFIND", "/a//b%2F..?q=1&q=2")
        .header("x-forwarded-for", "203.0.113.7")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("content-length", "5")
        .body(Full::from("hello"))
        .unwrap();
    let play = async {
        let mut conn = local.accept().await;
        let head = conn.head().await;
        assert_eq!(head.lines().next(), Some("PROPFIND /a//b%2F..?q=1&q=2 HTTP/1.1"));
        let head = head.to_lowercase();
        for line in [
            &format!("host: localhost:{}", local.port),
            "x-forwarded-for: 203.0.113.7",
            "cookie: a=1; b=2",
            "content-length: 5",
        ] {
            assert!(head.lines().any(|there| there == line), "{line}\n{head}");
        }
        assert!(!head.contains("x-postern-tunnel") && !head.contains("transfer-encoding"), "{head}");
        assert_eq!(conn.read(5).await, "hello");
        conn.say("HTTP/1.1 207 Multi\r\nset-cookie: x=1\r\nset-cookie: y=2\r\nx-postern-error: forged\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    };
    let (response, ()) = tokio::join!(link.send(request), play);
    let response = response.unwrap();
    assert_eq!(response.status(), 207);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["x=1", "y=2"]);
    assert!(
        !response.headers().contains_key("x-postern-error") && !response.headers().contains_key("connection")
    );
    assert_eq!(text(response).await, "ok");

    // A delivery still goes to the receiver, whichever way, and never to a tunnel.
    let delivery = Delivery::new("evt_a", &edge, &proxy);
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);
    let status = edge.status().await;
    assert_eq!((status.events, status.tunnels[0].url.as_str()), (1, "https://app.example.com"));
    // A pause of events is no pause of tunnels.
    api::set_paused(&edge.handle, SetPaused { paused: true }).await.unwrap();
    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 204 No\r\n\r\n").await;
    };
    let (response, ()) = tokio::join!(link.send(get("/")), play);
    assert_eq!(response.unwrap().status(), 204);
}

#[tokio::test]
async fn the_public_host_is_kept_on_request_and_either_protocol_is_localhost() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        println!("no IPv6 on this machine: left out");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let local = Local { listener, port };
    let Served { link, .. } = served(TunnelSettings { keep_host: true, ..to(port) }).await;
    let play = async {
        let mut conn = local.accept().await;
        let head = conn.head().await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        head
    };
    let (response, head) = tokio::join!(link.send(get("/")), play);
    assert_eq!(response.unwrap().status(), 200);
    assert!(head.to_lowercase().contains("host: app.example.com\r\n"), "{head}");
}

#[tokio::test]
async fn names_outlive_connections_restarts_and_being_switched_off() {
    let local = Local::start().await;
    let Served { proxy, edge, link } = served(to(local.port)).await;
    drop(link);
    let link = proxy.links.next().await;
    online(&edge, &link).await;
    let edge = edge.restart().await;
    let link = proxy.links.next().await;
    online(&edge, &link).await;
    assert_eq!(proxy.book().registrations, 1);

    // The line is there for this tunnel alone: it ends with it.
    let off = SetTunnelOn { name: name("app"), on: false, take_over: None };
    let tunnel = api::set_tunnel_on(&edge.handle, off).await.unwrap();
    assert_eq!((tunnel.on, tunnel.state), (false, PublicTunnelState::Off));
    soon("the end of the line", link.closed()).await;
    let edge = edge.restart().await;
    let status = edge.until("the tunnels", |status| !status.tunnels.is_empty()).await;
    assert!(!status.tunnels[0].on);
    let hold = edge.handle.hold_tunnels(&[name("app")], false).unwrap();
    let link = proxy.links.next().await;
    online(&edge, &link).await;
    drop(hold);
    soon("the end of the line", link.closed()).await;
    assert_eq!(edge.status().await.tunnels[0].state, PublicTunnelState::Off);
}

#[tokio::test]
async fn what_the_proxy_says_of_a_name_is_shown_and_taking_over_is_said_once() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    add(&edge, "app", to(3000)).await;
    let link = proxy.links.next().await;
    let names = told(&link, |names| !names.is_empty()).await;
    assert_eq!(names, [name("app")]);
    let worker = TunnelWorker {
        id: proxy.book().workers.keys().next().unwrap().parse().unwrap(),
        name: "other".into(),
    };
    let say = |outcome: NameOutcome| {
        let outcomes = NameOutcomes { tunnels: [(name("app"), outcome)].into() };
        link.configure(serde_json::to_value(outcomes).unwrap());
    };
    say(NameOutcome::Elsewhere { worker: worker.clone() });
    let elsewhere = PublicTunnelState::Elsewhere { worker };
    edge.until("elsewhere", |status| status.tunnels[0].state == elsewhere).await;

    let mut config = link.config();
    config.borrow_and_update();
    let take = SetTunnelOn { name: name("app"), on: true, take_over: Some(true) };
    api::set_tunnel_on(&edge.handle, take).await.unwrap();
    let taking = |value: &serde_json::Value| value["tunnels"][0]["takeOver"].as_bool();
    soon("the wish", config.wait_for(|value| value.as_ref().and_then(taking) == Some(true))).await.unwrap();
    say(NameOutcome::Online { url: "https://app.example.com".into() });
    edge.until("online", |status| status.tunnels[0].state == PublicTunnelState::Online).await;
    soon("no wish any more", config.wait_for(|value| value.as_ref().and_then(taking) == Some(false)))
        .await
        .unwrap();
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once_with_their_trailers() {
    let local = Local::start().await;
    let Served { link, .. } = served(to(local.port)).await;
    let (upload, body) = written();
    let sending = tokio::spawn(async move {
        let sent = link.send(visit("POST", "/duplex").body(body).unwrap()).await.unwrap();
        (link, sent)
    });
    let mut conn = local.accept().await;
    assert!(conn.head().await.to_lowercase().contains("transfer-encoding: chunked"));
    upload.send("one".into()).await.unwrap();
    assert_eq!(conn.read(8).await, "3\r\none\r\n");
    // The answer begins, and arrives, before the request has ended.
    conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n").await;
    let (_link, response) = soon("the head", sending).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(soon("a frame", body.frame()).await.unwrap().unwrap().into_data().unwrap(), "hi");
    upload.send("two".into()).await.unwrap();
    assert_eq!(conn.read(8).await, "3\r\ntwo\r\n");
    drop(upload);
    assert_eq!(conn.read(5).await, "0\r\n\r\n");
    conn.say("0\r\nx-sum: 5\r\n\r\n").await;
    let rest = soon("the end", body.collect()).await.unwrap();
    assert_eq!(rest.trailers().unwrap()["x-sum"], "5");
}

#[tokio::test]
async fn whoever_hangs_up_is_heard_at_the_other_end() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(local.port)).await;
    let seen = tokio::spawn({
        let handle = edge.handle.clone();
        async move {
            let mut live = std::pin::pin!(handle.live(None));
            let mut errors = Vec::new();
            while let Some(Live { requests, .. }) = live.next().await {
                errors.extend(requests.into_iter().flat_map(|all| all.rows).filter_map(|row| row.error));
                if errors.len() == 3 {
                    return errors;
                }
            }
            errors
        }
    });
    // The visitor leaves before the answer, and in the middle of it.
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { drop(link.send(get("/slow")).await) }
    });
    let mut conn = local.accept().await;
    conn.head().await;
    waiting.abort();
    conn.gone().await;
    let sending = link.send(get("/endless"));
    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin").await;
        conn
    };
    let (response, mut conn) = tokio::join!(sending, play);
    drop(response.unwrap());
    conn.gone().await;
    // The local server leaves in the middle: never a clean end.
    for framing in ["content-length: 100\r\n\r\nbegin", "transfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n"] {
        let play = async {
            let mut conn = local.accept().await;
            conn.head().await;
            conn.say(&format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        };
        let (response, ()) = tokio::join!(link.send(get("/cut")), play);
        assert!(soon("the cut", response.unwrap().into_body().collect()).await.is_err());
    }
    let errors = soon("all on record", seen).await.unwrap();
    assert_eq!(errors[0], "given up before its end");
    assert!(errors.contains(&"the local server broke off its answer".to_owned()), "{errors:?}");
}

#[tokio::test]
async fn a_server_that_is_down_is_explained_and_reached_again() {
    let local = Local::start().await;
    let port = local.port;
    let Served { edge, link, .. } = served(to(port)).await;
    drop(local);
    let refused = link.send(get("/")).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["x-postern-error"].as_bytes()),
        (502, &b"target.refused"[..])
    );
    let error: ErrorBody = serde_json::from_str(&text(refused).await).unwrap();
    assert_eq!(error.error.code, "target.refused");
    assert!(
        error.error.message.contains(&format!("Nothing listens on port {port}")),
        "{}",
        error.error.message
    );

    let local = Local::at(&format!("127.0.0.1:{port}")).await;
    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").await;
    };
    let (response, ()) = tokio::join!(link.send(get("/")), play);
    assert_eq!(text(response.unwrap()).await, "back");

    // Silent, and gone without a word.
    let change = ChangeTunnel {
        name: name("app"),
        settings: Some(TunnelSettings { timeout_seconds: 1, ..to(port) }),
        options: None,
    };
    api::change_tunnel(&edge.handle, change).await.unwrap();
    let silent = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.gone().await;
    };
    let (response, ()) = tokio::join!(link.send(get("/")), silent);
    let response = response.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["x-postern-error"].as_bytes()),
        (504, &b"target.timeout"[..])
    );
    let silent = async {
        let mut conn = local.accept().await;
        conn.head().await;
    };
    let post = visit("POST", "/").header("content-length", "2").body(Full::from("hi")).unwrap();
    let (response, ()) = tokio::join!(link.send(post), silent);
    let response = response.unwrap();
    assert_eq!(response.status(), 502);
    assert!(text(response).await.contains("not sent again"));
}

#[tokio::test]
async fn an_idle_connection_is_used_again_and_nothing_is_sent_twice() {
    let local = Local::start().await;
    let Served { link, .. } = served(to(local.port)).await;
    let post =
        |n: u32| visit("POST", &format!("/{n}")).header("content-length", "1").body(Full::from("x")).unwrap();
    let first = async {
        let mut conn = local.accept().await;
        conn.head().await;
        assert_eq!(conn.read(1).await, "x");
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1").await;
        conn
    };
    let (response, mut conn) = tokio::join!(link.send(post(1)), first);
    assert_eq!(text(response.unwrap()).await, "1");
    // On the same connection, which then dies with the request unanswered.
    let second = async {
        assert!(conn.head().await.starts_with("POST /2 "));
        drop(conn);
    };
    let (response, ()) = tokio::join!(link.send(post(2)), second);
    assert_eq!(response.unwrap().status(), 502);
    // It was not sent again: the next that comes is the next that was sent.
    let third = async {
        let mut conn = local.accept().await;
        assert!(conn.head().await.starts_with("POST /3 "));
        assert_eq!(conn.read(1).await, "x");
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n3").await;
        conn
    };
    let (response, conn) = tokio::join!(link.send(post(3)), third);
    assert_eq!(text(response.unwrap()).await, "3");
    // One that ended while it was idle costs nothing.
    drop(conn);
    let fourth = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n4").await;
    };
    let (response, ()) = tokio::join!(link.send(get("/4")), fourth);
    assert_eq!(text(response.unwrap()).await, "4");
}

#[tokio::test]
async fn websockets_go_through_and_a_refusal_is_answered_as_it_is() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(local.port)).await;
    let asked = || visit("GET", "/chat").header("sec-websocket-protocol", "chat").body(()).unwrap();
    let play = async {
        let mut conn = local.accept().await;
        let head = conn.head().await.to_lowercase();
        for line in
            ["get /chat http/1.1", "upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13"]
        {
            assert!(head.lines().any(|there| there == line), "{line}\n{head}");
        }
        conn.say("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\nsec-websocket-protocol: chat\r\n\r\n").await;
        conn
    };
    let (response, mut conn) = tokio::join!(link.connect(asked(), "websocket"), play);
    let response = response.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["sec-websocket-protocol"]),
        (StatusCode::OK, &"chat".parse().unwrap())
    );
    let mut visitor = response.into_body().unwrap();
    visitor.write_all(b"ping").await.unwrap();
    assert_eq!(conn.read(4).await, "ping");
    conn.say("pong").await;
    let mut bytes = [0; 4];
    soon("bytes", visitor.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"pong");
    let ended = request_on_record(&edge, |request| !request.open);
    let end = async {
        visitor.shutdown().await.unwrap();
        conn.gone().await;
        drop(conn);
        drop(visitor);
    };
    let (ended, ()) = tokio::join!(ended, end);
    assert_eq!(
        (ended.kind, ended.status, ended.request_bytes, ended.response_bytes),
        (ExchangeKind::WebSocket, Some(101), 4, 4)
    );
    assert_eq!(ended.error, None);

    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 403 Forbidden\r\nx-why: no\r\ncontent-length: 0\r\n\r\n").await;
    };
    let (response, ()) = tokio::join!(link.connect(asked(), "websocket"), play);
    let response = response.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["x-why"].as_bytes()), (403, &b"no"[..]));
}

#[tokio::test]
async fn server_sent_events_come_one_by_one() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(local.port)).await;
    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn
    };
    let watched = request_on_record(&edge, |request| request.open);
    let (response, mut conn, opened) = tokio::join!(link.send(get("/events")), play, watched);
    assert_eq!((opened.kind, opened.status), (ExchangeKind::Events, Some(200)));
    let mut body = response.unwrap().into_body();
    for n in 0..3 {
        let event = format!("data: {n}\n\n");
        conn.say(&event).await;
        assert_eq!(soon("an event", body.frame()).await.unwrap().unwrap().into_data().unwrap(), event);
    }
    drop(conn);
    assert!(soon("the end", body.frame()).await.is_none());
}

#[tokio::test]
async fn a_self_signed_server_is_reached_on_request_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cert = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(cert.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(format!("https://localhost:{}", local.port))).await;
    let serve = async || {
        let conn = local.accept().await;
        let Ok(mut stream) = acceptor.accept(conn.0).await else { return };
        let mut bytes = [0; 4096];
        if stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let (response, ()) = tokio::join!(link.send(get("/")), serve());
    let response = response.unwrap();
    assert_eq!(response.status(), 502);
    let said = text(response).await;
    assert!(said.contains("No TLS") && said.contains("self-signed"), "{said}");
    let settings = TunnelSettings { insecure: true, ..to(format!("https://localhost:{}", local.port)) };
    let change = ChangeTunnel { name: name("app"), settings: Some(settings), options: None };
    api::change_tunnel(&edge.handle, change).await.unwrap();
    let (response, ()) = tokio::join!(link.send(get("/")), serve());
    assert_eq!(text(response.unwrap()).await, "secret");
}

#[tokio::test]
async fn a_large_body_goes_through_both_ways() {
    use sha2::{Digest, Sha256};
    let echo = axum::Router::new().fallback(|body: axum::body::Body| async move { body });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move { axum::serve(listener, echo).await.unwrap() });
    let Served { edge, link, .. } = served(to(port)).await;
    let piece = Bytes::from((0..=255).cycle().take(64 << 10).collect::<Vec<u8>>());
    let pieces = 256_usize;
    let mut wanted = Sha256::new();
    (0..pieces).for_each(|_| wanted.update(&piece));
    let sent = stream::iter((0..pieces).map(move |_| Ok::<_, Infallible>(Frame::data(piece.clone()))));
    let request = visit("POST", "/").body(StreamBody::new(sent)).unwrap();
    let mut body = link.send(request).await.unwrap().into_body();
    let mut got = Sha256::new();
    while let Some(frame) = soon("a frame", body.frame()).await {
        got.update(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(got.finalize(), wanted.finalize());
    let traffic = api::tunnels(&edge.handle).await.unwrap().traffic;
    assert_eq!((traffic[0].total, traffic[0].failed, traffic[0].sparks.iter().sum::<u32>()), (1, 0, 1));
    server.abort();
}

#[tokio::test]
async fn names_are_reserved_changed_and_given_up_at_the_proxy() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let access = TunnelAccess::Basic { user: "ada".into(), password: Some(Secret::new("correct horse")) };
    let options = TunnelOptions { access, ..TunnelOptions::default() };
    let reserve = ReserveName { name: Some(name("app")), options: Some(options.clone()) };
    let info = api::reserve_tunnel(&edge.handle, reserve).await.unwrap();
    assert_eq!(info.url, "https://app.example.com");
    assert_eq!(proxy.book().tunnel_options["app"]["access"]["password"], "correct horse");
    add(&edge, "app", to(3000)).await;
    let random = AddTunnel { name: None, settings: to(3001), options: None, on: Some(false) };
    let random = api::add_tunnel(&edge.handle, random).await.unwrap();
    assert_eq!((random.on, random.settings.target.as_str()), (false, "http://localhost:3001"));
    let change = ChangeTunnel {
        name: name("app"),
        settings: None,
        options: Some(TunnelOptions { allow: vec!["10.0.0.0/8".into()], ..TunnelOptions::default() }),
    };
    api::change_tunnel(&edge.handle, change).await.unwrap();
    assert_eq!(proxy.book().tunnel_options["app"]["allow"][0], "10.0.0.0/8");
    assert_eq!(api::reserved_tunnels(&edge.handle).await.unwrap().tunnels.len(), 2);

    let own: u16 = edge.handle.receiver_url().rsplit(':').next().unwrap().parse().unwrap();
    for (target, why) in [
        (own.to_string(), "Postern itself"),
        ("example.com".into(), "local network"),
        ("x y".into(), "not an address"),
    ] {
        let add = AddTunnel { name: Some(name("bad")), settings: to(target), options: None, on: None };
        let refused = api::add_tunnel(&edge.handle, add).await.unwrap_err();
        assert_eq!(refused.code, "request.malformed");
        assert!(refused.message.contains(why), "{}", refused.message);
    }
    assert!(!proxy.book().tunnel_options.contains_key("bad"), "nothing was reserved for it");
    let left = api::release_tunnel(&edge.handle, TunnelKey { name: name("app") }).await.unwrap();
    assert_eq!(left.tunnels.len(), 1);
    let unknown = api::remove_tunnel(&edge.handle, TunnelKey { name: name("app") }).await.unwrap_err();
    assert_eq!(unknown.code, "not_found");
    let left = api::remove_tunnel(&edge.handle, TunnelKey { name: random.name }).await.unwrap();
    assert!(left.tunnels.is_empty());
    assert_eq!(proxy.book().tunnel_options.len(), 1, "its name stays reserved");
}

#[tokio::test]
async fn a_tunnel_that_is_off_is_not_reached() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(local.port)).await;
    add(&edge, "other", to(local.port)).await;
    let off = SetTunnelOn { name: name("app"), on: false, take_over: None };
    api::set_tunnel_on(&edge.handle, off).await.unwrap();
    told(&link, |names| *names == [name("other")]).await;
    let mut headers = HeaderMap::new();
    for (tunnel, code) in
        [("app", "tunnel.offline"), ("none", "tunnel.offline"), ("NO NAME", "tunnel.offline")]
    {
        headers.insert("x-postern-tunnel", tunnel.parse().unwrap());
        let mut request = get("/");
        *request.headers_mut() = headers.clone();
        let response = link.send(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["x-postern-error"].to_str().unwrap()),
            (502, code)
        );
    }
}

#[tokio::test]
async fn grpc_goes_over_http_2_to_the_local_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let Served { link, .. } = served(to(port)).await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let echo = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
            assert_eq!(
                (request.version(), request.uri().path()),
                (http::Version::HTTP_2, "/pkg.Greeter/Say")
            );
            assert_eq!(request.headers()["te"], "trailers");
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
            let frames = [Ok::<_, Infallible>(Frame::data(body)), Ok(Frame::trailers(trailers))];
            let answer = Response::builder().header("content-type", "application/grpc");
            Ok::<_, Infallible>(answer.body(StreamBody::new(stream::iter(frames))).unwrap())
        });
        let executor = hyper_util::rt::TokioExecutor::new();
        let http = hyper::server::conn::http2::Builder::new(executor);
        http.serve_connection(hyper_util::rt::TokioIo::new(stream), echo).await
    });
    for _ in 0..2 {
        let request = visit("POST", "/pkg.Greeter/Say").header("content-type", "application/grpc+proto");
        let request = request.header("te", "trailers").body(Full::from("\0\0\0\0\x01x")).unwrap();
        let response = link.send(request).await.unwrap();
        let body = soon("the answer", response.into_body().collect()).await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(body.to_bytes(), "\0\0\0\0\x01x");
    }
    server.abort();
}
