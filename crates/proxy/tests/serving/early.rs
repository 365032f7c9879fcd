//! Early dispatch: webhooks are sent while they are committed.

use crate::harness::{Proxy, Receiver, linear_body, soon};
use postern_protocol::Provider;
use postern_protocol::api::DeliveryState;
use postern_proxy::store::Next;
use std::sync::atomic::Ordering;

const EARLY: &str = "[delivery]\nearly_dispatch = true\n";

#[tokio::test]
async fn it_arrives_while_it_is_committed() {
    let mut proxy = Proxy::with(EARLY).await;
    let (linear, github) =
        (proxy.make_source(Provider::Linear).await, proxy.make_source(Provider::Github).await);
    let mut receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    proxy.store.gate.send_replace(false);
    let body = linear_body(proxy.now(), 1);
    {
        // GitHub does not repeat by itself: its webhooks are committed first.
        let first = proxy.github(&github, &[("x-github-delivery", b"1")], b"{}");
        let second = proxy.linear(&linear, "one", &body);
        tokio::pin!(first, second);
        let arrived = async {
            tokio::select! {
                biased;
                answer = &mut first => panic!("answered {} before the commit", answer.status),
                answer = &mut second => panic!("answered {} before the commit", answer.status),
                delivery = receiver.delivery() => delivery,
            }
        };
        assert_eq!(soon("the delivery", arrived).await.body, body);
        assert_eq!(receiver.unasked(), 0);
        proxy.store.gate.send_replace(true);
        for answer in [first.await, second.await] {
            assert_eq!(answer.status, 200);
        }
    }
    for _ in 0..2 {
        assert_eq!(proxy.finished().await.next, Next::Delivered);
    }
    assert_eq!(receiver.delivery().await.body.as_ref(), b"{}");
    assert_eq!(receiver.unasked(), 0, "each arrived once");
}

#[tokio::test]
async fn while_commits_fail_nothing_is_sent_early() {
    let mut proxy = Proxy::with(EARLY).await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    proxy.store.full.store(true, Ordering::SeqCst);
    let body = linear_body(proxy.now(), 1);
    for _ in 0..3 {
        assert_eq!(proxy.linear(&source, "one", &body).await.status, 503);
    }
    let early = receiver.delivery().await;
    proxy.store.full.store(false, Ordering::SeqCst);
    assert_eq!(proxy.linear(&source, "one", &body).await.status, 200);
    let stored = receiver.delivery().await;
    assert_eq!(proxy.finished().await.next, Next::Delivered);
    assert_eq!(receiver.unasked(), 0, "once early, once stored");
    // To the provider it is one webhook; without the first commit nobody can
    // tell that the second is the same.
    assert_ne!(early.header("webhook-id"), stored.header("webhook-id"));
    assert_eq!(early.body, stored.body);
    let record = proxy.record(stored.header("webhook-id").parse().unwrap()).await;
    assert_eq!(record.deliveries[0].state, DeliveryState::Delivered);
}
