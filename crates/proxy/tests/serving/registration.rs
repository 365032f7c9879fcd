//! Registering, proving, changing.

use crate::harness::{Challenges, Proxy, Receiver};
use postern_protocol::api::{RegisterResponse, WorkerState};
use postern_protocol::{ErrorBody, Provider, Secret};
use postern_proxy::store::{Scope, Store};
use serde_json::{Value, json};

#[tokio::test]
async fn a_worker_registers_proves_itself_and_gets_events() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let answer = proxy.register_with(&proxy.registration(&receiver.url()), None).await;
    let registered: RegisterResponse = answer.json();
    assert!(registered.credential.reveal().starts_with("psw_"));
    assert!(registered.secret.reveal().starts_with("whsec_"));
    assert_eq!((registered.workspace.name.as_str(), registered.lease_seconds), ("acme", 60));
    assert_eq!((registered.state, registered.waiting.count), (WorkerState::Pending, 0));
    assert_eq!(answer.header("cache-control"), "no-store");

    // Not proved yet: nothing is for it.
    let before = proxy.event(&source, 1).await;
    assert!(proxy.record(before).await.deliveries.is_empty());

    receiver.knows(&registered.secret);
    assert_eq!(proxy.settled().await, (registered.worker_id, Ok(())));
    proxy.event(&source, 2).await;
    let delivery = receiver.delivery().await;
    delivery.verify(&registered.secret, proxy.now()).unwrap();
}

#[tokio::test]
async fn a_url_that_cannot_prove_itself_stays_pending_until_it_can() {
    let mut proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    receiver.challenges(Challenges::Lie);
    let worker = proxy.register_pending(&receiver, &proxy.registration(&receiver.url())).await;
    let (_, outcome) = proxy.settled().await;
    assert!(outcome.unwrap_err().contains("another secret"));
    receiver.challenges(Challenges::Refuse);

    // A renewal says why, and repeats the challenge, though not too often.
    let renewed = proxy.renewed(&worker).await;
    assert_eq!(renewed.state, WorkerState::Pending);
    assert!(renewed.challenge_error.unwrap().contains("another secret"));
    proxy.clock.turn(5_000);
    proxy.renewed(&worker).await;
    assert!(proxy.settled().await.1.unwrap_err().contains("404"));

    receiver.challenges(Challenges::Prove);
    proxy.clock.turn(5_000);
    proxy.renewed(&worker).await;
    assert_eq!(proxy.settled().await, (worker.id, Ok(())));
    let renewed = proxy.renewed(&worker).await;
    assert_eq!((renewed.state, renewed.challenge_error), (WorkerState::Active, None));
}

#[tokio::test]
async fn nobody_at_the_url_is_said_so() {
    let mut proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let request = proxy.registration(&receiver.url());
    receiver.stop().await;
    assert_eq!(proxy.register_with(&request, None).await.status, 200);
    let (_, outcome) = proxy.settled().await;
    assert!(outcome.unwrap_err().contains("no connection"));
}

#[tokio::test]
async fn registering_again_with_the_credential_changes_the_worker() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (old, mut new) = (Receiver::start().await, Receiver::start().await);
    let worker = proxy.register(&old).await;
    let mut request = proxy.registration(&new.url());
    request["name"] = json!("desktop");
    let answer = proxy.register_with(&request, Some(&worker.credential)).await;
    let again: RegisterResponse = answer.json();
    assert_eq!((again.worker_id, &again.credential), (worker.id, &worker.credential));
    assert_ne!(again.secret, worker.secret);
    assert_eq!(again.state, WorkerState::Pending, "another URL is challenged again");
    new.knows(&again.secret);
    proxy.settled().await.1.unwrap();

    let event = proxy.event(&source, 1).await;
    let delivery = new.delivery().await;
    delivery.verify(&again.secret, proxy.now()).unwrap();
    delivery.verify(&worker.secret, proxy.now()).unwrap();
    assert_eq!(proxy.record(event).await.deliveries[0].worker, "desktop");

    proxy.finished().await;
    proxy.clock.turn(25 * 3600 * 1000);
    proxy.renewed(&worker_of(&again)).await;
    proxy.event(&source, 2).await;
    let delivery = new.delivery().await;
    delivery.verify(&again.secret, proxy.now()).unwrap();
    assert!(delivery.verify(&worker.secret, proxy.now()).is_err(), "the old secret's grace is over");
}

fn worker_of(response: &RegisterResponse) -> crate::harness::Registered {
    crate::harness::Registered {
        id: response.worker_id,
        credential: response.credential.clone(),
        secret: response.secret.clone(),
    }
}

#[tokio::test]
async fn a_newer_registration_is_not_settled_by_an_older_ones_challenge() {
    let mut proxy = Proxy::start().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    let first: RegisterResponse = proxy.register_with(&proxy.registration(&slow.url()), None).await.json();
    // The slow one knows no secret yet: its challenge hangs.
    let request = proxy.registration(&quick.url());
    let second: RegisterResponse = proxy.register_with(&request, Some(&first.credential)).await.json();
    slow.knows(&first.secret);
    quick.challenges(Challenges::Refuse);
    assert!(proxy.settled().await.1.is_err(), "only the newer URL's answer counts");
    let worker = proxy.store.worker(second.worker_id).await.unwrap().unwrap();
    assert_eq!(worker.state, WorkerState::Pending);
}

