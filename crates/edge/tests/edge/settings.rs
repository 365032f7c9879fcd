//! A worker's name and token, settings from machine to machine, diagnostics.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, soon};
use postern_edge::api::{
    self, Action, Appearance, ChangeToken, Connection, ExportSettings, FilterTerms, ForwardTo,
    ImportSettings, Imported, Keep, RenameProfile, RenameWorker, Rule, RuleList, SetLocalSecret, Settings,
    SignIn, Theme, View,
};
use postern_protocol::Secret;
use postern_protocol::signature::Scheme;
use serde_json::{Value, json};
use std::io::Write;

const LOOK: Appearance = Appearance { theme: Theme::Dark, single_keys: true };

async fn live(edge: &TestEdge) {
    edge.until("live", |status| matches!(status.connection, Connection::Live { .. })).await;
}

/// How many workers the proxy has, and how many have left.
fn counts(proxy: &FakeProxy) -> (usize, usize) {
    let book = proxy.book();
    (book.workers.len(), book.left.len())
}

async fn set_rules(edge: &TestEdge, rules: Vec<Rule>) -> RuleList {
    let version = api::rules(&edge.handle).await.unwrap().version;
    api::set_rules(&edge.handle, RuleList { version, rules }).await.unwrap()
}

fn forward(name: &str, url: &str, headers: &[(&str, &str)]) -> Rule {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let action = Action::Forward(ForwardTo { headers, ..ForwardTo::new(url) });
    Rule { name: name.into(), action, ..Rule::forward(url) }
}

