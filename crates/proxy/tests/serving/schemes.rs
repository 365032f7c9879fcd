//! Every scheme at ingest: what is let in, what is not and why, what came
//! before, and who gets it.

use crate::harness::{Answer, Proxy, Receiver, linear_body};
use postern_protocol::dedupe::IdFrom;
use postern_protocol::signature::{Scheme, github, linear, slack, stripe, timestamped};
use postern_protocol::{ErrorBody, Provider, Secret, UnixMillis};
use postern_proxy::store::Source;
use serde_json::{Value, json};

const DAY: i64 = 24 * 3600 * 1000;

fn scheme(json: Value) -> Scheme {
    serde_json::from_value(json).unwrap()
}

/// A post as the scheme's sender makes it.
async fn post(proxy: &Proxy, source: &Source, secret: &Secret, at: UnixMillis, body: &str) -> Answer {
    let bytes = body.as_bytes();
    let secrets = std::slice::from_ref(secret);
    let mut headers = vec![("x-acme-id", "an id, not signed".to_owned())];
    match &source.scheme {
        Scheme::Stripe => headers.push(("stripe-signature", stripe::sign(secrets, at, bytes))),
        Scheme::Slack => {
            headers.push(("x-slack-signature", slack::sign(secret, at, bytes)));
            headers.push(("x-slack-request-timestamp", at.seconds().to_string()));
        }
        Scheme::Hmac(hmac) => headers.push(("x-acme-hmac", hmac.sign(secret, bytes))),
        Scheme::Timestamped(_) => headers.push(("x-acme-signature", timestamped::sign(secrets, at, bytes))),
        other => panic!("{other:?} is tested elsewhere"),
    }
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    proxy.post(&format!("/hooks/{}", source.id), &headers, bytes).await
}

fn message(answer: &Answer) -> String {
    answer.json::<ErrorBody>().error.message
}

#[tokio::test]
async fn each_scheme_lets_in_what_its_secrets_signed_once() {
    let proxy = Proxy::start().await;
    let pointer: IdFrom = serde_json::from_value(json!({"pointer": "/event/id"})).unwrap();
    let header: IdFrom = serde_json::from_value(json!({"header": "X-Acme-Id"})).unwrap();
    let hmac = json!({"provider": "hmac", "header": "X-Acme-Hmac", "algorithm": "sha1", "encoding": "base64", "prefix": "v="});
    let cases = [
        (json!({"provider": "stripe"}), None, true),
        (json!({"provider": "slack"}), None, true),
        (hmac.clone(), Some(pointer), false),
        (hmac, Some(header.clone()), false),
        (json!({"provider": "timestamped", "headerPrefix": "X-Acme"}), Some(header), true),
    ];
    for (number, (json, id_from, timed)) in cases.into_iter().enumerate() {
        let source = proxy.make_source_by(scheme(json), id_from, &format!("s{number}")).await;
        let body = r#"{"id":"evt_1","event_id":"Ev1","event":{"id":7},"type":"a.b"}"#;
        let now = proxy.now();
        let first = post(&proxy, &source, &source.secrets[0], now, body).await;
        assert_eq!(first.status, 200, "{:?}: {first:?}", source.scheme);
        let first: Value = first.json();
        assert_eq!(first["duplicate"], false);
        let again: Value = post(&proxy, &source, &source.secrets[1], now, body).await.json();
        assert_eq!((&again["duplicate"], &again["eventId"]), (&json!(true), &first["eventId"]));

        let wrong = post(&proxy, &source, &"another".into(), now, body).await;
        assert_eq!(wrong.error(), "401 signature.mismatch", "{:?}", source.scheme);
        if timed {
            let old = post(&proxy, &source, &source.secrets[0], now.plus(-8 * DAY), body).await;
            assert_eq!(old.error(), "401 signature.stale", "{:?}", source.scheme);
            let late = post(&proxy, &source, &source.secrets[0], now.plus(-6 * DAY), body).await;
            assert_eq!(late.status, 200, "a late retry is not lost: {:?}", source.scheme);
        }
        let unsigned = proxy.post(&format!("/hooks/{}", source.id), &[], body.as_bytes()).await;
        assert_eq!(unsigned.error(), "401 signature.missing");
    }
    let listed = proxy.get("/v1/sources", &proxy.token).await;
    let listed: Value = listed.json();
    assert_eq!(listed["sources"][2]["provider"], "hmac");
    assert_eq!(listed["sources"][2]["scheme"]["header"], "x-acme-hmac");
    assert_eq!(listed["sources"][2]["idFrom"], json!({"pointer": "/event/id"}));
}

