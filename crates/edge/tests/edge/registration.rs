//! Being known to the proxy.

use crate::proxy::{Book, FakeProxy};
use crate::support::{Delivery, TestClock, TestEdge, config, sign_in, soon};
use postern_edge::api::{Connection, SetPaused, Settings, SignIn, Status};
use postern_edge::{EnvironmentToken, api};
use postern_protocol::api::{CatchUp, WorkerState};
use postern_protocol::{ErrorCode, Secret};
use std::path::Path;
use std::sync::Arc;

fn is_live(connection: &Connection) -> bool {
    matches!(connection, Connection::Live { .. })
}

#[tokio::test]
async fn signing_in_registers_answers_the_challenge_and_is_live() {
    let proxy = FakeProxy::new().await;
    proxy.book().skew = 1_500;
    let edge = TestEdge::live(&proxy).await;
    let status = edge.status().await;
    let session = status.session.unwrap();
    assert_eq!((session.proxy_url, session.workspace.name.as_str()), (proxy.url.clone(), "Acme"));
    assert_eq!(session.token_kept_in, "file");
    assert_eq!(status.name, "laptop");
    let Connection::Live { skew_ms, .. } = status.connection else { panic!("not live") };
    assert_eq!(skew_ms, 1_500);
    let hook = edge.hook().await;
    let book = proxy.book();
    let (id, worker) = book.workers.first_key_value().unwrap();
    assert_eq!(Some(id), session.worker_id.as_ref());
    assert_eq!((worker.name.as_str(), &worker.url), ("laptop", &Some(hook)));
}

#[tokio::test]
async fn live_is_not_said_before_the_proxy_said_active() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::start().await;
    // A URL at which nothing answers the challenge.
    let (clock, dir) = edge.stop().await;
    let mut config = config(dir.path(), &clock);
    config.webhook_base = Some("http://127.0.0.1:1".into());
    let edge = TestEdge::run(config, clock, dir).await;
    api::sign_in(&edge.handle, sign_in(&proxy)).await.unwrap();
    let status = edge
        .until("the failed challenge", |status| {
            matches!(&status.connection, Connection::Connecting { problem: Some(_), .. })
        })
        .await;
    assert!(!is_live(&status.connection));
    // It does not rest: the URL is registered again, which repeats the challenge.
    proxy.until("another registration", |book| book.registrations >= 2).await;
    assert_eq!(proxy.book().workers.len(), 1, "with its credential, as the same worker");
}

#[tokio::test]
async fn a_challenge_that_overtakes_the_answer_is_answered_all_the_same() {
    let proxy = FakeProxy::new().await;
    proxy.book().hasty = true;
    for _ in 0..5 {
        let edge = TestEdge::live(&proxy).await;
        edge.stop().await;
    }
    assert!(proxy.book().workers.values().all(|worker| worker.challenge_error.is_none()));
}

#[tokio::test]
async fn a_bad_token_is_refused_and_nothing_changes() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::start().await;
    let mut args = sign_in(&proxy);
    args.token = Secret::new("pst_bad");
    let refused = api::sign_in(&edge.handle, args).await.unwrap_err();
    assert_eq!(refused.code, "auth.invalid");
    assert!(!refused.message.contains("pst_bad"));
    assert_eq!(edge.status().await.session, None);
    assert!(!edge.dir.path().join("secrets.json").exists());
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_at_sign_in() {
    let proxy = FakeProxy::new().await;
    proxy.crash().await;
    let edge = TestEdge::start().await;
    let refused = api::sign_in(&edge.handle, sign_in(&proxy)).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.retryable), ("proxy.unreachable", true));
    assert!(refused.message.contains("nothing listens there"), "{}", refused.message);
}

#[tokio::test]
async fn the_lease_is_renewed_before_it_ends() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let _edge = TestEdge::live(&proxy).await;
    let before = proxy.book().leases;
    proxy.until("two more renewals", |book| book.leases >= before + 2).await;
    assert_eq!(proxy.book().registrations, 1);
}

