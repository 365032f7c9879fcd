use super::*;
use crate::signature::{Hmac, Timestamped};
use crate::{Provider, Secret};
use proptest::prelude::*;

/// The same, whether it is made of a verification or of the body alone.
fn linear(id: &str, body: &str) -> String {
    let secret = [Secret::new("s")];
    let signature = linear::sign(&secret[0], body.as_bytes());
    let headers = [(LINEAR_DELIVERY, id), (linear::SIGNATURE, &signature)].into_iter().collect();
    let verified = linear::verify(&secret, &headers, body.as_bytes(), None).unwrap();
    let key = key(&Scheme::Linear, None, &headers, body.as_bytes());
    assert_eq!(key_of_verified(&Scheme::Linear, None, &headers, body.as_bytes(), Some(&verified)), key);
    key.unwrap().as_text()
}

#[test]
fn a_linear_retry_with_a_fresh_timestamp_is_the_same_event() {
    let first =
        r#"{"action":"update","data":{"title":"} \"webhookTimestamp\":1"},"webhookTimestamp":1763800000000}"#;
    let retry = first.replace("1763800000000", "1763800060123");
    assert_eq!(linear("d1", first), linear("d1", &retry));
}

#[test]
fn anything_else_that_differs_is_another_event() {
    let body = r#"{"data":{"webhookTimestamp":5,"n":1},"webhookTimestamp":5}"#;
    let first = linear("d1", body);
    assert_ne!(first, linear("d2", body));
    assert_ne!(first, linear("d1", &body.replace("\"n\":1", "\"n\":2")));
    assert_ne!(first, linear("d1", &body.replace("{\"webhookTimestamp\":5", "{\"webhookTimestamp\":6")));
    assert_ne!(first, linear("d1", &body.replace(":5}", ": 5}")));
}

#[test]
fn a_linear_body_that_is_no_object_counts_as_a_whole() {
    for (one, other) in [("[1]", "[2]"), ("{\"webhookTimestamp\":1", "{\"webhookTimestamp\":2"), ("", " ")] {
        assert_ne!(linear("d", one), linear("d", other));
    }
}

