use super::*;
use crate::signature::tests::{headers, secrets};
use crate::signature::{Failure, Verified};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const AT: i64 = 1_649_367_553;
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
const SIGNED: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

fn three(id: &str, at: &str, signature: &str) -> HeaderList {
    headers(&[(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, at), (WEBHOOK_SIGNATURE, signature)])
}

fn judge(headers: &HeaderList) -> Verdict {
    verify(&secrets(&[SECRET]), headers, BODY, None)
}

fn at_seconds(now: i64) -> Option<Freshness> {
    Some(Freshness { now: UnixMillis(now * 1000), tolerance: TOLERANCE_MS })
}

#[test]
fn the_specifications_vectors_are_made_and_accepted() {
    let vectors: [(&str, &str, i64, &[u8], &str); 2] = [
        (SECRET, ID, AT, BODY, SIGNED),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    for (secret, id, at, body, signed) in vectors {
        let secrets = secrets(&[secret]);
        assert_eq!(sign(&secrets, id, UnixMillis(at * 1000 + 999), body), signed);
        let verdict = verify(&secrets, &three(id, &at.to_string(), signed), body, at_seconds(at));
        assert_eq!(verdict, Ok(Verified { signed_at: Some(UnixMillis(at * 1000)), ..Verified::by(0) }));
    }
}

#[test]
fn a_new_secret_is_whsec_and_32_bytes() {
    let secret = new_secret([7; 32]);
    let text = secret.reveal().strip_prefix("whsec_").unwrap();
    assert_eq!(STANDARD.decode(text).unwrap(), [7; 32]);
    assert_eq!(*key(&secret), [7; 32]);
}

#[test]
fn while_rotating_both_secrets_sign_and_either_verifies() {
    let (old, new) = (new_secret([1; 32]), new_secret([2; 32]));
    let both = sign(&[new.clone(), old.clone()], "evt_1", UnixMillis(5000), b"x");
    assert_eq!(both.split(' ').count(), 2);
    for (secrets, index) in
        [(vec![old.clone()], 0), (vec![new.clone()], 0), (vec![new_secret([3; 32]), old], 1)]
    {
        let verdict = verify(&secrets, &three("evt_1", "5", &both), b"x", None);
        assert_eq!(verdict.unwrap().secret, index);
    }
}

#[test]
fn other_versions_and_broken_entries_beside_a_good_one_are_passed_over() {
    judge(&three(ID, &AT.to_string(), &format!("v1a,c2ln v2,abc v1,%%% v1, nonsense {SIGNED}"))).unwrap();
}

#[test]
fn a_signature_without_any_readable_v1_is_malformed() {
    for signature in ["", " ", "v1", "v1,", "v1,c2hvcnQ=", "v1a,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="]
    {
        let failure = judge(&three(ID, &AT.to_string(), signature)).unwrap_err();
        assert!(
            matches!(failure, Failure::Malformed { ref field, .. } if field == WEBHOOK_SIGNATURE),
            "{signature}"
        );
    }
}

#[test]
fn each_header_is_needed_and_the_first_missing_one_is_named() {
    let all = [(WEBHOOK_ID, ID), (WEBHOOK_TIMESTAMP, "1649367553"), (WEBHOOK_SIGNATURE, SIGNED)];
    for missing in 0..3 {
        let rest: Vec<_> = all.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, h)| *h).collect();
        assert_eq!(judge(&headers(&rest)), Err(Failure::MissingHeader { header: all[missing].0.into() }));
    }
    assert_eq!(judge(&headers(&[])), Err(Failure::MissingHeader { header: WEBHOOK_ID.into() }));
}

#[test]
fn the_timestamp_is_digits() {
    for at in [
        "",
        "x",
        "+1649367553",
        " 1649367553",
        "1649367553.0",
        "1e9",
        "9223372036854775807",
        "99999999999999999999",
    ] {
        let failure = judge(&three(ID, at, SIGNED)).unwrap_err();
        assert!(
            matches!(failure, Failure::Malformed { ref field, .. } if field == WEBHOOK_TIMESTAMP),
            "{at}"
        );
    }
    let failure = judge(&three("", "1", SIGNED)).unwrap_err();
    assert!(matches!(failure, Failure::Malformed { ref field, .. } if field == WEBHOOK_ID));
}

#[test]
fn a_header_that_is_not_text_is_malformed_not_missing() {
    let mut headers = three(ID, "1", SIGNED);
    headers = headers.iter().filter(|(name, _)| *name != WEBHOOK_ID).collect();
    headers.push(WEBHOOK_ID, [0xff]);
    assert_eq!(judge(&headers), Err(mac::malformed(WEBHOOK_ID, "it is not text")));
}

#[test]
fn the_tolerance_is_inclusive_on_both_sides() {
    let headers = three(ID, &AT.to_string(), SIGNED);
    let judge = |now| verify(&secrets(&[SECRET]), &headers, BODY, at_seconds(now));
    for now in [AT - 300, AT, AT + 300] {
        judge(now).unwrap();
    }
    assert_eq!(judge(AT + 301), Err(Failure::Stale { by_ms: 301_000, tolerance_ms: 300_000 }));
    assert_eq!(judge(AT - 301), Err(Failure::Future { by_ms: 301_000, tolerance_ms: 300_000 }));
}

#[test]
fn id_and_timestamp_are_signed_too() {
    for headers in [three("msg_other", &AT.to_string(), SIGNED), three(ID, &(AT + 1).to_string(), SIGNED)] {
        assert_eq!(judge(&headers), Err(Failure::WrongSecret { tried: 1 }));
    }
}

#[test]
fn an_id_with_dots_and_a_body_that_is_not_utf8_are_signed_as_they_are() {
    let (id, body, secrets) = ("evt_1.r2", [0xff, b'.', 0x00, 0xfe], secrets(&[SECRET]));
    let signature = sign(&secrets, id, UnixMillis(7000), &body);
    verify(&secrets, &three(id, "7", &signature), &body, None).unwrap();
}

#[test]
fn a_secret_may_lack_its_padding_or_be_no_base64_at_all() {
    let padded = new_secret([9; 32]);
    let bare: Secret = padded.reveal().trim_end_matches('=').into();
    assert_eq!(key(&padded), key(&bare));
    for text in ["plain text", "whsec_not base64!", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] {
        assert_eq!(*key(&text.into()), text.as_bytes());
    }
}

#[test]
fn an_empty_key_matches_nothing() {
    for secret in ["", "whsec_"] {
        let secrets = secrets(&[secret]);
        let signature = format!("v1,{}", STANDARD.encode(mac::tag(b"", &signed("a", "1", b""))));
        assert_eq!(
            verify(&secrets, &three("a", "1", &signature), b"", None),
            Err(Failure::WrongSecret { tried: 1 })
        );
    }
}
