use super::*;
use crate::UnixMillis;
use crate::signature::tests::{headers, secrets};
use crate::signature::{Verdict, linear, standard};
use proptest::prelude::*;
use serde_json::{Value, json};

fn judge(scheme: &Scheme, headers: &HeaderList, body: &[u8]) -> Option<Guess> {
    let secrets = secrets(&["another", "s3cret"]);
    let verdict: Verdict = verify(scheme, &secrets, headers, body, None).unwrap();
    guess(scheme, &verdict.unwrap_err(), &secrets, headers, body)
}

fn other(provider: Provider, header: &str) -> Option<Guess> {
    Some(Guess::OtherScheme { provider, header: header.into() })
}

#[test]
fn another_schemes_header_is_recognised() {
    let secret = secrets(&["s3cret"]);
    let at = UnixMillis(1_000_000);
    let timestamped = stripe::sign(&secret, at, b"x");
    let hex = linear::sign(&secret[0], b"x");
    let sent = [
        ("Linear-Signature", hex.clone(), Provider::Linear),
        ("X-Hub-Signature-256", github::sign(&secret[0], b"x"), Provider::Github),
        ("Stripe-Signature", timestamped.clone(), Provider::Stripe),
        ("X-Slack-Signature", slack::sign(&secret[0], at, b"x"), Provider::Slack),
        ("webhook-signature", standard::sign(&secret, "m", at, b"x"), Provider::StandardWebhooks),
        ("svix-signature", standard::sign(&secret, "m", at, b"x"), Provider::StandardWebhooks),
        ("X-Acme-Signature", timestamped, Provider::Timestamped),
        ("X-Gitea-Signature", hex.clone(), Provider::Hmac),
        ("X-Acme-Signature-256", format!("sha256={hex}"), Provider::Hmac),
        ("X-Shopify-Hmac-SHA256", "XWmrwMey6OsLMeiZKwP4FppHH3cmAiiJJAweH5Jo4bM=".into(), Provider::Hmac),
    ];
    for (name, value, provider) in sent {
        let headers = headers(&[("user-agent", "x"), (name, &value)]);
        for configured in Provider::ALL.into_iter().filter(|p| *p != provider).filter_map(Scheme::of) {
            if configured != Scheme::None {
                assert_eq!(
                    judge(&configured, &headers, b"x"),
                    other(provider, &name.to_lowercase()),
                    "{configured:?}"
                );
            }
        }
    }
}

#[test]
fn its_own_scheme_and_headers_without_a_signature_say_nothing() {
    let hex = linear::sign(&"s3cret".into(), b"x");
    assert_eq!(judge(&Scheme::Github, &headers(&[("x-hub-signature-256", &hex)]), b"x"), None);
    for (name, value) in
        [("x-signature-version", "2"), ("x-request-id", hex.as_str()), ("x-signature", "hello")]
    {
        assert_eq!(judge(&Scheme::Linear, &headers(&[(name, value)]), b"x"), None, "{name}");
    }
}

#[test]
fn a_guess_is_a_sentence_and_crosses_as_tagged_json() {
    let guess = other(Provider::Github, "x-hub-signature-256").unwrap();
    assert_eq!(
        guess.to_string(),
        "`x-hub-signature-256` looks like a GitHub signature: is the source set up for the right sender?"
    );
    let json = serde_json::to_value(&guess).unwrap();
    assert_eq!(json, json!({"kind": "other_scheme", "provider": "github", "header": "x-hub-signature-256"}));
    assert_eq!(serde_json::from_value::<Guess>(json).unwrap(), guess);
}

/// What is guessed when `sent` was signed and `came` arrived.
fn form(sent: &[u8], came: &[u8]) -> Option<String> {
    let headers = headers(&[(github::SIGNATURE, &github::sign(&"s3cret".into(), sent))]);
    judge(&Scheme::Github, &headers, came).map(|guess| match guess {
        Guess::Rewritten { form } => form,
        Guess::OtherScheme { .. } => panic!("{guess}"),
    })
}

