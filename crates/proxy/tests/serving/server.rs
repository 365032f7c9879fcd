//! The server itself: errors, limits, drain.

use crate::harness::{Proxy, Receiver, Reply, call, exchange, linear_body, soon};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use postern_protocol::Provider;
use postern_protocol::api::{SourceList, WorkerList, WorkspaceInfo};
use postern_proxy::store::Scope;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;

#[tokio::test]
async fn unknown_routes_and_methods_answer_like_all_errors() {
    let proxy = Proxy::start().await;
    for path in ["/", "/hooks", "/hooks/a/b", "/nothing", "/v1", "/healthz", "/metrics"] {
        assert_eq!(call(proxy.address, Method::GET, path, &[], "").await.error(), "404 not_found", "{path}");
    }
    for (method, path, allow) in [
        (Method::GET, "/hooks/src_1", "POST"),
        (Method::PUT, "/edge/register", "POST"),
        (Method::GET, "/edge/workers/w", "DELETE"),
        (Method::POST, "/v1/workspace", "GET,HEAD"),
    ] {
        let answer = call(proxy.address, method, path, &[], "").await;
        assert_eq!(answer.error(), "405 method_not_allowed");
        assert_eq!(answer.header("allow"), allow);
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn a_handlers_panic_is_one_requests_500() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    proxy.store.panics.store(true, Ordering::SeqCst);
    let answer = proxy.linear(&source, "d-1", &linear_body(proxy.now(), 1)).await;
    assert_eq!(answer.error(), "500 internal");
    proxy.store.panics.store(false, Ordering::SeqCst);
    proxy.event(&source, 1).await;
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let proxy = Proxy::with("[limits]\nheader_timeout = \"50ms\"\n").await;
    exchange(proxy.address, b"POST /hooks/x HTTP/1.1\r\nhost:").await;
    exchange(proxy.address, b"").await;
    let refused = exchange(proxy.address, b"nonsense\r\n\r\n").await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 400"), "{refused}");
}

#[tokio::test]
async fn connections_are_kept_until_the_proxy_stops() {
    let proxy = Proxy::start().await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..3 {
        let request =
            Request::builder().uri("/nothing").header("host", "x").body(Empty::<Bytes>::new()).unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 404);
        answer.into_body().collect().await.unwrap();
    }
    proxy.stop.cancel();
    // Idle, it is closed at once and not at the drain's deadline.
    soon("the connection's end", connection).await.unwrap().unwrap();
    let address = proxy.address;
    proxy.stopped().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    proxy.store.gate.send_replace(false);
    let body = linear_body(proxy.now(), 1);
    let post = proxy.linear(&source, "d-1", &body);
    let stopping = async {
        soon("the commit", proxy.store.at_gate.acquire()).await.unwrap().forget();
        proxy.stop.cancel();
        let ready = call(proxy.admin, Method::GET, "/readyz", &[], "").await;
        assert_eq!(ready.status, 503);
        proxy.store.gate.send_replace(true);
    };
    let (answer, ()) = tokio::join!(post, stopping);
    assert_eq!(answer.status, 200, "a webhook that was being committed is answered");
    proxy.stopped().await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_longer_than_the_drain() {
    let mut proxy = Proxy::with("drain = \"50ms\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    receiver.always(Reply::Hang);
    proxy.register(&receiver).await;
    proxy.event(&source, 1).await;
    receiver.delivery().await;
    proxy.stop.cancel();
    proxy.stopped().await.unwrap();
}

#[tokio::test]
async fn the_workspace_and_its_sources() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let workspace: WorkspaceInfo = proxy.get("/v1/workspace", &proxy.token).await.json();
    assert_eq!((workspace.id, workspace.name.as_str()), (proxy.workspace, "acme"));
    let answer = proxy.get("/v1/sources", &proxy.token).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("the new one"));
    let list: SourceList = answer.json();
    assert_eq!(list.sources[0].url, format!("http://{}/hooks/{}", proxy.address, source.id));
    assert_eq!(list.sources[0].secrets, 2);
    let unscoped = proxy.make_token(&[Scope::WorkersRegister], None).await;
    assert_eq!(proxy.get("/v1/sources", &unscoped).await.error(), "403 auth.forbidden");
    assert_eq!(proxy.get("/v1/workspace", &unscoped).await.status, 200);
    let none = call(proxy.address, Method::GET, "/v1/sources", &[], "").await;
    assert_eq!(none.error(), "401 auth.invalid");
}

#[tokio::test]
async fn workers_are_shown_to_those_who_may_read() {
    let proxy = Proxy::start().await;
    let list: WorkerList = proxy.get("/v1/workers", &proxy.token).await.json();
    assert!(list.workers.is_empty());
    let unscoped = proxy.make_token(&[Scope::WorkersRegister], None).await;
    assert_eq!(proxy.get("/v1/workers", &unscoped).await.error(), "403 auth.forbidden");
    let none = call(proxy.address, Method::GET, "/v1/workers", &[], "").await;
    assert_eq!(none.error(), "401 auth.invalid");
}

#[tokio::test]
async fn sources_are_shown_under_the_public_url() {
    let proxy = Proxy::with("public_url = \"https://hooks.example.com\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let list: SourceList = proxy.get("/v1/sources", &proxy.token).await.json();
    assert_eq!(list.sources[0].url, format!("https://hooks.example.com/hooks/{}", source.id));
}
