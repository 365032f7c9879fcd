use crate::harness::Place;

/// A place with a workspace.
fn with_workspace() -> Place {
    let place = Place::new();
    place.json(&["workspace", "create", "Acme"]);
    place
}

#[test]
fn workspaces_are_made_once_and_listed() {
    let place = with_workspace();
    assert!(place.refused(&["workspace", "create", "Acme"], 1).contains("Acme exists already"));
    place.refused(&["workspace", "create", " "], 2);
    let list = place.json(&["workspace", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["name"], "Acme");
    assert!(list[0]["id"].as_str().unwrap().starts_with("ws_"));
    assert!(place.run(&["workspace", "list"]).out.contains("Acme"));
}

#[test]
fn a_workspace_must_be_named_only_among_several() {
    let place = Place::new();
    assert!(place.refused(&["source", "list"], 1).contains("workspace create"));
    place.json(&["workspace", "create", "One"]);
    place.json(&["source", "list"]);
    place.json(&["workspace", "create", "Two"]);
    assert!(place.refused(&["source", "list"], 2).contains("--workspace"));
    place.json(&["source", "list", "--workspace", "Two"]);
    place.refused(&["source", "list", "--workspace", "Three"], 1);
}

#[test]
fn names_of_public_tunnels_are_listed_and_released() {
    let place = with_workspace();
    assert_eq!(place.json(&["tunnel", "list"]), serde_json::json!([]));
    assert!(place.refused(&["tunnel", "release", "app"], 1).contains("`app` is not reserved"));
    assert_eq!(place.run(&["tunnel", "release", "App"]).code, 2);
}

#[test]
fn linear_organizations_are_linked_listed_and_unlinked() {
    let place = with_workspace();
    let linked = place.json(&["linear-org", "link", "--organization", "acme", "--workspace", "Acme"]);
    assert_eq!(linked["organization"], "acme");
    place.json(&["linear-org", "link", "--organization", "acme"]);
    let list = place.json(&["linear-org", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "linked again is linked once");
    assert_eq!(list[0]["workspace"], linked["workspace"]);
    assert!(place.run(&["linear-org", "list"]).out.contains("acme"));
    place.json(&["linear-org", "unlink", "--organization", "acme"]);
    assert!(place.refused(&["linear-org", "unlink", "--organization", "acme"], 1).contains("acme"));
    place.refused(&["linear-org", "link", "--organization", "a b"], 2);
    place.refused(&["linear-org", "link", "--organization", "acme", "--workspace", "None"], 1);
}

#[test]
fn a_secret_made_here_is_shown_once() {
    let place = with_workspace();
    for (provider, prefix) in [("github", ""), ("standard_webhooks", "whsec_")] {
        let made = place.json(&["source", "create", provider, "--provider", provider]);
        let secret = made["secret"].as_str().unwrap();
        assert!(secret.len() >= 40 && secret.starts_with(prefix), "{provider}");
        let url = made["url"].as_str().unwrap();
        assert!(url.starts_with("http://127.0.0.1:8787/hooks/src_"), "{url}");
        for run in [place.run(&["source", "list"]), place.run(&["source", "list", "--json"])] {
            assert!(run.out.contains(url) && !run.out.contains(secret), "{}", run.out);
        }
    }
    let unsigned = place.json(&["source", "create", "open", "--provider", "none"]);
    assert_eq!((unsigned.get("secret"), unsigned["secrets"].as_u64()), (None, Some(0)));
}

#[test]
fn a_secret_comes_by_standard_input_or_a_variable_and_is_not_repeated() {
    let place = with_workspace();
    let create = ["source", "create", "linear", "--provider", "linear", "--secret-stdin"];
    let made = place.run_with_input(&create, "lin_whs_from_stdin\n");
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(!made.out.contains("from_stdin"));

    let rotate = ["source", "rotate-secret", "linear", "--secret-env", "NEW_SECRET", "--json"];
    let rotated = place.command(&rotate).env("NEW_SECRET", "lin_whs_from_env").output().unwrap();
    assert!(rotated.status.success());
    let shown = String::from_utf8(rotated.stdout).unwrap();
    assert!(shown.contains("\"secrets\":2") && !shown.contains("from_env"), "{shown}");

    assert!(place.refused(&["source", "rotate-secret", "linear"], 2).contains("--secret-stdin"));
    assert!(place.refused(&rotate, 2).contains("NEW_SECRET is not set"));
    assert_eq!(place.run_with_input(&create, "").code, 2, "an empty secret");
    let standard = ["source", "create", "std", "--provider", "standard_webhooks", "--secret-stdin"];
    let refused = place.run_with_input(&standard, "whsec_short");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("24 to 64 bytes") && !refused.err.contains("whsec_short"),
        "{}",
        refused.err
    );
}

#[test]
fn a_secret_cannot_be_an_argument() {
    let place = with_workspace();
    let ran = place.run(&["source", "create", "x", "--provider", "linear", "--secret", "lin_whs_x"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn sources_are_rotated_and_removed() {
    let place = with_workspace();
    let made = place.json(&["source", "create", "gh", "--provider", "github"]);
    let rotated = place.json(&["source", "rotate-secret", "gh"]);
    assert_eq!(rotated["secrets"], 2);
    assert_ne!(rotated["secret"], made["secret"]);
    let hours = |rotated: &serde_json::Value| {
        let now = postern_protocol::Clock::now(&postern_proxy::clock::SystemClock).0;
        (rotated["oldUntil"].as_i64().unwrap() - now + 1_800_000) / 3_600_000
    };
    assert_eq!(hours(&rotated), 24, "the old one ends by itself");
    assert!(place.run(&["source", "list"]).out.contains("2, the old one until"));
    assert_eq!(hours(&place.json(&["source", "rotate", "gh", "--grace", "7d"])), 7 * 24);
    let kept = place.json(&["source", "rotate-secret", "gh", "--keep-old"]);
    assert_eq!((kept["secrets"].as_u64(), kept.get("oldUntil")), (Some(2), None));
    assert_eq!(place.json(&["source", "rotate-secret", "gh", "--drop-old"])["secrets"], 1);
    assert_eq!(place.run(&["source", "rotate", "gh", "--drop-old", "--keep-old"]).code, 2);
    place.json(&["source", "remove", made["id"].as_str().unwrap()]);
    assert!(place.refused(&["source", "remove", "gh"], 1).contains("no source gh"));
    assert!(place.json(&["source", "list"]).as_array().unwrap().is_empty());
    assert!(place.refused(&["source", "create", "No Spaces", "--provider", "github"], 2).contains("a-z"));
    assert!(
        place.refused(&["source", "create", "p", "--provider", "postern"], 2).contains("made by the proxy")
    );
}

#[test]
fn each_scheme_has_its_options() {
    let place = with_workspace();
    let create = |name: &str, provider: &str, options: &[&str]| {
        place.json(&[&["source", "create", name, "--provider", provider], options].concat())
    };
    let acme = create(
        "acme",
        "hmac",
        &["--header", "X-Acme-Hmac", "--id-pointer", "/event/id", "--entity-pointer", "/order/id"],
    );
    assert_eq!(acme["entityPointer"], "/order/id");
    let scheme = serde_json::json!({
        "provider": "hmac", "header": "x-acme-hmac", "algorithm": "sha256", "encoding": "hex", "prefix": "",
    });
    assert_eq!((&acme["scheme"], &acme["idFrom"]), (&scheme, &serde_json::json!({"pointer": "/event/id"})));
    assert!(acme["secret"].is_string());
    let all = ["--header", "x-sig", "--algorithm", "sha1", "--encoding", "base64", "--prefix", "sha1="];
    let shop = create("shop", "hmac", &all);
    assert_eq!(shop["scheme"]["algorithm"], "sha1");
    assert_eq!((&shop["scheme"]["encoding"], &shop["scheme"]["prefix"]), (&"base64".into(), &"sha1=".into()));
    let timed = create("timed", "timestamped", &["--header-prefix", "X-Acme", "--id-header", "X-Acme-Id"]);
    assert_eq!(timed["scheme"]["headerPrefix"], "x-acme");
    assert_eq!(timed["idFrom"]["header"], "x-acme-id");
    for provider in ["stripe", "slack"] {
        let made = create(provider, provider, &[]);
        assert_eq!((made.get("secret"), made["secrets"].as_u64()), (None, Some(1)), "chosen by {provider}");
        assert!(place.refused(&["source", "rotate-secret", provider], 2).contains("chooses its secrets"));
    }
    let listed = place.json(&["source", "list"]);
    assert_eq!(listed[0]["scheme"], scheme, "as it was made");
    assert_eq!(listed.as_array().unwrap().len(), 5);
}

#[test]
fn what_does_not_fit_a_scheme_is_said() {
    let place = with_workspace();
    let refused = |options: &[&str], says: &str| {
        let ran = place.run(&[&["source", "create", "x"], options].concat());
        assert!(ran.code == 2 && ran.err.contains(says), "{options:?}: {}", ran.err);
    };
    refused(&["--provider", "hmac"], "needs --header");
    refused(&["--provider", "timestamped"], "needs --header-prefix");
    refused(&["--provider", "stripe", "--header", "x"], "--header is for a source of provider hmac");
    refused(&["--provider", "hmac", "--header", "x", "--header-prefix", "y"], "--header-prefix is for");
    refused(&["--provider", "github", "--id-pointer", "/id"], "--id-pointer is for");
    refused(&["--provider", "hmac", "--header", "not a name"], "1 to 100 letters");
    refused(&["--provider", "hmac", "--header", "x", "--algorithm", "md5"], "sha256, sha1, sha512");
    refused(&["--provider", "none", "--id-pointer", "id"], "begins with `/`");
    refused(&["--provider", "none", "--id-pointer", "/id", "--id-header", "x"], "cannot be used with");
    refused(&["--provider", "paypal"], "known are linear");
    let stripe = ["source", "create", "x", "--provider", "stripe", "--secret-stdin"];
    let wrong = place.run_with_input(&stripe, "sk_live_1");
    assert!(
        wrong.code == 2 && wrong.err.contains("whsec_") && !wrong.err.contains("sk_live"),
        "{}",
        wrong.err
    );
}

#[test]
fn linear_apps_take_a_secret_and_link_organizations() {
    let place = with_workspace();
    place.json(&["source", "create", "linear", "--provider", "linear"]);
    let link = ["linear-app", "link", "app", "--organization", "org-1", "--source", "linear"];
    assert!(place.refused(&link, 1).contains("the Linear app app does not exist"));
    place.refused(&["linear-app", "put", "app"], 2);
    let put = place.run_with_input(&["linear-app", "put", "app", "--secret-stdin"], "lin_whs_app");
    assert_eq!(put.code, 0, "{}", put.err);
    assert!(put.out.contains("/webhooks/linear/app"), "{}", put.out);
    assert_eq!(place.json(&link)["organization"], "org-1");
}

#[test]
fn tokens_are_shown_once_and_revoked() {
    let place = with_workspace();
    let made = place.json(&["token", "create", "laptop", "--scope", "events:read", "--expires", "90d"]);
    let text = made["token"].as_str().unwrap();
    assert!(text.starts_with("pst_"));
    assert_eq!(made["scopes"], serde_json::json!(["events:read"]));
    let lifetime = made["expiresAt"].as_i64().unwrap() - made["createdAt"].as_i64().unwrap();
    assert_eq!(lifetime, 90 * 86_400_000);
    for run in [place.run(&["token", "list"]), place.run(&["token", "list", "--json"])] {
        assert!(run.out.contains("laptop") && !run.out.contains(text), "{}", run.out);
    }
    let id = made["id"].as_str().unwrap();
    place.json(&["token", "revoke", id]);
    assert!(place.json(&["token", "list"])[0]["revokedAt"].is_i64());
    assert!(place.run(&["token", "list"]).out.contains("revoked"));
    place.refused(&["token", "revoke", "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 1);
    for bad in [&["token", "revoke", "nonsense"][..], &["token", "create", "x", "--scope", "all"]] {
        assert_eq!(place.run(bad).code, 2, "{bad:?}");
    }
}

#[test]
fn nothing_secret_is_kept_in_the_clear() {
    let place = with_workspace();
    let source = place.json(&["source", "create", "gh", "--provider", "github"]);
    let token = place.json(&["token", "create", "laptop"]);
    let database = std::fs::read(place.path().join("data/postern.db")).unwrap();
    for secret in [&source["secret"], &token["token"]] {
        let secret = secret.as_str().unwrap().as_bytes();
        assert!(!database.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn a_lost_or_wrong_key_is_said() {
    let place = with_workspace();
    let key = place.path().join("data/master.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(place.refused(&["workspace", "list"], 1).contains("master.key is missing"));
    assert!(!key.exists(), "no new key is made for an old database");
    std::fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    assert!(place.refused(&["workspace", "list"], 1).contains("sealed with master key"));
    std::fs::write(&key, "nonsense").unwrap();
    let sentence = place.refused(&["workspace", "list"], 2);
    assert!(sentence.contains("not a master key") && !sentence.contains("nonsense"), "{sentence}");
    std::fs::write(&key, kept).unwrap();
    place.json(&["workspace", "list"]);
}

#[test]
fn errors_are_json_too() {
    let ran = Place::new().run(&["source", "list", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("workspace create"));
    assert_eq!(ran.code, 1);
}
