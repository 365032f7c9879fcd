//! The local API over HTTP, as a browser, a second program and an attacker
//! meet it.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, client, config, soon};
use crate::target::Target;
use axum::Router;
use axum::routing::get;
use postern_edge::{ApiConfig, Running};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

struct Http {
    url: String,
    bearer: String,
}

impl Http {
    async fn new(edge: &TestEdge) -> Self {
        let url = edge.handle.api_url().unwrap().to_owned();
        let bearer = exchange(&url, edge.handle.mint_token().reveal()).await.unwrap();
        Self { url, bearer }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        client().post(format!("{}{path}", self.url)).bearer_auth(&self.bearer)
    }
}

async fn exchange(url: &str, token: &str) -> Result<String, (u16, Value)> {
    let answer =
        client().post(format!("{url}/api/session")).json(&json!({ "token": token })).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    if status == 200 { Ok(body["bearer"].as_str().unwrap().into()) } else { Err((status, body)) }
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_one_time_token_opens_a_session_once() {
    let edge = TestEdge::start().await;
    let url = edge.handle.api_url().unwrap();
    let token = edge.handle.mint_token();
    let bearer = exchange(url, token.reveal()).await.unwrap();
    let answer = client().post(format!("{url}/api/status")).bearer_auth(bearer).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let (status, body) = exchange(url, token.reveal()).await.unwrap_err();
    assert_eq!((status, &body["code"]), (401, &json!("auth.invalid")));

    let late = edge.handle.mint_token();
    edge.clock.turn(5 * 60_000 + 1);
    assert_eq!(exchange(url, late.reveal()).await.unwrap_err().0, 401);
}

#[tokio::test]
async fn a_second_program_attaches_through_the_data_folder() {
    let edge = TestEdge::start().await;
    let running = Running::find(edge.dir.path()).unwrap().unwrap();
    assert_eq!(running.pid, std::process::id());
    let url = running.api_url.unwrap();
    assert_eq!(Some(url.as_str()), edge.handle.api_url());
    let bearer = exchange(&url, running.control_token.reveal()).await.unwrap();
    let minted = client().post(format!("{url}/api/token")).bearer_auth(bearer).send().await.unwrap();
    let minted: Value = minted.json().await.unwrap();
    assert!(exchange(&url, minted["token"].as_str().unwrap()).await.is_ok(), "and opens a browser");
}

#[tokio::test]
async fn without_a_bearer_nothing_is_told() {
    let edge = TestEdge::start().await;
    let http = Http::new(&edge).await;
    for path in ["/api/status", "/api/token", "/api/nonsense"] {
        let none = client().post(format!("{}{path}", http.url)).send().await.unwrap();
        assert_eq!(none.headers()["www-authenticate"], "Bearer");
        assert_eq!(code(none).await, (401, "auth.invalid".into()), "{path}");
        let wrong = client().post(format!("{}{path}", http.url)).bearer_auth("0".repeat(64));
        assert_eq!(wrong.send().await.unwrap().status(), 401, "{path}");
    }
    let live = client().get(format!("{}/api/live", http.url)).send().await.unwrap();
    assert_eq!(live.status(), 401);
    let query = client().get(format!("{}/api/live?bearer={}", http.url, http.bearer)).send().await.unwrap();
    assert_eq!(query.status(), 401, "nor in the address");
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let edge = TestEdge::start().await;
    let http = Http::new(&edge).await;
    let port = http.url.rsplit(':').next().unwrap();
    let with = |name: &'static str, value: String| http.post("/api/status").header(name, value).send();
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"] {
        assert_eq!(
            code(with("host", host.into()).await.unwrap()).await,
            (403, "auth.forbidden".into()),
            "{host}"
        );
    }
    let rebound = with("host", format!("evil.example:{port}")).await.unwrap();
    assert_eq!(rebound.status(), 403);
    for host in ["localhost", "LOCALHOST", "[::1]", "127.0.0.1"] {
        assert_eq!(with("host", format!("{host}:{port}")).await.unwrap().status(), 200, "{host}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://localhost:1"] {
        assert_eq!(with("origin", origin.into()).await.unwrap().status(), 403, "{origin}");
    }
    let other_name = with("origin", format!("http://localhost:{port}")).await.unwrap();
    assert_eq!(other_name.status(), 403, "another origin, to a browser");
    assert_eq!(with("origin", http.url.clone()).await.unwrap().status(), 200);
    let session = client().post(format!("{}/api/session", http.url)).header("origin", "https://evil.example");
    assert_eq!(session.body("{}").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn bad_requests_have_precise_answers() {
    let edge = TestEdge::start().await;
    let http = Http::new(&edge).await;
    let send = async |request: RequestBuilder| code(request.send().await.unwrap()).await;
    assert_eq!(send(http.post("/api/explode")).await, (404, "not_found".into()));
    assert_eq!(send(http.post("/api/a/b")).await, (404, "not_found".into()));
    assert_eq!(send(http.post("/api/events").body("{")).await, (400, "request.malformed".into()));
    assert_eq!(
        send(http.post("/api/events").body(b"\xff".to_vec())).await,
        (400, "request.malformed".into())
    );
    assert_eq!(
        send(http.post("/api/events").body("[".repeat(10_000))).await,
        (400, "request.malformed".into())
    );
    assert_eq!(send(http.post("/api/events").body("[]")).await, (400, "request.malformed".into()));
    assert_eq!(
        send(http.post("/api/events").body("x".repeat(2 << 20))).await,
        (413, "body.too_large".into())
    );
    assert_eq!(send(http.post("/api/event").body(r#"{"id":"evt_1"}"#)).await, (404, "not_found".into()));
    assert_eq!(send(http.post("/api/session").body("{}")).await, (400, "request.malformed".into()));
    let get = client().get(format!("{}/api/session", http.url));
    assert_eq!(send(get).await, (405, "method_not_allowed".into()));
    let live = client().get(format!("{}/api/live?after=x", http.url)).bearer_auth(&http.bearer);
    assert_eq!(send(live).await, (400, "request.malformed".into()));
    let own = format!("{}/api/live?listen={}", http.url, http.url);
    assert_eq!(send(client().get(own).bearer_auth(&http.bearer)).await, (400, "request.malformed".into()));
}

/// The next `data:` of a stream of server-sent events.
async fn data(stream: &mut Response, buffer: &mut String) -> Value {
    loop {
        if let Some((event, rest)) = buffer.split_once("\n\n") {
            let data = event.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap());
            *buffer = rest.to_owned();
            match data {
                Some(data) => return data,
                None => continue,
            }
        }
        let chunk = soon("a chunk", stream.chunk()).await.unwrap().expect("the stream goes on");
        buffer.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn live_streams_and_listens() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let http = Http::new(&edge).await;
    let mut target = Target::ok().await;
    let url = format!("{}/api/live?after=0&listen={}", http.url, target.url().replace('?', "%3F"));
    let mut stream = client().get(url).bearer_auth(&http.bearer).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut buffer = String::new();
    assert_eq!(data(&mut stream, &mut buffer).await["status"]["connection"]["state"], "live");
    let hook = edge.hook().await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    assert_eq!(target.next().await.header("postern-event-id"), Some("evt_1"));
    loop {
        let live = data(&mut stream, &mut buffer).await;
        if live["changes"]["rows"][0]["outcome"]["kind"] == "succeeded" {
            break;
        }
    }
    // The stream's end is the listener's.
    drop(stream);
    let gone = async {
        let mut n = 2;
        loop {
            let id = format!("evt_{n}");
            Delivery::new(&id, &edge, &proxy).post(&hook).await;
            let event = postern_edge::api::event(&edge.handle, postern_edge::api::EventKey { id });
            if event.await.unwrap().summary.outcome.label == "no handler" {
                return;
            }
            n += 1;
        }
    };
    soon("the end of the listener", gone).await;
}

#[tokio::test]
async fn the_ui_is_served_beside_the_api_under_the_same_guard() {
    let (clock, dir) = TestEdge::start().await.stop().await;
    let ui = Router::new().route("/", get(|| async { "the page" }));
    let mut config = config(dir.path(), &clock);
    config.api = Some(ApiConfig { ui: Some(ui), ..ApiConfig::default() });
    let edge = TestEdge::run(config, clock, dir).await;
    let url = edge.handle.api_url().unwrap();
    let page = client().get(url).send().await.unwrap();
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.text().await.unwrap(), "the page");
    let rebound = client().get(url).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), 403);
}
