//! Workers without an address: their deliveries come through the tunnel they
//! dial, and wait while there is none.

use crate::harness::{Proxy, Registered, Reply, Tunnel, call, linear_body, soon};
use bytes::Bytes;
use http::Method;
use postern_protocol::api::{AttemptOutcome, DeliveryState, TunnelState, WorkerList, WorkerState};
use postern_protocol::id::EventId;
use postern_protocol::{ErrorBody, Provider, Secret};
use postern_proxy::store::{FinishAttempt, Next};
use postern_tunnel::{BoxIo, Carrier, Dialer, DownReason};
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A worker, and its tunnel.
async fn connected(proxy: &Proxy) -> (Registered, Tunnel) {
    let worker = proxy.register_without_url().await;
    let tunnel = Tunnel::to(proxy, &worker.credential);
    tunnel.up().await;
    (worker, tunnel)
}

fn of(finish: &FinishAttempt) -> (AttemptOutcome, Option<u16>) {
    (finish.attempt.outcome, finish.attempt.status)
}

async fn tunnels(proxy: &Proxy) -> Vec<Option<TunnelState>> {
    let list: WorkerList = proxy.get("/v1/workers", &proxy.token).await.json();
    list.workers.into_iter().map(|worker| worker.tunnel).collect()
}

#[tokio::test]
async fn an_event_arrives_as_it_would_over_http() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let worker = proxy.register_without_url().await;
    assert_eq!(tunnels(&proxy).await, [Some(TunnelState::Down)]);
    let mut tunnel = Tunnel::to(&proxy, &worker.credential);
    assert_eq!(tunnel.up().await, Carrier::Upgrade);
    let body = linear_body(proxy.now(), 1);
    let answer = proxy.linear(&source, "delivery-1", &body).await;
    let event = answer.json::<serde_json::Value>()["eventId"].as_str().unwrap().to_owned();

    let (uri, delivery) = tunnel.posted().await;
    assert_eq!(uri, postern_protocol::api::TUNNEL_DELIVERY_URI);
    assert_eq!(delivery.body, body);
    delivery.verify(&worker.secret, proxy.now()).unwrap();
    let expected = [
        ("webhook-id", event.as_str()),
        ("linear-delivery", "delivery-1"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-length", &body.len().to_string()),
        ("postern-event", "Issue.update"),
        ("postern-source", "linear"),
        ("postern-attempt", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(delivery.header(name), value, "{name}");
    }
    assert_eq!(of(&proxy.finished().await), (AttemptOutcome::Delivered, Some(200)));
    assert_eq!(tunnels(&proxy).await, [Some(TunnelState::Up)]);
    let metrics = call(proxy.admin, Method::GET, "/metrics", &[], "").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("postern_tunnels_connected 1"));
}

#[tokio::test]
async fn answers_count_as_those_over_http() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (worker, mut tunnel) = connected(&proxy).await;
    let busy = Reply::Status(503, vec![("retry-after", "7".into())], Bytes::from_static(b"later"));
    tunnel.replies([busy, Reply::status(410)]);
    proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!(
        (of(&finish), finish.attempt.answer.as_deref()),
        ((AttemptOutcome::Refused, Some(503)), Some("later"))
    );
    assert_eq!(finish.next, Next::RetryAt(proxy.now().plus(7_000)));
    tunnel.delivery().await;
    proxy.turn(7_000);
    assert_eq!(proxy.finished().await.next, Next::WorkerGone);
    assert_eq!(proxy.store_state(&worker).await, WorkerState::Gone);
    assert!(matches!(tunnel.down().await, DownReason::Refused { .. }), "gone: its tunnel ends");
}

#[tokio::test]
async fn without_a_tunnel_events_wait_and_nothing_is_used_up() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let worker = proxy.register_without_url().await;
    let events = [proxy.event(&source, 1).await, proxy.event(&source, 2).await];
    let finish = proxy.finished().await;
    assert_eq!(of(&finish), (AttemptOutcome::Connect, None));
    assert_eq!(finish.next, Next::NotReached);
    assert_eq!(finish.attempt.error.as_deref(), Some("the worker's tunnel is not up"));
    let mut tunnel = Tunnel::to(&proxy, &worker.credential);
    // The clock stands still: only the tunnel itself can let them flow.
    let mut arrived = [tunnel.delivery().await, tunnel.delivery().await]
        .map(|delivery| delivery.header("webhook-id").to_owned());
    let mut expected = events.map(|event| event.to_string());
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
    for event in events {
        assert_eq!(delivered(&mut proxy, event).await, DeliveryState::Delivered);
    }
    assert_eq!(tunnel.unasked(), 0, "none twice");
}

