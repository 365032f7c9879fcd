//! The secrets of the developer's own program: kept, what they explain, and
//! events signed anew by them.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge};
use crate::target::Target;
use postern_edge::api::{
    self, Altered, Body, Edit, EventKey, LocalSecretKey, LocalSecrets, LocalVerification, Replay, RunKey,
    SetForward, SetLocalSecret,
};
use postern_protocol::signature::{Scheme, linear};
use postern_protocol::{Provider, Secret};
use serde_json::json;

fn of_linear(source: Option<&str>, secret: &str) -> SetLocalSecret {
    SetLocalSecret { source: source.map(Into::into), scheme: Scheme::Linear, secret: Secret::new(secret) }
}

/// A Linear event, signed by `secret` at the edge's time.
async fn deliver(edge: &TestEdge, proxy: &FakeProxy, id: &str, secret: &str) {
    let body =
        format!(r#"{{"type":"Issue","action":"create","webhookTimestamp":{}}}"#, edge.status().await.now.0);
    let signature = linear::sign(&Secret::new(secret), body.as_bytes());
    let delivery = Delivery::new(id, edge, proxy).body(body).header(linear::SIGNATURE, signature);
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);
}

async fn explained(edge: &TestEdge, id: &str) -> Option<LocalVerification> {
    api::event(&edge.handle, EventKey { id: id.into() }).await.unwrap().local
}

fn passed(local: &LocalVerification) -> Vec<Option<bool>> {
    local.checks.iter().map(|check| check.passed).collect()
}

#[tokio::test]
async fn an_event_is_judged_as_the_program_would_now() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    deliver(&edge, &proxy, "evt_1", "theirs").await;
    assert_eq!(explained(&edge, "evt_1").await, None, "without a local secret nothing can be said");

    api::set_local_secret(&edge.handle, of_linear(None, " theirs\n")).await.unwrap();
    let local = explained(&edge, "evt_1").await.unwrap();
    assert_eq!(passed(&local), [Some(true), Some(true), Some(true)], "{local:?}");
    edge.clock.turn(61_000);
    let local = explained(&edge, "evt_1").await.unwrap();
    assert_eq!(passed(&local), [Some(true), Some(true), Some(false)]);
    assert!(local.checks[2].reason.starts_with("signed 61 s ago, 60 s are allowed"), "{local:?}");

    // The source's own comes before its provider's, and is another.
    api::set_local_secret(&edge.handle, of_linear(Some("linear-main"), "other")).await.unwrap();
    let local = explained(&edge, "evt_1").await.unwrap();
    assert_eq!((local.source.as_deref(), local.provider), (Some("linear-main"), Provider::Linear));
    assert_eq!(passed(&local), [Some(true), Some(false), None]);
    // Another source's is not asked.
    api::set_local_secret(&edge.handle, of_linear(Some("elsewhere"), "third")).await.unwrap();
    assert_eq!(explained(&edge, "evt_1").await.unwrap().source.as_deref(), Some("linear-main"));

    let key = LocalSecretKey { source: Some("linear-main".into()), provider: Provider::Linear };
    api::remove_local_secret(&edge.handle, key.clone()).await.unwrap();
    assert_eq!(explained(&edge, "evt_1").await.unwrap().source, None);
    assert_eq!(api::remove_local_secret(&edge.handle, key).await.unwrap_err().code, "not_found");
}