#[tokio::test]
async fn a_renamed_worker_is_the_same_one_at_the_proxy() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    set_rules(&edge, vec![forward("app", "http://localhost:3000/x", &[])]).await;
    let hook = edge.hook().await;
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&hook).await.status(), 200);
    let rename =
        async |name: &str| api::rename_worker(&edge.handle, RenameWorker { name: name.into() }).await;
    rename(" ada-laptop ").await.unwrap();
    proxy.until("the new name", |book| book.workers.values().any(|worker| worker.name == "ada-laptop")).await;
    live(&edge).await;
    assert_eq!(counts(&proxy), (1, 0));
    let status = edge.status().await;
    assert_eq!((status.name.as_str(), status.events, status.targets.len()), ("ada-laptop", 1, 1));
    assert_eq!(Delivery::new("evt_2", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
    for wrong in ["", " ", "two\nlines", &"x".repeat(101)] {
        assert_eq!(rename(wrong).await.unwrap_err().code, "request.malformed", "{wrong:?}");
    }
    let registrations = proxy.book().registrations;
    rename("ada-laptop").await.unwrap();
    assert_eq!(proxy.book().registrations, registrations, "the same name needs no registration");

    let edge = edge.restart().await;
    assert_eq!(edge.status().await.name, "ada-laptop");
    // Who signs in again without a name keeps the one there was.
    let again = SignIn { proxy_url: proxy.url.clone(), token: Secret::new("pst_good"), name: None };
    api::sign_in(&edge.handle, again).await.unwrap();
    assert_eq!(edge.status().await.name, "ada-laptop");
    let nobody = TestEdge::start().await;
    let error = api::rename_worker(&nobody.handle, RenameWorker { name: "x".into() }).await.unwrap_err();
    assert_eq!(error.code, "edge.not_signed_in");
}

#[tokio::test]
async fn a_token_is_changed_without_signing_out() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
    let change =
        async |token: &str| api::change_token(&edge.handle, ChangeToken { token: Secret::new(token) }).await;
    let kept = || std::fs::read_to_string(edge.dir.path().join("secrets.json")).unwrap();
    assert_eq!(change("pst_unknown").await.unwrap_err().code, "auth.invalid");
    assert_eq!(change("two words").await.unwrap_err().code, "request.malformed");
    assert_eq!(change("").await.unwrap_err().code, "request.malformed");
    assert!(kept().contains("pst_good"), "what was refused changed nothing");
    live(&edge).await;
    proxy.book().tokens = vec!["pst_newer"];
    let registrations = proxy.book().registrations;
    change(" pst_newer ").await.unwrap();
    proxy.until("a registration", |book| book.registrations > registrations).await;
    live(&edge).await;
    assert_eq!(counts(&proxy), (1, 0));
    assert_eq!(edge.status().await.events, 1);
    assert!(kept().contains("pst_newer") && !kept().contains("pst_good"));
    assert_eq!(Delivery::new("evt_2", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
}

/// An edge with something of everything, and the document it exports.
async fn full(proxy: &FakeProxy) -> (TestEdge, String) {
    let edge = TestEdge::live(proxy).await;
    let settings = Settings {
        canary_minutes: 15,
        notifications: false,
        keep: Keep { days: Some(30), gib: None },
        capabilities: vec!["Issue".into()],
        ..Settings::default()
    };
    api::set_settings(&edge.handle, settings).await.unwrap();
    let app = Rule {
        filter: vec!["Issue".into()],
        ..forward("app", "http://localhost:3000/x?page=2&token=hunter2", &[("x-api-key", "hunter3")])
    };
    let notify = Rule { name: "tell".into(), action: Action::Notify, ..Rule::forward("") };
    set_rules(&edge, vec![app, notify]).await;
    let view = View { name: "Logins".into(), filter: "q=login".into() };
    api::save_view(&edge.handle, view).await.unwrap();
    let id = edge.status().await.profiles[0].id;
    api::rename_profile(&edge.handle, RenameProfile { id, name: Some("Work".into()) }).await.unwrap();
    let args = ExportSettings { appearance: Some(LOOK) };
    let document = api::export_settings(&edge.handle, args).await.unwrap();
    assert_eq!(document.name, "postern-settings.json");
    (edge, document.text)
}

async fn import(edge: &TestEdge, document: &str, apply: bool) -> Result<Imported, api::ApiError> {
    let look = Appearance { theme: Theme::System, ..LOOK };
    let args = ImportSettings { document: document.to_owned(), apply, appearance: Some(look) };
    api::import_settings(&edge.handle, args).await
}

#[tokio::test]
async fn settings_go_from_one_machine_to_another() {
    let proxy = FakeProxy::new().await;
    let (edge, document) = full(&proxy).await;
    for secret in ["pst_good", "hunter", proxy.secret().reveal(), "cred_", "hookKey"] {
        assert!(!document.contains(secret), "{secret}: {document}");
    }

    let other = TestEdge::live(&proxy).await;
    set_rules(&other, vec![forward("old", "http://localhost:4000", &[])]).await;
    let would = import(&other, &document, false).await.unwrap();
    let shown: Vec<_> = would
        .changes
        .iter()
        .map(|c| {
            format!("{:?} {}: {:?} -> {:?}", c.profile, c.what, c.from, c.to)
                .replace("Some(", "(")
                .replace("\"", "")
        })
        .collect();
    let expected = [
        "None Prove the path: (every 5 minutes) -> (every 15 minutes)",
        "None Events asked for: (all) -> (Issue)",
        "None Keep events: (90 days, up to 10 GiB) -> (30 days, any size)",
        "None Notifications: (on) -> (off)",
        "None Theme: (system) -> (dark)",
        "(Acme) Name on this machine: (Acme) -> (Work)",
        "(Acme) Rule “app”: None -> (Issue · forward to http://localhost:3000/x?page=2)",
        "(Acme) Rule “tell”: None -> (all events · notify)",
        "(Acme) Rule “old”: (all events · forward to http://localhost:4000/) -> None",
        "(Acme) View “Logins”: None -> (q=login)",
    ];
    let mut sorted = (shown.clone(), expected.map(str::to_owned).to_vec());
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
    let missing = ["Acme, rule “app”: the header x-api-key", "Acme, rule “app”: `token` in the address"];
    assert_eq!(would.missing, missing);
    assert_eq!(would.appearance, Some(LOOK));
    let untouched = other.status().await;
    assert_eq!(untouched.settings, Settings::default(), "nothing before it is said");
    assert_eq!((untouched.targets.len(), untouched.profiles[0].name.as_str()), (1, "Acme"));

    let done = import(&other, &document, true).await.unwrap();
    assert!(done.applied && done.status.settings == edge.status().await.settings);
    assert_eq!(done.status.profiles[0].name, "Work");
    assert_eq!(done.status.targets[0].url, "http://localhost:3000/x?page=2");
    assert_eq!(api::views(&other.handle).await.unwrap().views.len(), 1);
    let look = |document: &str| ImportSettings {
        document: document.to_owned(),
        apply: true,
        appearance: Some(LOOK),
    };
    assert_eq!(api::import_settings(&other.handle, look(&document)).await.unwrap().changes, []);
    let other = other.restart().await;
    live(&other).await;
    assert_eq!(other.status().await.profiles[0].name, "Work");
    assert_eq!(api::rules(&other.handle).await.unwrap().rules.len(), 2);

    // Where the secrets are, they stay with the rule they belong to.
    let again = api::import_settings(&edge.handle, look(&document)).await.unwrap();
    assert!(again.changes.is_empty() && again.missing.is_empty(), "{again:?}");
    let Action::Forward(to) = &api::rules(&edge.handle).await.unwrap().rules[0].action.clone() else {
        panic!("it forwards")
    };
    assert_eq!(to.headers, [("x-api-key".to_owned(), "hunter3".to_owned())]);
    let elsewhere = document.replace("localhost:3000", "evil.example:3000");
    let moved = import(&edge, &elsewhere, false).await.unwrap();
    assert_eq!(moved.missing.len(), 2, "a secret goes to no other address: {moved:?}");

    let mut parsed: Value = serde_json::from_str(&document).unwrap();
    parsed["profiles"][0]["proxyUrl"] = json!("https://elsewhere.example");
    let left = import(&other, &parsed.to_string(), true).await.unwrap().left;
    assert_eq!(left, ["Acme at https://elsewhere.example: this machine is not signed in there"]);
    let plain = ImportSettings { document, apply: false, appearance: None };
    let left = api::import_settings(&other.handle, plain).await.unwrap().left;
    assert_eq!(left, ["how the interface looks: import the document there to take that over"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_said_and_changes_nothing() {
    let proxy = FakeProxy::new().await;
    let (_edge, document) = full(&proxy).await;
    let other = TestEdge::live(&proxy).await;
    let before = (other.status().await.settings, api::rules(&other.handle).await.unwrap());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut parsed: Value = serde_json::from_str(&document).unwrap();
        change(&mut parsed);
        parsed.to_string()
    };
    let rule = |value: &mut Value, path: &str, to: Value| {
        *value.pointer_mut(&format!("/profiles/0/rules/0{path}")).unwrap() = to;
    };
    let malformed = "request.malformed";
    for (wrong, code, says) in [
        ("{".to_owned(), malformed, "not JSON: EOF while parsing an object at line 1 column 1"),
        ("{}".into(), malformed, "`format` is not \"postern-settings\""),
        ("[]".into(), malformed, "`format`"),
        (
            with(&|v| v["version"] = json!(2)),
            "request.unsupported",
            "is of version 2; this Postern reads version 1",
        ),
        (with(&|v| v["version"] = json!("1")), malformed, "`version`"),
        (with(&|v| v["more"] = json!(1)), malformed, "unknown field `more`"),
        (
            with(&|v| v["settings"]["canaryMinuts"] = json!(1)),
            malformed,
            "`settings.canaryMinuts`: there is no such",
        ),
        (with(&|v| v["settings"]["via"] = json!("x")), malformed, "`settings.via`: unknown variant `x`"),
        (
            with(&|v| v["settings"]["canaryMinutes"] = json!(99_999)),
            malformed,
            "`settings`: `canaryMinutes` is 99999",
        ),
        (with(&|v| v["settings"]["capabilities"] = json!(["Issue["])), malformed, "`settings`: "),
        (with(&|v| v["profiles"][0]["name"] = json!("")), malformed, "`profiles[0]`: the name"),
        (
            with(&|v| v["profiles"][0]["views"][0]["filter"] = json!("")),
            malformed,
            "`profiles[0]`, `views[0]`: `filter`",
        ),
        (
            with(&|v| rule(v, "/filter", json!(["Issue["]))),
            malformed,
            "`profiles[0]`, rule 1 (app): the filter `Issue[`, character",
        ),
        (
            with(&|v| rule(v, "/action/url", json!("ftp://x"))),
            malformed,
            "`profiles[0]`, rule 1 (app): the forward target",
        ),
        (
            with(&|v| v["profiles"][0]["rules"][0]["action"]["timeoutMs"] = json!(1)),
            malformed,
            "the timeout is 1 ms",
        ),
        (
            with(&|v| v["profiles"][0]["rules"] = json!(vec![v["profiles"][0]["rules"][1].clone(); 101])),
            malformed,
            "101 rules are too many",
        ),
        (with(&|v| v["profiles"] = json!([v["profiles"][0], v["profiles"][0]])), malformed, "is there twice"),
    ] {
        let error = import(&other, &wrong, true).await.unwrap_err();
        assert!(error.code == code && error.message.contains(says), "{wrong}: {error}");
    }
    let after = (other.status().await.settings, api::rules(&other.handle).await.unwrap());
    assert_eq!(before, after);
}

#[tokio::test]
async fn diagnostics_hold_no_secret_wherever_one_was_put() {
    const PLANTED: &str = "hunter2-plants-a-secret";
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let url = format!("http://localhost:3000/{PLANTED}/x?token={PLANTED}&page={PLANTED}");
    let rule = Rule {
        filter: vec![format!("Issue[data.title == \"{PLANTED}\"]")],
        ..forward(PLANTED, &url, &[("x-key", PLANTED)])
    };
    set_rules(&edge, vec![rule]).await;
    let capabilities = vec![format!("Comment[data.body == \"{PLANTED}\"]")];
    api::set_settings(&edge.handle, Settings { capabilities, ..Settings::default() }).await.unwrap();
    live(&edge).await;
    let view = View { name: PLANTED.into(), filter: format!("q={PLANTED}") };
    api::save_view(&edge.handle, view).await.unwrap();
    let local =
        SetLocalSecret { source: None, scheme: Scheme::Linear, secret: Secret::new("lin-local-planted") };
    api::set_local_secret(&edge.handle, local).await.unwrap();
    let hook = edge.hook().await;
    let body = format!(r#"{{"type":"Issue","action":"create","data":{{"title":"{PLANTED}"}}}}"#);
    let delivery = Delivery::new("evt_1", &edge, &proxy).body(body).header("x-planted", PLANTED);
    assert_eq!(delivery.post(&hook).await.status(), 200);
    let forged = Delivery { secret: Secret::new("whsec_cGxhbnRlZC1hcy1hLWZvcmdlcnk="), ..delivery.clone() };
    assert_eq!(forged.post(&hook).await.status(), 401);
    let (secret, credential) = {
        let book = proxy.book();
        let worker = book.workers.values().next().unwrap();
        (worker.secret.reveal().to_owned(), worker.credential.clone())
    };
    let running = std::fs::read_to_string(edge.dir.path().join("running.json")).unwrap();
    let running: Value = serde_json::from_str(&running).unwrap();
    let control = running["controlToken"].as_str().unwrap().to_owned();
    let key = hook.rsplit('/').next().unwrap().to_owned();
    for line in [
        format!("asked with Authorization: Bearer {PLANTED}"),
        "the token pst_good is fine".to_owned(),
        format!("signed with {secret} as {credential} by {control} and lin-local-planted"),
        format!("to http://ada:{PLANTED}@localhost:3000/hook?x={PLANTED} or {hook}"),
        "lin_api_0123456789 and ghp_0123456789abcdef".to_owned(),
        format!("password={PLANTED} {{\"apiKey\":\"{PLANTED}\"}}"),
    ] {
        writeln!(postern_edge::log::writer(), "{line}").unwrap();
    }
    let document = soon("diagnostics", api::diagnostics(&edge.handle)).await.unwrap();
    let text = &document.text;
    let planted =
        [PLANTED, "pst_good", &secret, &credential, &key, &control, "lin-local", "lin_api_0", "ghp_0123"];
    for planted in planted {
        assert!(!text.contains(planted), "{planted} is in {text}");
    }
    let parsed: Value = serde_json::from_str(text).unwrap();
    assert_eq!(parsed["format"], "postern-diagnostics");
    let profile = &parsed["profiles"][0];
    assert_eq!((&profile["events"], &profile["proxy"]), (&json!(1), &json!(proxy.url)));
    assert_eq!(profile["connection"]["state"], "live");
    assert_eq!(profile["rules"][0]["action"]["to"], "http://localhost:3000");
    assert!(
        parsed["log"]
            .as_array()
            .unwrap()
            .iter()
            .any(|line| line.as_str().unwrap().contains("[removed] is fine"))
    );
    assert!(parsed["data"]["schema"].as_i64().unwrap() >= 6);
    let checks: Vec<_> =
        parsed["checks"].as_array().unwrap().iter().map(|c| c["check"].as_str().unwrap()).collect();
    assert!(
        ["secrets", "proxy", "worker", "tunnel", "forward"].iter().all(|check| checks.contains(check)),
        "{checks:?}"
    );
    // Nobody is signed in: there is one all the same.
    let nobody = TestEdge::start().await;
    let text = api::diagnostics(&nobody.handle).await.unwrap().text;
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["profiles"][0]["connection"]["state"],
        "signed_out"
    );
}

#[tokio::test]
async fn terms_are_checked_as_they_are_written() {
    let edge = TestEdge::start().await;
    let check = async |terms: &[&str]| {
        let terms = terms.iter().map(|&term| term.to_owned()).collect();
        api::check_filter(&edge.handle, FilterTerms { terms }).await.unwrap().problem
    };
    assert_eq!(check(&[]).await, None);
    assert_eq!(check(&["Issue", "!Issue.remove", "Issue[data.assigneeId == me]"]).await, None);
    let problem = check(&["Issue", "Issue[data.x ==]"]).await.unwrap();
    assert_eq!((problem.term, problem.at), (1, 16), "{problem:?}");
}
