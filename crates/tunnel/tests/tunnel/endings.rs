//! How links end, and what either end is told.

use crate::ends::{
    Cable, Proxy, config, data, dialer, echo, full, get, handler, next, post, run, text, tunnel, tunnel_with,
    until, written,
};
use crate::on_both_carriers;
use http::Response;
use http_body_util::BodyExt;
use postern_tunnel::{BodyError, Carrier, Closed, DownReason, Goodbye, SendError, State, Timing};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

on_both_carriers! {
    a_killed_peer_fails_what_is_in_flight
    draining_finishes_what_is_in_flight
    a_stopped_agent_finishes_what_is_in_flight
    a_link_that_nobody_holds_ends
}

/// A relay that can be killed.
async fn relay(to: String) -> (String, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (kill, mut killed) = mpsc::channel::<()>(1);
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to.strip_prefix("http://").unwrap()).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = killed.recv() => {}
        }
    });
    (url, kill)
}

async fn a_killed_peer_fails_what_is_in_flight(carrier: Carrier) {
    let (called, mut call) = mpsc::unbounded_channel();
    let (proxy, mut links) = Proxy::new(Timing::default());
    let (url, kill) = relay(proxy.listen().await).await;
    let running = run(
        dialer(&url),
        config(Some(carrier), Timing::default()),
        handler(move |request| {
            let called = called.clone();
            async move {
                let (chunks, body) = written();
                called.send((request.into_body(), chunks)).unwrap();
                Response::new(body)
            }
        }),
    );
    let link = links.recv().await.unwrap();
    let (_upload, body) = written();
    let mut answer = link.send(post(body)).await.unwrap().into_body();
    let (mut request, chunks) = call.recv().await.unwrap();
    chunks.send(data("half")).await.unwrap();
    assert_eq!(next(&mut answer).await, "half");
    let waiting = {
        let link = link.clone();
        tokio::spawn(async move { link.send(get("/")).await.map(drop) })
    };
    kill.send(()).await.unwrap();
    assert_eq!(answer.frame().await.unwrap().unwrap_err(), BodyError::Lost);
    assert_eq!(request.frame().await.unwrap().unwrap_err(), BodyError::Lost);
    chunks.closed().await;
    let why = link.closed().await;
    assert!(matches!(why, Closed::Lost(_)), "{why}");
    if let Err(error) = waiting.await.unwrap() {
        assert!(matches!(error, SendError::Lost(_)) && !error.is_safe_to_retry(), "{error}");
    }
    let error = link.send(get("/")).await.unwrap_err();
    assert!(matches!(error, SendError::NotSent(_)) && error.is_safe_to_retry(), "{error}");
    until(&running.agent, |state| matches!(state, State::Down { .. })).await;
}

async fn draining_finishes_what_is_in_flight(carrier: Carrier) {
    let timing = Timing { steady: Duration::ZERO, ..Timing::default() };
    let mut tunnel = tunnel_with(carrier, timing, echo()).await;
    let (chunks, body) = written();
    let mut answer = tunnel.link.send(post(body)).await.unwrap().into_body();
    tunnel.link.drain(Duration::from_secs(30));
    let error = tunnel.link.send(get("/")).await.unwrap_err();
    assert!(matches!(error, SendError::NotSent(Closed::Here(Goodbye::Draining))), "{error}");
    // The agent is back before the old link has ended.
    let anew = tunnel.links.recv().await.unwrap();
    assert_eq!((anew.agent().epoch, anew.epoch(), anew.connection()), (2, 2, "c2"));
    assert_eq!(text(anew.send(post(full("new"))).await.unwrap().into_body()).await, "new");
    chunks.send(data("old")).await.unwrap();
    assert_eq!(next(&mut answer).await, "old");
    drop(chunks);
    assert!(answer.frame().await.is_none());
    assert_eq!(tunnel.link.closed().await, Closed::Here(Goodbye::Draining));
}