#[tokio::test]
async fn they_outlive_a_restart_and_a_new_registration_and_do_not_come_out() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let set = api::set_local_secret(&edge.handle, of_linear(None, "hush")).await.unwrap();
    api::set_local_secret(&edge.handle, of_linear(Some("linear-main"), "hush-2")).await.unwrap();
    assert_eq!(set.secrets.len(), 1);
    api::rotate_secret(&edge.handle).await.unwrap();
    let edge = edge.restart().await;
    edge.until("signed in", |status| status.session.as_ref().is_some_and(|s| s.worker_id.is_some())).await;
    let LocalSecrets { secrets } = api::local_secrets(&edge.handle).await.unwrap();
    let sources: Vec<_> = secrets.iter().map(|s| s.source.as_deref()).collect();
    assert_eq!(sources, [None, Some("linear-main")]);
    let told = serde_json::to_string(&secrets).unwrap();
    assert!(!told.contains("hush"), "{told}");
    // Setting anew replaces, and keeps the place.
    let LocalSecrets { secrets } =
        api::set_local_secret(&edge.handle, of_linear(None, "hush-3")).await.unwrap();
    assert_eq!(secrets.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_one_is_refused_and_nothing_changes() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hmac = json!({"provider": "hmac", "header": "x-acme"});
    for (args, why) in [
        (json!({"scheme": {"provider": "linear"}, "secret": " \n"}), "1 to 500 bytes"),
        (json!({"scheme": {"provider": "linear"}, "secret": "x".repeat(501)}), "1 to 500 bytes"),
        (json!({"scheme": {"provider": "none"}, "secret": "x"}), "signs nothing"),
        (json!({"scheme": hmac, "secret": "x"}), "for one source"),
        (
            json!({"scheme": {"provider": "linear"}, "secret": "x", "source": "s".repeat(101)}),
            "100 characters",
        ),
        (json!({"scheme": {"provider": "linear"}, "secret": "x", "colour": 1}), "colour"),
        (json!({"scheme": {"provider": "carrier-pigeon"}, "secret": "x"}), "carrier-pigeon"),
    ] {
        let refused = api::call(&edge.handle, "set_local_secret", args).await.unwrap_err();
        assert_eq!(refused.code, "request.malformed");
        assert!(refused.message.contains(why), "{refused}");
    }
    assert!(api::local_secrets(&edge.handle).await.unwrap().secrets.is_empty());

    for n in 0..50 {
        api::set_local_secret(&edge.handle, of_linear(Some(&format!("s{n}")), "x")).await.unwrap();
    }
    let refused = api::set_local_secret(&edge.handle, of_linear(None, "x")).await.unwrap_err();
    assert!(refused.message.contains("50 local secrets"), "{refused}");

    // One that cannot be kept is not used either.
    let file = edge.dir.path().join("secrets.json");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    api::set_local_secret(&edge.handle, of_linear(Some("s0"), "new")).await.unwrap_err();
    let key = LocalSecretKey { source: Some("s0".into()), provider: Provider::Linear };
    api::remove_local_secret(&edge.handle, key).await.unwrap_err();
    assert_eq!(api::local_secrets(&edge.handle).await.unwrap().secrets.len(), 50);
}

fn replay(id: &str) -> Replay {
    Replay { id: id.into(), ..Replay::default() }
}