#[tokio::test]
async fn without_a_good_token_nobody_registers() {
    let proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let with = |token: &Secret| {
        let mut request = proxy.registration(&receiver.url());
        request["token"] = json!(token.reveal());
        request
    };
    let unknown = proxy.register_with(&with(&"pst_unknown".into()), None).await;
    assert_eq!(unknown.error(), "401 auth.invalid");
    let unscoped = proxy.make_token(&[Scope::EventsRead], None).await;
    assert_eq!(proxy.register_with(&with(&unscoped), None).await.error(), "403 auth.forbidden");
    let expired = proxy.make_token(&Scope::ALL, Some(proxy.now())).await;
    assert_eq!(proxy.register_with(&with(&expired), None).await.error(), "401 auth.revoked");
    proxy.revoke(&proxy.token).await;
    assert_eq!(proxy.register_with(&with(&proxy.token), None).await.error(), "401 auth.revoked");
}

#[tokio::test]
async fn revoking_a_token_ends_its_workers() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    proxy.revoke(&proxy.token).await;
    assert_eq!(proxy.renew(&worker, json!({})).await.error(), "401 auth.revoked");
    proxy.event(&source, 1).await;
    assert_eq!(receiver.unasked(), 0);
    let unknown = crate::harness::Registered { credential: "psw_unknown".into(), ..worker };
    assert_eq!(proxy.renew(&unknown, json!({})).await.error(), "401 auth.invalid");
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_said_precisely() {
    let proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let wrong = async |key: &str, value: Value| {
        let mut request = proxy.registration(&receiver.url());
        request[key] = value;
        let answer = proxy.register_with(&request, None).await;
        (answer.error(), answer.json::<ErrorBody>().error.message)
    };
    let cases = [
        ("protocolVersion", json!("2.0"), "426 protocol.unsupported", "1.0"),
        ("capabilities", json!(["Issue", "Issue.up*"]), "422 filter.invalid", "character 9"),
        ("capabilities", json!(["Issue[data.x = 1]"]), "422 filter.invalid", "character 14"),
        ("capabilities", json!(["Issue[data.id == me]"]), "422 filter.invalid", "stands for none"),
        ("ordering", json!("fifo"), "400 request.malformed", "entity"),
        ("catchUp", json!("newest"), "400 request.malformed", "newest_per_entity"),
        ("webhookUrl", json!("http://laptop.example/"), "422 worker.url_refused", "https://"),
        ("webhookUrl", json!("https://169.254.169.254/"), "422 worker.url_refused", "metadata service"),
        ("webhookUrl", json!("https://vault.corp/"), "422 worker.url_refused", "inside a network"),
        ("signatureStyle", json!("timestamped"), "400 request.malformed", "headerPrefix"),
        ("signatureStyle", json!("stripe"), "400 request.malformed", "timestamped"),
        ("headerPrefix", json!("X-Acme"), "400 request.malformed", "signatureStyle"),
        ("name", json!(""), "400 request.malformed", "name"),
        ("name", json!(5), "400 request.malformed", "line 1"),
        ("token", json!(null), "400 request.malformed", "line 1"),
    ];
    for (key, value, code, names) in cases {
        let (error, message) = wrong(key, value).await;
        assert_eq!(error, code, "{key}");
        assert!(message.contains(names), "{message}");
    }
    let answer = proxy.post("/edge/register", &[], b"{").await;
    assert_eq!(answer.error(), "400 request.malformed");
    let missing = proxy.post("/edge/register", &[], b"{}").await;
    assert!(missing.json::<ErrorBody>().error.message.contains("missing field `token`"));
}

#[tokio::test]
async fn loopback_is_refused_where_it_is_not_allowed() {
    let proxy = Proxy::with("[registration]\nallow_loopback = false\n").await;
    for url in ["http://127.0.0.1:9/", "http://localhost:9/", "https://localhost:9/", "https://[::1]:9/"] {
        let answer = proxy.register_with(&proxy.registration(url), None).await;
        assert_eq!(answer.error(), "422 worker.url_refused", "{url}");
    }
}

#[tokio::test]
async fn another_workspaces_token_does_not_change_a_worker() {
    use postern_proxy::entropy;
    use postern_proxy::store::{Token, Workspace};
    let mut proxy = Proxy::start().await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let now = proxy.now();
    let other = entropy::workspace_id(now);
    proxy
        .store
        .create_workspace(Workspace { id: other, name: "other".into(), created_at: now })
        .await
        .unwrap();
    let secret = entropy::credential("pst_");
    let token = Token {
        id: entropy::token_id(now),
        workspace: other,
        label: "theirs".into(),
        hash: entropy::credential_hash(secret.reveal()),
        scopes: Scope::ALL.to_vec(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    proxy.store.create_token(token).await.unwrap();
    let mut request = proxy.registration(&receiver.url());
    request["token"] = json!(secret.reveal());
    assert_eq!(proxy.register_with(&request, Some(&worker.credential)).await.error(), "403 auth.forbidden");
    assert_eq!(proxy.register_with(&request, Some(&"psw_x".into())).await.error(), "401 auth.invalid");
}

#[tokio::test]
async fn registrations_are_limited_per_address() {
    let proxy = Proxy::with("[registration]\nallow_loopback = true\nrate_per_minute = 2\n").await;
    for _ in 0..2 {
        assert_eq!(proxy.post("/edge/register", &[], b"{}").await.error(), "400 request.malformed");
    }
    let refused = proxy.post("/edge/register", &[], b"{}").await;
    assert_eq!((refused.error().as_str(), refused.header("retry-after")), ("429 rate_limited", "30"));
    proxy.clock.turn(30_000);
    assert_eq!(proxy.post("/edge/register", &[], b"{}").await.error(), "400 request.malformed");
}
