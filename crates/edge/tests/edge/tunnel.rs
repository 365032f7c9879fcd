//! Deliveries through the tunnel, over the real transport.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestClock, TestEdge, config, sign_in};
use postern_edge::api::{self, Arrival, Connection, RejectedQuery, Settings, Status, Tunnel, Via};
use postern_edge::{EdgeConfig, TunnelTiming};
use postern_protocol::ErrorCode;
use postern_tunnel::{Carrier, Goodbye};
use std::sync::Arc;
use std::time::Duration;

/// Longer than any test: what waits so long waits in vain.
const NEVER: Duration = Duration::from_secs(3600);

/// An edge whose deliveries come through the tunnel, with the pauses that a
/// test must not depend on made endless.
async fn edge(proxy: &FakeProxy, adjust: impl FnOnce(&mut EdgeConfig)) -> TestEdge {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = TestClock::new();
    let mut config = config(dir.path(), &clock);
    config.via = Some(Via::Tunnel);
    config.timing.tunnel = TunnelTiming { taken_over: NEVER, refused: NEVER, ..TunnelTiming::default() };
    adjust(&mut config);
    let edge = TestEdge::run(config, clock, dir).await;
    api::sign_in(&edge.handle, sign_in(proxy)).await.unwrap();
    edge
}

fn tunnel(status: &Status) -> Option<&Tunnel> {
    match &status.session.as_ref()?.arrival {
        Arrival::Tunnel { tunnel, .. } => Some(tunnel),
        Arrival::Address { .. } => None,
    }
}

fn is_live(status: &Status) -> bool {
    matches!(status.connection, Connection::Live { .. })
}

fn is_down(status: &Status) -> bool {
    matches!(tunnel(status), Some(Tunnel::Down { retry_at: Some(_), .. }))
}

