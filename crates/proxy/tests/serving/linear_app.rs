//! One Linear app, many organisations.

use crate::harness::{Answer, Proxy, call, linear_body};
use http::Method;
use postern_protocol::signature::linear;
use postern_protocol::{Provider, Secret};
use postern_proxy::store::{LinearApp, Store};
use serde_json::Value;

async fn proxy() -> (Proxy, postern_proxy::store::Source) {
    let proxy = Proxy::start().await;
    let source = proxy.make_source_named(Provider::Linear, "acme").await;
    let app = LinearApp {
        slug: "agent".into(),
        secrets: vec![Secret::new("the app's")],
        old_until: None,
        organizations: vec![("org-1".into(), source.id)],
    };
    proxy.store.put_linear_app(app).await.unwrap();
    (proxy, source)
}

async fn post(proxy: &Proxy, app: &str, secret: &Secret, body: &[u8]) -> Answer {
    let signature = linear::sign(secret, body);
    let headers: [(&str, &[u8]); 2] =
        [("linear-delivery", b"d-1"), ("linear-signature", signature.as_bytes())];
    proxy.post(&format!("/webhooks/linear/{app}"), &headers, body).await
}

#[tokio::test]
async fn an_organization_is_routed_to_its_source() {
    let (proxy, source) = proxy().await;
    let body = linear_body(proxy.now(), 1);
    let answer = post(&proxy, "agent", &"the app's".into(), &body).await;
    assert_eq!(answer.status, 200);
    let receipt: Value = answer.json();
    let record = proxy.record(receipt["eventId"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!(record.source, "acme");
    let again: Value = post(&proxy, "agent", &"the app's".into(), &body).await.json();
    assert_eq!(again["duplicate"], true);
    assert_eq!(
        post(&proxy, "agent", &source.secrets[0], &body).await.error(),
        "401 signature.mismatch",
        "the source's own secret is not the app's"
    );
}

#[tokio::test]
async fn an_unlinked_organization_is_answered_counted_and_not_stored() {
    let (proxy, _) = proxy().await;
    for body in [r#"{"organizationId":"org-2"}"#, r#"{"organizationId":5}"#, "{}", "not json"] {
        let answer = post(&proxy, "agent", &"the app's".into(), body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{body}");
        assert!(answer.json::<Value>().get("eventId").is_none());
    }
    let metrics = call(proxy.admin, Method::GET, "/metrics", &[], "").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("postern_ingest_unlinked_total 4"), "{text}");
    assert!(text.contains("postern_ingest_accepted_total 0"), "{text}");
}

#[tokio::test]
async fn the_organization_counts_only_once_the_signature_holds() {
    let (proxy, _) = proxy().await;
    let body = linear_body(proxy.now(), 1);
    assert_eq!(post(&proxy, "agent", &"forged".into(), &body).await.error(), "401 signature.mismatch");
    assert_eq!(post(&proxy, "other", &"the app's".into(), &body).await.error(), "404 not_found");
}
