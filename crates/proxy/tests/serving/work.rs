//! What a worker reports of its work on an event.

use crate::harness::{Proxy, Receiver};
use postern_protocol::Provider;
use postern_protocol::api::WorkStatus;
use serde_json::json;

#[tokio::test]
async fn a_report_is_in_the_events_record() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let event = proxy.event(&source, 1).await;
    proxy.finished().await;
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let report = async |id: &str, body: serde_json::Value| {
        let path = format!("/edge/events/{id}/status");
        proxy.post(&path, &[("authorization", bearer.as_bytes())], body.to_string().as_bytes()).await
    };
    let id = event.to_string();
    assert_eq!(report(&id, json!({"status": "processing"})).await.status, 204);
    let failed = json!({"status": "failed", "reason": "no room left"});
    assert_eq!(report(&id, failed).await.status, 204);
    let reports = proxy.record(event).await.deliveries.remove(0).reports;
    let told: Vec<_> = reports.iter().map(|r| (r.status, r.reason.as_deref())).collect();
    assert_eq!(told, [(WorkStatus::Processing, None), (WorkStatus::Failed, Some("no room left"))]);

    let long = json!({"status": "failed", "reason": "x".repeat(1_001)});
    assert_eq!(report(&id, long).await.error(), "400 request.malformed");
    assert_eq!(report(&id, json!({"status": "done"})).await.error(), "400 request.malformed");
    for unknown in ["evt_x".to_owned(), format!("{id}.r1"), format!("{id}.r0")] {
        assert_eq!(report(&unknown, json!({"status": "completed"})).await.error(), "404 not_found");
    }
    let path = format!("/edge/events/{id}/status");
    let answer = proxy.post(&path, &[], br#"{"status":"completed"}"#).await;
    assert_eq!(answer.error(), "401 auth.invalid");
}