#[tokio::test]
async fn a_restarted_edge_renews_as_the_same_worker() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (id, hook) = (edge.status().await.session.unwrap().worker_id, edge.hook().await);
    let edge = edge.restart().await;
    let status = edge.until("live again", |status| is_live(&status.connection)).await;
    assert_eq!(status.session.unwrap().worker_id, id);
    assert_eq!(edge.hook().await, hook, "the port is the same");
    assert_eq!(proxy.book().registrations, 1);
}

#[tokio::test]
async fn a_new_address_is_registered_for_the_same_worker() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let port: u16 = edge.handle.receiver_url().rsplit(':').next().unwrap().parse().unwrap();
    let (clock, dir) = edge.stop().await;
    let _taken = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let edge = TestEdge::run(config(dir.path(), &clock), clock, dir).await;
    edge.until("live again", |status| is_live(&status.connection)).await;
    let hook = edge.hook().await;
    let book = proxy.book();
    assert_eq!((book.registrations, book.workers.len()), (2, 1));
    assert_eq!(book.workers.values().next().unwrap().url, Some(hook));
}

#[tokio::test]
async fn an_outage_is_shown_and_survived() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let edge = TestEdge::live(&proxy).await;
    proxy.crash().await;
    let status = edge
        .until("reconnecting", |status| matches!(status.connection, Connection::Reconnecting { .. }))
        .await;
    let Connection::Reconnecting { problem, .. } = status.connection else { unreachable!() };
    assert!(problem.starts_with("cannot reach the proxy"), "{problem}");
    proxy.come_back().await;
    edge.until("live again", |status| is_live(&status.connection)).await;
    assert_eq!(proxy.book().registrations, 1);
}

#[tokio::test]
async fn a_proxy_that_forgot_the_worker_gets_it_again() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let edge = TestEdge::live(&proxy).await;
    let old = edge.status().await.session.unwrap().worker_id;
    proxy.book().workers.clear();
    proxy.until("another registration", |book| book.registrations == 2).await;
    edge.until("live as another worker", |status| {
        is_live(&status.connection) && status.session.as_ref().unwrap().worker_id != old
    })
    .await;
}

#[tokio::test]
async fn a_worker_declared_gone_registers_again() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let edge = TestEdge::live(&proxy).await;
    for worker in proxy.book().workers.values_mut() {
        worker.state = WorkerState::Gone;
    }
    proxy.until("another registration", |book| book.registrations == 2).await;
    edge.until("live", |status| is_live(&status.connection)).await;
}

#[tokio::test]
async fn a_revoked_token_is_said_and_signing_in_again_helps_at_once() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let edge = TestEdge::live(&proxy).await;
    {
        let mut book = proxy.book();
        book.workers.clear();
        book.tokens = vec!["pst_other"];
    }
    edge.until("refused", |status| matches!(status.connection, Connection::Refused { .. })).await;
    let mut args = sign_in(&proxy);
    args.token = Secret::new("pst_other");
    api::sign_in(&edge.handle, args).await.unwrap();
    edge.until("live", |status| is_live(&status.connection)).await;
}

#[tokio::test]
async fn pausing_holds_at_the_proxy_and_outlives_a_restart() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    proxy.book().waiting = 7;
    let status = api::set_paused(&edge.handle, SetPaused { paused: true }).await.unwrap();
    let Connection::Paused { waiting } = status.connection else {
        panic!("not paused: {:?}", status.connection)
    };
    assert_eq!(waiting.count, 7);
    let edge = edge.restart().await;
    edge.until("still paused", |status| matches!(status.connection, Connection::Paused { .. })).await;
    let status = api::set_paused(&edge.handle, SetPaused { paused: false }).await.unwrap();
    assert!(is_live(&status.connection));
}

