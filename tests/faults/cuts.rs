//! TCP connections reset at any byte: between a provider and the proxy, between
//! the proxy and a worker, and a worker's tunnel.

use postern_edge::api::Via;
use postern_protocol::{Provider, Secret};
use postern_testkit::invariants::Books;
use postern_testkit::{
    EdgeInProcess, FlakyLink, Load, Machine, Proxy, ProxyHome, Sender, SystemClock, leftovers,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const CUTS: u32 = 12;
/// Fewer: the proxy slows a worker down that connects more often at once.
const TUNNEL_CUTS: u32 = 8;
const SENDERS: usize = 8;
/// Another one, from `POSTERN_SEED`, cuts at other bytes.
const SEED: u64 = 0x6c69_6e6b;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_between_provider_and_proxy_loses_and_doubles_nothing() {
    let home = ProxyHome::new();
    let proxy = home.dev().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let edge = machine.serve().await;
    edge.live().await;
    let link = FlakyLink::to(proxy.address()).await;
    let through = proxy.source_url().replace(&proxy.address().to_string(), &link.address().to_string());

    let load = Sender::linear(through, proxy.source_secret()).load(SENDERS);
    cut_at_random(CUTS, &link, &load, FlakyLink::cut_after).await;
    let accepted = load.stop().await;

    let books = Books::open(&machine.data_dir(), &home.data_dir());
    books.settled().await;
    assert!(edge.stop().await.success());
    assert!(proxy.stop().await.success());
    books.balance(&accepted);
    leftovers::no_process(home.folder());
    leftovers::no_process(machine.folder());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_between_proxy_and_worker_loses_and_doubles_nothing() {
    // The worker's back-off is what takes time here, and is tested elsewhere.
    let settings = "[delivery.circuit]\nopen_min = \"10ms\"\nopen_max = \"50ms\"\n";
    let mut proxy = Proxy::start_with(settings, Arc::new(SystemClock)).await;
    let secret = Secret::new("lin_whs_cut");
    let url = proxy.source("linear", Provider::Linear, secret.clone()).await;
    // The link's address goes into the registration, so the edge's has to be
    // known first.
    let receiver = free_port();
    let link = FlakyLink::to(receiver).await;
    let base = format!("http://{}", link.address());
    let mut edge = EdgeInProcess::start(&proxy.url(), proxy.token().await, Arc::new(SystemClock), |config| {
        config.receiver_bind = receiver;
        config.webhook_base = Some(base);
    })
    .await;
    edge.live().await;

    let load = Sender::linear(url, secret).load(SENDERS);
    cut_at_random(CUTS, &link, &load, FlakyLink::cut_after).await;
    let accepted = load.stop().await;

    let books = Books::open(edge.data_dir(), proxy.data_dir());
    books.settled().await;
    assert_eq!(books.failures(), 0, "a broken connection uses up no attempt");
    edge.stop().await;
    proxy.stop().await;
    books.balance(&accepted);
    drop((edge, proxy, link));
    leftovers::no_task().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_cut_loses_and_doubles_nothing() {
    let mut proxy = Proxy::start().await;
    let secret = Secret::new("lin_whs_cut");
    let url = proxy.source("linear", Provider::Linear, secret.clone()).await;
    let link = FlakyLink::to(proxy.address()).await;
    let through = format!("http://{}", link.address());
    let mut edge = EdgeInProcess::start(&through, proxy.token().await, Arc::new(SystemClock), |config| {
        config.via = Some(Via::Tunnel);
        // The agent's pauses are what takes time here, and are tested elsewhere.
        config.timing.tunnel.backoff_base = Duration::from_millis(10);
        config.timing.tunnel.backoff_cap = Duration::from_millis(50);
    })
    .await;
    edge.live().await;

    let load = Sender::linear(url, secret).load(SENDERS);
    // Within a delivery, most of the time: they are what comes down.
    cut_at_random(TUNNEL_CUTS, &link, &load, FlakyLink::cut_after_back).await;
    let accepted = load.stop().await;

    let books = Books::open(edge.data_dir(), proxy.data_dir());
    books.settled().await;
    assert_eq!(books.failures(), 0, "a broken tunnel uses up no attempt");
    edge.stop().await;
    proxy.stop().await;
    books.balance(&accepted);
    assert_eq!(books.workers(), 1);
    drop((edge, proxy, link));
    leftovers::no_task().await;
}

/// Cuts the link under load, each time after another number of bytes.
async fn cut_at_random(cuts: u32, link: &FlakyLink, load: &Load, cut_after: impl Fn(&FlakyLink, usize)) {
    let seed = seed();
    println!("POSTERN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..cuts {
        load.reaches(load.count() + random.random_range(4..40)).await;
        cut_after(link, random.random_range(1..8192));
        link.is_cut().await;
        link.restore();
    }
    load.reaches(load.count() + 40).await;
}

fn seed() -> u64 {
    let Some(value) = std::env::var_os("POSTERN_SEED") else { return SEED };
    value.to_str().and_then(|value| value.parse().ok()).expect("POSTERN_SEED is a number")
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address")
}