#[tokio::test]
async fn slacks_question_is_answered_and_not_stored() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Slack).await;
    let body = r#"{"type":"url_verification","challenge":"3eZbrw1a","token":"x"}"#;
    for _ in 0..2 {
        let answer = post(&proxy, &source, &source.secrets[0], proxy.now(), body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(&answer.body[..], b"3eZbrw1a");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    }
    let forged = post(&proxy, &source, &"another".into(), proxy.now(), body).await;
    assert_eq!(forged.error(), "401 signature.mismatch");
    let other = proxy.make_source(Provider::Stripe).await;
    let kept: Value = post(&proxy, &other, &other.secrets[0], proxy.now(), body).await.json();
    assert_eq!(kept["duplicate"], false, "of other senders it is an event like any");
}

#[tokio::test]
async fn a_refusal_says_what_is_probably_wrong_but_not_to_a_flood() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let path = format!("/hooks/{}", source.id);
    let body = br#"{"type":"Issue"}"#;
    let signature = github::sign(&source.secrets[0], body);
    let headers: [(&str, &[u8]); 1] = [("x-hub-signature-256", signature.as_bytes())];
    let other = proxy.post(&path, &headers, body).await;
    assert_eq!(other.error(), "401 signature.missing");
    assert!(message(&other).contains("looks like a GitHub signature"), "{other:?}");

    let signature = linear::sign(&source.secrets[0], body);
    let pretty = b"{\n  \"type\": \"Issue\"\n}";
    let rewritten = proxy.post(&path, &[("linear-signature", signature.as_bytes())], pretty).await;
    assert_eq!(rewritten.error(), "401 signature.mismatch");
    assert!(message(&rewritten).contains("the same JSON, compact"), "{rewritten:?}");

    // The clock stands: two a second are spent.
    let third = proxy.post(&path, &headers, body).await;
    assert_eq!(third.error(), "401 signature.missing");
    assert!(!message(&third).contains("GitHub"), "{third:?}");
    proxy.clock.turn(1_000);
    assert!(message(&proxy.post(&path, &headers, body).await).contains("GitHub"));
}

#[tokio::test]
async fn conditions_on_the_payload_decide_who_gets_it() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receivers = Vec::new();
    for filter in
        [r"Issue[data.number == 1]", r"Issue[data.number in [2, 3]]", r"!Issue[exists(data.number)]"]
    {
        let receiver = Receiver::start().await;
        let mut request = proxy.registration(&receiver.url());
        request["capabilities"] = json!([filter]);
        let worker = proxy.register_pending(&receiver, &request).await;
        assert_eq!(proxy.settled().await, (worker.id, Ok(())));
        receivers.push((receiver, worker));
    }
    let body = |number: u32| format!(r#"{{"type":"Issue","action":"update","data":{{"number":{number}}}}}"#);
    let unnumbered = String::from_utf8(linear_body(proxy.now(), 4)).unwrap();
    for (number, body, taker) in [(1, body(1), 0), (2, body(2), 1), (3, body(3), 1), (4, unnumbered, 2)] {
        let answer = proxy.linear(&source, &format!("d-{number}"), body.as_bytes()).await;
        let receipt: Value = answer.json();
        let record = proxy.record(receipt["eventId"].as_str().unwrap().parse().unwrap()).await;
        let workers: Vec<_> = record.deliveries.iter().map(|delivery| delivery.worker_id).collect();
        assert_eq!(workers, [Some(receivers[taker].1.id)], "number {number}");
    }
}
