//! The command line as it is run: what it prints, and its exit statuses.

use http::StatusCode;
use postern_testkit::{Answer, Machine, Receiver};
use serde_json::{Value, json};
use std::path::Path;

const TOKEN: &str = "pst_a_token_that_must_not_be_seen";

/// Exit status, standard output, standard error.
struct Done(i32, String, String);

async fn run(machine: &Machine, arguments: &[&str], input: &str) -> Done {
    let command = machine.command_of(Path::new(env!("CARGO_BIN_EXE_postern")), arguments);
    let (status, out, err) = Machine::run_with_input(command, input).await;
    for text in [&out, &err] {
        assert!(!text.contains(TOKEN), "the token is shown: {text}");
        assert!(!text.contains("panicked") && !text.contains('\u{1b}'), "{text}");
    }
    Done(status.code().unwrap_or(-1), out, err)
}

/// A proxy that knows one token, as far as signing in goes.
async fn proxy(answer: Answer) -> Receiver {
    let proxy = Receiver::start().await;
    proxy.answer_always(answer);
    proxy
}

fn workspace() -> Answer {
    let body = json!({ "id": "ws_01K9Z0000000000000000000AA", "name": "Acme" }).to_string();
    Answer { status: StatusCode::OK, headers: vec![("content-type", "application/json".into())], body }
}

fn refusal(code: &str) -> Answer {
    let body = json!({ "error": { "code": code, "message": "this token is not known here" } }).to_string();
    Answer {
        status: StatusCode::UNAUTHORIZED,
        headers: vec![("content-type", "application/json".into())],
        body,
    }
}

