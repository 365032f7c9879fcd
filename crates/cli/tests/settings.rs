//! Settings from machine to machine, diagnostics, another name: as the command
//! line does it.

use postern_testkit::{Machine, Process, Proxy};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio::process::Command;

fn postern(machine: &Machine, arguments: &[&str]) -> Command {
    machine.command_of(Path::new(env!("CARGO_BIN_EXE_postern")), arguments)
}

/// Exit status, standard output, standard error.
async fn run(machine: &Machine, arguments: &[&str]) -> (i32, String, String) {
    let (status, out, err) = Machine::run(postern(machine, arguments)).await;
    (status.code().unwrap_or(-1), out, err)
}

#[tokio::test]
async fn settings_are_exported_and_imported() {
    let proxy = Proxy::start().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token().await);
    let edge = Process::spawn(postern(&machine, &["--json", "serve", "--ui-port", "0"]));
    let live = |line: &str| line.contains(r#""state":"live""#).then_some(());
    edge.line("a live worker", live).await;
    let header = "authorization: Bearer hunter2";
    let add = ["rules", "add", "--to", "localhost:3000/x", "--name", "app", "--header", header];
    let (status, _, err) = run(&machine, &add).await;
    assert_eq!(status, 0, "{err}");

    let file = machine.data_dir().join("settings.json");
    let path = file.to_str().unwrap();
    let (status, out, err) = run(&machine, &["settings", "export", "-o", path]).await;
    assert_eq!((status, out.as_str()), (0, ""), "{err}");
    let document = fs::read_to_string(&file).unwrap();
    let parsed: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(parsed["profiles"][0]["rules"][0]["secretsLeftOut"], json!(["the header authorization"]));
    assert!(!document.contains("hunter2") && !document.contains("pst_"), "{document}");
    let (status, out, _) = run(&machine, &["settings", "export"]).await;
    assert_eq!((status, out.as_str()), (0, document.as_str()));
    let (status, _, err) = run(&machine, &["settings", "export", "-o", path]).await;
    assert!(status == 2 && err.contains("is there already"), "nothing is overwritten: {err}");

    let (status, out, err) = run(&machine, &["settings", "import", path]).await;
    assert_eq!((status, out.as_str()), (0, "Nothing changes: everything is set so already.\n"), "{err}");
    let changed =
        document.replace("\"canaryMinutes\": 5", "\"canaryMinutes\": 60").replace(":3000/", ":4000/");
    fs::write(&file, &changed).unwrap();
    let (status, out, err) = run(&machine, &["settings", "import", path, "--dry-run"]).await;
    assert_eq!(status, 0, "{err}");
    for line in [
        "This would change:",
        "  Prove the path: every 5 minutes → every 60 minutes",
        "app”: all events · forward to http://localhost:3000/x · with authorization → all events · forward to http://localhost:4000/x",
        "To be entered again, since secrets are not exported:",
        "rule “app”: the header authorization",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let (status, _, err) = run(&machine, &["settings", "import", path]).await;
    assert!(status == 2 && err.contains("--yes"), "it asks: {err}");
    let (_, out, _) = run(&machine, &["forward", "show"]).await;
    assert!(out.contains(":3000"), "nothing before it is agreed to: {out}");
    let (status, out, err) = run(&machine, &["settings", "import", path, "--yes"]).await;
    assert!(status == 0 && out.starts_with("Changed:"), "{out}{err}");
    let (_, out, _) = run(&machine, &["forward", "show"]).await;
    assert!(out.contains(":4000"), "{out}");

    fs::write(&file, changed.replace("\"version\": 1", "\"version\": 7")).unwrap();
    let (status, _, err) = run(&machine, &["settings", "import", path, "--yes"]).await;
    assert!(status == 1 && err.contains("version 7") && err.contains("[request.unsupported]"), "{err}");
    let (status, _, err) = run(&machine, &["settings", "import", "/nowhere/settings.json"]).await;
    assert!(status == 2 && err.contains("cannot be read"), "{err}");
    fs::write(&file, vec![b' '; (1 << 20) + 1]).unwrap();
    let (status, _, err) = run(&machine, &["settings", "import", path]).await;
    assert!(status == 2 && err.contains("1 MiB"), "{err}");

    let (status, out, err) = run(&machine, &["rename", "ada-laptop"]).await;
    assert_eq!((status, out.as_str()), (0, "This machine is called ada-laptop.\n"), "{err}");
    let (_, out, _) = run(&machine, &["--json", "status"]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["name"], "ada-laptop");
    assert_eq!(run(&machine, &["rename", " "]).await.0, 1);

    let file = machine.data_dir().join("bundle.json");
    let (status, _, err) = run(&machine, &["diagnostics", "--output", file.to_str().unwrap()]).await;
    assert_eq!(status, 0, "{err}");
    let bundle = fs::read_to_string(&file).unwrap();
    assert!(!bundle.contains("hunter2") && !bundle.contains("pst_"), "{bundle}");
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    assert_eq!(bundle["program"], "postern serve");
    assert!(bundle["checks"].as_array().unwrap().iter().any(|check| check["check"] == "worker"));
    assert!(edge.stop().await.success());
}

#[tokio::test]
async fn without_a_worker_they_are_made_too() {
    let machine = Machine::new();
    let (status, out, _) = run(&machine, &["settings", "export"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &document["version"], &document["profiles"]), (0, &json!(1), &json!([])));
    let (status, out, _) = run(&machine, &["diagnostics"]).await;
    let bundle: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &bundle["format"]), (0, &json!("postern-diagnostics")));
    assert_eq!(run(&machine, &["rename", "x"]).await.0, 3);
}