/// How an event's only delivery stands once an attempt has ended well.
async fn delivered(proxy: &mut Proxy, event: EventId) -> DeliveryState {
    loop {
        let state = proxy.record(event).await.deliveries[0].state;
        if state == DeliveryState::Delivered {
            return state;
        }
        proxy.finished().await;
    }
}

/// A wire to the proxy that can be cut, each time after so many bytes more
/// have passed towards the agent.
#[derive(Clone)]
struct Wire {
    address: SocketAddr,
    cut_after: watch::Sender<usize>,
}

impl Wire {
    fn new(address: SocketAddr) -> Self {
        Self { address, cut_after: watch::Sender::new(usize::MAX) }
    }

    fn dialer(&self) -> Dialer {
        let wire = self.clone();
        Dialer::from_fn("http://localhost", move || wire.clone().dial()).unwrap()
    }

    async fn dial(self) -> std::io::Result<BoxIo> {
        let proxy = TcpStream::connect(self.address).await?;
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let (mut from_agent, mut to_agent) = tokio::io::split(far);
            let (mut from_proxy, mut to_proxy) = proxy.into_split();
            let up = async move { drop(tokio::io::copy(&mut from_agent, &mut to_proxy).await) };
            let down = async move {
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = from_proxy.read(&mut buffer).await {
                    let mut left = 0;
                    self.cut_after.send_modify(|after| {
                        *after = after.saturating_sub(read);
                        left = *after;
                    });
                    if left == 0 || to_agent.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
                self.cut_after.send_replace(usize::MAX);
            };
            tokio::select! { () = up => {} () = down => {} }
        });
        Ok(Box::new(near))
    }
}

#[tokio::test]
async fn a_delivery_cut_in_its_body_comes_again_under_its_id() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let worker = proxy.register_without_url().await;
    let wire = Wire::new(proxy.address);
    let mut tunnel = Tunnel::dial(wire.dialer(), &worker.credential, None);
    tunnel.up().await;
    let mut body = linear_body(proxy.now(), 1);
    body.pop();
    body.extend_from_slice(format!(",\"filler\":\"{}\"}}", "x".repeat(400_000)).as_bytes());
    wire.cut_after.send_replace(200_000);
    assert_eq!(proxy.linear(&source, "delivery-1", &body).await.status, 200);
    let cut = proxy.finished().await;
    assert_eq!(of(&cut), (AttemptOutcome::Timeout, None));
    assert!(cut.attempt.error.unwrap().contains("the tunnel broke"), "and says so");
    let delivery = tunnel.delivery().await;
    assert_eq!(delivery.body, body);
    assert_eq!((delivery.header("postern-attempt"), tunnel.unasked()), ("2", 0));
    delivery.verify(&worker.secret, proxy.now()).unwrap();
}

#[tokio::test]
async fn a_failure_on_the_old_tunnel_does_not_hold_up_the_new_one() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let (worker, mut old) = connected(&proxy).await;
    old.replies([Reply::Hang]);
    let event = proxy.event(&source, 1).await;
    old.delivery().await;
    // The failure is recorded last, after all that the new tunnel brings about.
    // The clock stands still: what it leaves behind must not count.
    proxy.store.records.send_replace(false);
    let mut heard = proxy.store.heard.subscribe();
    let mut new = Tunnel::to(&proxy, &worker.credential);
    new.up().await;
    assert!(matches!(old.down().await, DownReason::TakenOver));
    soon("both tunnels' word", heard.wait_for(|count| *count == 2)).await.unwrap();
    proxy.store.records.send_replace(true);
    assert_eq!(new.delivery().await.header("webhook-id"), event.to_string());
    assert_eq!(delivered(&mut proxy, event).await, DeliveryState::Delivered);
    assert_eq!(tunnels(&proxy).await, [Some(TunnelState::Up)]);
}

