use super::*;
use proptest::prelude::*;

fn linear(id: &str, body: &str) -> String {
    key(Provider::Linear, &[(LINEAR_DELIVERY, id)].into_iter().collect(), body.as_bytes()).unwrap().as_text()
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
    let key = |body: &str| key(Provider::Linear, &HeaderList::new(), body.as_bytes()).unwrap();
    let one = key(r#"{"webhookTimestamp":1}"#);
    assert_eq!(one.id, "");
    assert_eq!(one, key(r#"{"webhookTimestamp":1}"#));
    assert_ne!(one, key(r#"{"webhookTimestamp":2}"#));
}

#[test]
fn a_github_redelivery_is_the_same_event_and_an_altered_one_is_not() {
    let headers: HeaderList =
        [("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")].into_iter().collect();
    let key = |body: &[u8]| key(Provider::Github, &headers, body).unwrap();
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
    let key = |body: &[u8]| key(Provider::StandardWebhooks, &headers, body).unwrap();
    assert_eq!(key(b"a").as_text(), "msg_1");
    assert_eq!(key(b"a").as_text(), key(b"b").as_text());
    assert_ne!(key(b"a").digest, key(b"b").digest);
}

#[test]
fn without_an_id_there_is_no_key() {
    for provider in [Provider::Github, Provider::StandardWebhooks, Provider::None] {
        assert_eq!(key(provider, &HeaderList::new(), b"{}"), None);
        let empty: HeaderList = [(GITHUB_DELIVERY, ""), (WEBHOOK_ID, "")].into_iter().collect();
        assert_eq!(key(provider, &empty, b"{}"), None);
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

proptest! {
    #[test]
    fn only_the_timestamps_value_is_cut(before in "[ \t\n]{0,3}", after in "[ \t\n]{0,3}", text in ".{0,20}", one: i64, other: i64) {
        let text = serde_json::Value::from(text);
        let body = |at: i64| format!(
            "{before}{{{after}\"data\":{{\"webhookTimestamp\":{text}}},{before}\"webhookTimestamp\"{after}:{before}{at}{after},\"x\":{text}}}"
        );
        let range = timestamp_range(body(one).as_bytes()).unwrap();
        prop_assert_eq!(&body(one)[range], one.to_string());
        prop_assert_eq!(linear("d", &body(one)), linear("d", &body(other)));
    }
}