#[tokio::test]
async fn signing_out_leaves_the_proxy_and_forgets_the_secrets() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let id = edge.status().await.session.unwrap().worker_id.unwrap();
    let status = api::sign_out(&edge.handle).await.unwrap();
    assert_eq!((status.session, status.connection), (None, Connection::SignedOut));
    assert_eq!(proxy.book().left, [id]);
    let kept = std::fs::read_to_string(edge.dir.path().join("secrets.json")).unwrap();
    assert!(!kept.contains("pst_good"));
    let edge = edge.restart().await;
    assert_eq!(edge.status().await.connection, Connection::SignedOut);
}

#[tokio::test]
async fn a_token_from_the_environment_signs_in_by_itself_and_is_not_stored() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::start().await;
    let (clock, dir) = edge.stop().await;
    let environment = || {
        let token = Secret::new("pst_good");
        Some(EnvironmentToken { token, proxy_url: Some(proxy.url.clone()) })
    };
    proxy.book().down = Some(ErrorCode::Unavailable);
    let mut first = config(dir.path(), &clock);
    first.environment = environment();
    let edge = TestEdge::run(first, clock, dir).await;
    edge.until("reconnecting", |status| matches!(status.connection, Connection::Reconnecting { .. })).await;
    proxy.book().down = None;
    let status = edge.until("live", |status| is_live(&status.connection)).await;
    assert_eq!(status.session.unwrap().token_kept_in, "environment");
    let kept = std::fs::read_to_string(edge.dir.path().join("secrets.json")).unwrap();
    assert!(!kept.contains("pst_good") && kept.contains("cred_"));

    // The next time it is the same worker, known before the proxy answers.
    let (clock, dir) = edge.stop().await;
    let mut second = config(dir.path(), &clock);
    second.environment = environment();
    let edge = TestEdge::run(second, clock, dir).await;
    edge.until("live", |status| is_live(&status.connection)).await;
    assert_eq!(proxy.book().registrations, 1);

    // Another sign-in would have to be kept where nobody asked for that.
    let another = SignIn { proxy_url: proxy.url.clone(), token: Secret::new("pst_good"), name: None };
    let refused = api::sign_in(&edge.handle, another).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unsupported.as_str());
    let kept = std::fs::read_to_string(edge.dir.path().join("secrets.json")).unwrap();
    assert!(!kept.contains("pst_good"));
}

#[tokio::test]
async fn a_delivery_signed_with_the_previous_secret_passes_in_its_grace() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let mut delivery = Delivery::new("evt_a", &edge, &proxy);
    proxy.book().workers.clear();
    proxy
        .until("another registration", |book| book.workers.values().any(|w| w.state == WorkerState::Active))
        .await;
    edge.until("live", |status| is_live(&status.connection)).await;
    assert_eq!(delivery.post(&hook).await.status(), 200);
    let detail = api::event(&edge.handle, api::EventKey { id: "evt_a".into() }).await.unwrap();
    assert!(detail.verification.checks[0].reason.contains("previous secret"));

    edge.clock.turn(3_600_001);
    delivery.id = "evt_b".into();
    delivery.at = postern_protocol::Clock::now(&edge.clock);
    let late = soon("an answer", delivery.post(&hook)).await;
    assert_eq!(late.status(), 401);
}

#[tokio::test]
async fn a_rotated_secret_counts_at_once_and_the_old_one_for_a_while() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let mut before = Delivery::new("evt_a", &edge, &proxy);
    let rotated = api::rotate_secret(&edge.handle).await.unwrap();
    assert_eq!(rotated.old_until, postern_protocol::Clock::now(&edge.clock).plus(3_600_000));
    assert_eq!(before.post(&hook).await.status(), 200, "signed with the old one");
    assert_eq!(Delivery::new("evt_b", &edge, &proxy).post(&hook).await.status(), 200, "with the new one");

    // A restart has kept it, and does not register again.
    let edge = edge.restart().await;
    edge.until("live", |status| is_live(&status.connection)).await;
    let hook = edge.hook().await;
    assert_eq!(Delivery::new("evt_c", &edge, &proxy).post(&hook).await.status(), 200);
    assert_eq!(proxy.book().registrations, 1);
    edge.clock.turn(3_600_001);
    before.id = "evt_d".into();
    before.at = postern_protocol::Clock::now(&edge.clock);
    assert_eq!(soon("an answer", before.post(&hook)).await.status(), 401);
}