#[tokio::test]
async fn help_says_what_there_is() {
    let machine = Machine::new();
    let Done(status, out, _) = run(&machine, &["--help"], "").await;
    assert_eq!(status, 0);
    insta::assert_snapshot!(out);
    for command in ["login", "serve", "listen", "events", "trigger"] {
        assert_eq!(run(&machine, &[command, "--help"], "").await.0, 0, "{command}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_status_2() {
    let machine = Machine::new();
    for wrong in [
        &["fly"][..],
        &["trigger", "linear"],
        &["events", "list", "--limit", "0"],
        &["login", "--token", TOKEN],
        &["listen", "--filter", "Issue["],
        &["serve", "--capability", "Issue["],
        &["login", "--token-stdin"],
        &["login", "--proxy", "http://127.0.0.1:1"],
    ] {
        let Done(status, out, err) = run(&machine, wrong, "").await;
        assert_eq!((status, out.as_str()), (2, ""), "{wrong:?}: {err}");
        assert!(!err.is_empty());
    }
}

#[tokio::test]
async fn nobody_is_signed_in_at_first() {
    let machine = Machine::new();
    let Done(status, out, err) = run(&machine, &["status"], "").await;
    assert_eq!(status, 3);
    insta::assert_snapshot!(format!("{out}{err}"));
    let Done(status, out, err) = run(&machine, &["--json", "status"], "").await;
    assert_eq!(status, 3);
    let (out, err): (Value, Value) =
        (serde_json::from_str(&out).unwrap(), serde_json::from_str(&err).unwrap());
    assert_eq!((&out["running"], &out["session"]), (&json!(false), &Value::Null));
    assert_eq!(err["error"]["code"], "edge.not_signed_in");
    for command in [&["trigger", "linear", "Issue.create"][..], &["listen"]] {
        assert_eq!(run(&machine, command, "").await.0, 3, "{command:?}");
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_login_has_a_status_of_its_own() {
    let machine = Machine::new();
    let refusing = proxy(refusal("auth.revoked")).await;
    let knowing = proxy(workspace()).await;
    let nowhere = {
        // Free a moment ago, and nobody listens there.
        let gone = Receiver::start().await;
        gone.url("")
    };
    for (proxy, expected, code) in [
        (nowhere.as_str(), 4, "[proxy.unreachable]"),
        (&refusing.url(""), 5, "[auth.revoked]"),
        (&knowing.url(""), 6, "[keychain.absent]"),
    ] {
        let Done(status, out, err) =
            run(&machine, &["login", "--proxy", proxy, "--token-stdin"], TOKEN).await;
        assert_eq!((status, out.as_str()), (expected, ""), "{err}");
        assert!(err.starts_with("postern: ") && err.trim_end().ends_with(code), "{err}");
        assert_eq!(err.trim_end().lines().count(), 1, "{err}");
        assert_eq!(run(&machine, &["status"], "").await.0, 3, "nothing was kept");
    }
}

#[tokio::test]
async fn a_token_is_kept_in_a_plain_file_only_when_asked_for() {
    let machine = Machine::new();
    let proxy = proxy(workspace()).await;
    let login =
        ["login", "--proxy", &proxy.url(""), "--token-stdin", "--plaintext-file", "--name", "ada-laptop"];
    let Done(status, out, err) = run(&machine, &login, &format!("{TOKEN}\n")).await;
    assert_eq!(status, 0, "{err}");
    insta::assert_snapshot!(out.replace(&proxy.url(""), "PROXY"));
    assert_eq!(proxy.nth(1).await.headers.get("authorization"), Some(format!("Bearer {TOKEN}").as_str()));

    let file = machine.data_dir().join("secrets.json");
    assert!(std::fs::read_to_string(&file).unwrap().contains(TOKEN));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let Done(status, out, err) = run(&machine, &["--json", "status"], "").await;
    assert_eq!(status, 0, "{err}");
    let known: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&known["session"]["tokenKeptIn"], &known["name"]), (&json!("file"), &json!("ada-laptop")));

    assert_eq!(run(&machine, &["logout"], "").await.0, 0);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(TOKEN));
    assert_eq!(run(&machine, &["status"], "").await.0, 3);
}

#[tokio::test]
async fn the_history_of_a_new_machine_is_empty() {
    let machine = Machine::new();
    let proxy = proxy(workspace()).await;
    let login = ["login", "--proxy", &proxy.url(""), "--token-stdin", "--plaintext-file"];
    assert_eq!(run(&machine, &login, TOKEN).await.0, 0);
    for (command, expected) in [
        (&["events", "list"][..], "No events. `postern trigger linear Issue.create` makes one.\n"),
        (&["rejected"], "No request was refused.\n"),
        (&["forward", "show"], "Events are forwarded nowhere. `postern forward set URL` sets a target.\n"),
        (
            &["forward", "set", "http://localhost:3000/hooks"],
            "Events are forwarded to http://localhost:3000/hooks.\n",
        ),
        (&["forward", "show"], "Events are forwarded to http://localhost:3000/hooks.\n"),
        (&["forward", "clear"], "Events are forwarded nowhere. `postern forward set URL` sets a target.\n"),
    ] {
        let Done(status, out, err) = run(&machine, command, "").await;
        assert_eq!((status, out.as_str()), (0, expected), "{command:?}: {err}");
    }
    for (command, code) in [
        (&["events", "show", "evt_01K9Z0000000000000000000AA"][..], "[not_found]"),
        (&["replay", "evt_01K9Z0000000000000000000AA", "--to", "http://localhost:3000"], "[not_found]"),
        (&["forward", "set", "ftp://localhost"], "[request.malformed]"),
        (&["open"], "[edge.not_running]"),
    ] {
        let Done(status, out, err) = run(&machine, command, "").await;
        assert_eq!((status, out.as_str()), (1, ""), "{command:?}");
        assert!(err.trim_end().ends_with(code), "{command:?}: {err}");
    }
}

/// It is said before anything is asked for or opened.
#[tokio::test]
async fn an_address_that_no_proxy_can_have_is_a_wrong_command_line() {
    let machine = Machine::new();
    for (address, why) in [
        ("ftp://proxy.example", "must begin with https://"),
        ("http://proxy.example", "the token would travel in the clear"),
        ("https://me:pass@proxy.example", "must not contain a user or password"),
    ] {
        let Done(status, out, err) = run(&machine, &["login", "--proxy", address], "").await;
        assert_eq!((status, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(why), "{err}");
    }
    assert!(!machine.data_dir().join("edge.db").exists());
}

#[tokio::test]
async fn rules_are_added_changed_moved_and_removed() {
    let machine = Machine::new();
    let proxy = proxy(workspace()).await;
    let login = ["login", "--proxy", &proxy.url(""), "--token-stdin", "--plaintext-file"];
    assert_eq!(run(&machine, &login, TOKEN).await.0, 0);
    let headers = machine.data_dir().join("headers");
    std::fs::write(&headers, "X-Token: s3cret\n\nX-Two: 2\n").unwrap();
    let from_file = format!("@{}", headers.display());
    let list = async |arguments: &[&str]| {
        let arguments = [&["--json", "rules"], arguments].concat();
        let Done(status, out, err) = run(&machine, &arguments, "").await;
        assert_eq!(status, 0, "{arguments:?}: {err}");
        let list: Value = serde_json::from_str(&out).unwrap();
        list["rules"].as_array().unwrap().clone()
    };
    let order = |rules: &[Value]| {
        rules.iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    list(&["add", "--to", "3000/hooks", "--retry", "2", "--timeout", "5s", "--header", &from_file]).await;
    list(&["add", "--to", "4000", "--name", "Mirror", "--filter", "Issue", "--disabled"]).await;
    let rules = list(&["add", "--notify", "--filter", "Issue[data.priority==1]", "--before", "Mirror"]).await;
    assert_eq!(order(&rules), "localhost:3000 Notify Mirror");
    let action = &rules[0]["action"];
    assert_eq!(action["url"], "http://localhost:3000/hooks");
    assert_eq!((&action["timeoutMs"], &action["retry"]["count"]), (&json!(5000), &json!(2)));
    assert_eq!(action["headers"], json!([["X-Token", "s3cret"], ["X-Two", "2"]]));
    assert_eq!(rules[1]["filter"], json!(["Issue[data.priority == 1]"]));

    let rules = list(&["move", "Mirror", "--first"]).await;
    assert_eq!(order(&rules), "Mirror localhost:3000 Notify");
    let rules = list(&["enable", "Mirror"]).await;
    assert_eq!(rules[0]["enabled"], true);
    let rules = list(&["edit", "Mirror", "--everything", "--stop", "--name", "All"]).await;
    assert_eq!((&rules[0]["filter"], &rules[0]["stop"]), (&json!([]), &json!(true)));
    let rules = list(&["remove", "Notify", "localhost:3000"]).await;
    assert_eq!(order(&rules), "All");
    assert_eq!(order(&list(&["list"]).await), "All");

    let Done(status, out, _) = run(&machine, &["rules", "dry-run"], "").await;
    assert_eq!((status, out.starts_with("There are no events yet.")), (0, true), "{out}");
    let Done(_, out, _) = run(&machine, &["forward", "show"], "").await;
    assert_eq!(out, "Events are forwarded to http://localhost:4000/.\n");
    for (wrong, status, code) in [
        (&["rules", "add"][..], 2, "[usage]"),
        (&["rules", "add", "--to", "3000", "--filter", "Issue."], 1, "[request.malformed]"),
        (&["rules", "add", "--to", "3000", "--timeout", "1ms"], 1, "[request.malformed]"),
        (&["rules", "edit", "Nobody", "--stop"], 1, "[not_found]"),
        (&["rules", "dry-run", "--filter", "Issue["], 1, "[request.malformed]"),
    ] {
        let Done(found, out, err) = run(&machine, wrong, "").await;
        assert_eq!((found, out.as_str()), (status, ""), "{wrong:?}");
        assert!(err.trim_end().ends_with(code), "{wrong:?}: {err}");
    }
    assert_eq!(order(&list(&["list"]).await), "All", "what was refused changed nothing");
}

#[tokio::test]
async fn templates_are_listed_without_signing_in() {
    let machine = Machine::new();
    let Done(status, out, _) = run(&machine, &["trigger", "--list"], "").await;
    assert_eq!(status, 0);
    assert!(out.lines().any(|line| line.starts_with("linear   Issue.create ")), "{out}");
    let Done(status, out, _) = run(&machine, &["trigger", "--list", "github"], "").await;
    assert!(status == 0 && out.lines().all(|line| line.starts_with("github   ")), "{out}");
}

#[tokio::test]
async fn completions_know_the_commands() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let Done(status, out, _) = run(&machine, &["completions", shell], "").await;
        assert!(status == 0 && out.contains("trigger"), "{shell}");
        let names = match shell {
            "bash" | "fish" => "trigger --list",
            "zsh" => "AgentSessionEvent.prompted",
            _ => "trigger",
        };
        assert!(out.contains(names), "{shell} completes the names of templates");
    }
}
