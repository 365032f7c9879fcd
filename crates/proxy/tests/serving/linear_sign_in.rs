//! Signing in with a key of Linear's, against a GraphQL server of the shape
//! that Linear publishes (the type `User` of its schema, errors with
//! `extensions.code`).

use crate::harness::{Answer, Proxy, Receiver, call, soon};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode};
use postern_protocol::api::{RegisterResponse, WorkerList, WorkspaceInfo};
use postern_protocol::{PROTOCOL_VERSION, Provider, Secret};
use postern_proxy::store::Store;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const KEY: &str = "lin_api_theKeyOfAda";

/// Linear: what it answers next, and who asked with what.
struct Linear {
    address: SocketAddr,
    answer: Arc<Mutex<(u16, Value)>>,
    asked: mpsc::UnboundedReceiver<String>,
}

#[derive(Clone)]
struct Shared {
    answer: Arc<Mutex<(u16, Value)>>,
    asked: mpsc::UnboundedSender<String>,
}

fn viewer(guest: bool, organization: &str, url_key: &str) -> (u16, Value) {
    let organization = json!({"id": organization, "name": "Acme Inc", "urlKey": url_key});
    let viewer = json!({"id": "user-1", "name": "Ada", "guest": guest, "organization": organization});
    (200, json!({"data": {"viewer": viewer}}))
}

fn failure(status: u16, code: &str, message: &str) -> (u16, Value) {
    let extensions = json!({"type": "x", "code": code, "statusCode": status, "userError": true});
    (
        status,
        json!({"data": null, "errors": [{"message": message, "path": ["viewer"], "extensions": extensions}]}),
    )
}

fn unknown_key() -> (u16, Value) {
    failure(401, "AUTHENTICATION_ERROR", "Authentication required, not authenticated")
}

async fn graphql(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    shared.asked.send(authorization).unwrap();
    let request: Value = serde_json::from_str(&body).unwrap();
    let query = request["query"].as_str().unwrap();
    let words: Vec<&str> = query.split([' ', '{', '}']).filter(|word| !word.is_empty()).collect();
    // The fields in the schema's own names: others would be refused.
    let expected = ["query", "viewer", "id", "name", "guest", "organization", "id", "name", "urlKey"];
    let (status, value) = if words == expected && headers["content-type"] == "application/json" {
        shared.answer.lock().unwrap().clone()
    } else {
        failure(400, "GRAPHQL_VALIDATION_FAILED", "Cannot query field")
    };
    (StatusCode::from_u16(status).unwrap(), Json(value)).into_response()
}

impl Linear {
    async fn start() -> Self {
        let answer = Arc::new(Mutex::new(viewer(false, "org-1", "acme")));
        let (sender, asked) = mpsc::unbounded_channel();
        let shared = Shared { answer: answer.clone(), asked: sender };
        let router = Router::new().route("/graphql", axum::routing::post(graphql)).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, answer, asked }
    }

    fn answers(&self, answer: (u16, Value)) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked since the last look.
    fn questions(&mut self) -> usize {
        std::iter::from_fn(|| self.asked.try_recv().ok()).count()
    }

    /// A proxy that asks here.
    async fn proxy(&self) -> Proxy {
        Proxy::with(&format!("[linear]\napi_url = \"http://{}/graphql\"\n", self.address)).await
    }
}

async fn sign_in(proxy: &Proxy, key: &str) -> Answer {
    proxy.get("/v1/workspace", &Secret::new(key)).await
}

