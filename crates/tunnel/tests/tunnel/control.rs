//! The control stream.

use crate::ends::{Proxy, config, dialer, echo, full, post, run, text, tunnel, tunnel_with, until};
use crate::on_both_carriers;
use bytes::Bytes;
use http::{Request, Version};
use postern_tunnel::{BoxIo, Carrier, Closed, Dialer, DownReason, State, Timing, upgrade};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

on_both_carriers! {
    both_ends_know_each_other
    each_end_tells_what_the_other_should_know
}

async fn both_ends_know_each_other(carrier: Carrier) {
    let tunnel = tunnel(carrier, echo()).await;
    let agent = tunnel.link.agent();
    assert_eq!((agent.software.as_str(), agent.instance.as_str(), agent.epoch), ("test/1", "i", 1));
    assert_eq!(agent.capabilities, ["deliveries"]);
    let up = until(&tunnel.running.agent, |state| matches!(state, State::Up { .. })).await;
    let State::Up { carrier: carried, proxy, .. } = up else { unreachable!() };
    assert_eq!((proxy.connection.as_str(), proxy.epoch, carried), ("c1", 1, carrier));
}

async fn each_end_tells_what_the_other_should_know(carrier: Carrier) {
    let timing = Timing { steady: Duration::ZERO, ..Timing::default() };
    let mut tunnel = tunnel_with(carrier, timing, echo()).await;
    let agent = &tunnel.running.agent;
    tunnel.link.configure(json!({ "names": ["a"] }));
    agent.config().wait_for(|config| *config == Some(json!({ "names": ["a"] }))).await.unwrap();
    for n in 0..100 {
        agent.configure(json!(n));
    }
    tunnel.link.config().wait_for(|config| *config == Some(json!(99))).await.unwrap();
    // The next connection is told without being asked.
    tunnel.link.drain(Duration::ZERO);
    let anew = tunnel.links.recv().await.unwrap();
    anew.config().wait_for(|config| *config == Some(json!(99))).await.unwrap();
}

/// A proxy of another version, by hand: sends `lines` on the control stream,
/// then a request on the same link.
async fn foreign_proxy(lines: String) -> (Dialer, mpsc::UnboundedReceiver<String>) {
    let (answers, answered) = mpsc::unbounded_channel();
    let lines = Arc::new(Mutex::new(Some(lines)));
    let dialer = Dialer::from_fn("http://localhost", move || {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (answers, lines) = (answers.clone(), lines.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |mut request| {
                let upgrading = upgrade(&mut request).unwrap();
                let response = upgrading.response().map(|()| String::new());
                let (answers, lines) = (answers.clone(), lines.clone());
                tokio::spawn(async move {
                    let Some(lines) = lines.lock().await.take() else { return };
                    let io = upgrading.upgraded().await.unwrap();
                    speak(io, lines, answers).await.unwrap();
                });
                async { Ok::<_, std::convert::Infallible>(response) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            http.serve_connection(hyper_util::rt::TokioIo::new(far), service).with_upgrades().await.unwrap();
        });
        let near: BoxIo = Box::new(near);
        async { Ok(near) }
    });
    (dialer.unwrap(), answered)
}

async fn speak(io: BoxIo, lines: String, answers: mpsc::UnboundedSender<String>) -> Result<(), h2::Error> {
    let (mut requests, connection) = h2::client::handshake(io).await?;
    tokio::spawn(connection);
    let head = |uri| Request::post(uri).version(Version::HTTP_2).body(()).unwrap();
    let (_control, mut send) = requests.send_request(head("postern://control/"), false)?;
    send.send_data(Bytes::from(lines), false)?;
    let (response, mut body) = requests.send_request(head("http://x.test/"), false)?;
    body.send_data("still here".into(), true)?;
    let Ok(response) = response.await else { return Ok(()) };
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        answers.send(String::from_utf8(data?.to_vec()).unwrap()).unwrap();
    }
    // The link stays.
    std::future::pending().await
}

#[tokio::test]
async fn a_newer_proxy_is_understood() {
    let lines = concat!(
        r#"{"type":"hello","protocolVersion":"9.9","mood":"fine","epoch":4,"connection":"x"}"#,
        "\n",
        r#"{"type":"weather","sky":{"colour":"grey"}}"#,
        "\n",
        r#"{"type":"config","config":{"a":1},"since":1}"#,
        "\n",
    );
    let (dialer, mut answers) = foreign_proxy(lines.to_owned()).await;
    let running = run(dialer, config(Some(Carrier::Upgrade), Timing::default()), echo());
    let up = until(&running.agent, |state| matches!(state, State::Up { .. })).await;
    let State::Up { proxy, .. } = up else { unreachable!() };
    assert_eq!((proxy.protocol_version.as_str(), proxy.epoch), ("9.9", 4));
    running.agent.config().wait_for(|config| *config == Some(json!({ "a": 1 }))).await.unwrap();
    assert_eq!(answers.recv().await.unwrap(), "still here");
}

#[tokio::test]
async fn what_makes_no_sense_ends_the_link() {
    let long = format!("{{\"type\":\"config\",\"config\":\"{}\"}}\n", "x".repeat(70_000));
    for (bad, words) in [("not json\n", "cannot be read"), (long.as_str(), "longer than")] {
        let lines = format!("{{\"type\":\"hello\"}}\n{bad}");
        let (dialer, _answers) = foreign_proxy(lines).await;
        let running = run(dialer, config(Some(Carrier::Upgrade), Timing::default()), echo());
        let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
        let State::Down { reason, .. } = down else { unreachable!() };
        match &reason {
            DownReason::Lost(Closed::Protocol(why)) => assert!(why.contains(words), "{why}"),
            DownReason::Unanswered(why) => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_visitor_cannot_open_the_control_stream() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let url = proxy.listen().await;
    let _running = run(dialer(&url), config(None, Timing::default()), echo());
    let link = links.recv().await.unwrap();
    let request = Request::post("postern://control/").body(full("{\"type\":\"goodbye\"}")).unwrap();
    assert_eq!(text(link.send(request).await.unwrap().into_body()).await, "{\"type\":\"goodbye\"}");
    assert_eq!(text(link.send(post(full("on"))).await.unwrap().into_body()).await, "on");
}
