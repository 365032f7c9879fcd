//! The proxy in one network, the laptop in another, behind address translation
//! and with no route to it from anywhere: what a team's days look like. With
//! the programs as they are shipped, over links of the kernel's. Root makes
//! networks; where the test is not root's it says that it was left out.
//!
//! The link is cut until whatever a minute brings about has come about: the
//! proxy's heartbeats went unanswered and it gave the tunnel up, the worker's
//! lease ran out, and the laptop has dialled in vain. Those times are set
//! shorter than the programs' own. What else depends on how long the link was
//! gone is the pause before the laptop dials again, and the link's return ends
//! that: the laptop has an address again, which it sees within a second.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "times, and what was left out, are told")]

#[path = "../way_out/authority.rs"]
mod authority;
mod central;
mod gate;
mod laptop;
mod places;

use authority::Authority;
use central::Central;
use laptop::Laptop;
use places::{PROXY, Places};
use postern_protocol::Provider;
use postern_protocol::api::{TunnelState, WorkerState};
use postern_testkit::{Machine, Sender};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Shorter times than the proxy's own.
const SETTINGS: [(&str, &str); 4] = [
    ("POSTERN_REGISTRATION__LEASE_SECONDS", "6"),
    ("POSTERN_TUNNEL__HEARTBEAT", "1s"),
    ("POSTERN_TUNNEL__TOLERANCE", "2s"),
    ("POSTERN_DELIVERY__TIMEOUT", "5s"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_address_translation() {
    if places::inside("behind_address_translation") {
        let (places, authority) = (Places::new(), Authority::new(&[PROXY]));
        let central = Central::start(&authority, &SETTINGS).await;
        places.translate(central.port());
        let machine = machine(&central, &authority);
        a_working_day(&places, &central, &Laptop::new(machine)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_connect_proxy_as_the_only_way_out() {
    if places::inside("with_a_connect_proxy_as_the_only_way_out") {
        let (places, authority) = (Places::new(), Authority::new(&[PROXY]));
        let central = Central::start(&authority, &SETTINGS).await;
        let gate = gate::start().await;
        places.translate(gate.port());
        let machine = machine(&central, &authority).with("HTTPS_PROXY", format!("http://{gate}"));
        a_working_day(&places, &central, &Laptop::new(machine)).await;
    }
}

fn machine(central: &Central, authority: &Authority) -> Machine {
    Machine::new().signed_in(&central.url, central.token.clone()).with("SSL_CERT_FILE", authority.root())
}

async fn a_working_day(places: &Places, central: &Central, laptop: &Laptop) {
    let edge = laptop.serve().await;
    central.worker("its tunnel", |worker| worker.tunnel == Some(TunnelState::Up)).await;
    laptop.is_out_of_reach();
    let mut sent = vec![central.linear(0).await];
    laptop.history(1).await;

    // The link is cut.
    places.unplug();
    for number in 1..=6 {
        sent.push(central.linear(number).await);
    }
    central
        .worker("its absence", |worker| {
            worker.tunnel == Some(TunnelState::Down) && worker.state == WorkerState::Away
        })
        .await;
    for number in 7..=12 {
        sent.push(central.linear(number).await);
    }
    assert_eq!(laptop.history(1).await.len(), 1, "held");

    // It is back.
    places.plug();
    let back = Instant::now();
    let kept = laptop.history(sent.len()).await;
    eprintln!(
        "all {} held events delivered {} ms after the link was back",
        sent.len() - 1,
        back.elapsed().as_millis()
    );
    let arrived: Vec<_> =
        kept.iter().map(|event| event.headers.get("linear-delivery").unwrap().to_owned()).collect();
    assert_eq!(arrived, sent, "all, in order, none twice");
    central
        .worker("its return", |worker| worker.state == WorkerState::Active && worker.waiting.count == 0)
        .await;

    let count = every_linear_type(laptop, sent.len()).await;
    every_github_payload(central, laptop, count).await;
    assert!(edge.stop().await.success());
}

/// Every event type of Linear's that `trigger` knows, as the proxy made it.
async fn every_linear_type(laptop: &Laptop, before: usize) -> usize {
    let types: Vec<_> = postern_edge::trigger_templates()
        .into_iter()
        .filter(|template| template.provider == Provider::Linear)
        .collect();
    assert!(!types.is_empty());
    for template in &types {
        laptop.ask(&["trigger", "linear", &template.name]).await;
    }
    let count = before + types.len();
    laptop.history(count).await;
    count
}

/// Every payload of GitHub's examples, spelt as GitHub does and in a spelling
/// that a parse and a rewrite would change. Compared with what was accepted is
/// the whole history, Linear's events too.
async fn every_github_payload(central: &Central, laptop: &Laptop, before: usize) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/interop/node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let mut sent = BTreeMap::new();
    match std::fs::read(&examples) {
        Err(error) => eprintln!("left out: GitHub's examples ({error}); scripts/setup test installs them"),
        Ok(examples) => {
            let examples: Vec<Value> = serde_json::from_slice(&examples).unwrap();
            for event in &examples {
                for payload in event["examples"].as_array().unwrap() {
                    let pretty = sent.len() % 2 == 1;
                    let body = if pretty {
                        serde_json::to_string_pretty(payload)
                    } else {
                        serde_json::to_string(payload)
                    };
                    let (name, body) = (event["name"].as_str().unwrap(), body.unwrap());
                    let delivery = Sender::new_delivery();
                    central.github(name, &delivery, body.clone()).await;
                    sent.insert(delivery, body);
                }
            }
            assert!(sent.len() >= 329, "{}", sent.len());
        }
    }
    let kept = laptop.history(before + sent.len()).await;
    assert_eq!(kept.len(), before + sent.len(), "each once");
    let accepted = central.bodies();
    for event in &kept {
        assert_eq!(accepted.get(&event.webhook_id), Some(&event.body), "{}", event.webhook_id);
        if let Some(delivery) = event.headers.get("x-github-delivery") {
            assert_eq!(sent.remove(delivery).unwrap().as_bytes(), event.body);
        }
    }
    assert!(sent.is_empty(), "{} payloads did not arrive", sent.len());
    eprintln!("{} bodies arrived byte for byte", kept.len());
}