#[tokio::test]
async fn a_delivery_takes_the_receivers_way() {
    let proxy = FakeProxy::new().await;
    let edge = edge(&proxy, |_| {}).await;
    let link = proxy.links.next().await;
    let status = edge.until("live", is_live).await;
    assert!(matches!(tunnel(&status), Some(Tunnel::Up { http_proxy: None, .. })), "{status:?}");
    assert_eq!(proxy.book().workers.values().next().unwrap().url, None);

    let delivery = Delivery::new("evt_a", &edge, &proxy);
    assert_eq!(delivery.send(&link).await, (200.try_into().unwrap(), r#"{"status":"stored"}"#.into()));
    assert_eq!(delivery.send(&link).await.1, r#"{"status":"known"}"#);
    let detail = api::event(&edge.handle, api::EventKey { id: "evt_a".into() }).await.unwrap();
    assert_eq!(detail.summary.subject, "ENG-42 Fix login");

    // Being in the tunnel proves nothing: the signature does.
    let mut forged = Delivery::new("evt_b", &edge, &proxy);
    forged.secret = postern_protocol::signature::standard::new_secret([7; 32]);
    let (status, text) = forged.send(&link).await;
    assert_eq!(status, 401, "{text}");
    edge.until("the refusal on record", |status| status.rejected == 1).await;
    let rejected = api::rejected(&edge.handle, RejectedQuery::default()).await.unwrap();
    assert_eq!(
        (rejected.rows[0].peer.as_str(), rejected.rows[0].request.as_str()),
        ("the tunnel", "POST /hook")
    );

    // Nothing but deliveries: not even at the receiver's own path.
    let elsewhere = Delivery::new("evt_c", &edge, &proxy);
    for uri in ["http://worker/", "http://delivery.invalid/hook/x", "http://localhost/"] {
        assert_eq!(elsewhere.send_to(uri, &link).await.0, 404, "{uri}");
    }
}

#[tokio::test]
async fn a_link_that_breaks_is_dialled_anew() {
    let proxy = FakeProxy::new().await;
    let edge = edge(&proxy, |config| config.timing.tunnel.backoff_base = Duration::from_millis(20)).await;
    for n in 0..3 {
        let link = proxy.links.next().await;
        edge.until("live", is_live).await;
        let (status, _) = Delivery::new(&format!("evt_{n}"), &edge, &proxy).send(&link).await;
        assert_eq!(status, 200);
        // Dropped: the connection ends without a word.
    }
    proxy.links.next().await;
    assert_eq!((edge.until("live", is_live).await.events, proxy.book().registrations), (3, 1));
}

#[tokio::test]
async fn waking_up_dials_at_once_and_so_does_a_wish() {
    let proxy = FakeProxy::new().await;
    let edge = edge(&proxy, |config| config.timing.awake = Duration::from_millis(10)).await;
    let down = async || {
        let link = proxy.links.next().await;
        edge.until("live", is_live).await;
        link.shutdown(Goodbye::TakenOver);
        let status = edge.until("the tunnel down", is_down).await;
        // Not live without the tunnel, whatever the lease says.
        let Connection::Reconnecting { problem, retry_at } = status.connection else { panic!("{status:?}") };
        assert_eq!(problem, "another connection took over");
        assert!(retry_at.since(status.now) > 3_000_000, "it would wait an hour");
    };
    down().await;
    edge.clock.turn(600_000);
    down().await;
    api::reconnect(&edge.handle).await.unwrap();
    proxy.links.next().await;
    edge.until("live", is_live).await;
}

#[tokio::test]
async fn a_forgotten_worker_registers_and_dials_as_another() {
    let proxy = FakeProxy::new().await;
    let edge = edge(&proxy, |_| {}).await;
    let link = proxy.links.next().await;
    edge.until("live", is_live).await;
    proxy.book().workers.clear();
    link.shutdown(Goodbye::Revoked);
    let link = proxy.links.next().await;
    edge.until("live", is_live).await;
    assert_eq!(Delivery::new("evt_a", &edge, &proxy).send(&link).await.0, 200);
    assert_eq!(proxy.book().registrations, 2);
    let dials = proxy.links.desk().dials.clone();
    assert_ne!(dials.first().unwrap().1, dials.last().unwrap().1);
}

#[tokio::test]
async fn a_new_credential_that_ends_the_old_ones_link_is_dialled_with_at_once() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    let edge = edge(&proxy, |_| {}).await;
    let old = proxy.links.next().await;
    edge.until("live", is_live).await;
    // The lease finds out first, and registers.
    proxy.book().workers.clear();
    proxy.until("another registration", |book| book.registrations == 2).await;
    let worker = proxy.book().workers.keys().next().cloned();
    edge.until("the new worker", |status| status.session.as_ref().unwrap().worker_id == worker).await;
    old.shutdown(Goodbye::Revoked);
    let link = proxy.links.next().await;
    assert_eq!(Delivery::new("evt_a", &edge, &proxy).send(&link).await.0, 200);
    assert_eq!(proxy.book().registrations, 2, "it was enough to dial");
}

#[tokio::test]
async fn the_carrier_that_works_is_remembered() {
    let proxy = FakeProxy::new().await;
    proxy.links.desk().websocket_only = true;
    let edge = edge(&proxy, |_| {}).await;
    let link = proxy.links.next().await;
    let status = edge.until("live", is_live).await;
    assert!(
        matches!(tunnel(&status), Some(Tunnel::Up { carrier, .. }) if carrier == "websocket"),
        "{status:?}"
    );
    assert_eq!(Delivery::new("evt_a", &edge, &proxy).send(&link).await.0, 200);
    let dials: Vec<_> = proxy.links.desk().dials.drain(..).map(|(carrier, _)| carrier).collect();
    assert_eq!(dials, [Carrier::Upgrade, Carrier::WebSocket]);

    let edge = edge.restart().await;
    proxy.links.next().await;
    edge.until("live", is_live).await;
    let dials: Vec<_> = proxy.links.desk().dials.drain(..).map(|(carrier, _)| carrier).collect();
    assert_eq!(dials, [Carrier::WebSocket], "tried first");
    assert_eq!(proxy.book().registrations, 1, "known without an address");
}

#[tokio::test]
async fn a_refusal_is_said_in_words() {
    let proxy = FakeProxy::new().await;
    for (code, problem, cure) in [
        (ErrorCode::ProtocolUnsupported, "does not speak this version's protocol", Some("Update Postern")),
        (ErrorCode::RateLimited, "the proxy answered 429", None),
        (ErrorCode::Unavailable, "the proxy answered 503", None),
    ] {
        proxy.links.desk().refuse = Some(code);
        let edge = edge(&proxy, |_| {}).await;
        let status = edge.until("the refusal", is_down).await;
        let Some(Tunnel::Down { problem: said, cure: what, retry_at, .. }) = tunnel(&status) else {
            panic!()
        };
        assert!(said.contains(problem), "{said}");
        assert_eq!(what.is_some(), cure.is_some());
        assert!(cure.is_none_or(|cure| what.as_ref().unwrap().contains(cure)), "{what:?}");
        // It was told to wait, or knows that asking again does not help.
        assert!(retry_at.unwrap().since(status.now) > 1_000_000);
        assert!(!is_live(&status));
        edge.stop().await;
    }
}

#[tokio::test]
async fn a_credential_that_is_never_taken_is_no_endless_loop() {
    let proxy = FakeProxy::new().await;
    proxy.book().lease_seconds = 1;
    proxy.links.desk().refuse = Some(ErrorCode::Unauthorized);
    let edge = edge(&proxy, |config| config.timing.backoff.0 = NEVER).await;
    // Registered anew once, since a fresh credential may help.
    proxy.until("the second registration", |book| book.registrations == 2).await;
    let leases = proxy.book().leases;
    proxy.until("two renewals", |book| book.leases >= leases + 2).await;
    assert_eq!(proxy.book().registrations, 2);
    assert_eq!(proxy.links.desk().dials.len(), 2);
    let status = edge.until("the refusal", is_down).await;
    let Some(Tunnel::Down { problem, .. }) = tunnel(&status) else { panic!() };
    assert!(problem.contains("the proxy refuses the credential"), "{problem}");
}

#[tokio::test]
async fn changing_the_way_registers_anew() {
    let proxy = FakeProxy::new().await;
    let edge = edge(&proxy, |_| {}).await;
    let link = proxy.links.next().await;
    edge.until("live", is_live).await;

    api::set_settings(&edge.handle, Settings { via: Via::Auto, ..Settings::default() }).await.unwrap();
    let status = edge.until("live by address", |status| is_live(status) && tunnel(status).is_none()).await;
    let Arrival::Address { reason, .. } = status.session.unwrap().arrival else { panic!() };
    assert_eq!(reason, "since the proxy is on this machine");
    assert_eq!(Delivery::new("evt_a", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
    crate::support::soon("the end of the tunnel", link.closed()).await;

    api::set_settings(&edge.handle, Settings { via: Via::Tunnel, ..Settings::default() }).await.unwrap();
    let link = proxy.links.next().await;
    edge.until("live by tunnel", is_live).await;
    assert_eq!(Delivery::new("evt_b", &edge, &proxy).send(&link).await.0, 200);
    let book = proxy.book();
    assert_eq!((book.registrations, book.workers.len()), (3, 1), "the same worker throughout");
}

#[tokio::test]
async fn a_wish_told_at_start_is_kept() {
    let proxy = FakeProxy::new().await;
    let edge = edge(&proxy, |_| {}).await;
    edge.until("live", is_live).await;
    let edge = edge.restart().await;
    assert_eq!(edge.status().await.settings.via, Via::Tunnel);
    // Signing out ends the tunnel.
    let link = proxy.links.next().await;
    api::sign_out(&edge.handle).await.unwrap();
    crate::support::soon("the end of the tunnel", link.closed()).await;
    assert_eq!(edge.status().await.session, None);
}
