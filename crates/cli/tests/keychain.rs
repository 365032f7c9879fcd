//! The credentials of a headless machine: a keychain that is unlocked, one
//! that is locked, none at all. The keychain is the real one of GNOME, each
//! with a session bus and a home of its own.

#![cfg(target_os = "linux")]

use http::StatusCode;
use postern_testkit::{Answer, Machine, Receiver};
use serde_json::json;
use std::path::Path;

const TOKEN: &str = "pst_a_token_for_the_keychain";

/// Runs its arguments while a keyring serves the session bus; what `$UNLOCK`
/// says decides whether it is unlocked.
const SESSION: &str = r#"
export XDG_RUNTIME_DIR="$HOME/run" XDG_DATA_HOME="$HOME/share"
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_DATA_HOME/keyrings" && chmod 700 "$XDG_RUNTIME_DIR"
if [ "$UNLOCK" = yes ]; then
  printf password | gnome-keyring-daemon --unlock --foreground --components=secrets >/dev/null 2>&1 &
else
  gnome-keyring-daemon --foreground --components=secrets >/dev/null 2>&1 &
fi
keyring=$!
gdbus wait --session --timeout 30 org.freedesktop.secrets || exit 99
"$@"
status=$?
kill "$keyring"
exit "$status"
"#;

/// Runs a command in a session with a keyring: exit status, what it printed.
async fn in_session(machine: &Machine, unlock: bool, arguments: &[&str]) -> (i32, String, String) {
    let postern = env!("CARGO_BIN_EXE_postern");
    let shell = [&["--", "sh", "-c", SESSION, "sh", postern], arguments].concat();
    let mut command = machine.command_of(Path::new("dbus-run-session"), &shell);
    command.env("UNLOCK", if unlock { "yes" } else { "no" });
    done(command).await
}

async fn done(command: tokio::process::Command) -> (i32, String, String) {
    // No dialog is ever answered: whoever waited for one would wait for ever.
    let (status, out, err) = Machine::run_with_input(command, &format!("{TOKEN}\n")).await;
    assert!(!format!("{out}{err}").contains(TOKEN), "{out}{err}");
    (status.code().unwrap_or(-1), out, err)
}

async fn proxy() -> Receiver {
    let proxy = Receiver::start().await;
    let body = json!({ "id": "ws_01K9Z0000000000000000000AA", "name": "Acme" }).to_string();
    let headers = vec![("content-type", "application/json".into())];
    proxy.answer_always(Answer { status: StatusCode::OK, headers, body });
    proxy
}

fn login(url: &str) -> [&str; 4] {
    ["login", "--proxy", url, "--token-stdin"]
}

#[tokio::test]
async fn an_unlocked_keychain_keeps_the_token_and_a_locked_one_says_so() {
    let (machine, proxy) = (Machine::new(), proxy().await);
    let url = proxy.url("");
    let (status, out, err) = in_session(&machine, true, &login(&url)).await;
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("kept in the keychain"), "{out}");
    assert!(!machine.data_dir().join("secrets.json").exists());
    // Another process, another session: the keychain remembers.
    let (status, out, err) = in_session(&machine, true, &["doctor"]).await;
    assert!(out.contains("They can be read from the keychain"), "{status}: {out}{err}");

    // The same keyring, and nobody gives its password.
    for arguments in [&["status"][..], &login(&url)] {
        let (status, _, err) = in_session(&machine, false, arguments).await;
        assert_eq!(status, 6, "{arguments:?}: {err}");
        assert!(err.trim_end().ends_with("[keychain.locked]"), "{err}");
    }
    let (status, out, _) = in_session(&machine, false, &["doctor"]).await;
    assert_eq!(status, 1);
    assert!(out.contains("Unlock the keychain"), "{out}");
}

#[tokio::test]
async fn without_a_keychain_the_cure_is_said_and_nothing_is_kept() {
    let (machine, proxy) = (Machine::new(), proxy().await);
    let url = proxy.url("");
    let postern = Path::new(env!("CARGO_BIN_EXE_postern"));
    let (status, _, err) = done(machine.command_of(postern, &login(&url))).await;
    assert_eq!(status, 6, "{err}");
    assert!(err.trim_end().ends_with("[keychain.absent]") && err.contains("--plaintext-file"), "{err}");
    assert!(!machine.data_dir().join("secrets.json").exists());

    // The order: the environment's token needs no keychain, nor does the file.
    let mut command = machine.command_of(postern, &["doctor", "--proxy", &url]);
    command.env("POSTERN_TOKEN", TOKEN);
    assert!(done(command).await.1.contains("no keychain is needed"));
    let plain = [&login(&url)[..], &["--plaintext-file"]].concat();
    assert_eq!(done(machine.command_of(postern, &plain)).await.0, 0);
    let (_, out, _) = done(machine.command_of(postern, &["doctor"])).await;
    assert!(out.contains("They can be read from a plain file"), "{out}");
}
