//! Health, metrics, retention.

use crate::harness::{Proxy, Receiver, Reply, call, linear_body};
use http::Method;
use postern_protocol::Provider;
use postern_proxy::store::Store;
use std::sync::atomic::Ordering;

const DAY: i64 = 24 * 3600 * 1000;

#[tokio::test]
async fn ready_is_more_than_alive() {
    let mut proxy = Proxy::start().await;
    proxy.pruned().await;
    let get = |path| call(proxy.admin, Method::GET, path, &[], "");
    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.status, 200);
    proxy.store.full.store(true, Ordering::SeqCst);
    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.status, 503);
    assert_eq!(get("/hooks/x").await.error(), "404 not_found");
    let post = call(proxy.admin, Method::POST, "/readyz", &[], "").await;
    assert_eq!(post.error(), "405 method_not_allowed");
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    receiver.replies([Reply::status(500)]);
    proxy.event(&source, 1).await;
    proxy.finished().await;
    proxy.linear(&source, "delivery-1", &linear_body(proxy.now(), 1)).await;
    proxy.event(&source, 2).await;
    proxy.finished().await;
    proxy.post(&format!("/hooks/{}", source.id), &[], b"{}").await;
    proxy.clock.turn(3_000);
    let metrics = call(proxy.admin, Method::GET, "/metrics", &[], "").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "postern_ingest_accepted_total 2",
        "postern_ingest_duplicate_total 1",
        "postern_ingest_rejected_total{code=\"signature.missing\"} 1",
        "postern_ingest_rejected_total{code=\"signature.mismatch\"} 0",
        "postern_ingest_commit_seconds_count 3",
        "postern_delivery_attempts_total{outcome=\"delivered\"} 1",
        "postern_delivery_attempts_total{outcome=\"refused\"} 1",
        "postern_delivery_latency_seconds_count{attempt=\"first\"} 1",
        "postern_delivery_attempts_in_flight 0",
        "postern_deliveries_pending 1",
        "postern_oldest_pending_seconds 3",
        "postern_workers{state=\"active\"} 1",
        "postern_workers{state=\"away\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(&source.id.to_string()) && !text.contains("acme"), "no users' data");
}

#[tokio::test]
async fn what_is_past_its_retention_is_deleted() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let old = proxy.event(&source, 1).await;
    proxy.clock.turn(20 * DAY);
    let young = proxy.event(&source, 2).await;
    proxy.clock.turn(11 * DAY);
    let mut proxy = proxy.restart().await;
    assert_eq!(proxy.pruned().await, 1);
    assert!(proxy.store.event_record(proxy.workspace, old).await.unwrap().is_none());
    assert!(proxy.store.event_record(proxy.workspace, young).await.unwrap().is_some());
}
