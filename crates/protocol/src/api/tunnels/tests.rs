use super::{NameOutcome, TunnelAccess, TunnelName, TunnelOptions};

#[test]
fn a_name_is_a_label_of_a_host_name() {
    for good in ["app", "a-b", "0x0", &"a".repeat(40)] {
        assert_eq!(good.parse::<TunnelName>().unwrap().as_str(), good);
    }
    for bad in ["", "ab", "-app", "app-", "a--b", "xn--a", "App", "a.b", "a_b", "äpp", &"a".repeat(41)] {
        assert!(bad.parse::<TunnelName>().is_err(), "{bad}");
    }
}

#[test]
fn secrets_are_taken_and_never_given_back() {
    let options: TunnelOptions =
        serde_json::from_str(r#"{"access":{"kind":"basic","user":"ada","password":"correct horse"}}"#)
            .unwrap();
    let TunnelAccess::Basic { password: Some(password), .. } = &options.access else { panic!("{options:?}") };
    assert_eq!(password.reveal(), "correct horse");
    assert!(!format!("{options:?}").contains("horse"));
    assert!(serde_json::to_string(&options).unwrap().contains("correct horse"), "an edge sends it");
    let shown = serde_json::to_value(options.without_secrets()).unwrap();
    assert_eq!(shown["access"], serde_json::json!({"kind": "basic", "user": "ada"}));
}

#[test]
fn a_newer_outcome_is_read() {
    let outcome: NameOutcome = serde_json::from_str(r#"{"state":"auctioned","price":3}"#).unwrap();
    assert_eq!(outcome, NameOutcome::Unknown);
}

#[test]
fn access_has_no_unknown_members() {
    for good in [r#"{"kind":"none"}"#, r#"{"kind":"bearer"}"#] {
        serde_json::from_str::<TunnelAccess>(good).unwrap();
    }
    for bad in [
        r#"{"kind":"none","user":"ada"}"#,
        r#"{"kind":"bearer","token":"t","user":"ada"}"#,
        r#"{"kind":"all"}"#,
    ] {
        assert!(serde_json::from_str::<TunnelAccess>(bad).is_err(), "{bad}");
    }
}
