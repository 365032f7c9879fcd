use super::*;
use crate::store::RequestId;
use bytes::Bytes;
use postern_protocol::signature::{Freshness, Timestamped, standard};
use postern_protocol::{Provider, Secret};

const NOW: UnixMillis = UnixMillis(1_800_000_000_123);

fn claimed(headers: &[(&str, &[u8])]) -> Claimed {
    Claimed {
        delivery: DeliveryId::new(NOW, [1; 10]),
        event: EventId::new(NOW, [2; 10]),
        webhook_id: "evt_1".into(),
        redriven: 0,
        worker: WorkerId::new(NOW, [3; 10]),
        url: Some("https://laptop.example/hook".into()),
        secrets: vec![standard::new_secret([7; 32]), standard::new_secret([8; 32])],
        style: SignatureStyle::Standard,
        attempt: 3,
        failures: 2,
        entity: None,
        granted: None,
        counts_from: None,
        retry: None,
        workspace: WorkspaceId::new(NOW, [4; 10]),
        source_name: "linear".into(),
        provider: Provider::Linear,
        event_name: "Issue.update".into(),
        received_at: NOW.plus(-5),
        synthetic: false,
        request: Some(RequestId([0xab; 8])),
        headers: headers.iter().copied().collect(),
        body: Bytes::from_static(b"{\"a\": 1}\xff"),
    }
}

#[test]
fn the_signature_verifies_under_each_secret() {
    let signed = sign(claimed(&[]), NOW).unwrap();
    let headers: HeaderList = signed.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    for seed in [7, 8] {
        let secret: [Secret; 1] = [standard::new_secret([seed; 32])];
        let fresh = Freshness { now: NOW, tolerance: 1000 };
        standard::verify(&secret, &headers, &signed.body, Some(fresh)).unwrap();
    }
    assert_eq!(headers.get("postern-attempt"), Some("3"));
    assert_eq!(headers.get("postern-event"), Some("Issue.update"));
    assert_eq!(headers.get("postern-received-at"), Some("1800000000118"));
    assert_eq!(headers.get("postern-request-id"), Some("abababababababab"));
    assert_eq!(headers.get("postern-synthetic"), None);
}

#[test]
fn the_providers_headers_travel_as_they_came() {
    let signed = sign(
        claimed(&[
            ("x-repeated", b"one"),
            ("x-repeated", b"two"),
            ("x-odd", b"caf\xc3\xa9 \xff"),
            ("host", b"proxy.example"),
            ("content-length", b"999"),
            ("content-type", b"application/json"),
            ("user-agent", b"Linear-Webhook"),
        ]),
        NOW,
    )
    .unwrap();
    let repeated: Vec<_> = signed.headers.get_all("x-repeated").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(repeated, [b"one", b"two"]);
    assert_eq!(signed.headers["x-odd"].as_bytes(), b"caf\xc3\xa9 \xff");
    assert_eq!(signed.headers["user-agent"], "Linear-Webhook");
    assert_eq!(signed.headers["postern-original-host"], "proxy.example");
    assert!(!signed.headers.contains_key("host") && !signed.headers.contains_key("content-length"));
}

#[test]
fn a_providers_header_with_our_name_is_kept_aside() {
    let signed = sign(
        claimed(&[("webhook-id", b"msg_theirs"), ("postern-event", b"a"), ("postern-event", b"b")]),
        NOW,
    )
    .unwrap();
    assert_eq!(signed.headers["webhook-id"], "evt_1");
    assert_eq!(signed.headers["postern-original-webhook-id"], "msg_theirs");
    let originals: Vec<_> = signed.headers.get_all("postern-original-postern-event").iter().collect();
    assert_eq!(originals, ["a", "b"]);
    assert_eq!(signed.headers.get_all("postern-event").iter().count(), 1);
}

#[test]
fn a_payloads_text_cannot_break_a_header() {
    let mut one = claimed(&[]);
    one.event_name = format!("Issue\r\nx-evil: 1\0 é {}", "x".repeat(1000));
    let signed = sign(one, NOW).unwrap();
    let value = signed.headers["postern-event"].as_bytes();
    assert!(value.starts_with("Issue??x-evil: 1? é x".as_bytes()) && value.len() < 300);
    assert!(!signed.headers.contains_key("x-evil"));
}

#[test]
fn a_url_that_is_none_is_said_to_be() {
    let mut one = claimed(&[]);
    one.url = Some("not a url".into());
    assert_eq!(sign(one, NOW).unwrap_err(), Unaddressable);
}

#[test]
fn a_plain_receiver_gets_its_own_headers() {
    let named = Timestamped { header_prefix: "X-Acme".parse().unwrap() };
    let mut delivery = claimed(&[
        ("x-acme-signature", b"t=1,v1=the provider's"),
        ("x-acme-other", b"kept"),
        ("webhook-id", b"the provider's"),
    ]);
    delivery.style = SignatureStyle::Timestamped(named.clone());
    let signed = sign(delivery, NOW).unwrap();
    let headers: HeaderList = signed.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let fresh = Freshness { now: NOW, tolerance: 1000 };
    for seed in [7, 8] {
        named.verify(&[standard::new_secret([seed; 32])], &headers, &signed.body, Some(fresh)).unwrap();
    }
    named.verify(&[standard::new_secret([9; 32])], &headers, &signed.body, Some(fresh)).unwrap_err();
    assert_eq!(headers.get("x-acme-delivery"), Some("evt_1"));
    assert_eq!(headers.get("x-acme-event"), Some("Issue.update"));
    assert_eq!(headers.get("postern-event"), Some("Issue.update"));
    assert_eq!(headers.get("x-acme-other"), Some("kept"));
    assert_eq!(headers.get("postern-original-x-acme-signature"), Some("t=1,v1=the provider's"));
    assert_eq!(headers.get("postern-original-webhook-id"), Some("the provider's"));
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        assert_eq!(headers.get(name), None, "{name}");
    }
}
