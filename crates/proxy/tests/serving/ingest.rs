//! Every answer a provider can get.

use crate::harness::{Proxy, call, linear_body, soon};
use http::Method;
use postern_protocol::Provider;
use postern_protocol::api::DeliveryState;
use postern_protocol::id::SourceId;
use postern_protocol::signature::{linear, standard};
use serde_json::Value;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DAY: i64 = 24 * 3600 * 1000;

#[tokio::test]
async fn a_signed_webhook_is_committed_before_the_answer() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let answer = proxy.linear(&source, "d-1", &linear_body(proxy.now(), 1)).await;
    assert_eq!(answer.status, 200);
    let receipt: Value = answer.json();
    let record = proxy.record(receipt["eventId"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!((record.name.as_str(), record.source.as_str()), ("Issue.update", "linear"));
    assert!(record.deliveries.is_empty() && !record.synthetic);
    assert_eq!(record.received_at, proxy.now());
}

#[tokio::test]
async fn each_of_a_sources_secrets_will_do() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    for (number, secret) in source.secrets.iter().enumerate() {
        let body = linear_body(proxy.now(), u32::try_from(number).unwrap());
        let signature = linear::sign(secret, &body);
        let path = format!("/hooks/{}", source.id);
        let answer = proxy.post(&path, &[("linear-signature", signature.as_bytes())], &body).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_signature_that_does_not_hold_is_401_with_the_reason() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let path = format!("/hooks/{}", source.id);
    let body = linear_body(proxy.now(), 1);
    let good = linear::sign(&source.secrets[0], &body);
    let none = proxy.post(&path, &[], &body).await;
    assert_eq!(none.error(), "401 signature.missing");
    let malformed = proxy.post(&path, &[("linear-signature", b"abc")], &body).await;
    assert_eq!(malformed.error(), "401 signature.malformed");
    let mut altered = body.clone();
    altered[10] ^= 1;
    let altered = proxy.post(&path, &[("linear-signature", good.as_bytes())], &altered).await;
    assert_eq!(altered.error(), "401 signature.mismatch");
    let other = linear::sign(&"another".into(), &body);
    let other = proxy.post(&path, &[("linear-signature", other.as_bytes())], &body).await;
    assert_eq!(other.error(), "401 signature.mismatch");
    assert!(!String::from_utf8_lossy(&other.body).contains("the new one"));
}

#[tokio::test]
async fn a_signed_time_is_held_against_the_dedupe_window() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let at = |days: i64| linear_body(proxy.now().plus(days * DAY), 1);
    assert_eq!(proxy.linear(&source, "late", &at(-6)).await.status, 200, "a provider's late retry");
    assert_eq!(proxy.linear(&source, "early", &at(6)).await.status, 200, "a provider's skewed clock");
    assert_eq!(proxy.linear(&source, "stale", &at(-8)).await.error(), "401 signature.stale");
    assert_eq!(proxy.linear(&source, "future", &at(8)).await.error(), "401 signature.future");
}

#[tokio::test]
async fn an_unknown_source_is_404() {
    let proxy = Proxy::start().await;
    let unknown = SourceId::new(proxy.now(), [1; 10]).to_string();
    for id in [unknown.as_str(), "src_", "x", "%00", "src_01ARZ3NDEKTSV4RRFFQ69G5FAV0"] {
        assert_eq!(proxy.post(&format!("/hooks/{id}"), &[], b"{}").await.error(), "404 not_found", "{id}");
    }
}

#[tokio::test]
async fn a_repetition_is_200_and_the_same_event() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let first: Value = proxy.linear(&source, "d-1", &linear_body(proxy.now(), 1)).await.json();
    proxy.clock.turn(60_000);
    // A retry may carry a fresh time of signing.
    let again = proxy.linear(&source, "d-1", &linear_body(proxy.now(), 1)).await;
    assert_eq!(again.status, 200);
    let again: Value = again.json();
    assert_eq!((again["duplicate"].as_bool(), &again["eventId"]), (Some(true), &first["eventId"]));
    let other: Value = proxy.linear(&source, "d-1", &linear_body(proxy.now(), 2)).await.json();
    assert_eq!(other["duplicate"], false, "another body under the same id is another event");
    proxy.clock.turn(8 * DAY);
    let later: Value = proxy.linear(&source, "d-1", &linear_body(proxy.now(), 1)).await.json();
    assert_eq!(later["duplicate"], false, "past the window it is new");
}

#[tokio::test]
async fn a_repetition_during_the_first_ones_commit_is_one_event() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let body = linear_body(proxy.now(), 1);
    let posts = (0..8).map(|_| proxy.linear(&source, "d-1", &body));
    let answers: Vec<Value> = futures_util::future::join_all(posts).await.iter().map(|a| a.json()).collect();
    assert_eq!(answers.iter().filter(|a| a["duplicate"] == false).count(), 1);
    assert!(answers.iter().all(|a| a["eventId"] == answers[0]["eventId"]));
}

