//! Many large bodies at once, on either side: memory stays within what the
//! budgets allow, every sender is told what became of its body, and the next
//! event passes as ever.

use bytes::Bytes;
use http::StatusCode;
use postern_protocol::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use postern_protocol::{Clock, ErrorBody, ErrorCode, Secret};
use postern_proxy::clock::SystemClock;
use postern_testkit::invariants::Books;
use postern_testkit::{Machine, Process, ProxyHome, ProxyProcess, Sender, client};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

const SENDERS: usize = 64;
/// The largest body GitHub sends, in bytes.
const LARGE: usize = 25 << 20;

/// What a program may take, in MiB, beside the bodies it has room for: itself
/// (about 50 MiB in a debug build), and the copies that SQLite makes of a body
/// while it writes one, while it reads one, and while it indexes one.
const BESIDE: u64 = 50 + 6 * 25;
/// What the receiver has room for: four bodies of 26 MiB.
const ROOM_AT_A_WORKER: u64 = 4 * 26;

/// What became of each sender's body: how many got which status and code.
type Answers = BTreeMap<(StatusCode, String), usize>;

#[tokio::test(flavor = "multi_thread")]
async fn more_bodies_than_the_proxy_has_room_for() {
    let home = ProxyHome::new()
        .with("POSTERN_LIMITS__INFLIGHT", "100MiB")
        .with("POSTERN_DELIVERY__INFLIGHT", "50MiB");
    let proxy = home.dev().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let edge = machine.serve().await;
    edge.live().await;

    let github = proxy.github();
    let forged = github.clone().signing_with(Secret::new("another"));
    for (sender, read) in [
        (forged, (StatusCode::UNAUTHORIZED, ErrorCode::SignatureMismatch.as_str())),
        (github, (StatusCode::OK, "")),
    ] {
        let body = large();
        let answers = all_at_once(|| {
            let (sender, body) = (sender.clone(), body.clone());
            async move { sender.ask_body(&Sender::new_delivery(), body).await }
        });
        only(&answers.await, read, (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited.as_str()));
    }

    still_works(&proxy, &machine, &home).await;
    // Of the bodies delivered at once the last may exceed the room.
    at_most(proxy.process(), 100 + 50 + 25 + BESIDE);
    at_most(edge.process(), ROOM_AT_A_WORKER + BESIDE);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bodies_than_a_worker_has_room_for() {
    let home = ProxyHome::new();
    let proxy = home.dev().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let edge = machine.serve().await;
    edge.live().await;

    let status = machine.ask(&["status"]).await;
    let url = status["session"]["arrival"]["url"].as_str().expect("beside its proxy a worker has an address");
    let body = large();
    let answers = all_at_once(|| {
        let request = client()
            .post(url)
            .header(WEBHOOK_ID, Sender::new_delivery())
            .header(WEBHOOK_TIMESTAMP, SystemClock.now().0 / 1000)
            .header(WEBHOOK_SIGNATURE, format!("v1,{}=", "A".repeat(43)))
            .body(body.clone());
        async move {
            let answer = request.send().await?;
            Ok((answer.status(), answer.bytes().await?))
        }
    });
    let mismatch = (StatusCode::UNAUTHORIZED, ErrorCode::SignatureMismatch.as_str());
    only(&answers.await, mismatch, (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable.as_str()));

    still_works(&proxy, &machine, &home).await;
    at_most(edge.process(), ROOM_AT_A_WORKER + BESIDE);
}

fn large() -> Bytes {
    let mut body = br#"{"action":"opened","padding":""#.to_vec();
    body.resize(LARGE - 2, b'a');
    body.extend_from_slice(br#""}"#);
    body.into()
}

/// Sends from all senders at once. Who is refused may find its connection
/// closed while it is still sending, and then learns nothing.
async fn all_at_once<F>(send: impl Fn() -> F) -> Answers
where
    F: Future<Output = reqwest::Result<(StatusCode, Bytes)>> + Send + 'static,
{
    let mut sending: JoinSet<_> = (0..SENDERS).map(|_| send()).collect();
    let mut answers = Answers::new();
    while let Some(answer) = sending.join_next().await {
        let Ok((status, body)) = answer.expect("a sender does not panic") else { continue };
        let code = serde_json::from_slice::<ErrorBody>(&body).map(|body| body.error.code);
        *answers.entry((status, code.unwrap_or_default())).or_default() += 1;
    }
    answers
}

/// Some were read, others told to try again, and nothing else happened.
fn only(answers: &Answers, read: (StatusCode, &str), refused: (StatusCode, &str)) {
    let of =
        |(status, code): (StatusCode, &str)| answers.get(&(status, code.to_owned())).copied().unwrap_or(0);
    assert!(of(read) > 0, "{answers:?}");
    assert_eq!(of(read) + of(refused), answers.values().sum::<usize>(), "{answers:?}");
}

async fn still_works(proxy: &ProxyProcess, machine: &Machine, home: &ProxyHome) {
    let linear = Sender::linear(proxy.source_url(), proxy.source_secret());
    assert_eq!(linear.post(&Sender::new_delivery()).await.expect("the proxy answers"), StatusCode::OK);
    Books::open(&machine.data_dir(), &home.data_dir()).settled().await;
}

fn at_most(process: &Process, mib: u64) {
    if cfg!(target_os = "linux") {
        let peak = process.peak_memory() >> 10;
        println!("peak {peak} MiB of at most {mib} MiB");
        assert!(peak <= mib, "{peak} MiB at its peak, more than {mib} MiB");
    }
}
