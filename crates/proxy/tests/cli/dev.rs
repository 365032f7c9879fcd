use crate::harness::{Place, Serving, get};
use serde_json::Value;

#[test]
fn the_first_start_makes_what_is_needed_and_serves() {
    let place = Place::new();
    let serving = Serving::dev(&place);
    let dir = place.path().join("dev");
    let file: Value = serde_json::from_slice(&std::fs::read(dir.join("dev.json")).unwrap()).unwrap();
    assert_eq!(file, serving.said);
    let providers: Vec<_> = file["sources"].as_array().unwrap().iter().map(|s| &s["provider"]).collect();
    assert_eq!(providers, ["linear", "github"]);
    let proxy = file["proxyUrl"].as_str().unwrap();
    assert!(file["sources"][0]["url"].as_str().unwrap().starts_with(proxy));
    assert!(!proxy.ends_with(":0"), "the real port");
    let token = std::fs::read_to_string(file["tokenFile"].as_str().unwrap()).unwrap();
    assert!(token.starts_with("pst_"));
    assert!(get(file["adminUrl"].as_str().unwrap(), "/healthz").contains("200"));
    #[cfg(unix)]
    for name in ["dev.json", "token", "master.key", "postern.db"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn later_starts_keep_it() {
    let place = Place::new();
    let first = Serving::dev(&place);
    let token_file = first.said["tokenFile"].as_str().unwrap().to_owned();
    let (sources, token) = (first.said["sources"].clone(), std::fs::read(&token_file).unwrap());
    let ids = |sources: &Value| -> Vec<String> {
        let path = |s: &Value| s["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        sources.as_array().unwrap().iter().map(path).collect()
    };
    assert_eq!(first.stop("-TERM"), Some(0), "it drains and ends well");
    assert!(!place.path().join("dev/dev.json").exists(), "nobody waits on what has ended");

    let second = Serving::dev(&place);
    assert_eq!(ids(&second.said["sources"]), ids(&sources));
    assert_eq!(second.said["sources"][0]["secret"], sources[0]["secret"]);
    assert_eq!(std::fs::read(&token_file).unwrap(), token);
    // Killed, it leaves everything usable.
    second.stop("-KILL");
    let third = Serving::dev(&place);
    assert_eq!(ids(&third.said["sources"]), ids(&sources));
}

#[cfg(unix)]
#[test]
fn a_token_that_was_revoked_is_replaced() {
    let place = Place::new();
    let first = Serving::dev(&place);
    let token_file = first.said["tokenFile"].as_str().unwrap().to_owned();
    let token = std::fs::read(&token_file).unwrap();
    let dir = place.path().join("dev");
    let data = ["--data-dir", dir.to_str().unwrap()];
    // While it serves.
    let id = place.json(&[&["token", "list"][..], &data].concat())[0]["id"].as_str().unwrap().to_owned();
    place.json(&[&["token", "revoke", &id][..], &data].concat());
    first.stop("-INT");
    let _second = Serving::dev(&place);
    assert_ne!(std::fs::read(&token_file).unwrap(), token);
}

#[test]
fn only_one_may_serve_and_only_on_this_machine() {
    let place = Place::new();
    let _first = Serving::dev(&place);
    let dir = place.path().join("dev");
    let dev = ["dev", "--dir", dir.to_str().unwrap()];
    let again = place.run(&[&dev[..], &["--listen", "127.0.0.1:0"]].concat());
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is in use by another postern-proxy"), "{}", again.err);
    let open = place.run(&[&dev[..], &["--listen", "0.0.0.0:0"]].concat());
    assert_eq!(open.code, 2);
    assert!(open.err.contains("listen on 127.0.0.1"), "{}", open.err);
    assert!(dir.join("dev.json").exists(), "the one that serves is not disturbed");
}

#[cfg(unix)]
#[test]
fn serve_serves_what_was_set_up_and_administration_goes_on() {
    let place = Place::new();
    place.json(&["workspace", "create", "Acme"]);
    let serve = ["serve", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let serving = Serving::start(place.command(&serve));
    assert!(get(serving.said["adminUrl"].as_str().unwrap(), "/healthz").contains("200"));
    place.json(&["source", "create", "gh", "--provider", "github"]);
    assert_eq!(serving.stop("-TERM"), Some(0));
}

#[test]
fn a_port_taken_is_said() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run(&["serve", "--listen", &address, "--admin-listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(&format!("cannot listen on {address}")), "{}", ran.err);
}
