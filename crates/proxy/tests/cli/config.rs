use crate::harness::Place;

#[test]
fn the_printed_defaults_are_the_defaults() {
    let place = Place::new();
    let printed = place.run(&["config", "print-default"]).out;
    assert_eq!(printed, postern_proxy::config::DEFAULT_FILE);
    let file = place.path().join("proxy.toml");
    std::fs::write(&file, printed).unwrap();
    let with_file = place.json(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(with_file, place.json(&["config", "check"]));
}

#[test]
fn a_bad_setting_ends_it_with_a_sentence_and_code_2() {
    let place = Place::new();
    let file = place.path().join("proxy.toml");
    for (settings, expected) in [
        ("listen = \"nowhere\"", "listen = \"nowhere\""),
        ("[delivery]\njitter = 7", "delivery.jitter = 7"),
        ("[delivery]\njiter = 0.1", "no setting `delivery.jiter`"),
        ("listen = ", "proxy.toml"),
        ("listen = \"0.0.0.0:1\"\n[registration]\nallow_loopback = true", "listen on 127.0.0.1"),
    ] {
        std::fs::write(&file, settings).unwrap();
        for command in [&["config", "check"][..], &["serve"], &["workspace", "list"]] {
            let sentence = place.refused(&[command, &["--config", file.to_str().unwrap()]].concat(), 2);
            assert!(sentence.contains(expected), "{settings}: {sentence}");
        }
    }
    assert!(place.refused(&["config", "check", "--config", "/nowhere.toml"], 2).contains("/nowhere.toml"));
    assert!(!place.path().join("data").exists(), "nothing was made");
}

#[test]
fn the_environment_wins_over_the_file_and_options_over_both() {
    let place = Place::new();
    let file = place.path().join("proxy.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:1001\"\ndrain = \"1s\"").unwrap();
    let check = |extra: &[&str]| {
        let mut command = place.command(&["config", "check", "--json", "--config", file.to_str().unwrap()]);
        let output = command.args(extra).env("POSTERN_LISTEN", "127.0.0.1:1002").output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(check(&[])["listen"], "127.0.0.1:1002");
    let elsewhere = check(&["--data-dir", "/elsewhere"]);
    assert_eq!(elsewhere["database"], "/elsewhere/postern.db");
    // Other programs' variables are none of ours.
    let output = place.command(&["config", "check"]).env("POSTERN_TOKEN", "pst_x").output().unwrap();
    assert!(output.status.success());
    let bad = place.command(&["config", "check"]).env("POSTERN_DELIVERY__TIMEOUT", "soon").output().unwrap();
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8(bad.stderr).unwrap().contains("delivery.timeout = \"soon\""));
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_before_anything_is_served() {
    let place = Place::new();
    let config = place.path().join("proxy.toml");
    let config_path = config.to_str().unwrap();
    let serve =
        ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config", config_path];
    std::fs::write(&config, "[tls]\ncert_file = \"/nowhere/cert.pem\"\n").unwrap();
    let error = place.refused(&serve, 2);
    assert!(error.contains("tls.key_file = nothing: tls.cert_file is set: set both, or neither"), "{error}");
    std::fs::write(&config, "[tls]\ncert_file = \"/nowhere/cert.pem\"\nkey_file = \"/nowhere/key.pem\"\n")
        .unwrap();
    let error = place.refused(&serve, 2);
    assert!(error.contains("the certificate file /nowhere/cert.pem cannot be read: "), "{error}");
}
