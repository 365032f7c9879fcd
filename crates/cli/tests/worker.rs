//! The worker as the command line runs it, against a proxy in this process:
//! its interface, listening, replaying, and how the status tells trouble.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use http::StatusCode;
use postern_testkit::{Answer, Machine, Process, Proxy, Receiver, client};
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Command;

fn postern(machine: &Machine, arguments: &[&str]) -> Command {
    machine.command_of(Path::new(env!("CARGO_BIN_EXE_postern")), arguments)
}

/// Runs a command: exit status, JSON on standard output, code of the failure.
async fn ask(machine: &Machine, arguments: &[&str]) -> (i32, Value, Option<String>) {
    let (status, out, err) = Machine::run(postern(machine, &[&["--json"], arguments].concat())).await;
    let code =
        |line: &str| Some(serde_json::from_str::<Value>(line).ok()?["error"]["code"].as_str()?.to_owned());
    (status.code().unwrap_or(-1), serde_json::from_str(&out).unwrap_or_default(), err.lines().find_map(code))
}

/// A running `serve`, or `listen`, that prints JSON.
fn start(machine: &Machine, arguments: &[&str]) -> Process {
    Process::spawn(postern(machine, &[&["--json"], arguments].concat()))
}

async fn serve(machine: &Machine) -> (Process, Value) {
    let process = start(machine, &["serve", "--ui-port", "0"]);
    let first = process.line("the first line", |line| serde_json::from_str(line).ok()).await;
    (process, first)
}

async fn state(process: &Process, wanted: &str) {
    let is = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["connection"]["state"] == wanted).then_some(())
    };
    process.line(&format!("the state {wanted}"), is).await;
}

async fn machine_of(proxy: &Proxy) -> Machine {
    Machine::new().signed_in(proxy.url(), proxy.token().await)
}