#[tokio::test]
async fn who_may_not_connect_is_told_why() {
    let proxy = Proxy::start().await;
    let worker = proxy.register_without_url().await;
    for wrong in [Secret::new("psw_nobody"), proxy.token.clone()] {
        let tunnel = Tunnel::to(&proxy, &wrong);
        assert!(matches!(tunnel.down().await, DownReason::Refused { .. }));
    }
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let ask = async |headers: &[(&str, &str)]| {
        let mut all = vec![("authorization", bearer.as_bytes())];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        call(proxy.address, Method::GET, "/edge/connect", &all, "").await
    };
    let plain = ask(&[("postern-protocol", "1.0")]).await;
    assert_eq!(
        (plain.error().as_str(), plain.status),
        ("426 tunnel.upgrade_required", 426.try_into().unwrap())
    );
    assert_eq!(plain.headers["upgrade"], "postern-h2/1, websocket");
    let upgrade = [("connection", "upgrade"), ("upgrade", "postern-h2/1")];
    for version in [None, Some("0.9"), Some("2.0"), Some("x")] {
        let mut headers = upgrade.to_vec();
        headers.extend(version.map(|version| ("postern-protocol", version)));
        let refused = ask(&headers).await;
        assert_eq!(refused.error(), "426 protocol.unsupported", "{version:?}");
        assert!(refused.json::<ErrorBody>().error.message.contains("update"));
    }
    let broken =
        ask(&[("connection", "upgrade"), ("upgrade", "websocket"), ("postern-protocol", "1.0")]).await;
    assert_eq!(broken.error(), "400 request.malformed");
    let post = call(proxy.address, Method::POST, "/edge/connect", &[], "").await;
    assert_eq!(post.error(), "405 method_not_allowed");
}

#[tokio::test]
async fn one_that_connects_again_and_again_is_slowed_down() {
    let proxy = Proxy::start().await;
    let worker = proxy.register_without_url().await;
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
    let ask = async || call(proxy.address, Method::GET, "/edge/connect", &headers, "").await;
    for _ in 0..10 {
        assert_eq!(ask().await.error(), "426 tunnel.upgrade_required");
    }
    let slowed = ask().await;
    assert_eq!(slowed.error(), "429 rate_limited");
    assert_eq!(slowed.headers["retry-after"], "2");
}

#[tokio::test]
async fn a_revoked_token_ends_the_tunnel_and_so_does_leaving() {
    let proxy = Proxy::start().await;
    let (worker, tunnel) = connected(&proxy).await;
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let path = format!("/edge/workers/{}", worker.id);
    let left = call(proxy.address, Method::DELETE, &path, &[("authorization", bearer.as_bytes())], "").await;
    assert_eq!(left.status, 204);
    assert!(matches!(tunnel.down().await, DownReason::Refused { message } if message.contains("revoked")));

    let (_, tunnel) = connected(&proxy).await;
    proxy.revoke(&proxy.token).await;
    assert!(matches!(tunnel.down().await, DownReason::Refused { message } if message.contains("revoked")));
}

#[tokio::test]
async fn a_tunnel_ends_no_absence() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let worker = proxy.register_without_url().await;
    proxy.turn(61_000);
    assert_eq!(proxy.away().await, [worker.id]);
    let event = proxy.event(&source, 1).await;
    let mut tunnel = Tunnel::to(&proxy, &worker.credential);
    tunnel.up().await;
    assert_eq!(proxy.store_state(&worker).await, WorkerState::Away);
    // What becomes of what was held is said with the renewal.
    assert_eq!(proxy.renew(&worker, json!({"catchUp": "none"})).await.status, 200);
    assert_eq!(proxy.record(event).await.deliveries[0].state, DeliveryState::Skipped);
    let next = proxy.event(&source, 2).await;
    assert_eq!(tunnel.delivery().await.header("webhook-id"), next.to_string());
}

