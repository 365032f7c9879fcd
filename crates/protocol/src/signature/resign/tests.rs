use super::super::tests::{headers as list, schemes, secrets};
use super::super::{Freshness, verify};
use super::*;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_123);
/// Its time is days old.
const LINEAR: &str = r#"{"type":"Issue", "data":{"webhookTimestamp":5},
  "webhookTimestamp" : 1699000000000 ,"n":1.0}"#;

fn fresh() -> Option<Freshness> {
    Some(Freshness { now: NOW, tolerance: 60_000 })
}

#[test]
fn an_old_event_of_any_scheme_passes_its_providers_verification() {
    let secret = &secrets(&["local"])[0];
    let before = list(&[("x-other", "1"), (WEBHOOK_ID, "msg_1"), ("content-type", "application/json")]);
    for scheme in schemes() {
        let anew = resign(&scheme, secret, &before, LINEAR.as_bytes(), NOW).unwrap();
        let verdict =
            verify(&scheme, std::slice::from_ref(secret), &anew.headers, &anew.body, fresh()).unwrap();
        assert!(verdict.is_ok(), "{scheme:?}: {verdict:?}");
        for (name, value) in before.iter() {
            let kept: Vec<_> = anew.headers.iter().filter(|(n, _)| *n == name).collect();
            assert_eq!(kept, [(name, value)], "{scheme:?}");
        }
    }
}

#[test]
fn of_linears_body_only_the_time_changes() {
    let secret = &secrets(&["local"])[0];
    let before = list(&[("linear-timestamp", "1699000000000"), ("linear-signature", "old"), ("a", "b")]);
    let anew = resign(&Scheme::Linear, secret, &before, LINEAR.as_bytes(), NOW).unwrap();
    assert_eq!(String::from_utf8(anew.body).unwrap(), LINEAR.replace("1699000000000", "1700000000123"));
    let names: Vec<_> = anew.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["linear-timestamp", "linear-signature", "a"]);
    assert_eq!(anew.headers.get("linear-timestamp"), Some("1700000000123"));
}

#[test]
fn both_of_githubs_signatures_are_made_where_both_were() {
    // The vectors of docs.github.com; the sha1 one by Python's hmac.
    let secret = &secrets(&["It's a Secret to Everybody"])[0];
    let before = list(&[("x-hub-signature", "sha1=0"), ("x-hub-signature", "sha1=1")]);
    let anew = resign(&Scheme::Github, secret, &before, b"Hello, World!", NOW).unwrap();
    assert_eq!(
        anew.headers,
        list(&[
            ("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"),
            (
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
            ),
        ])
    );
}

#[test]
fn what_cannot_be_signed_says_why() {
    let secret = &secrets(&["local"])[0];
    let anew = |scheme: &Scheme, body: &str| resign(scheme, secret, &list(&[]), body.as_bytes(), NOW);
    assert_eq!(anew(&Scheme::None, "{}"), Err(CannotResign::Unsigned));
    assert_eq!(anew(&Scheme::StandardWebhooks, "{}"), Err(CannotResign::NoId));
    for body in ["{}", "[1]", "", r#"{"webhookTimestamp":1,"webhookTimestamp":2}"#] {
        assert_eq!(anew(&Scheme::Linear, body), Err(CannotResign::NoTimestamp), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_and_no_header_makes_it_panic(
        body: Vec<u8>, value: Vec<u8>, at: i64, which: prop::sample::Index,
    ) {
        let all = schemes();
        let scheme = &all[which.index(all.len())];
        let before = [(WEBHOOK_ID, value.as_slice()), ("linear-timestamp", &value)].into_iter().collect();
        let _ = resign(scheme, &Secret::new("local"), &before, &body, UnixMillis(at));
    }
}
