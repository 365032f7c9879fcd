use super::*;

fn refusal(settings: &str) -> String {
    Config::from_toml(settings).unwrap_err().to_string()
}

#[test]
fn the_default_file_is_complete_and_valid() {
    let config = Config::defaults().unwrap();
    assert_eq!(config.listen, "127.0.0.1:8787".parse().unwrap());
    assert_eq!(config.limits.body, 5 << 20);
    assert_eq!(config.limits.github_body, 25 << 20);
    assert_eq!(config.delivery.schedule[..2], [Duration::ZERO, Duration::from_secs(5)]);
    assert!(config.delivery.schedule.len() <= 12);
    assert!(config.delivery.schedule.iter().sum::<Duration>() <= config.delivery.give_up_after);
    assert_eq!(config.retention.dedupe, Duration::from_secs(7 * 86_400));
    assert!(!config.registration.allow_loopback);
}

#[test]
fn a_bad_value_is_named_with_its_cure() {
    let cases = [
        ("listen = \"nowhere\"", ["listen", "nowhere"]),
        ("[delivery]\njitter = 1.5", ["delivery.jitter = 1.5", "0 to 0.5"]),
        ("[delivery]\nschedule = [\"soon\"]", ["delivery.schedule", "soon"]),
        ("[limits]\nbody = \"5MB\"", ["limits.body", "MiB"]),
        ("[limits]\ninflight = \"1MiB\"", ["limits.inflight", "largest body"]),
        ("[log]\nformat = \"xml\"", ["log.format", "xml"]),
        ("[log]\nlevel = \"a=b=c\"", ["log.level", "trace"]),
        ("[retention]\ndedupe = \"90d\"", ["retention.dedupe", "retention.events"]),
        ("[registration]\nallow_private = [\"10.0.0.0/99\"]", ["registration.allow_private", "10.0.0.0/99"]),
        ("public_url = \"https://x.example/path\"", ["public_url", "without a path"]),
        ("[tunnel]\ndomain = \"Tunnels.example.com:443\"", ["tunnel.domain", "without a port"]),
        ("[tunnel]\ndomain = \"127.0.0.1\"", ["tunnel.domain = \"127.0.0.1\"", "small letters"]),
        ("[tunnel]\nconcurrency = 0", ["tunnel.concurrency = 0", "10000"]),
        ("[tunnel]\ntrusted_proxies = [\"x\"]", ["tunnel.trusted_proxies", "x"]),
        ("typo = 1", ["no setting `typo`", "listen"]),
        ("[delivery]\ntypo = 1", ["no setting `delivery.typo`", "schedule"]),
    ];
    for (settings, parts) in cases {
        let sentence = refusal(settings);
        for part in parts {
            assert!(sentence.contains(part), "{settings}: {sentence}");
        }
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn loopback_workers_only_behind_a_loopback_address() {
    let open = "listen = \"0.0.0.0:8787\"\n[registration]\nallow_loopback = true";
    assert!(refusal(open).contains("registration.allow_loopback = true: `listen` is 0.0.0.0:8787"));
    assert!(Config::from_toml("[registration]\nallow_loopback = true").is_ok());
}

#[test]
fn a_key_of_the_wrong_type_is_not_repeated() {
    assert!(!refusal("master_key = 123456").contains("123456"));
}
