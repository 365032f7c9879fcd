//! Secrets are replaced without anything getting lost: of workers, of sources.

use crate::harness::{Proxy, Receiver, Registered, call, linear_body};
use http::Method;
use postern_protocol::Provider;
use postern_protocol::api::RotatedSecret;
use postern_proxy::store::Store;

async fn rotate(proxy: &Proxy, worker: &Registered, path: &str) -> crate::harness::Answer {
    let bearer = format!("Bearer {}", worker.credential.reveal());
    call(proxy.address, Method::POST, path, &[("authorization", bearer.as_bytes())], "").await
}

#[tokio::test]
async fn both_of_a_workers_secrets_sign_for_a_while() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    let worker = proxy.register(&receiver).await;
    let own = format!("/edge/workers/{}/secret", worker.id);
    let answer = rotate(&proxy, &worker, &own).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let rotated: RotatedSecret = answer.json();
    assert_eq!(rotated.previous_until, proxy.now().plus(24 * 3_600_000), "registration.secret_grace");
    assert!(rotated.secret.reveal().starts_with("whsec_") && rotated.secret != worker.secret);

    proxy.event(&source, 1).await;
    let delivery = receiver.delivery().await;
    delivery.verify(&rotated.secret, proxy.now()).unwrap();
    delivery.verify(&worker.secret, proxy.now()).unwrap();
    proxy.finished().await;
    proxy.turn(24 * 3_600_000);
    receiver.knows(&rotated.secret);
    assert_eq!(proxy.away().await, [worker.id]);
    proxy.renewed(&worker).await;
    proxy.event(&source, 2).await;
    let delivery = receiver.delivery().await;
    delivery.verify(&rotated.secret, proxy.now()).unwrap();
    delivery.verify(&worker.secret, proxy.now()).unwrap_err();

    let other = Receiver::start().await;
    let other = proxy.register(&other).await;
    assert_eq!(rotate(&proxy, &other, &own).await.error(), "403 auth.forbidden");
    assert_eq!(proxy.post(&own, &[], b"").await.error(), "401 auth.invalid");
}

#[tokio::test]
async fn a_sources_old_secret_ends() {
    let proxy = Proxy::start().await;
    let mut source = proxy.make_source(Provider::Linear).await;
    let until = proxy.now().plus(60_000);
    proxy.store.set_source_secrets(source.id, source.secrets.clone(), Some(until)).await.unwrap();
    source.secrets.reverse();
    proxy.clock.turn(59_999);
    assert_eq!(proxy.linear(&source, "d-1", &linear_body(proxy.now(), 1)).await.status, 200);
    proxy.clock.turn(1);
    let refused = proxy.linear(&source, "d-2", &linear_body(proxy.now(), 2)).await;
    assert_eq!(refused.error(), "401 signature.mismatch");
    source.secrets.reverse();
    assert_eq!(proxy.linear(&source, "d-2", &linear_body(proxy.now(), 2)).await.status, 200);
}