#[tokio::test]
async fn on_stopping_agents_are_told_and_what_is_under_way_ends_well() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let worker = proxy.register_without_url().await;
    let (answering, may_answer) = watch::channel(false);
    let (agent, mut arrived) = slow_agent(&proxy, &worker, may_answer);
    let mut state = agent.state();
    soon("a tunnel", state.wait_for(|s| matches!(s, postern_tunnel::State::Up { .. }))).await.unwrap();
    let event = proxy.event(&source, 1).await;
    soon("the delivery", arrived.recv()).await.unwrap();
    proxy.stop.cancel();
    // The agent is told while its delivery is still under way.
    let told = state.wait_for(|s| !matches!(s, postern_tunnel::State::Up { .. }));
    drop(soon("the goodbye", told).await.unwrap());
    answering.send_replace(true);
    let finish = proxy.finished().await;
    assert_eq!((finish.delivery, finish.next), (proxy.record(event).await.deliveries[0].id, Next::Delivered));
    proxy.stopped().await.unwrap();
}

/// An agent that answers when it may.
fn slow_agent(
    proxy: &Proxy,
    worker: &Registered,
    may_answer: watch::Receiver<bool>,
) -> (postern_tunnel::AgentHandle, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let (sender, arrived) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_request| {
        let (sender, mut may_answer) = (sender.clone(), may_answer.clone());
        async move {
            let _ = sender.send(());
            let _ = may_answer.wait_for(|may| *may).await;
            http::Response::new(http_body_util::Empty::<Bytes>::new())
        }
    };
    let config = postern_tunnel::AgentConfig {
        credential: worker.credential.clone(),
        hello: postern_tunnel::Hello::default(),
        carrier: None,
        timing: postern_tunnel::Timing::default(),
        jitter: std::sync::Arc::new(|| 1.0),
    };
    let (agent, handle) = postern_tunnel::Agent::new(Wire::new(proxy.address).dialer(), config, handler);
    tokio::spawn(agent.run(tokio_util::sync::CancellationToken::new()));
    (handle, arrived)
}

#[tokio::test]
async fn a_websocket_carries_it_where_the_upgrade_is_refused() {
    let proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let worker = proxy.register_without_url().await;
    let front = front_that_knows_websockets_alone(proxy.address).await;
    let dialer = Dialer::from_fn("http://localhost", move || async move {
        Ok(Box::new(TcpStream::connect(front).await?) as BoxIo)
    });
    let mut tunnel = Tunnel::dial(dialer.unwrap(), &worker.credential, None);
    assert_eq!(tunnel.up().await, Carrier::WebSocket);
    let event = proxy.event(&source, 1).await;
    let delivery = tunnel.delivery().await;
    assert_eq!(delivery.header("webhook-id"), event.to_string());
    delivery.verify(&worker.secret, proxy.now()).unwrap();
}

/// A load balancer that takes away every `Upgrade` but WebSocket's.
async fn front_that_knows_websockets_alone(proxy: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut agent, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(agent.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let passed: String = head
                .split_inclusive("\r\n")
                .filter(|line| !line.to_ascii_lowercase().starts_with("upgrade: postern"))
                .collect();
            tokio::spawn(async move {
                let mut proxy = TcpStream::connect(proxy).await.unwrap();
                proxy.write_all(passed.as_bytes()).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut agent, &mut proxy).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn nothing_from_outside_reaches_a_delivery_tunnel() {
    let proxy = Proxy::start().await;
    let (worker, mut tunnel) = connected(&proxy).await;
    let id = worker.id.to_string();
    let paths = [
        "/".into(),
        "/hook".into(),
        format!("/t/{id}/"),
        format!("/{id}"),
        format!("/edge/workers/{id}"),
        "/edge/connect".into(),
    ];
    let hosts = ["delivery.invalid", "delivery.invalid:80", &format!("{id}.localhost"), id.as_str()];
    for path in &paths {
        for host in hosts {
            for method in [Method::GET, Method::POST, Method::PUT] {
                let headers: [(&str, &[u8]); 3] = [
                    ("host", host.as_bytes()),
                    ("x-forwarded-host", host.as_bytes()),
                    ("forwarded", b"host=delivery.invalid"),
                ];
                let answer = call(proxy.address, method, path, &headers, "{}").await;
                assert!(answer.status.is_client_error(), "{path} {host}: {answer:?}");
            }
        }
    }
    assert_eq!(tunnel.unasked(), 0);
}