#[tokio::test]
async fn a_signed_body_that_cannot_be_parsed_is_kept_all_the_same() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    for body in [&b"not json \xff\x00"[..], b"", b"[1,"] {
        let answer = proxy.linear(&source, "d", body).await;
        assert_eq!(answer.status, 200, "{body:?}");
        let receipt: Value = answer.json();
        let record = proxy.record(receipt["eventId"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(record.name, "unknown", "{body:?}");
    }
}

#[tokio::test]
async fn standard_webhooks_and_unsigned_sources() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::StandardWebhooks).await;
    let signature = standard::sign(&source.secrets, "msg_1", proxy.now(), b"{}");
    let timestamp = proxy.now().seconds().to_string();
    let headers: [(&str, &[u8]); 3] = [
        ("webhook-id", b"msg_1"),
        ("webhook-timestamp", timestamp.as_bytes()),
        ("webhook-signature", signature.as_bytes()),
    ];
    let path = format!("/hooks/{}", source.id);
    assert_eq!(proxy.post(&path, &headers, b"{}").await.status, 200);
    assert_eq!(proxy.post(&path, &headers, b"{ }").await.error(), "401 signature.mismatch");

    let open = proxy.make_source(Provider::None).await;
    for _ in 0..2 {
        let receipt: Value = proxy.post(&format!("/hooks/{}", open.id), &[], b"x").await.json();
        assert_eq!(receipt["duplicate"], false, "nothing tells a repetition");
    }
}

#[tokio::test]
async fn too_large_is_413_announced_or_not() {
    let proxy = Proxy::start().await;
    let linear = proxy.make_source(Provider::Linear).await;
    let github = proxy.make_source(Provider::Github).await;
    let large = vec![b'x'; 5 * 1024 * 1024 + 1];
    assert_eq!(proxy.linear(&linear, "d", &large).await.error(), "413 body.too_large");
    assert_eq!(proxy.github(&github, &[], &large).await.status, 200, "GitHub's may be larger");

    // In chunks, without a length.
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("POST /hooks/{} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", linear.id);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let writer = tokio::spawn(async move {
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        // Ends when the proxy has had enough.
        while writing.write_all(&chunk).await.is_ok() {}
    });
    let mut status = [0; 12];
    soon("the refusal", reading.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    writer.abort();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let proxy = Proxy::with("[limits]\nbody_timeout = \"50ms\"\n").await;
    let source = proxy.make_source(Provider::None).await;
    let request = format!("POST /hooks/{} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc", source.id);
    let answer = crate::harness::exchange(proxy.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body.timeout"), "{answer}");
}

#[tokio::test]
async fn bodies_share_a_room() {
    let proxy = Proxy::with("[limits]\nbody = \"1KiB\"\ngithub_body = \"1KiB\"\ninflight = \"1KiB\"\n").await;
    let source = proxy.make_source(Provider::None).await;
    let path = format!("/hooks/{}", source.id);
    proxy.store.gate.send_replace(false);
    let body = [b'x'; 900];
    let first = call(proxy.address, Method::POST, &path, &[], body.to_vec());
    let second = async {
        // The first one's body is in memory until its commit is through.
        soon("the first commit", proxy.store.at_gate.acquire()).await.unwrap().forget();
        let second = proxy.post(&path, &[], &body).await;
        assert_eq!(second.error(), "429 rate_limited");
        assert_eq!(second.header("retry-after"), "1");
        proxy.store.gate.send_replace(true);
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.status, 200);
    assert_eq!(proxy.post(&path, &[], &body).await.status, 200, "there is room again");
}

#[tokio::test]
async fn a_source_that_posts_too_fast_is_429() {
    let proxy = Proxy::with("[limits]\nsource_rate = 1\n").await;
    let source = proxy.make_source(Provider::None).await;
    let other = proxy.make_source_named(Provider::None, "other").await;
    let path = format!("/hooks/{}", source.id);
    for _ in 0..2 {
        assert_eq!(proxy.post(&path, &[], b"x").await.status, 200);
    }
    let refused = proxy.post(&path, &[], b"x").await;
    assert_eq!((refused.error().as_str(), refused.header("retry-after")), ("429 rate_limited", "1"));
    assert_eq!(proxy.post(&format!("/hooks/{}", other.id), &[], b"x").await.status, 200);
    proxy.clock.turn(1_000);
    assert_eq!(proxy.post(&path, &[], b"x").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_committed_is_503_and_later_accepted() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let body = linear_body(proxy.now(), 1);
    proxy.store.full.store(true, Ordering::SeqCst);
    let refused = proxy.linear(&source, "d-1", &body).await;
    assert_eq!(refused.error(), "503 store.unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    proxy.store.full.store(false, Ordering::SeqCst);
    let accepted: Value = proxy.linear(&source, "d-1", &body).await.json();
    assert_eq!(accepted["duplicate"], false);
}

#[tokio::test]
async fn an_event_nobody_wants_is_stored_for_nobody() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = crate::harness::Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["capabilities"] = serde_json::json!(["Comment", "github:push"]);
    proxy.register_pending(&receiver, &request).await;
    proxy.settled().await.1.unwrap();
    let event = proxy.event(&source, 1).await;
    assert!(proxy.record(event).await.deliveries.is_empty());
}

#[tokio::test]
async fn a_removed_source_is_404_and_its_events_stay() {
    use postern_proxy::store::Store;
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let event = proxy.event(&source, 1).await;
    proxy.store.remove_source(source.id).await.unwrap();
    assert_eq!(proxy.linear(&source, "d-2", &linear_body(proxy.now(), 2)).await.error(), "404 not_found");
    assert!(proxy.record(event).await.deliveries.iter().all(|d| d.state == DeliveryState::Pending));
}
