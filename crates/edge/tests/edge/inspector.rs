//! What the inspector keeps of what goes through public tunnels.

use crate::public::{Local, Served, get, name, served, text, to, visit};
use crate::support::TestEdge;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use postern_edge::api::{
    self, Body, ClearTunnelRequests, ReplayTunnelRequest, TunnelRequestDetail, TunnelRequestEdit,
    TunnelRequestKey, TunnelRequestQuery, TunnelSettings,
};
use postern_protocol::HeaderList;
use postern_tunnel::Link;
use tokio::io::AsyncWriteExt;

/// Sends a request, has the local server answer it, and says what came there.
async fn exchange(
    link: &Link,
    local: &Local,
    request: http::Request<Full<Bytes>>,
    body: usize,
    answer: &str,
) -> String {
    let play = async {
        let mut conn = local.accept().await;
        let came = conn.head().await + &conn.read(body).await;
        conn.say(answer).await;
        came
    };
    let (response, came) = tokio::join!(link.send(request), play);
    text(response.unwrap()).await;
    came
}

async fn found(edge: &TestEdge, query: TunnelRequestQuery) -> Vec<u64> {
    let page = api::tunnel_requests(&edge.handle, query).await.unwrap();
    assert_eq!(page.dropped, 0);
    page.rows.into_iter().map(|row| row.id).collect()
}

async fn detail(edge: &TestEdge, id: u64, reveal: bool) -> TunnelRequestDetail {
    api::tunnel_request(&edge.handle, TunnelRequestKey { id, reveal: Some(reveal) }).await.unwrap()
}

fn post(path: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    visit("POST", path)
        .header("authorization", "Bearer t0p")
        .header("cookie", "sid=s3cret")
        .header("content-length", body.len())
        .body(Full::from(body))
        .unwrap()
}

const OK: &str =
    "HTTP/1.1 201 Made\r\nset-cookie: sid=s3cret\r\nconnection: close\r\ncontent-length: 4\r\n\r\nmade";

#[tokio::test]
async fn a_request_is_kept_searched_and_replayed_byte_by_byte() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(local.port)).await;
    let came = exchange(&link, &local, post("/a?b=c", "{\"x\":1}"), 7, OK).await;
    exchange(
        &link,
        &local,
        post("/other", "other"),
        5,
        "HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let all = found(&edge, TunnelRequestQuery::default()).await;
    let [other, first] = all[..] else { panic!("{all:?}") };
    let query = |change: fn(&mut TunnelRequestQuery)| {
        let mut query = TunnelRequestQuery::default();
        change(&mut query);
        query
    };
    assert_eq!(found(&edge, query(|q| q.search = Some("{\"x\":1".into()))).await, [first]);
    assert_eq!(found(&edge, query(|q| q.status = Some("5xx".into()))).await, [other]);
    assert_eq!(found(&edge, query(|q| q.path = Some("/a?".into()))).await, [first]);
    assert_eq!(found(&edge, query(|q| q.least_bytes = Some(6))).await, [first]);
    assert_eq!(found(&edge, query(|q| q.method = Some("get".into()))).await, [0; 0]);
    assert_eq!(found(&edge, query(|q| q.tunnel = Some("other-one".parse().unwrap()))).await, [0; 0]);
    assert_eq!(found(&edge, query(|q| q.least_micros = Some(60_000_000))).await, [0; 0]);
    let wrong = api::tunnel_requests(&edge.handle, query(|q| q.status = Some("6xx".into()))).await;
    assert_eq!(wrong.unwrap_err().code, "request.malformed");

    let hidden = detail(&edge, first, false).await;
    assert!(hidden.redacted);
    let written = serde_json::to_string(&hidden).unwrap();
    assert!(!written.contains("t0p") && !written.contains("s3cret"), "{written}");
    assert!(hidden.curl.contains(&format!("'http://localhost:{}/a?b=c'", local.port)), "{}", hidden.curl);
    let shown = detail(&edge, first, true).await;
    assert_eq!(shown.request_headers.get("authorization"), Some("Bearer t0p"));
    assert_eq!(shown.request_body, Body::Utf8 { text: "{\"x\":1}".into() });
    assert_eq!(shown.response_body, Body::Utf8 { text: "made".into() });
    assert_eq!((shown.request.status, shown.request.response_bytes), (Some(201), 4));

    let replay = async |edit: Option<TunnelRequestEdit>, body: usize| {
        let play = async {
            let mut conn = local.accept().await;
            let came = conn.head().await + &conn.read(body).await;
            conn.say(OK).await;
            came
        };
        let args = ReplayTunnelRequest { id: first, edit };
        let (replayed, came) = tokio::join!(api::replay_tunnel_request(&edge.handle, args), play);
        (replayed.unwrap(), came)
    };
    let (replayed, again) = replay(None, 7).await;
    assert_eq!(again, came, "byte by byte");
    assert_eq!((replayed.replay_of, replayed.status, replayed.open), (Some(first), Some(201), false));
    assert_eq!(detail(&edge, replayed.id, true).await.response_body, shown.response_body);
    // A redacted value stands for the one that came.
    let mut headers: HeaderList = hidden.request_headers.clone();
    headers.push("x-edited", "yes");
    let edit = TunnelRequestEdit {
        method: Some("PUT".into()),
        path: Some("/b".into()),
        headers: Some(headers),
        body: Some(Body::Utf8 { text: "edited!!".into() }),
    };
    let (_, came) = replay(Some(edit), 8).await;
    assert!(came.starts_with("PUT /b HTTP/1.1\r\n") && came.ends_with("\r\n\r\nedited!!"), "{came}");
    assert!(
        came.contains("Bearer t0p") && came.contains("x-edited: yes") && came.contains("content-length: 8"),
        "{came}"
    );
    let bad = TunnelRequestEdit { path: Some("no path".into()), ..TunnelRequestEdit::default() };
    let bad =
        api::replay_tunnel_request(&edge.handle, ReplayTunnelRequest { id: first, edit: Some(bad) }).await;
    assert_eq!(bad.unwrap_err().code, "request.malformed");

    let har = api::export_har(&edge.handle, query(|q| q.search = Some("{\"x\":1".into()))).await.unwrap();
    let entry = &har["log"]["entries"][1];
    assert_eq!(entry["request"]["url"], "https://app.example.com/a?b=c");
    assert_eq!(
        (&entry["request"]["postData"]["text"], &entry["response"]["status"]),
        (&"{\"x\":1}".into(), &201.into())
    );
    assert!(!har.to_string().contains("s3cret"));
    let left = api::clear_tunnel_requests(&edge.handle, ClearTunnelRequests::default()).await.unwrap();
    assert!(left.rows.is_empty());
    let gone = api::tunnel_request(&edge.handle, TunnelRequestKey { id: first, reveal: None }).await;
    assert_eq!(gone.unwrap_err().code, "not_found");
}