#[tokio::test]
async fn a_replay_goes_out_signed_anew_or_as_it_came_or_edited_and_says_which() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut target = Target::ok().await;
    api::set_forward(&edge.handle, SetForward { url: Some(target.url()) }).await.unwrap();
    deliver(&edge, &proxy, "evt_1", "theirs").await;
    let first = target.next().await;
    let time = edge.status().await.now.0;
    edge.clock.turn(3 * 86_400_000);

    // Without a local secret it goes as it came, with a word; or not at all.
    let old = api::replay(&edge.handle, replay("evt_1")).await.unwrap();
    assert_eq!((old.altered, target.next().await.body), (None, first.body.clone()));
    assert!(old.warning.unwrap().contains("3 d old"));
    let forced = Replay { resign: Some(true), ..replay("evt_1") };
    let refused = api::replay(&edge.handle, forced.clone()).await.unwrap_err();
    assert_eq!(refused.code, "edge.no_local_secret");

    api::set_local_secret(&edge.handle, of_linear(None, "mine")).await.unwrap();
    for args in [replay("evt_1"), forced] {
        let run = api::replay(&edge.handle, args).await.unwrap();
        assert_eq!((run.altered, run.warning), (Some(Altered { edited: false, resigned: true }), None));
        let seen = target.next().await;
        let now = (time + 3 * 86_400_000).to_string();
        assert_eq!(
            String::from_utf8(seen.body.clone()).unwrap().replace(&now, &time.to_string()).into_bytes(),
            first.body
        );
        let signature = linear::sign(&Secret::new("mine"), &seen.body);
        assert!(seen.headers.contains(&("linear-signature".into(), signature)), "{:?}", seen.headers);
        assert!(seen.headers.contains(&("postern-altered".into(), "resigned".into())));
        // What was sent is on record.
        let sent = api::run_request(&edge.handle, RunKey { run: run.id }).await.unwrap();
        assert_eq!(sent.body, Body::Utf8 { text: String::from_utf8(seen.body).unwrap() });
        assert_eq!(sent.headers.get("postern-altered"), Some("resigned"));
        assert_eq!(sent.altered, run.altered);
    }
    let plain = api::replay(&edge.handle, Replay { resign: Some(false), ..replay("evt_1") }).await.unwrap();
    assert_eq!((plain.altered, target.next().await.body), (None, first.body.clone()));
    let sent = api::run_request(&edge.handle, RunKey { run: plain.id }).await.unwrap();
    assert_eq!(sent.body, Body::Utf8 { text: String::from_utf8(first.body.clone()).unwrap() });

    // Edited: by its body alone the headers stay, but for the signature's.
    let text = r#"{"type":"Issue","action":"remove","webhookTimestamp":1}"#;
    let edit = Edit { headers: None, body: Some(Body::Utf8 { text: text.into() }) };
    let run = api::replay(&edge.handle, Replay { edit: Some(edit), ..replay("evt_1") }).await.unwrap();
    assert_eq!(run.altered, Some(Altered { edited: true, resigned: true }));
    let seen = target.next().await;
    assert!(
        seen.body.starts_with(br#"{"type":"Issue","action":"remove","webhookTimestamp":1795"#),
        "{seen:?}"
    );
    // The event itself is as it came.
    let event = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!(event.body, Body::Utf8 { text: String::from_utf8(first.body).unwrap() });

    let unknown = api::run_request(&edge.handle, RunKey { run: 999 }).await.unwrap_err();
    assert_eq!(unknown.code, "not_found");
}

#[tokio::test]
async fn an_edit_that_cannot_be_sent_is_refused_and_nothing_goes_out() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut target = Target::ok().await;
    deliver(&edge, &proxy, "evt_1", "theirs").await;
    for (edit, why) in [
        (json!({"headers": [["a b", "1"]]}), "`a b`"),
        (json!({"headers": [["a", "1\n2"]]}), "`a`"),
        (json!({"body": {"encoding": "base64", "base64": "!"}}), "edit.body.base64"),
        (json!({"colour": 1}), "colour"),
    ] {
        let args = json!({"id": "evt_1", "target": target.url(), "edit": edit});
        let refused = api::call(&edge.handle, "replay", args).await.unwrap_err();
        assert_eq!(refused.code, "request.malformed");
        assert!(refused.message.contains(why), "{refused}");
    }
    // Nor does what is to be signed and cannot.
    api::set_local_secret(&edge.handle, of_linear(None, "mine")).await.unwrap();
    let edit = Edit { headers: None, body: Some(Body::Utf8 { text: "{}".into() }) };
    let args = Replay { target: Some(target.url()), resign: Some(true), edit: Some(edit), ..replay("evt_1") };
    let refused = api::replay(&edge.handle, args).await.unwrap_err();
    assert_eq!(refused.code, "request.unsupported");
    let event = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert!(event.runs.is_empty());
    // The first that the target sees is one that can.
    let run =
        api::replay(&edge.handle, Replay { target: Some(target.url()), ..replay("evt_1") }).await.unwrap();
    assert_eq!((target.next().await.body.is_empty(), run.status), (false, Some(200)));
}