#[tokio::test]
async fn how_to_deliver_is_told_at_registration_and_once_after_a_start() {
    let proxy = FakeProxy::new().await;
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = TestClock::new();
    let configured = |dir: &Path| {
        let mut config = config(dir, &clock);
        config.policy.retry = Some(Some("classic".parse().unwrap()));
        config
    };
    let edge = TestEdge::run(configured(dir.path()), clock.clone(), dir).await;
    edge.sign_in(&proxy).await;
    let told = |book: &Book| book.policies.iter().map(|policy| !policy.is_empty()).collect::<Vec<_>>();
    assert_eq!(told(&proxy.book())[..2], [true, true], "the registration, the first renewal");
    proxy.book().policies.clear();
    let (clock, dir) = edge.stop().await;
    let edge = TestEdge::run(configured(dir.path()), clock, dir).await;
    edge.until("live", |status| matches!(status.connection, Connection::Live { .. })).await;
    assert_eq!(told(&proxy.book()), [true], "a start renews");
    api::set_settings(&edge.handle, Settings { catch_up: Some(CatchUp::None), ..Settings::default() })
        .await
        .unwrap();
    proxy.until("the next renewal", |book| book.policies.len() > 1).await;
    assert_eq!(told(&proxy.book()), [true, false], "what was changed at the proxy since stands");
}

#[tokio::test]
async fn what_is_asked_for_is_registered_whenever_it_changes() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut first = config(dir.path(), &clock);
    first.capabilities = Some(vec!["Issue".into()]);
    let edge = TestEdge::run(first, clock, dir).await;
    edge.sign_in(&proxy).await;
    let asking = |terms: &[&str]| Settings {
        capabilities: terms.iter().map(|term| (*term).to_owned()).collect(),
        ..Settings::default()
    };
    let refused = api::set_settings(&edge.handle, asking(&["*", "Issue."])).await.unwrap_err();
    assert_eq!(refused.code, "filter.invalid");
    assert!(refused.message.starts_with("capability `Issue.`, character 7: "), "{}", refused.message);
    assert_eq!(edge.status().await.settings, asking(&["Issue"]), "nothing has changed");

    api::set_settings(&edge.handle, asking(&["postern:*", "!Issue"])).await.unwrap();
    proxy.until("the change is registered", |book| book.asked.len() == 2).await;
    let live = |status: &Status| matches!(status.connection, Connection::Live { .. });
    edge.until("live", live).await;
    // Neither another setting nor a start registers anew what stands.
    let quiet = Settings { notifications: false, ..asking(&["postern:*", "!Issue"]) };
    api::set_settings(&edge.handle, quiet.clone()).await.unwrap();
    let leases = proxy.book().leases;
    let edge = edge.restart().await;
    proxy.until("a start renews", |book| book.leases > leases).await;
    edge.until("live", live).await;
    assert_eq!(edge.status().await.settings, quiet);
    let (clock, dir) = edge.stop().await;
    let mut everything = config(dir.path(), &clock);
    everything.capabilities = Some(vec!["*".into()]);
    let edge = TestEdge::run(everything, clock, dir).await;
    proxy.until("what the shell was told is registered", |book| book.asked.len() == 3).await;
    assert_eq!(edge.status().await.settings.capabilities, ["*"]);
    let told = [vec!["Issue"], vec!["postern:*", "!Issue"], vec!["*"]];
    assert_eq!(proxy.book().asked, told);
    assert_eq!(proxy.book().workers.len(), 1, "the same worker each time");
}