#[tokio::test]
async fn a_member_of_a_linked_organization_signs_in_and_registers() {
    let mut linear = Linear::start().await;
    let mut proxy = linear.proxy().await;
    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    let info: WorkspaceInfo = sign_in(&proxy, KEY).await.json();
    assert_eq!(info.id, proxy.workspace);
    assert_eq!(linear.asked.recv().await.unwrap(), KEY, "an API key travels as it is");
    let tokens = proxy.store.tokens(proxy.workspace).await.unwrap();
    assert_eq!(tokens.last().unwrap().label, "Linear: Ada (acme)");

    let mut receiver = Receiver::start().await;
    let request = json!({
        "webhookUrl": receiver.url(), "linearToken": KEY, "name": "laptop", "protocolVersion": PROTOCOL_VERSION,
    });
    let answer = proxy.register_with(&request, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let worker: RegisterResponse = answer.json();
    receiver.knows(&worker.secret);
    assert_eq!(proxy.settled().await.1, Ok(()));
    let source = proxy.make_source(Provider::Linear).await;
    proxy.event(&source, 1).await;
    receiver.delivery().await;
    assert_eq!(linear.questions(), 0, "the answer of before is remembered");

    // An access token of OAuth is a bearer.
    assert_eq!(sign_in(&proxy, "lin_oauth_x").await.status, 200);
    assert_eq!(linear.asked.recv().await.unwrap(), "Bearer lin_oauth_x");
    // Kept sealed: what the database file holds in the clear is not the key.
    let members = proxy.store.linear_members_checked_before(proxy.now()).await.unwrap();
    assert_eq!(members.len(), 2);
}

#[tokio::test]
async fn registering_alone_signs_in_too_and_both_names_at_once_are_refused() {
    let linear = Linear::start().await;
    let proxy = linear.proxy().await;
    proxy.store.link_linear("org-1", proxy.workspace).await.unwrap();
    let mut request = json!({
        "webhookUrl": "http://127.0.0.1:9/", "linearToken": KEY, "name": "laptop",
        "protocolVersion": PROTOCOL_VERSION,
    });
    assert_eq!(proxy.register_with(&request, None).await.status, 200);
    request["token"] = json!("pst_x");
    assert_eq!(proxy.register_with(&request, None).await.error(), "400 request.malformed");
}

#[tokio::test]
async fn who_may_not_is_told_why() {
    let mut linear = Linear::start().await;
    let proxy = linear.proxy().await;
    let refused = sign_in(&proxy, KEY).await;
    assert_eq!(refused.error(), "403 auth.forbidden", "nobody has linked the organization");
    assert!(String::from_utf8_lossy(&refused.body).contains("linear-org link"));
    assert_eq!(linear.questions(), 1);
    assert_eq!(sign_in(&proxy, KEY).await.error(), "403 auth.forbidden");
    assert_eq!(linear.questions(), 0, "a refusal is remembered for a moment");

    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    proxy.turn(30_000);
    linear.answers(viewer(true, "org-1", "acme"));
    let refused = sign_in(&proxy, KEY).await;
    assert_eq!(refused.error(), "403 auth.forbidden");
    assert!(String::from_utf8_lossy(&refused.body).contains("guests"));
    for (number, (answer, error)) in [
        (unknown_key(), "401 auth.invalid"),
        (failure(400, "AUTHENTICATION_ERROR", "x"), "401 auth.invalid"),
        (failure(200, "AUTHENTICATION_ERROR", "x"), "401 auth.invalid"),
        (failure(403, "FORBIDDEN", "x"), "401 auth.invalid"),
        (failure(400, "RATELIMITED", "x"), "503 unavailable"),
        ((429, json!("slow down")), "503 unavailable"),
        (failure(500, "INTERNAL_SERVER_ERROR", "x"), "503 unavailable"),
        ((502, json!(null)), "503 unavailable"),
        ((200, json!({"data": {"viewer": null}})), "503 unavailable"),
        ((200, json!({"data": {"viewer": {"id": 7}}})), "503 unavailable"),
        ((302, json!({})), "503 unavailable"),
    ]
    .into_iter()
    .enumerate()
    {
        linear.answers(answer.clone());
        let refused = sign_in(&proxy, &format!("lin_api_{number}")).await;
        assert_eq!(refused.error(), error, "{answer:?}");
        assert_eq!(refused.header("retry-after").is_empty(), !error.starts_with("503"));
        assert!(!String::from_utf8_lossy(&refused.body).contains("lin_api_"), "{refused:?}");
    }
    // A token that is none of Linear's is not shown to it.
    linear.questions();
    assert_eq!(sign_in(&proxy, "pst_unknown").await.error(), "401 auth.invalid");
    assert_eq!(linear.questions(), 0);
    assert_eq!(proxy.store.tokens(proxy.workspace).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_url_key_that_changes_hands_lets_nobody_new_in() {
    let linear = Linear::start().await;
    let proxy = linear.proxy().await;
    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    assert_eq!(sign_in(&proxy, KEY).await.status, 200);
    linear.answers(viewer(false, "org-2", "acme"));
    assert_eq!(sign_in(&proxy, "lin_api_other").await.error(), "403 auth.forbidden");
    linear.answers(viewer(false, "org-1", "acme-renamed"));
    assert_eq!(sign_in(&proxy, "lin_api_third").await.status, 200);
}

#[tokio::test]
async fn each_hour_linear_is_asked_again_and_who_is_proven_bad_is_out() {
    let mut linear = Linear::start().await;
    let mut proxy = linear.proxy().await;
    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    sign_in(&proxy, KEY).await;
    proxy.token = Secret::new(KEY);
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    assert_eq!(linear.questions(), 1);

    proxy.turn(3_600_000);
    assert_eq!(soon("the check", linear.asked.recv()).await.unwrap(), KEY);
    proxy.renewed(&worker).await;
    linear.answers(unknown_key());
    proxy.turn(3_600_000);
    assert_eq!(soon("the check", linear.asked.recv()).await.unwrap(), KEY);
    let ended = soon("the end of the sign-in", async {
        loop {
            let answer = proxy.renew(&worker, json!({})).await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(ended.error(), "401 auth.revoked");
    assert_eq!(sign_in(&proxy, KEY).await.error(), "401 auth.revoked");
    assert!(proxy.store.linear_members_checked_before(proxy.now()).await.unwrap().is_empty(), "forgotten");
}

#[tokio::test]
async fn while_linear_is_down_who_is_in_stays() {
    let mut linear = Linear::start().await;
    let mut proxy = linear.proxy().await;
    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    sign_in(&proxy, KEY).await;
    proxy.token = Secret::new(KEY);
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    linear.questions();
    linear.answers((503, json!("down")));
    proxy.turn(3_600_000);
    soon("the check", linear.asked.recv()).await.unwrap();
    proxy.renewed(&worker).await;
    let newcomer = sign_in(&proxy, "lin_api_new").await;
    assert_eq!(newcomer.error(), "503 unavailable");
    let all = call(proxy.address, Method::GET, "/v1/workspace", &[], "").await;
    assert_eq!(all.error(), "401 auth.invalid");
}

#[tokio::test]
async fn an_unlinked_organizations_members_are_out_soon() {
    let linear = Linear::start().await;
    let proxy = linear.proxy().await;
    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    sign_in(&proxy, KEY).await;
    proxy.store.unlink_linear("acme").await.unwrap();
    assert!(proxy.store.unlink_linear("acme").await.is_err());
    let ended = soon("the end of the sign-in", async {
        loop {
            let answer = sign_in(&proxy, KEY).await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(ended.error(), "401 auth.revoked");
}

#[tokio::test]
async fn me_is_the_user_who_signed_in() {
    let linear = Linear::start().await;
    let mut proxy = linear.proxy().await;
    proxy.store.link_linear("acme", proxy.workspace).await.unwrap();
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["token"] = json!(KEY);
    request["capabilities"] = json!([r#"Issue[data.assigneeId == me || data.id == "x"]"#]);
    let worker = proxy.register_pending(&receiver, &request).await;
    assert_eq!(proxy.settled().await, (worker.id, Ok(())));
    let post = async |delivery: &str, assignee: &str| {
        let data = json!({"id": delivery, "identifier": "ENG-1", "title": "Fix", "assigneeId": assignee});
        let body =
            json!({"action": "update", "type": "Issue", "webhookTimestamp": proxy.now().0, "data": data});
        assert_eq!(proxy.linear(&source, delivery, body.to_string().as_bytes()).await.status, 200);
    };
    post("theirs", "user-2").await;
    post("mine", "user-1").await;
    let came = receiver.delivery().await;
    assert!(String::from_utf8_lossy(&came.body).contains("mine"));
    assert_eq!(receiver.unasked(), 0);

    let kept = proxy.store.worker(worker.id).await.unwrap().unwrap();
    assert_eq!(Vec::from(kept.filter), [r#"Issue[data.assigneeId == "user-1" || data.id == "x"]"#]);
    let list: WorkerList = proxy.get("/v1/workers", &proxy.token).await.json();
    assert_eq!(list.workers[0].capabilities, [r#"Issue[data.assigneeId == me || data.id == "x"]"#]);
}
