//! Backup, restore, check and a new master key, on real files and beside a
//! proxy that serves.

use crate::harness::{Place, Serving};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A place with a workspace and a source that has a secret.
fn set_up() -> Place {
    let place = Place::new();
    place.json(&["workspace", "create", "Acme"]);
    place.json(&["source", "create", "gh", "--provider", "github"]);
    place
}

fn serve(place: &Place) -> Serving {
    let command = ["serve", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    Serving::start(place.command(&command))
}

fn data(place: &Place, name: &str) -> PathBuf {
    place.path().join("data").join(name)
}

#[test]
fn a_backup_is_made_while_it_serves_and_restored_when_it_does_not() {
    let place = set_up();
    let file = place.path().join("backup.db");
    let file = file.to_str().unwrap();
    let serving = serve(&place);
    assert_eq!(place.json(&["backup", file])["bytes"], fs::metadata(file).unwrap().len());
    assert!(place.refused(&["backup", file], 1).contains("exists already"));
    let checked = place.json(&["check", "--full"]);
    assert_eq!((&checked["counts"]["sources"], &checked["secrets"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(checked["problems"], serde_json::json!([]));
    assert!(place.refused(&["restore", file, "--replace"], 1).contains("in use by another postern-proxy"));
    drop(serving);

    place.json(&["source", "create", "later", "--provider", "github"]);
    assert!(place.refused(&["restore", file], 1).contains("--replace"));
    let restored = place.json(&["restore", file, "--replace"]);
    let sources = place.json(&["source", "list"]);
    assert_eq!(sources.as_array().unwrap().len(), 1, "as it was backed up");
    assert!(PathBuf::from(restored["keptAt"].as_str().unwrap()).exists());
    assert!(place.run(&["check"]).out.contains("integrity   whole"));
}

/// On another machine: the backup, the key, and nothing else.
#[test]
fn a_backup_and_the_key_are_all_it_takes() {
    let (place, elsewhere) = (set_up(), Place::new());
    let file = place.path().join("backup.db");
    let file = file.to_str().unwrap();
    place.json(&["backup", file]);
    assert!(elsewhere.refused(&["restore", file], 1).contains("master.key is missing"));
    fs::create_dir_all(elsewhere.path().join("data")).unwrap();
    fs::copy(data(&place, "master.key"), data(&elsewhere, "master.key")).unwrap();
    elsewhere.json(&["restore", file]);
    assert_eq!(elsewhere.json(&["source", "list"])[0]["name"], "gh");
    elsewhere.json(&["check"]);
}

#[test]
fn a_check_fails_where_something_is_wrong() {
    let place = set_up();
    let key = fs::read(data(&place, "master.key")).unwrap();
    fs::write(data(&place, "master.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("PROBLEM") && ran.out.contains("sealed with master key"), "{}", ran.out);
    fs::write(data(&place, "master.key"), key).unwrap();
    let file = data(&place, "postern.db");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 8192..].fill(0x5a);
    fs::write(&file, bytes).unwrap();
    let ran = place.run(&["check", "--full"]);
    assert!(
        ran.code == 1 && (ran.out.contains("PROBLEM") || ran.err.contains("cannot be opened")),
        "{}",
        ran.err
    );
    assert!(Place::new().refused(&["check"], 1).contains("postern.db"));
}

/// The proxy that serves goes on with the new key without a restart.
#[test]
fn a_new_key_is_taken_up_while_it_serves() {
    let place = set_up();
    let serving = serve(&place);
    let before = fs::read_to_string(data(&place, "master.key")).unwrap();
    let backup = place.path().join("before.db");
    let backup = backup.to_str().unwrap();
    place.json(&["backup", backup]);
    let source = place.json(&["source", "list"])[0]["url"].as_str().unwrap().to_owned();
    let path = format!("/hooks/{}", source.rsplit('/').next().unwrap());
    // 401: the source's secret was read.
    assert!(serving.post(&path).contains("401"));
    let rotated = place.json(&["rotate-key"]);
    assert_eq!(rotated["secrets"], 1);
    let after = fs::read_to_string(data(&place, "master.key")).unwrap();
    assert_ne!(before, after);
    assert_eq!(fs::read_to_string(rotated["oldKeyAt"].as_str().unwrap()).unwrap(), before);
    assert!(!data(&place, "master.key.new").exists());
    assert!(serving.post(&path).contains("401"), "the proxy has found the new key");
    let made = place.json(&["source", "create", "second", "--provider", "github"]);
    let second = format!("/hooks/{}", made["id"].as_str().unwrap());
    assert!(serving.post(&second).contains("401"), "sealed with the new key, and read");
    drop(serving);
    assert_eq!(place.json(&["check"])["problems"], serde_json::json!([]));

    // The backup opens with the key that is kept, and can be sealed anew.
    place.json(&["restore", backup, "--replace"]);
    let serving = serve(&place);
    assert!(serving.post(&path).contains("401"));
    drop(serving);
    assert_eq!(place.json(&["rotate-key"])["secrets"], 1);
    assert_eq!(place.json(&["check"])["problems"], serde_json::json!([]));
}

/// However far it came, it works afterwards, and another run finishes it.
#[test]
fn a_rotation_broken_off_is_finished() {
    let next_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
    // Before the secrets were sealed anew: the old key holds.
    let place = set_up();
    fs::write(data(&place, "master.key.new"), next_key).unwrap();
    place.json(&["source", "create", "second", "--provider", "github"]);
    assert_eq!(place.json(&["rotate-key"])["secrets"], 2);
    assert_eq!(fs::read_to_string(data(&place, "master.key")).unwrap(), next_key);

    // After: the key in its place is the old one still.
    let place = set_up();
    let before = fs::read(data(&place, "master.key")).unwrap();
    place.json(&["rotate-key"]);
    fs::rename(data(&place, "master.key"), data(&place, "master.key.new")).unwrap();
    fs::write(data(&place, "master.key"), &before).unwrap();
    place.json(&["source", "create", "second", "--provider", "github"]);
    assert_eq!(place.json(&["check"])["secrets"], 2);
    assert!(place.refused(&["rotate-key", "--new-key-file", "/nowhere"], 1).contains("/nowhere"));
    let other = place.path().join("other.key");
    fs::write(&other, next_key).unwrap();
    let refused = place.refused(&["rotate-key", "--new-key-file", other.to_str().unwrap()], 2);
    assert!(refused.contains("broken off"), "{refused}");
    assert_eq!(place.json(&["rotate-key"])["secrets"], Value::Null, "all were sealed already");
    assert_ne!(fs::read(data(&place, "master.key")).unwrap(), before);
    assert_eq!(place.json(&["check"])["problems"], serde_json::json!([]));
}

#[test]
fn a_key_from_the_environment_is_replaced_by_another() {
    let (old, new) =
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    let place = Place::new();
    let run = |key: &str, arguments: &[&str]| {
        let output =
            place.command(arguments).env("POSTERN_MASTER_KEY", key).env("NEXT", new).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    assert_eq!(run(old, &["workspace", "create", "Acme"]).0, 0);
    assert_eq!(run(old, &["source", "create", "gh", "--provider", "github"]).0, 0);
    let (code, said) = run(old, &["rotate-key"]);
    assert!(code == 2 && said.contains("--new-key-env"), "{said}");
    let (code, said) = run(old, &["rotate-key", "--new-key-env", "NEXT"]);
    assert!(code == 0 && said.contains("1 secrets") && !said.contains(new), "{said}");
    assert_eq!(run(old, &["source", "list"]).0, 1);
    assert_eq!(run(new, &["source", "list"]).0, 0);
    assert_eq!(run(old, &["rotate-key", "--new-key-env", "NEXT"]).0, 0, "again is no harm");
    assert!(!data(&place, "master.key").exists());
}
