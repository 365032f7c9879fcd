//! The proxy's clock is set, forward and back, by minutes and by a day, while
//! the worker's is right. Signatures made by a wrong clock are refused and
//! held without using up an attempt; leases and schedules recover; nothing is
//! lost or doubled.

use postern_protocol::{Clock, Provider, Secret};
use postern_testkit::invariants::Books;
use postern_testkit::{EdgeInProcess, JumpClock, Proxy, Sender, SystemClock, leftovers};
use std::sync::Arc;
use std::time::Duration;

const MINUTES: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Events posted at each setting of the clock.
const EACH: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_forward_and_right_again() {
    for by in [MINUTES, DAY] {
        jump(|clock| clock.forward(by), |clock| clock.back(by)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_and_right_again() {
    for by in [MINUTES, DAY] {
        jump(|clock| clock.back(by), |clock| clock.forward(by)).await;
    }
}

async fn jump(away: impl FnOnce(&JumpClock), right: impl FnOnce(&JumpClock)) {
    let clock = Arc::new(JumpClock::default());
    // Short, so that the worker is soon back after its lease was cut short.
    let settings = "[registration]\nlease_seconds = 3\n";
    let mut proxy = Proxy::start_with(settings, clock.clone()).await;
    let secret = Secret::new("lin_whs_clock");
    let url = proxy.source("linear", Provider::Linear, secret.clone()).await;
    let token = proxy.token().await;
    let mut edge = EdgeInProcess::start(&proxy.url(), token, Arc::new(SystemClock), |_| {}).await;
    edge.live().await;
    let sender = Sender::linear(url, secret);
    let books = Books::open(edge.data_dir(), proxy.data_dir());
    let mut accepted = post(&sender).await;
    books.settled().await;

    away(&clock);
    accepted.extend(post(&sender).await);
    books.attempts("clock_skew", EACH as i64).await;
    assert_eq!(books.failures(), 0, "a wrong clock uses up no attempt");

    right(&clock);
    accepted.extend(post(&sender).await);
    // What is held for a minute need not wait that long here, and the worker
    // tolerates a clock that is off by so much. First the proxy has to see that
    // it was set right: two steps at once are one to it.
    books.put_off_until(clock.now().plus(80_000)).await;
    clock.forward(Duration::from_secs(80));
    books.settled().await;

    assert_eq!(books.failures(), 0, "a wrong clock uses up no attempt");
    edge.stop().await;
    proxy.stop().await;
    books.balance(&accepted);
    drop((edge, proxy, sender));
    leftovers::no_task().await;
}

async fn post(sender: &Sender) -> Vec<String> {
    let mut accepted = Vec::new();
    for _ in 0..EACH {
        let delivery = Sender::new_delivery();
        sender.deliver(&delivery).await;
        accepted.push(delivery);
    }
    accepted
}
