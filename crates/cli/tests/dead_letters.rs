//! What the proxy gave up, and what it is to deliver once more, from the
//! command line, against a proxy in this process.

use postern_testkit::{Machine, Process, Proxy};
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Command;

fn postern(machine: &Machine, arguments: &[&str]) -> Command {
    machine.command_of(Path::new(env!("CARGO_BIN_EXE_postern")), arguments)
}

/// Runs a command: exit status, and the JSON on standard output.
async fn ask(machine: &Machine, arguments: &[&str]) -> (i32, Value) {
    let (status, out, _) = Machine::run(postern(machine, &[&["--json"], arguments].concat())).await;
    (status.code().unwrap_or(-1), serde_json::from_str(&out).unwrap_or_default())
}

async fn done(machine: &Machine, arguments: &[&str]) -> Value {
    let (status, said) = ask(machine, arguments).await;
    assert_eq!(status, 0, "{arguments:?}: {said}");
    said
}

/// A machine whose worker runs and is live.
async fn live(proxy: &Proxy) -> (Machine, Process) {
    let machine = Machine::new().signed_in(proxy.url(), proxy.token().await);
    let edge = Process::spawn(postern(&machine, &["--json", "serve", "--ui-port", "0"]));
    let is_live = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["connection"]["state"] == "live").then_some(())
    };
    edge.line("the state live", is_live).await;
    (machine, edge)
}

#[tokio::test]
async fn dead_letters_are_listed_shown_and_discarded() {
    let proxy = Proxy::start().await;
    let (machine, edge) = live(&proxy).await;
    let (other, leaving) = live(&proxy).await;
    done(&other, &["pause"]).await;
    let event = done(&other, &["trigger", "linear", "Issue.create"]).await["eventId"].clone();
    done(&other, &["logout"]).await;

    let none = json!({"deliveries": []});
    assert_eq!(done(&machine, &["dead-letters", "list"]).await, none, "not of this machine");
    let list =
        done(&machine, &["dead-letters", "list", "--all", "--reason", "worker_left", "--since", "1h"]).await;
    let [dead] = &list["deliveries"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((&dead["eventId"], &dead["state"]), (&event, &json!("dead")));
    let id = dead["id"].as_str().unwrap();
    let shown = done(&machine, &["dead-letters", "show", id]).await;
    assert_eq!((&shown["id"], &shown["attempts"]), (&dead["id"], &json!([])));

    // Its worker is gone; and nobody is asked without a terminal.
    let redriven = done(&machine, &["dead-letters", "redrive", id]).await;
    assert_eq!(redriven, json!({"matched": 1, "changed": 0, "unable": 1}));
    let discard = ["dead-letters", "discard", "--all", "--because", "it left"];
    assert_eq!(ask(&machine, &discard).await.0, 2);
    let dry = done(&machine, &[&discard[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry, json!({"matched": 1, "changed": 0, "unable": 0}));
    let discarded = done(&machine, &[&discard[..], &["--yes"]].concat()).await;
    assert_eq!(discarded, json!({"matched": 1, "changed": 1, "unable": 0}));
    assert_eq!(done(&machine, &["dead-letters", "list", "--all"]).await, none);
    let list = done(&machine, &["dead-letters", "list", "--all", "--state", "discarded"]).await;
    assert_eq!(list["deliveries"][0]["ended"]["reason"], "it left");
    for wrong in [&["dead-letters", "redrive"][..], &["dead-letters", "list", "--state", "delivered"]] {
        assert_eq!(ask(&machine, wrong).await.0, 2, "{wrong:?}");
    }
    assert_eq!(ask(&machine, &["dead-letters", "show", "dlv_01JD0000000000000000000000"]).await.0, 1);
    assert!(edge.stop().await.success());
    assert!(leaving.stop().await.success());
}

#[tokio::test]
async fn the_proxy_delivers_an_event_once_more() {
    let proxy = Proxy::start().await;
    let (machine, edge) = live(&proxy).await;
    let made = done(&machine, &["trigger", "linear", "Issue.create"]).await;
    let event = made["eventId"].as_str().unwrap();
    let replayed = done(&machine, &["replay", event, "--from-proxy"]).await;
    assert_eq!(replayed, json!({"replay": 1, "deliveries": 1}));
    let again = format!("{event}.r1");
    let listen = Process::spawn(postern(&machine, &["--json", "listen"]));
    listen.note("that it listens", |line| line.contains("Listening").then_some(())).await;
    // Its own record is found by the id it arrived under.
    let replayed = done(&machine, &["replay", &again, "--from-proxy", "--all-workers"]).await;
    assert_eq!(replayed, json!({"replay": 2, "deliveries": 1}));
    let second = format!("{event}.r2");
    let arrived = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["id"] == second.as_str()).then_some(())
    };
    listen.line("the second replay", arrived).await;
    assert!(listen.stop().await.success());
    // All there was has arrived, or was made for somebody.
    let nothing = json!({"missing": 0, "ended": 0, "delivering": 0});
    assert_eq!(done(&machine, &["recover", "--since", "2h", "--dry-run"]).await, nothing);
    assert_eq!(done(&machine, &["recover", "--since", "2h"]).await, nothing);
    assert_eq!(ask(&machine, &["recover", "--since", "yesterday"]).await.0, 2);
    assert!(edge.stop().await.success());
}