async fn a_stopped_agent_finishes_what_is_in_flight(carrier: Carrier) {
    let tunnel = tunnel(carrier, echo()).await;
    let (chunks, body) = written();
    let mut answer = tunnel.link.send(post(body)).await.unwrap().into_body();
    chunks.send(data("a")).await.unwrap();
    assert_eq!(next(&mut answer).await, "a");
    tunnel.running.stop.cancel();
    while tunnel.link.closing().is_none() {
        tokio::task::yield_now().await;
    }
    chunks.send(data("b")).await.unwrap();
    assert_eq!(next(&mut answer).await, "b");
    drop(chunks);
    assert!(answer.frame().await.is_none());
    assert_eq!(tunnel.link.closed().await, Closed::There(Goodbye::Stopping));
    until(&tunnel.running.agent, |state| {
        matches!(state, State::Down { reason: DownReason::Stopped, retry_at: None })
    })
    .await;
}

async fn a_link_that_nobody_holds_ends(carrier: Carrier) {
    let tunnel = tunnel(carrier, echo()).await;
    let (chunks, body) = written();
    let mut answer = tunnel.link.send(post(body)).await.unwrap().into_body();
    drop(tunnel.link);
    until(&tunnel.running.agent, |state| {
        matches!(state, State::Down { reason: DownReason::Left(Goodbye::Other), .. })
    })
    .await;
    chunks.send(data("still")).await.unwrap();
    assert_eq!(next(&mut answer).await, "still");
}

#[tokio::test(start_paused = true)]
async fn whoever_was_taken_over_does_not_fight_back() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let running = run(proxy.dialer(Cable::default()), config(None, Timing::default()), echo());
    let link = links.recv().await.unwrap();
    link.shutdown(Goodbye::TakenOver);
    assert_eq!(link.closed().await, Closed::Here(Goodbye::TakenOver));
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    let State::Down { reason: DownReason::TakenOver, retry_at: Some(at) } = down else { panic!("{down:?}") };
    assert!(at - Instant::now() > Duration::from_secs(59));
    links.recv().await.unwrap();
    assert!(Instant::now() >= at);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_agent_waits_for_a_new_credential() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let running = run(proxy.dialer(Cable::default()), config(None, Timing::default()), echo());
    links.recv().await.unwrap().shutdown(Goodbye::Revoked);
    let revoked = |state: &State| matches!(state, State::Down { reason: DownReason::Refused { .. }, .. });
    until(&running.agent, revoked).await;
    let before = Instant::now();
    running.agent.set_credential(crate::ends::CREDENTIAL.into());
    links.recv().await.unwrap();
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_without_a_word_is_noticed() {
    let cable = Cable::default();
    let (proxy, mut links) = Proxy::new(Timing::default());
    let running = run(proxy.dialer(cable.clone()), config(None, Timing::default()), echo());
    let link = links.recv().await.unwrap();
    // Heartbeats keep an idle link alive, and measure it.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(link.closing().is_none());
    assert!(link.round_trip().is_some());
    let up = until(&running.agent, |_| true).await;
    assert!(matches!(up, State::Up { round_trip: Some(_), .. }), "{up:?}");
    let cut = Instant::now();
    cable.cut();
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { link.send(get("/")).await.map(drop) }
    });
    assert_eq!(link.closed().await, Closed::Silent);
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Lost(_)), "{error}");
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    let State::Down { reason: DownReason::Lost(Closed::Silent), .. } = down else { panic!("{down:?}") };
    assert!(cut.elapsed() <= Duration::from_secs(25), "{:?}", cut.elapsed());
    cable.mend();
    links.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_woken_agent_finds_out_at_once() {
    let cable = Cable::default();
    let (proxy, mut links) = Proxy::new(Timing::default());
    let running = run(proxy.dialer(cable.clone()), config(None, Timing::default()), echo());
    let link = links.recv().await.unwrap();
    // Nothing has changed: the link stays.
    running.agent.wake();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(link.closing().is_none() && links.is_empty());
    // Asleep for an hour, as far as TCP is concerned.
    cable.cut();
    running.agent.wake();
    let woken = Instant::now();
    until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    cable.mend();
    running.agent.wake();
    links.recv().await.unwrap();
    assert!(woken.elapsed() <= Duration::from_secs(2), "{:?}", woken.elapsed());
}

#[tokio::test]
async fn what_is_not_http_2_makes_no_link() {
    let (mut far, near) = tokio::io::duplex(1024);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let accepting = postern_tunnel::accept(near, Carrier::Upgrade, Default::default(), Timing::default());
    let (accepted, _) = tokio::join!(accepting, async {
        let mut sent = Vec::new();
        far.read_to_end(&mut sent).await
    });
    accepted.unwrap_err();
}
