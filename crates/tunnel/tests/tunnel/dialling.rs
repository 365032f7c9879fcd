//! When the agent dials, and what it makes of a no. The clock stands still.

use crate::ends::{Cable, Proxy, config, echo, run, until};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use postern_tunnel::{AgentConfig, BoxIo, Dialer, DownReason, State, Timing};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Reports each dial, which fails.
fn nowhere() -> (Dialer, mpsc::UnboundedReceiver<Instant>) {
    let (dialled, dials) = mpsc::unbounded_channel();
    let dialer = Dialer::from_fn("http://localhost", move || {
        dialled.send(Instant::now()).unwrap();
        async { Err(io::ErrorKind::ConnectionRefused.into()) }
    });
    (dialer.unwrap(), dials)
}

/// Answers each request to connect with `answer`; reports each dial.
fn answering(answer: &'static str) -> (Dialer, mpsc::UnboundedReceiver<Instant>) {
    let (dialled, dials) = mpsc::unbounded_channel();
    let dialer = Dialer::from_fn("http://localhost", move || {
        dialled.send(Instant::now()).unwrap();
        let (near, far) = tokio::io::duplex(64 << 10);
        tokio::spawn(async move {
            let service = service_fn(move |_: Request<Incoming>| {
                let (status, body) = answer.split_once(' ').unwrap();
                let (after, body) = body.split_once(' ').unwrap();
                let response = Response::builder().status(status).header("retry-after", after);
                async move { Ok::<_, Infallible>(response.body(body.to_owned()).unwrap()) }
            });
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service).await;
        });
        let near: BoxIo = Box::new(near);
        async { Ok(near) }
    });
    (dialer.unwrap(), dials)
}

fn jittered(random: &'static [f64]) -> AgentConfig {
    let random = Mutex::new(random.iter().copied().cycle());
    AgentConfig {
        jitter: Arc::new(move || random.lock().unwrap().next().unwrap()),
        ..config(None, Timing::default())
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_under_full_jitter_and_a_wake_ends_them() {
    let (dialer, mut dials) = nowhere();
    let running = run(dialer, jittered(&[1.0, 0.5]), echo());
    let mut last = dials.recv().await.unwrap();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let dial = dials.recv().await.unwrap();
        pauses.push((dial - last).as_millis());
        last = dial;
    }
    // Tokio's timers are right to the millisecond.
    let expected = [1000, 1000, 4000, 4000, 16_000, 15_000, 30_000, 15_000];
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!((expected..=expected + 2).contains(pause), "{pauses:?}");
    }
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    let State::Down { reason: DownReason::Unreachable(_), retry_at: Some(at) } = down else {
        panic!("{down:?}")
    };
    assert!(at > Instant::now() + Duration::from_secs(10));
    running.agent.wake();
    assert_eq!(dials.recv().await.unwrap(), last);
    // And the pauses start over.
    let next = dials.recv().await.unwrap();
    assert!(next - last <= Duration::from_millis(1002), "{:?}", next - last);
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_not_offered_again_and_again() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let wrong = AgentConfig { credential: "wrong".into(), ..config(None, Timing::default()) };
    let running = run(proxy.dialer(Cable::default()), wrong, echo());
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    let State::Down { reason: DownReason::Refused { .. }, retry_at: Some(at) } = down else {
        panic!("{down:?}")
    };
    assert!(at >= Instant::now() + Duration::from_secs(299));
    let before = Instant::now();
    running.agent.set_credential(crate::ends::CREDENTIAL.into());
    links.recv().await.unwrap();
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn each_no_is_understood() {
    type Is = fn(&DownReason) -> bool;
    let cases: [(&str, u64, usize, Is); 6] = [
        (
            r#"401 0 {"error":{"code":"auth.revoked","message":"it was revoked"}}"#,
            300,
            1,
            |reason| matches!(reason, DownReason::Refused { message } if message == "it was revoked"),
        ),
        (r#"403 0 {"error":{"code":"auth.forbidden","message":"not yours"}}"#, 300, 1, |reason| {
            matches!(reason, DownReason::Refused { .. })
        }),
        ("403 0 <html>", 300, 2, |reason| matches!(reason, DownReason::Refused { .. })),
        (
            r#"426 0 {"error":{"code":"protocol.unsupported","message":"update"}}"#,
            300,
            1,
            |reason| matches!(reason, DownReason::ProtocolUnsupported { message } if message == "update"),
        ),
        (r#"503 40 {"error":{"code":"unavailable","message":"draining"}}"#, 40, 1, |reason| {
            matches!(reason, DownReason::Busy { status: 503, .. })
        }),
        ("429 86400 slow down", 300, 2, |reason| matches!(reason, DownReason::Busy { status: 429, .. })),
    ];
    for (answer, pause, dialled, is) in cases {
        let (dialer, mut dials) = answering(answer);
        let running = run(dialer, config(None, Timing::default()), echo());
        let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
        let State::Down { reason, retry_at: Some(at) } = down else { panic!("{down:?}") };
        assert!(is(&reason), "{answer}: {reason:?}");
        assert_eq!((at - Instant::now()).as_secs_f64().round(), pause as f64, "{answer}");
        let mut count = 0;
        while dials.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, dialled, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_front_that_swallows_everything_is_given_up_in_time() {
    let (dialled, mut dials) = mpsc::unbounded_channel();
    let dialer = Dialer::from_fn("http://localhost", move || {
        let (near, far) = tokio::io::duplex(64 << 10);
        dialled.send(far).unwrap();
        let near: BoxIo = Box::new(near);
        async { Ok(near) }
    });
    let running = run(dialer.unwrap(), config(None, Timing::default()), echo());
    let start = Instant::now();
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    assert!(matches!(down, State::Down { reason: DownReason::Unanswered(_), .. }), "{down:?}");
    assert!(start.elapsed() <= Duration::from_secs(21), "{:?}", start.elapsed());
    assert!(dials.try_recv().is_ok() && dials.try_recv().is_ok() && dials.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_cut_at_once_is_not_dialled_in_a_tight_loop() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let running = run(proxy.dialer(Cable::default()), config(None, Timing::default()), echo());
    let start = Instant::now();
    for _ in 0..5 {
        links.recv().await.unwrap().shutdown(postern_tunnel::Goodbye::Draining);
    }
    assert!(start.elapsed() >= Duration::from_secs(1 + 2 + 4 + 8), "{:?}", start.elapsed());
    drop(running);
}
