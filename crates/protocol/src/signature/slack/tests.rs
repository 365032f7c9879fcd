use super::*;
use crate::signature::tests::{headers, secrets};
use crate::signature::{Failure, Verified};

/// Slack's own example, "Verifying requests from Slack".
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const AT: &str = "1531420618";
const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn judge(at: &str, value: &str) -> Verdict {
    let headers = headers(&[("X-Slack-Request-Timestamp", at), ("X-Slack-Signature", value)]);
    verify(&secrets(&["old", SECRET]), &headers, BODY, None)
}

#[test]
fn slacks_vector_is_made_and_accepted() {
    let at = UnixMillis(1_531_420_618_000);
    assert_eq!(sign(&SECRET.into(), at, BODY), SIGNED);
    assert_eq!(judge(AT, SIGNED), Ok(Verified { signed_at: Some(at), ..Verified::by(1) }));
}

#[test]
fn the_time_is_signed() {
    for other in ["1531420619", "01531420618", "-1531420618"] {
        assert_eq!(judge(other, SIGNED), Err(Failure::WrongSecret { tried: 2 }), "{other}");
    }
}

#[test]
fn what_is_not_of_the_form_says_why() {
    for at in ["", "x", "1531420618.0", "+1531420618", "99999999999999999999"] {
        let expected = mac::malformed(TIMESTAMP, "it is not a whole number of seconds");
        assert_eq!(judge(at, SIGNED), Err(expected), "{at}");
    }
    let digits = SIGNED.strip_prefix("v0=").unwrap();
    for value in ["", digits, &format!("v1={digits}"), &format!("V0={digits}")] {
        assert_eq!(
            judge(AT, value),
            Err(mac::malformed(SIGNATURE, "it does not begin with `v0=`")),
            "{value}"
        );
    }
    for value in ["v0=", &SIGNED[..66], &SIGNED.replace('a', "g")] {
        let failure = judge(AT, value).unwrap_err();
        assert!(matches!(failure, Failure::Malformed { ref field, .. } if field == SIGNATURE), "{value}");
    }
    let only = |name: &str, value: &str| verify(&secrets(&[SECRET]), &headers(&[(name, value)]), BODY, None);
    assert_eq!(only(SIGNATURE, SIGNED), Err(Failure::MissingHeader { header: TIMESTAMP.into() }));
    assert_eq!(only(TIMESTAMP, AT), Err(Failure::MissingHeader { header: SIGNATURE.into() }));
}

#[test]
fn the_tolerance_is_five_minutes_either_way() {
    let judge = |now: i64| {
        let headers = headers(&[(TIMESTAMP, AT), (SIGNATURE, SIGNED)]);
        let freshness = Freshness { now: UnixMillis(now), tolerance: TOLERANCE_MS };
        verify(&secrets(&[SECRET]), &headers, BODY, Some(freshness))
    };
    judge(1_531_420_918_000).unwrap();
    judge(1_531_420_318_000).unwrap();
    assert_eq!(judge(1_531_420_918_001), Err(Failure::Stale { by_ms: 300_001, tolerance_ms: 300_000 }));
    assert_eq!(judge(1_531_420_317_999), Err(Failure::Future { by_ms: 300_001, tolerance_ms: 300_000 }));
}

#[test]
fn a_url_verification_gives_its_challenge() {
    let body = br#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    assert_eq!(challenge(body).as_deref(), Some("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"));
    let long = format!(r#"{{"type":"url_verification","challenge":"{}"}}"#, "x".repeat(1001));
    for other in [
        r#"{"type":"event_callback","challenge":"x"}"#,
        r#"{"type":"event_callback","event":{"type":"url_verification","challenge":"x"}}"#,
        r#"{"type":"url_verification"}"#,
        r#"{"type":"url_verification","challenge":7}"#,
        r#"{"type":"url_verification","challenge":""}"#,
        r#"["url_verification"]"#,
        "type=url_verification&challenge=x",
        &long,
        "",
    ] {
        assert_eq!(challenge(other.as_bytes()), None, "{other:.80}");
    }
}