#[tokio::test]
async fn frames_and_events_are_listed_and_large_bodies_cut() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(to(local.port)).await;
    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 101 Yes\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n").await;
        conn
    };
    let asked = visit("GET", "/chat").body(()).unwrap();
    let (response, mut conn) = tokio::join!(link.connect(asked, "websocket"), play);
    let mut visitor = response.unwrap().into_body().unwrap();
    // A masked "Hello", then an unmasked one.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    visitor.write_all(&hello).await.unwrap();
    conn.bytes(hello.len()).await;
    conn.say("\u{1}").await;
    visitor.shutdown().await.unwrap();
    conn.gone().await;
    drop((conn, visitor));
    let wanted = |row: &api::TunnelRequest| !row.open;
    let id = ended(&edge, wanted).await;
    let detail_of = detail(&edge, id, false).await;
    assert_eq!(detail_of.frames.len(), 1, "{:?}", detail_of.frames);
    let frame = &detail_of.frames[0];
    assert_eq!((frame.from_visitor, frame.kind.as_str(), frame.size), (true, "text", 5));
    assert_eq!(frame.body, Body::Utf8 { text: "Hello".into() });
    let refused = api::replay_tunnel_request(&edge.handle, ReplayTunnelRequest { id, edit: None }).await;
    assert_eq!(refused.unwrap_err().code, "request.unsupported");

    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2\n\n").await;
    };
    let (response, ()) = tokio::join!(link.send(get("/events")), play);
    text(response.unwrap()).await;
    let id = found(&edge, TunnelRequestQuery { limit: Some(1), ..TunnelRequestQuery::default() }).await[0];
    let frames = detail(&edge, id, false).await.frames;
    assert_eq!(frames.iter().map(|frame| frame.kind.as_str()).collect::<Vec<_>>(), ["event", "event"]);

    let large = Bytes::from(vec![b'x'; 3 << 20]);
    let request =
        visit("POST", "/large").header("content-length", large.len()).body(Full::new(large)).unwrap();
    let play = async {
        let mut conn = local.accept().await;
        conn.head().await;
        conn.read(3 << 20).await;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    };
    let (response, ()) = tokio::join!(link.send(request), play);
    response.unwrap().into_body().collect().await.unwrap();
    let id =
        found(&edge, TunnelRequestQuery { path: Some("/large".into()), ..TunnelRequestQuery::default() })
            .await[0];
    let large = detail(&edge, id, false).await;
    assert!(large.request_truncated && large.request.request_bytes == 3 << 20);
    assert!(matches!(&large.request_body, Body::Utf8 { text } if text.len() == 1 << 20));
    let refused = api::replay_tunnel_request(&edge.handle, ReplayTunnelRequest { id, edit: None }).await;
    assert_eq!(refused.unwrap_err().code, "request.unsupported");
}

/// The newest request, once it is as wanted.
async fn ended(edge: &TestEdge, wanted: impl Fn(&api::TunnelRequest) -> bool) -> u64 {
    crate::support::soon("the end of the request", async {
        loop {
            let page = api::tunnel_requests(&edge.handle, TunnelRequestQuery::default()).await.unwrap();
            match page.rows.into_iter().next().filter(&wanted) {
                Some(row) => return row.id,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn nothing_is_kept_of_a_tunnel_that_is_not_inspected() {
    let local = Local::start().await;
    let Served { edge, link, .. } = served(TunnelSettings { inspect: false, ..to(local.port) }).await;
    exchange(&link, &local, post("/a", "x"), 1, OK).await;
    assert_eq!(found(&edge, TunnelRequestQuery::default()).await, [0; 0]);
    assert_eq!(api::tunnels(&edge.handle).await.unwrap().traffic[0].total, 1);
    let again = TunnelRequestQuery { tunnel: Some(name("app")), ..TunnelRequestQuery::default() };
    assert_eq!(found(&edge, again).await, [0; 0]);
}
