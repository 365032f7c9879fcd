use super::*;
use crate::signature::tests::{headers, secrets};

const SECRET: &str = "lin_whs_2uQX7xM9pfoSkNDvqW1jPZ";
const NOW: i64 = 1_763_800_000_000;

fn body(at: i64) -> Vec<u8> {
    format!(r#"{{"action":"update","type":"Issue","data":{{"webhookTimestamp":1}},"webhookTimestamp":{at}}}"#)
        .into_bytes()
}

fn judge(body: &[u8], freshness: Option<Freshness>) -> Verdict {
    let signature = sign(&SECRET.into(), body);
    verify(&secrets(&["lin_whs_old", SECRET]), &headers(&[("Linear-Signature", &signature)]), body, freshness)
}

fn fresh() -> Option<Freshness> {
    Some(Freshness { now: UnixMillis(NOW), tolerance: 60_000 })
}

#[test]
fn a_known_signature_is_made() {
    // Computed with: printf '{"action":"create"}' | openssl dgst -sha256 -hmac lin_whs_test
    assert_eq!(
        sign(&"lin_whs_test".into(), br#"{"action":"create"}"#),
        "2039760938aaf2ab5aa99e3a806e67ff68322df25c267f0761c961da478c7ca0"
    );
}

#[test]
fn the_signed_time_comes_from_the_body() {
    let body = body(NOW);
    let verified = judge(&body, None).unwrap();
    assert_eq!((verified.secret, verified.signed_at), (1, Some(UnixMillis(NOW))));
    let (from, to) = verified.time_in_body.unwrap();
    assert_eq!(body[from..to], *NOW.to_string().as_bytes());
}

#[test]
fn the_tolerance_is_inclusive_on_both_sides() {
    for at in [NOW - 60_000, NOW, NOW + 60_000] {
        judge(&body(at), fresh()).unwrap();
    }
    let stale = Failure::Stale { by_ms: 60_001, tolerance_ms: 60_000 };
    let future = Failure::Future { by_ms: 60_001, tolerance_ms: 60_000 };
    assert_eq!(judge(&body(NOW - 60_001), fresh()), Err(stale));
    assert_eq!(judge(&body(NOW + 60_001), fresh()), Err(future));
}

#[test]
fn extreme_times_do_not_overflow() {
    for at in [i64::MIN, i64::MAX] {
        assert!(matches!(judge(&body(at), fresh()), Err(Failure::Stale { .. } | Failure::Future { .. })));
    }
}

#[test]
fn a_fresh_header_does_not_rescue_a_stale_body() {
    let body = body(NOW - 3_600_000);
    let now = NOW.to_string();
    let headers = headers(&[(SIGNATURE, &sign(&SECRET.into(), &body)), ("linear-timestamp", &now)]);
    let failure = verify(&secrets(&[SECRET]), &headers, &body, fresh()).unwrap_err();
    assert_eq!(failure, Failure::Stale { by_ms: 3_600_000, tolerance_ms: 60_000 });
}

#[test]
fn an_unreadable_time_is_malformed_only_where_freshness_is_asked_for() {
    let bodies: [&[u8]; 10] = [
        b"",
        b"not json",
        b"[1763800000000]",
        b"{}",
        br#"{"data":{"webhookTimestamp":1763800000000}}"#,
        br#"{"webhookTimestamp":null}"#,
        br#"{"webhookTimestamp":"1763800000000"}"#,
        br#"{"webhookTimestamp":1763800000000.5}"#,
        br#"{"webhookTimestamp":1,"webhookTimestamp":1763800000000}"#,
        &[0xff, 0xfe, 0x00],
    ];
    for body in bodies {
        let verified = judge(body, None).unwrap();
        assert_eq!((verified.secret, verified.signed_at), (1, None), "{body:?}");
        let failure = judge(body, fresh()).unwrap_err();
        assert!(
            matches!(failure, Failure::Malformed { ref field, .. } if field == TIMESTAMP),
            "{body:?}: {failure}"
        );
    }
}

#[test]
fn deep_nesting_neither_overflows_nor_hides_the_time() {
    let depth = 100_000;
    let body = format!(r#"{{"data":{}{},"webhookTimestamp":{NOW}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(judge(body.as_bytes(), fresh()).unwrap().signed_at, Some(UnixMillis(NOW)));
}

#[test]
fn the_signature_is_judged_before_the_time() {
    let stale = body(0);
    let headers = headers(&[(SIGNATURE, &"0".repeat(64))]);
    let failure = verify(&secrets(&[SECRET]), &headers, &stale, fresh()).unwrap_err();
    assert_eq!(failure, Failure::WrongSecret { tried: 1 });
}

#[test]
fn the_header_is_64_hex_digits_of_either_case() {
    let body = body(NOW);
    let good = sign(&SECRET.into(), &body);
    let judge = |value: &str| verify(&secrets(&[SECRET]), &headers(&[(SIGNATURE, value)]), &body, None);
    judge(&good.to_uppercase()).unwrap();
    for value in [
        "",
        &good[..63],
        &format!("{good}0"),
        &format!(" {good}"),
        &format!("sha256={good}"),
        &"z".repeat(64),
    ] {
        assert!(
            matches!(judge(value), Err(Failure::Malformed { field, .. }) if field == SIGNATURE),
            "{value}"
        );
    }
}

#[test]
fn the_times_place_is_found_only_at_the_top() {
    let at = |body: &str| timestamp_range(body.as_bytes()).map(|range| body[range].to_owned());
    assert_eq!(
        at("{\"a\": {\"webhookTimestamp\": 1},\n \"webhookTimestamp\" :\t12 }").as_deref(),
        Some("12")
    );
    assert_eq!(at(r#"{"a":"} \" webhookTimestamp\":3","webhookTimestamp":"x"}"#).as_deref(), Some(r#""x""#));
    assert_eq!(at(r#"{"webhook\u0054imestamp":7}"#).as_deref(), Some("7"));
    assert_eq!(at(r#"{"a":{"webhookTimestamp":1}}"#), None);
    assert_eq!(at(r#"{"webhookTimestamp":1"#), None);
    assert_eq!(at(r#"[{"webhookTimestamp":1}]"#), None);
}
