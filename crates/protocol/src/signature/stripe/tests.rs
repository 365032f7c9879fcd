use super::*;
use crate::signature::tests::{headers, secrets};
use crate::signature::{Failure, Verified};

const SECRET: &str = "whsec_test_secret";
const BODY: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;
const AT: i64 = 1_763_800_000_000;
// Computed with: printf '1763800000.{"id":"evt_test_webhook","object":"event"}' | openssl dgst -sha256 -hmac whsec_test_secret
const SIGNED: &str = "4cf8437623b26cc5632af95e3136d2b14f2cf22e88c6f5de71f54e897a51f2b1";

fn judge(value: &str) -> Verdict {
    verify(&secrets(&["whsec_old", SECRET]), &headers(&[("Stripe-Signature", value)]), BODY, None)
}

fn good() -> Verdict {
    Ok(Verified { signed_at: Some(UnixMillis(AT)), ..Verified::by(1) })
}

#[test]
fn a_known_signature_is_made_and_accepted() {
    let value = format!("t=1763800000,v1={SIGNED}");
    assert_eq!(sign(&secrets(&[SECRET]), UnixMillis(AT), BODY), value);
    assert_eq!(judge(&value), good());
}

#[test]
fn the_key_is_the_text_and_not_what_it_decodes_to() {
    let secret = secrets(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
    let value = sign(&secret, UnixMillis(AT), BODY);
    verify(&secret, &headers(&[(SIGNATURE, &value)]), BODY, None).unwrap();
    let bare = secrets(&["C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
    let failure = verify(&bare, &headers(&[(SIGNATURE, &value)]), BODY, None).unwrap_err();
    assert_eq!(failure, Failure::WrongSecret { tried: 1 });
}

#[test]
fn several_signatures_other_schemes_and_any_order_are_read() {
    let other = "0".repeat(64);
    for value in [
        format!("v1={SIGNED},t=1763800000"),
        format!("t=1763800000,v1={other},v1={SIGNED}"),
        format!("t=1763800000,v0={other},v1={SIGNED},v2=%%%,nonsense,=,v1=short"),
        format!("t=1763800000, v1={}", SIGNED.to_uppercase()),
    ] {
        assert_eq!(judge(&value), good(), "{value}");
    }
    let rolled = sign(&secrets(&["whsec_new", SECRET]), UnixMillis(AT), BODY);
    assert_eq!(judge(&rolled), good());
}

#[test]
fn what_is_not_of_the_form_says_why() {
    let cases = [
        (String::new(), "it has no `t=`"),
        (format!("v1={SIGNED}"), "it has no `t=`"),
        (format!("t=1,t=2,v1={SIGNED}"), "it has `t=` twice"),
        (format!("t=x,v1={SIGNED}"), "it is not a whole number of seconds"),
        (format!("t=99999999999999999999,v1={SIGNED}"), "it is not a whole number of seconds"),
        (format!("t=+1763800000,v1={SIGNED}"), "it is not a whole number of seconds"),
        ("t=1763800000".into(), "it has no `v1=` followed by 64 hex digits"),
        (format!("t=1763800000,v0={SIGNED}"), "it has no `v1=` followed by 64 hex digits"),
        (format!("t=1763800000,v1={SIGNED}0"), "it has no `v1=` followed by 64 hex digits"),
    ];
    for (value, reason) in cases {
        let expected = Failure::Malformed { field: SIGNATURE.into(), reason: reason.into() };
        assert_eq!(judge(&value), Err(expected), "{value}");
    }
    let missing = verify(&secrets(&[SECRET]), &headers(&[]), BODY, None).unwrap_err();
    assert_eq!(missing, Failure::MissingHeader { header: SIGNATURE.into() });
}

#[test]
fn another_time_under_the_same_signature_is_noticed() {
    assert_eq!(judge(&format!("t=1763800001,v1={SIGNED}")), Err(Failure::WrongSecret { tried: 2 }));
}

#[test]
fn the_tolerance_is_inclusive_on_both_sides() {
    let judge = |now: i64| {
        let headers = headers(&[(SIGNATURE, &format!("t=1763800000,v1={SIGNED}"))]);
        let freshness = Freshness { now: UnixMillis(now), tolerance: TOLERANCE_MS };
        verify(&secrets(&[SECRET]), &headers, BODY, Some(freshness))
    };
    for now in [AT - 300_000, AT, AT + 300_000] {
        judge(now).unwrap();
    }
    assert_eq!(judge(AT + 300_001), Err(Failure::Stale { by_ms: 300_001, tolerance_ms: 300_000 }));
    assert_eq!(judge(AT - 300_001), Err(Failure::Future { by_ms: 300_001, tolerance_ms: 300_000 }));
}

#[test]
fn no_secret_and_an_empty_secret_match_nothing() {
    let forged = sign(&secrets(&[""]), UnixMillis(AT), BODY);
    let signed = headers(&[(SIGNATURE, &forged)]);
    assert_eq!(verify(&[], &signed, BODY, None), Err(Failure::WrongSecret { tried: 0 }));
    assert_eq!(verify(&secrets(&[""]), &signed, BODY, None), Err(Failure::WrongSecret { tried: 1 }));
}