/// What a browser does with a link: the page, then the token for a bearer.
async fn open_link(link: &str) -> StatusCode {
    let (base, token) = link.split_once("/#token=").unwrap();
    let page = client().get(format!("{base}/")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
    assert!(page.text().await.unwrap().contains("<!doctype html>"));
    let body = json!({ "token": token }).to_string();
    let session = client().post(format!("{base}/api/session")).body(body).send().await.unwrap();
    session.status()
}

#[tokio::test]
async fn the_interface_opens_once_by_each_link() {
    let machine = Machine::new();
    let (edge, first) = serve(&machine).await;
    let link = first["url"].as_str().unwrap();
    assert_eq!(open_link(link).await, StatusCode::OK);
    assert_eq!(open_link(link).await, StatusCode::UNAUTHORIZED, "a link works once");
    let (status, opened, _) = ask(&machine, &["open"]).await;
    assert_eq!(status, 0);
    assert_eq!(open_link(opened["url"].as_str().unwrap()).await, StatusCode::OK);

    let (status, _, code) = ask(&machine, &["serve", "--ui-port", "0"]).await;
    assert_eq!((status, code.as_deref()), (1, Some("edge.running")));
    assert!(edge.stop().await.success(), "SIGTERM ends it in order");
    let (status, _, code) = ask(&machine, &["open"]).await;
    assert_eq!((status, code.as_deref()), (1, Some("edge.not_running")));
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_its_cure() {
    let taken = Receiver::start().await;
    let port = taken.address().port().to_string();
    let (status, out, err) = Machine::run(postern(&Machine::new(), &["serve", "--ui-port", &port])).await;
    assert_eq!((status.code(), out.as_str()), (Some(1), ""));
    assert!(err.contains(&format!("127.0.0.1:{port}")) && err.contains("--ui-port"), "{err}");
    assert!(err.trim_end().ends_with("[edge.address_taken]"), "{err}");
}

#[tokio::test]
async fn listen_shows_and_forwards_what_its_filter_takes_and_leaves_no_trace() {
    let proxy = Proxy::start().await;
    let machine = machine_of(&proxy).await;
    let (edge, _) = serve(&machine).await;
    state(&edge, "live").await;
    let target = Receiver::start().await;
    let issues = r#"Issue[exists(data.title) && action in ["create", "update"]]"#;
    let listen = start(
        &machine,
        &["listen", "--forward-to", &target.url("/hooks"), "--filter", issues, "--filter", "!Issue.remove"],
    );
    listen.note("that it listens", |line| line.contains("Listening").then_some(())).await;
    let mut triggered = Vec::new();
    let shown = |line: &str| serde_json::from_str::<Value>(line).ok();
    for name in ["Comment.create", "Issue.create"] {
        let (status, made, code) = ask(&machine, &["trigger", "linear", name]).await;
        assert_eq!((status, code), (0, None));
        triggered.push(made["eventId"].clone());
    }
    let first = listen.line("an event", shown).await;
    assert_eq!((&first["id"], &first["name"]), (&triggered[1], &json!("Issue.create")));
    assert_eq!(first["outcome"]["kind"], "succeeded");
    let forwarded = target.nth(1).await;
    assert_eq!((forwarded.target.as_str(), forwarded.headers.get("linear-event")), ("/hooks", Some("Issue")));
    assert!(listen.stop().await.success());

    let (_, status, _) = ask(&machine, &["status"]).await;
    assert_eq!((&status["targets"], &status["running"]), (&json!([]), &json!(true)));
    assert_eq!(target.requests().len(), 1, "a comment is not an issue");
    assert!(edge.stop().await.success());
}

#[tokio::test]
async fn listen_runs_the_worker_itself_when_none_runs() {
    let proxy = Proxy::start().await;
    let machine = machine_of(&proxy).await;
    let source = proxy.source("linear", postern_protocol::Provider::Linear, "lin_whs_test".into()).await;
    let listen = start(&machine, &["listen"]);
    listen.note("that it is live", |line| line.contains("  live").then_some(())).await;
    let (_, status, _) = ask(&machine, &["status"]).await;
    assert_eq!((&status["running"], &status["connection"]["state"]), (&json!(true), &json!("live")));
    let delivery = postern_testkit::Sender::new_delivery();
    postern_testkit::Sender::linear(source, "lin_whs_test".into()).deliver(&delivery).await;
    let shown = listen.line("an event", |line| serde_json::from_str::<Value>(line).ok()).await;
    assert_eq!((&shown["name"], &shown["outcome"]["kind"]), (&json!("Issue.create"), &json!("none")));

    // The event, from the history: as it came, and once more to a target.
    let id = shown["id"].as_str().unwrap();
    let (_, event, _) = ask(&machine, &["events", "show", id]).await;
    let (_, raw, _) = Machine::run(postern(&machine, &["events", "show", id, "--raw"])).await;
    assert_eq!(event["body"]["text"], raw);
    let target = Receiver::start().await;
    let (status, _, code) = ask(&machine, &["replay", id]).await;
    assert_eq!((status, code.as_deref()), (1, Some("edge.no_target")));
    target.answer_next(Answer::status(StatusCode::IM_A_TEAPOT));
    for (expected, code) in [(1, Some("target.failed")), (0, None)] {
        let (status, run, failed) = ask(&machine, &["replay", id, "--to", &target.url("/again")]).await;
        assert_eq!((status, failed.as_deref()), (expected, code));
        assert_eq!(run["replay"], true);
    }
    assert_eq!(target.nth(2).await.body, raw);
    assert!(listen.stop().await.success());
    let (_, page, _) = ask(&machine, &["events", "list", "--search", &delivery]).await;
    assert_eq!(page["total"], 1);
}

#[tokio::test]
async fn pausing_is_the_proxys_word() {
    let proxy = Proxy::start().await;
    let machine = machine_of(&proxy).await;
    assert_eq!(ask(&machine, &["pause"]).await.2.as_deref(), Some("edge.not_running"));
    let (edge, _) = serve(&machine).await;
    state(&edge, "live").await;
    let (status, paused, _) = ask(&machine, &["pause"]).await;
    assert_eq!((status, &paused["connection"]["state"]), (0, &json!("paused")));
    let (status, resumed, _) = ask(&machine, &["resume"]).await;
    assert_eq!((status, &resumed["connection"]["state"]), (0, &json!("live")));
    assert!(edge.stop().await.success());
}

#[tokio::test]
async fn the_status_of_a_worker_in_trouble_is_its_exit_status() {
    let proxy = Proxy::start().await;
    let nowhere = Receiver::start().await.url("");
    for (url, token, trouble, expected, code) in [
        (nowhere.as_str(), proxy.token().await, "reconnecting", 4, "proxy.unreachable"),
        (&proxy.url(), "pst_not_known".into(), "refused", 5, "auth.invalid"),
    ] {
        let machine = Machine::new().signed_in(url, token);
        let (edge, _) = serve(&machine).await;
        state(&edge, trouble).await;
        let (status, _, failed) = ask(&machine, &["status"]).await;
        assert_eq!((status, failed.as_deref()), (expected, Some(code)));
        assert!(edge.stop().await.success());
    }
}

#[tokio::test]
async fn triggers_take_other_values_and_bodies_and_several_are_replayed() {
    let proxy = Proxy::start().await;
    let machine = machine_of(&proxy).await;
    let (edge, _) = serve(&machine).await;
    state(&edge, "live").await;
    let target = Receiver::start().await;
    let url = target.url("/hooks");
    assert_eq!(ask(&machine, &["forward", "set", &url]).await.0, 0);

    let set = ["--set", "data.title=Slow sign-in", "--set", "data.priority=1", "--count", "2"];
    let (status, made, _) = ask(&machine, &[&["trigger", "linear", "Issue.create"], &set[..]].concat()).await;
    assert_eq!((status, made["eventIds"].as_array().map(Vec::len)), (0, Some(2)));
    let body: Value = serde_json::from_slice(&target.nth(2).await.body).unwrap();
    assert_eq!((&body["data"]["title"], &body["data"]["priority"]), (&json!("Slow sign-in"), &json!(1)));
    let own = "{ \"action\":\"opened\",  \"n\": 1.50 }";
    let file = machine.folder().join("body.json");
    std::fs::write(&file, own).unwrap();
    let file = file.to_str().unwrap();
    let (status, _, code) = ask(&machine, &["trigger", "github", "--file", file]).await;
    assert_eq!((status, code.as_deref()), (2, Some("usage")), "GitHub's body does not say its type");
    assert_eq!(ask(&machine, &["trigger", "github", "--file", file, "--type", "issues"]).await.0, 0);
    let came = target.nth(3).await;
    assert_eq!(came.body, own);
    assert_eq!(came.headers.get("x-github-event"), Some("issues"));
    let wrong = ["trigger", "linear", "Issue.create", "--set", "data.title.x=1"];
    assert_eq!(ask(&machine, &wrong).await.2.as_deref(), Some("request.malformed"));

    let (status, _, code) = ask(&machine, &["replay", "--last", "2"]).await;
    assert_eq!((status, code.as_deref()), (2, Some("usage")), "nobody to ask");
    let (status, replayed, _) = ask(&machine, &["replay", "--type", "Issue", "--yes"]).await;
    assert_eq!((status, &replayed["replayed"], &replayed["failed"]), (0, &json!(2), &json!(0)));
    target.answer_next(Answer::status(StatusCode::IM_A_TEAPOT));
    let (status, replayed, code) = ask(&machine, &["replay", "--last", "3", "--yes"]).await;
    assert_eq!((status, code.as_deref(), &replayed["failed"]), (1, Some("target.failed"), &json!(1)));
    assert_eq!(target.requests().len(), 8);
    assert_eq!(
        ask(&machine, &["replay", "--search", "nowhere", "--yes"]).await.2.as_deref(),
        Some("not_found")
    );
    assert!(edge.stop().await.success());
}

#[tokio::test]
async fn workers_are_listed_and_a_healthy_worker_passes_the_doctor() {
    let proxy = Proxy::start().await;
    let machine = machine_of(&proxy).await;
    let (edge, _) = serve(&machine).await;
    state(&edge, "live").await;
    let (status, list, _) = ask(&machine, &["workers"]).await;
    assert_eq!((status, &list["workers"][0]["state"]), (0, &json!("active")));
    assert_eq!(list["own"], list["workers"][0]["id"]);
    assert!(!list.to_string().contains("psw_") && !list.to_string().contains("whsec_"));

    let (status, report, code) = ask(&machine, &["doctor"]).await;
    assert_eq!((status, code), (0, None), "{report}");
    let checks: Vec<_> =
        report["checks"].as_array().unwrap().iter().map(|c| c["check"].as_str().unwrap()).collect();
    let every = [
        "data folder",
        "secrets",
        "ports",
        "proxy",
        "certificate",
        "clock",
        "worker",
        "receiver",
        "tunnel",
        "forward",
    ];
    assert_eq!(checks, every);
    assert!(edge.stop().await.success());

    let nowhere = Receiver::start().await.url("");
    let (status, report, code) = ask(&machine, &["doctor", "--proxy", &nowhere]).await;
    assert_eq!((status, code.as_deref()), (1, Some("doctor.failed")));
    let failed =
        report["checks"].as_array().unwrap().iter().find(|check| check["verdict"] == "fail").unwrap();
    assert!(failed["check"] == "proxy" && failed["cure"].is_string(), "{failed}");
}
