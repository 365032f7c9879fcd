//! What holds for every scheme: what was signed verifies under its secret's
//! index, and one bit changed anywhere does not.

use super::*;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::{HeaderList, Provider, Secret};
use proptest::prelude::*;

pub(super) fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(*text)).collect()
}

pub(super) fn headers(pairs: &[(&str, &str)]) -> HeaderList {
    pairs.iter().copied().collect()
}

fn generic(algorithm: &str, encoding: &str, prefix: &str) -> Scheme {
    let json = serde_json::json!({"provider": "hmac", "header": "X-Acme-Hmac", "algorithm": algorithm,
        "encoding": encoding, "prefix": prefix});
    serde_json::from_value(json).unwrap()
}

/// Every scheme that signs.
pub(super) fn schemes() -> Vec<Scheme> {
    let known = Provider::ALL.into_iter().filter_map(Scheme::of).filter(|scheme| *scheme != Scheme::None);
    let named = Timestamped { header_prefix: "X-Acme".parse().unwrap() };
    known
        .chain([
            Scheme::Timestamped(named),
            generic("sha256", "hex", ""),
            generic("sha1", "hex", "sha1="),
            generic("sha512", "base64", "v1 "),
            generic("sha256", "base64", ""),
        ])
        .collect()
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(schemes())
}

fn signature_header(scheme: &Scheme) -> String {
    match scheme {
        Scheme::Linear => linear::SIGNATURE.into(),
        Scheme::Github => github::SIGNATURE.into(),
        Scheme::Stripe => stripe::SIGNATURE.into(),
        Scheme::Slack => slack::SIGNATURE.into(),
        Scheme::Hmac(hmac) => hmac.header.as_str().into(),
        Scheme::Timestamped(named) => named.signature_header(),
        Scheme::StandardWebhooks | Scheme::None => WEBHOOK_SIGNATURE.into(),
    }
}

/// The headers the provider would send.
fn signed(scheme: &Scheme, secret: &Secret, body: &[u8]) -> HeaderList {
    let secrets = std::slice::from_ref(secret);
    let at = UnixMillis(1000);
    let signature = match scheme {
        Scheme::Linear => linear::sign(secret, body),
        Scheme::Github => github::sign(secret, body),
        Scheme::Stripe | Scheme::Timestamped(_) => timestamped::sign(secrets, at, body),
        Scheme::Slack => slack::sign(secret, at, body),
        Scheme::Hmac(hmac) => hmac.sign(secret, body),
        Scheme::StandardWebhooks | Scheme::None => standard::sign(secrets, "msg_1", at, body),
    };
    headers(&[
        (WEBHOOK_ID, "msg_1"),
        (WEBHOOK_TIMESTAMP, "1"),
        (slack::TIMESTAMP, "1"),
        (&signature_header(scheme), &signature),
    ])
}

fn replace(headers: &HeaderList, name: &str, value: &[u8]) -> HeaderList {
    headers.iter().map(|(n, v)| (n, if n == name { value } else { v })).collect()
}