#[test]
fn a_linear_post_without_delivery_id_is_told_by_its_whole_body() {
    let key = |body: &str| key(&Scheme::Linear, None, &HeaderList::new(), body.as_bytes()).unwrap();
    let one = key(r#"{"webhookTimestamp":1}"#);
    assert_eq!(one.id, "");
    assert_eq!(one, key(r#"{"webhookTimestamp":1}"#));
    assert_ne!(one, key(r#"{"webhookTimestamp":2}"#));
}

#[test]
fn a_github_redelivery_is_the_same_event_and_an_altered_one_is_not() {
    let headers: HeaderList =
        [("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")].into_iter().collect();
    let key = |body: &[u8]| key(&Scheme::Github, None, &headers, body).unwrap();
    assert_eq!(
        key(b"{}").as_text(),
        "72d3162e-cc78-11e3-81ab-4c9367dc0958:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    let (one, other) = (key(b"{}"), key(b"{ }"));
    assert_eq!(one.id, other.id);
    assert_ne!(one.digest, other.digest);
    assert_ne!(one.as_text(), other.as_text());
}

#[test]
fn a_standard_webhook_is_told_by_its_signed_id_alone() {
    let headers: HeaderList = [(WEBHOOK_ID, "msg_1")].into_iter().collect();
    let key = |body: &[u8]| key(&Scheme::StandardWebhooks, None, &headers, body).unwrap();
    assert_eq!(key(b"a").as_text(), "msg_1");
    assert_eq!(key(b"a").as_text(), key(b"b").as_text());
    assert_ne!(key(b"a").digest, key(b"b").digest);
}

#[test]
fn without_an_id_there_is_no_key() {
    for provider in [Provider::Github, Provider::StandardWebhooks, Provider::Stripe, Provider::None] {
        let scheme = Scheme::of(provider).unwrap();
        assert_eq!(key(&scheme, None, &HeaderList::new(), b"{}"), None);
        let empty: HeaderList = [(GITHUB_DELIVERY, ""), (WEBHOOK_ID, "")].into_iter().collect();
        assert_eq!(key(&scheme, None, &empty, br#"{"id":""}"#), None);
    }
}

#[test]
fn an_overlong_id_is_replaced_by_its_digest() {
    let long = "x".repeat(100_000);
    let text = linear(&long, "{}");
    assert!(text.starts_with("sha256:") && text.len() <= 265, "{}", text.len());
    assert_ne!(text, linear(&format!("{long}y"), "{}"));
    assert!(linear(&"x".repeat(200), "{}").starts_with("xxx"));
}

#[test]
fn a_stripe_event_is_told_by_the_id_in_its_body() {
    let key =
        |body: &str| key(&Scheme::Stripe, None, &HeaderList::new(), body.as_bytes()).map(|k| k.as_text());
    let body = r#"{"data":{"object":{"id":"in_1"}},"id":"evt_1","type":"invoice.paid"}"#;
    assert_eq!(key(body).as_deref(), Some("evt_1"));
    assert_eq!(key(&body.replace("paid", "sent")).as_deref(), Some("evt_1"));
    assert_eq!(key(&body.replace("evt_1", "evt_\\u0032")).as_deref(), Some("evt_2"));
    for without in [r#"{"data":{"id":"in_1"}}"#, r#"{"id":null}"#, r#"{"id":{}}"#, r#"["id"]"#, "{", ""] {
        assert_eq!(key(without), None, "{without}");
    }
}

#[test]
fn a_slack_retry_is_the_same_event_and_a_command_is_told_by_its_request() {
    let key = |at: &str, body: &str| {
        let headers = [(slack::TIMESTAMP, at)].into_iter().collect();
        key(&Scheme::Slack, None, &headers, body.as_bytes()).unwrap().as_text()
    };
    let event = r#"{"type":"event_callback","event_id":"Ev08MFMKH6","event":{"event_id":"x"}}"#;
    assert_eq!(key("1", event), "Ev08MFMKH6");
    assert_eq!(key("2", event), "Ev08MFMKH6");
    let command = "command=%2Fdeploy&trigger_id=1.2.3";
    assert_eq!(key("1", command), key("1", command));
    assert_ne!(key("1", command), key("2", command));
    assert_ne!(key("1", command), key("1", "command=%2Fdeploy&trigger_id=1.2.4"));
    assert_ne!(key("1", "1:x"), key("1:1", "x:1"));
}

#[test]
fn an_unknown_senders_id_is_where_the_source_says() {
    let hmac = Scheme::Hmac(Hmac {
        header: "x-sig".parse().unwrap(),
        algorithm: Default::default(),
        encoding: Default::default(),
        prefix: Default::default(),
    });
    let named = Scheme::Timestamped(Timestamped { header_prefix: "X-Acme".parse().unwrap() });
    let headers: HeaderList = [("X-Id", "h1"), ("X-Acme-Delivery", "d1")].into_iter().collect();
    let header = IdFrom::Header("x-ID".parse().unwrap());
    let pointer = |text: &str| IdFrom::Pointer(text.parse().unwrap());
    let body = br#"{"event":{"id":42,"a/b":"x"},"list":[{"id":"y"}]}"#;
    for scheme in [&hmac, &named, &Scheme::None] {
        let key = |from: &IdFrom, body: &[u8]| key(scheme, Some(from), &headers, body);
        assert!(key(&header, body).unwrap().as_text().starts_with("h1:"));
        assert_ne!(key(&header, body), key(&header, b"{}"), "headers are not signed");
        assert_eq!(key(&pointer("/event/id"), body).unwrap().as_text(), "42");
        assert_eq!(key(&pointer("/event/a~1b"), body).unwrap().as_text(), "x");
        assert_eq!(key(&pointer("/list/0/id"), body).unwrap().as_text(), "y");
        for missing in ["/", "/event", "/event/no", "/list/1/id", "/list/00/id", "/list/+0/id", "/event/id/x"]
        {
            assert_eq!(key(&pointer(missing), body), None, "{missing}");
        }
    }
    assert_eq!(key(&hmac, None, &headers, body), None);
    assert!(key(&named, None, &headers, body).unwrap().as_text().starts_with("d1:"));
    assert!(key(&Scheme::Github, Some(&header), &headers, body).is_none(), "a known provider's key is known");
}

#[test]
fn where_an_id_stands_is_checked_when_it_is_configured() {
    for (json, good) in [
        (r#"{"header":"X-Id"}"#, true),
        (r#"{"pointer":"/a/b~0c"}"#, true),
        (r#"{"header":""}"#, false),
        (r#"{"header":"x id"}"#, false),
        (r#"{"pointer":"a/b"}"#, false),
        (r#"{"pointer":""}"#, false),
        (r#"{"pointer":"/a~2"}"#, false),
        (r#"{"pointer":"/a~"}"#, false),
    ] {
        assert_eq!(serde_json::from_str::<IdFrom>(json).is_ok(), good, "{json}");
    }
}

proptest! {
    #[test]
    fn only_the_timestamps_value_is_cut(before in "[ \t\n]{0,3}", after in "[ \t\n]{0,3}", text in ".{0,20}", one: i64, other: i64) {
        let text = serde_json::Value::from(text);
        let body = |at: i64| format!(
            "{before}{{{after}\"data\":{{\"webhookTimestamp\":{text}}},{before}\"webhookTimestamp\"{after}:{before}{at}{after},\"x\":{text}}}"
        );
        let range = linear::timestamp_range(body(one).as_bytes()).unwrap();
        prop_assert_eq!(&body(one)[range], one.to_string());
        prop_assert_eq!(linear("d", &body(one)), linear("d", &body(other)));
    }
}
