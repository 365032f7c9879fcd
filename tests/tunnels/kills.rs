//! Kills without warning, under load, with an exact account: what was answered
//! was seen once, what was not answered was seen once or never.

use crate::{machine, public, serve, tunnel};
use axum::Router;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use postern_testkit::{ProxyHome, client};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// So many send at once.
const VISITORS: usize = 8;
/// So many are answered between two kills.
const BETWEEN: usize = 60;
const KILLS: usize = 4;

/// How often the origin saw each request.
type Seen = Arc<Mutex<BTreeMap<String, u32>>>;

async fn origin(State(seen): State<Seen>, headers: HeaderMap, body: String) -> StatusCode {
    let id = headers.get("x-id").and_then(|id| id.to_str().ok()).unwrap_or("none").to_owned();
    assert_eq!(id, body, "the body is its own");
    *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    StatusCode::OK
}

#[tokio::test]
async fn nothing_is_seen_twice_and_nothing_answered_unseen() {
    let home = ProxyHome::new();
    let mut proxy = home.dev().await;
    let seen = Seen::default();
    let (port, _server) = serve(Router::new().fallback(origin).with_state(Arc::clone(&seen))).await;
    let machine = machine(&proxy);
    let mut postern = tunnel(&machine, port).await;

    let (number, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let answered = watch::Sender::new(0_usize);
    let visitors: Vec<_> = (0..VISITORS)
        .map(|_| {
            let (number, over, answered) = (Arc::clone(&number), Arc::clone(&over), answered.clone());
            let (client, url) = (client(), public(&proxy, "/"));
            tokio::spawn(async move {
                let (mut good, mut bad) = (Vec::new(), Vec::new());
                while !over.load(Ordering::SeqCst) {
                    let id = number.fetch_add(1, Ordering::SeqCst).to_string();
                    let sent = client.post(&url).header("x-id", &id).body(id.clone()).send().await;
                    if sent.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                        good.push(id);
                        answered.send_modify(|n| *n += 1);
                    } else {
                        bad.push(id);
                        // The proxy may be gone: others want the processor to start it.
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    }
                }
                (good, bad)
            })
        })
        .collect();
    let more = async || {
        let mut answered = answered.subscribe();
        let wanted = *answered.borrow() + BETWEEN;
        postern_testkit::within("more answers", answered.wait_for(|n| *n >= wanted)).await.map(drop)
    };
    for kill in 0..KILLS {
        more().await.expect("visitors go on");
        if kill % 2 == 0 {
            postern.kill_9().await;
            postern = tunnel(&machine, port).await;
        } else {
            proxy.kill_9().await;
            proxy = home.dev().await;
        }
    }
    more().await.expect("visitors go on");
    over.store(true, Ordering::SeqCst);

    let (mut good, mut bad) = (0, 0);
    for visitor in visitors {
        let (ok, failed) = visitor.await.expect("a visitor ends");
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for id in &ok {
            assert_eq!(seen.get(id), Some(&1), "{id} was answered");
        }
        for id in &failed {
            assert!(
                seen.get(id).is_none_or(|times| *times == 1),
                "{id} failed, and was seen {:?}",
                seen.get(id)
            );
        }
        good += ok.len();
        bad += failed.len();
    }
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(good + bad, number.load(Ordering::SeqCst), "every request came to something");
    assert!(seen.len() >= good && good >= BETWEEN * (KILLS + 1), "{good} of {} answered", good + bad);
    drop((postern, proxy));
}