#[test]
fn a_rewritten_body_is_recognised() {
    let compact = r#"{"b":[1,2.50,{}],"a":"é","c":[]}"#;
    let spaced = r#"{"b": [1, 2.50, {}], "a": "é", "c": []}"#;
    let two = "{\n  \"b\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"a\": \"é\",\n  \"c\": []\n}";
    let four = two.replace("  ", "    ");
    let sorted = r#"{"a":"é","b":[1,2.50,{}],"c":[]}"#;
    let escaped = compact.replace('é', "\\u00e9");
    let line = format!("{compact}\n");
    let forms = [
        (compact, "the same JSON, compact"),
        (spaced, "the same JSON, with a space after each comma and colon"),
        (two, "the same JSON, indented by 2"),
        (&four, "the same JSON, indented by 4"),
        (sorted, "the same JSON, compact, keys sorted"),
        (&escaped, "the same JSON, compact, characters beyond ASCII escaped"),
    ];
    for (sent, expected) in forms {
        for (came, _) in forms.iter().filter(|(came, _)| *came != sent && *came != sorted && *came != escaped)
        {
            assert_eq!(form(sent.as_bytes(), came.as_bytes()).as_deref(), Some(expected), "{came}");
        }
    }
    assert_eq!(
        form(compact.as_bytes(), escaped.as_bytes()).as_deref(),
        Some("the same JSON, compact, characters not escaped")
    );
    assert_eq!(
        form(line.as_bytes(), two.as_bytes()).as_deref(),
        Some("the same JSON, compact, with a newline at its end")
    );
}

#[test]
fn a_body_whose_ends_were_changed_is_recognised_whatever_it_holds() {
    let cases: [(&[u8], &[u8], &str); 5] = [
        (b"a=1", b"a=1\n", "the body without the newline at its end"),
        (b"a=1\n", b"a=1", "the body with a newline at its end"),
        (b"a\nb\n", b"a\r\nb\r\n", "the body with LF instead of CRLF"),
        (b"a\r\nb", b"a\nb", "the body with CRLF instead of LF"),
        (b"{}", b"\xef\xbb\xbf{}", "the body without its byte order mark"),
    ];
    for (sent, came, expected) in cases {
        assert_eq!(form(sent, came).as_deref(), Some(expected));
    }
}

#[test]
fn another_secret_or_another_content_is_not_a_rewriting() {
    assert_eq!(form(br#"{"a":1}"#, br#"{ "a": 2 }"#), None);
    let headers = headers(&[(github::SIGNATURE, &github::sign(&"unknown".into(), b"{}"))]);
    assert_eq!(judge(&Scheme::Github, &headers, b"{ }"), None);
}

#[test]
fn the_work_is_bounded() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(form(b"x", deep.as_bytes()), None);
    let wide = format!("{}[{}]{}", "[".repeat(60), vec!["1"; 300_000].join(","), "]".repeat(60));
    assert_eq!(form(b"x", wide.as_bytes()), None);
    let large = format!("{{ \"a\": \"{}\"}}", "x".repeat(LARGEST));
    assert_eq!(form(large.replace(' ', "").as_bytes(), large.as_bytes()), None);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_either_way_is_recognised(value in value()) {
        let (compact, pretty) = (value.to_string(), serde_json::to_string_pretty(&value).unwrap());
        if compact != pretty {
            prop_assert_eq!(form(compact.as_bytes(), pretty.as_bytes()), Some("the same JSON, compact".to_owned()));
            prop_assert!(form(pretty.as_bytes(), compact.as_bytes()).unwrap().starts_with("the same JSON, "));
        }
    }

    #[test]
    fn any_body_is_guessed_about_without_panic(body: Vec<u8>, text in "[\\[\\]{}\",:\\\\ue0-9\r\n]{0,40}") {
        form(b"x", &body);
        form(b"x", text.as_bytes());
    }
}
