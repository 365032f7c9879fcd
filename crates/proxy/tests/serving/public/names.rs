//! Whose a name is, and who serves it.

use super::stage::{DOMAIN, Edge, Stage, delete, full, post, put, reserve};
use crate::harness::{Proxy, Registered, soon};
use http::Response;
use postern_protocol::Secret;
use postern_protocol::api::tunnels::{TunnelInfo, TunnelList};
use postern_proxy::entropy;
use postern_proxy::store::{QUARANTINE, Scope, Store, Token, Workspace};
use postern_tunnel::{DownReason, Goodbye};
use serde_json::json;

/// The token of another workspace.
async fn stranger(proxy: &Proxy) -> Secret {
    let workspace = entropy::workspace_id(proxy.now());
    let made = Workspace { id: workspace, name: "strangers".into(), created_at: proxy.now() };
    proxy.store.create_workspace(made).await.unwrap();
    let secret = entropy::credential("pst_");
    let token = Token {
        id: entropy::token_id(proxy.now()),
        workspace,
        label: "test".into(),
        hash: entropy::credential_hash(secret.reveal()),
        scopes: Scope::ALL.to_vec(),
        created_at: proxy.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    proxy.store.create_token(token).await.unwrap();
    secret
}

/// A worker registered with this token.
async fn worker_of(proxy: &Proxy, token: &Secret) -> Registered {
    let mut request = proxy.registration("");
    request["token"] = json!(token.reveal());
    request.as_object_mut().unwrap().remove("webhookUrl");
    let answer = proxy.register_with(&request, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let registered: postern_protocol::api::RegisterResponse = answer.json();
    Registered { id: registered.worker_id, credential: registered.credential, secret: registered.secret }
}

/// An edge that says who it is.
fn edge(proxy: &Proxy, worker: &Registered, says: &'static str) -> Edge {
    Edge::dial(proxy, &worker.credential, move |_| async move { Response::new(full(says)) })
}

async fn says(proxy: &Proxy, host: &str) -> String {
    let request = super::stage::request(http::Method::GET, "/", &[("host", host)], full(""));
    let answer = super::stage::read(super::stage::visit(proxy.address, request).await).await;
    match answer.headers.get("x-postern-error") {
        Some(_) => answer.error(),
        None => String::from_utf8(answer.body.to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn a_name_is_reserved_served_and_released() {
    let proxy = Proxy::with(DOMAIN).await;
    let worker = proxy.register_without_url().await;
    let url = format!("http://app.tunnels.test:{}", proxy.address.port());
    assert_eq!(says(&proxy, "app.tunnels.test").await, "404 tunnel.unknown");
    let info = reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
    assert_eq!((info.name.as_str(), &info.url, info.worker, info.used_at), ("app", &url, None, None));
    assert_eq!(says(&proxy, "app.tunnels.test").await, "502 tunnel.offline");

    let edge = edge(&proxy, &worker, "hello");
    edge.serve(&["app"]);
    assert_eq!(edge.online("app").await, url);
    assert_eq!(says(&proxy, "APP.tunnels.test:99").await, "hello");
    let list: TunnelList = proxy.get("/v1/tunnels", &proxy.token).await.json();
    let [info] = list.tunnels.as_slice() else { panic!("{list:?}") };
    assert_eq!(info.worker.as_ref().map(|by| by.id), Some(worker.id));
    assert_eq!(info.used_at, Some(proxy.now()));
    assert_eq!(proxy.get("/edge/tunnels", &worker.credential).await.json::<TunnelList>(), list);

    let released = delete(&proxy, &worker.credential, "/edge/tunnels/app").await;
    assert_eq!(released.status, 204);
    assert_eq!(edge.refused("app").await, "tunnel.not_reserved");
    assert_eq!(says(&proxy, "app.tunnels.test").await, "404 tunnel.unknown");
    let again = delete(&proxy, &worker.credential, "/edge/tunnels/app").await;
    assert_eq!(again.error(), "404 tunnel.not_reserved");
    // Taken back, it is online without another word.
    reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
    edge.online("app").await;
    assert_eq!(says(&proxy, "app.tunnels.test").await, "hello");
}

#[tokio::test]
async fn a_worker_with_an_address_of_its_own_serves_too() {
    let mut proxy = Proxy::with(DOMAIN).await;
    let receiver = crate::harness::Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
    let edge = edge(&proxy, &worker, "hello");
    edge.serve(&["app"]);
    edge.online("app").await;
    assert_eq!(says(&proxy, "app.tunnels.test").await, "hello");
}

#[tokio::test]
async fn names_are_taken_kept_back_or_random() {
    let proxy = Proxy::with(DOMAIN).await;
    let other = stranger(&proxy).await;
    let token = proxy.token.clone();
    let ask = async |token: &Secret, name: &str| {
        let answer = post(&proxy, token, "/v1/tunnels", json!({"name": name})).await;
        if answer.status == 200 { "200".to_owned() } else { answer.error() }
    };
    assert_eq!(ask(&token, "app").await, "200");
    assert_eq!(ask(&token, "app").await, "200", "it is ours");
    assert_eq!(ask(&other, "app").await, "409 tunnel.name_taken");
    assert_eq!(ask(&other, "www").await, "409 tunnel.name_taken");
    assert_eq!(ask(&other, "App").await, "400 request.malformed");
    assert_eq!(ask(&other, "xn--app").await, "400 request.malformed");
    let options = json!({"rate": 5});
    assert_eq!(
        put(&proxy, &other, "/v1/tunnels/app/options", options).await.error(),
        "404 tunnel.not_reserved"
    );
    assert_eq!(delete(&proxy, &other, "/v1/tunnels/app").await.error(), "404 tunnel.not_reserved");
    assert!(proxy.get("/v1/tunnels", &other).await.json::<TunnelList>().tunnels.is_empty());

    assert_eq!(delete(&proxy, &token, "/v1/tunnels/app").await.status, 204);
    proxy.turn(QUARANTINE - 1);
    assert_eq!(ask(&other, "app").await, "409 tunnel.name_taken", "in quarantine");
    proxy.turn(1);
    assert_eq!(ask(&other, "app").await, "200");

    let random = async || post(&proxy, &token, "/v1/tunnels", json!({})).await.json::<TunnelInfo>().name;
    let (one, two) = (random().await, random().await);
    assert_ne!(one, two);
    assert_eq!(one.as_str().len(), 16);

    let unscoped = proxy.make_token(&[Scope::EventsRead], None).await;
    assert_eq!(ask(&unscoped, "mine").await, "403 auth.forbidden");
    assert_eq!(proxy.get("/v1/tunnels", &unscoped).await.status, 200);
}

#[tokio::test]
async fn nobody_takes_a_name_while_its_owner_is_away() {
    let proxy = Proxy::with(DOMAIN).await;
    let owner = proxy.register_without_url().await;
    reserve(&proxy, &owner.credential, json!({"name": "app"})).await;
    let thief = worker_of(&proxy, &stranger(&proxy).await).await;
    let stolen = edge(&proxy, &thief, "stolen");
    stolen.take_over(&["app"]);
    assert_eq!(stolen.refused("app").await, "tunnel.name_taken");
    assert_eq!(says(&proxy, "app.tunnels.test").await, "502 tunnel.offline");
}

#[tokio::test]
async fn a_token_without_the_scope_serves_nothing() {
    let proxy = Proxy::with(DOMAIN).await;
    let owner = proxy.register_without_url().await;
    reserve(&proxy, &owner.credential, json!({"name": "app"})).await;
    let token = proxy.make_token(&[Scope::WorkersRegister], None).await;
    let worker = worker_of(&proxy, &token).await;
    let answer = post(&proxy, &worker.credential, "/edge/tunnels", json!({"name": "mine"})).await;
    assert_eq!(answer.error(), "403 auth.forbidden");
    let edge = edge(&proxy, &worker, "no");
    edge.serve(&["app"]);
    assert_eq!(edge.refused("app").await, "auth.forbidden");
    assert_eq!(says(&proxy, "app.tunnels.test").await, "502 tunnel.offline");
}

#[tokio::test]
async fn colleagues_take_over_only_when_they_say_so() {
    let proxy = Proxy::with(DOMAIN).await;
    let (one, two) = (proxy.register_without_url().await, proxy.register_without_url().await);
    reserve(&proxy, &one.credential, json!({"name": "app"})).await;
    let first = edge(&proxy, &one, "first");
    first.serve(&["app"]);
    first.online("app").await;
    let second = edge(&proxy, &two, "second");
    second.serve(&["app"]);
    assert_eq!(second.elsewhere("app").await, one.id.to_string());
    assert_eq!(says(&proxy, "app.tunnels.test").await, "first");

    second.take_over(&["app"]);
    second.online("app").await;
    assert_eq!(first.elsewhere("app").await, two.id.to_string());
    assert_eq!(says(&proxy, "app.tunnels.test").await, "second");
    // It was asked for once, and is not repeated against whoever asks next.
    first.take_over(&["app"]);
    first.online("app").await;
    assert_eq!(second.elsewhere("app").await, one.id.to_string());
    assert_eq!(says(&proxy, "app.tunnels.test").await, "first");

    // Who waits for a name has it when it is free.
    first.serve(&[]);
    second.online("app").await;
    assert_eq!(says(&proxy, "app.tunnels.test").await, "second");
    first.serve(&["app"]);
    first.elsewhere("app").await;
    drop(second);
    first.online("app").await;
    assert_eq!(says(&proxy, "app.tunnels.test").await, "first");
}

#[tokio::test]
async fn the_same_worker_has_its_names_on_its_newest_connection() {
    let proxy = Proxy::with(DOMAIN).await;
    let worker = proxy.register_without_url().await;
    reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
    let asleep = edge(&proxy, &worker, "asleep");
    asleep.serve(&["app"]);
    asleep.online("app").await;
    let awake = edge(&proxy, &worker, "awake");
    awake.serve(&["app"]);
    awake.online("app").await;
    assert_eq!(says(&proxy, "app.tunnels.test").await, "awake");
    assert!(matches!(asleep.down().await, DownReason::TakenOver));
    assert_eq!(says(&proxy, "app.tunnels.test").await, "awake");
}

#[tokio::test]
async fn an_expired_token_cuts_the_tunnel() {
    let proxy = Proxy::with(DOMAIN).await;
    let token = proxy.make_token(&Scope::ALL, Some(proxy.now().plus(60_000))).await;
    let worker = worker_of(&proxy, &token).await;
    reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
    let edge = edge(&proxy, &worker, "hello");
    edge.serve(&["app"]);
    edge.online("app").await;
    assert_eq!(says(&proxy, "app.tunnels.test").await, "hello");
    proxy.turn(60_000);
    let reason = edge.down().await;
    assert!(matches!(reason, DownReason::Left(Goodbye::Revoked) | DownReason::Refused { .. }), "{reason:?}");
    assert_eq!(says(&proxy, "app.tunnels.test").await, "502 tunnel.offline");
}

#[tokio::test]
async fn on_stopping_agents_are_told_to_move_and_answers_are_finished() {
    let stage = Stage::with(async |_| {
        let (chunks, body) = super::stage::written();
        tokio::spawn(async move {
            for piece in ["one", "two", "three"] {
                let _ = chunks.send(super::stage::data(piece)).await;
            }
        });
        Response::new(body)
    })
    .await;
    let request = super::stage::request(http::Method::GET, "/", &[], full(""));
    let response = super::stage::visit(stage.address(), request).await;
    stage.proxy.stop.cancel();
    let reason = stage.edge.down().await;
    assert!(matches!(reason, DownReason::Left(Goodbye::Draining) | DownReason::Unreachable(_)), "{reason:?}");
    assert_eq!(super::stage::read(response).await.body, "onetwothree");
    soon("the end", stage.proxy.stopped()).await.unwrap();
}

#[tokio::test]
async fn by_its_path_alone_where_there_is_no_domain() {
    let proxy = Proxy::start().await;
    let worker = proxy.register_without_url().await;
    let info = reserve(&proxy, &worker.credential, json!({"name": "app"})).await;
    assert_eq!(info.url, format!("http://{}/t/app", proxy.address));
    let off = Proxy::with("[tunnel]\npaths = false\n").await;
    let answer = post(&off, &off.token, "/v1/tunnels", json!({"name": "app"})).await;
    assert_eq!(answer.error(), "422 request.unsupported");
}