fn flip(bytes: &mut [u8], bit: usize) {
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn judged(scheme: &Scheme, secrets: &[Secret], headers: &HeaderList, body: &[u8]) -> Verdict {
    verify(scheme, secrets, headers, body, None).expect("a scheme that signs")
}

fn keys() -> impl Strategy<Value = Vec<String>> {
    let key = prop_oneof![
        "[a-zA-Z0-9_]{1,40}",
        any::<[u8; 32]>().prop_map(|b| standard::new_secret(b).reveal().to_owned())
    ];
    prop::collection::hash_set(key, 1..5).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn what_was_signed_verifies_under_its_secrets_index(
        keys in keys(), pick: prop::sample::Index, body: Vec<u8>, scheme in scheme(),
    ) {
        let secrets: Vec<_> = keys.iter().map(|k| Secret::new(k.as_str())).collect();
        let which = pick.index(secrets.len());
        let headers = signed(&scheme, &secrets[which], &body);
        prop_assert_eq!(judged(&scheme, &secrets, &headers, &body).unwrap().secret, which);
        let others: Vec<_> = secrets.iter().enumerate().filter(|(i, _)| *i != which).map(|(_, s)| s.clone()).collect();
        prop_assert_eq!(
            judged(&scheme, &others, &headers, &body),
            Err(Failure::WrongSecret { tried: others.len() })
        );
    }

    #[test]
    fn one_bit_flipped_in_the_body_is_noticed(
        body in prop::collection::vec(any::<u8>(), 1..300), bit: usize, scheme in scheme(),
    ) {
        let secrets = [Secret::new("a secret")];
        let headers = signed(&scheme, &secrets[0], &body);
        let mut altered = body;
        flip(&mut altered, bit);
        prop_assert_eq!(judged(&scheme, &secrets, &headers, &altered), Err(Failure::WrongSecret { tried: 1 }));
    }

    #[test]
    fn one_bit_flipped_in_the_signature_is_noticed(
        body: Vec<u8>, bit: usize, scheme in scheme(),
    ) {
        let secrets = [Secret::new("a secret")];
        let headers = signed(&scheme, &secrets[0], &body);
        let name = &signature_header(&scheme);
        let good = headers.get(name).unwrap().to_owned();
        let mut altered = good.clone().into_bytes();
        flip(&mut altered, bit);
        // The one flip that changes nothing: the case of a hex digit.
        let hex = !matches!(scheme, Scheme::StandardWebhooks)
            && !matches!(&scheme, Scheme::Hmac(hmac) if hmac.encoding == generic::Encoding::Base64);
        let same = hex && altered.eq_ignore_ascii_case(good.as_bytes())
            && altered.starts_with(&good.as_bytes()[..good.rfind('=').map_or(0, |at| at + 1)]);
        let verdict = judged(&scheme, &secrets, &replace(&headers, name, &altered), &body);
        if same {
            prop_assert!(verdict.is_ok());
        } else {
            prop_assert!(matches!(verdict, Err(Failure::WrongSecret { .. } | Failure::Malformed { .. })), "{verdict:?}");
        }
    }

    #[test]
    fn one_bit_flipped_in_the_key_is_noticed(
        entropy: [u8; 32], bit: usize, body: Vec<u8>, scheme in scheme(),
    ) {
        let mut other = entropy;
        flip(&mut other, bit);
        let headers = signed(&scheme, &standard::new_secret(entropy), &body);
        prop_assert_eq!(
            judged(&scheme, &[standard::new_secret(other)], &headers, &body),
            Err(Failure::WrongSecret { tried: 1 })
        );
    }

    #[test]
    fn no_header_makes_it_panic(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 4), body: Vec<u8>,
        scheme in scheme(),
    ) {
        let name = signature_header(&scheme);
        let names = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, slack::TIMESTAMP, &name];
        let headers = names.iter().zip(&values).collect();
        prop_assert!(judged(&scheme, &[Secret::new("a secret")], &headers, &body).is_err());
    }

    #[test]
    fn freshness_is_the_distance_either_way(age in -400_000i64..400_000, tolerance in 0i64..400_000) {
        let freshness = Freshness { now: UnixMillis(1_700_000_000_000 + age), tolerance };
        let verdict = mac::judge(0, UnixMillis(1_700_000_000_000), Some(freshness));
        prop_assert_eq!(verdict.is_ok(), age.abs() <= tolerance);
        match verdict {
            Err(Failure::Stale { by_ms, tolerance_ms }) => prop_assert_eq!((by_ms, tolerance_ms), (age, tolerance)),
            Err(Failure::Future { by_ms, tolerance_ms }) => prop_assert_eq!((by_ms, tolerance_ms), (-age, tolerance)),
            _ => {}
        }
    }
}

#[test]
fn an_unsigned_source_has_no_verdict() {
    assert_eq!(verify(&Scheme::None, &secrets(&["x"]), &headers(&[]), b"", None), None);
}

#[test]
fn failures_cross_as_tagged_json_and_name_no_secret() {
    let failure = Failure::Stale { by_ms: 301_000, tolerance_ms: 300_000 };
    let json = serde_json::to_value(&failure).unwrap();
    assert_eq!(json, serde_json::json!({"kind": "stale", "by_ms": 301_000, "tolerance_ms": 300_000}));
    assert_eq!(serde_json::from_value::<Failure>(json).unwrap(), failure);
    let failure =
        github::verify(&secrets(&["hush"]), &headers(&[(github::SIGNATURE, "sha256=zz")]), b"").unwrap_err();
    assert!(!format!("{failure} {failure:?}").contains("hush"));
}
