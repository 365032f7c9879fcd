//! A day of a team, told in order, with the programs as they are shipped: one
//! proxy, a laptop behind the tunnel, a machine with an address, two that share
//! their work, servers of the team's own. Things go wrong as they do on working
//! days. In the evening every event that a provider was told had arrived is
//! accounted for, at every worker that it was for: delivered byte for byte, or
//! skipped, held, discarded by somebody's word; none lost, none invented, none
//! twice but where the proxy died before it could write a delivery down.
//!
//! What a moment needs is waited for, never a while. Where a small disk can be
//! mounted (root on Linux) the proxy lives on one, and it is filled; elsewhere
//! the day goes without, and says so.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the day is told, and what was left out")]

mod afternoon;
mod builders;
mod central;
mod evening;
mod laptop;
mod ledger;
mod morning;
mod providers;
mod server;

use central::Central;
use laptop::Laptop;
use ledger::{Entry, Ledger};
use postern_protocol::{Provider, Secret};
use postern_testkit::disk;
use providers::Poster;
use serde_json::json;
use server::Server;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What the proxy's disk holds, in mebibytes.
const DISK: u32 = 64;

#[test]
fn a_day_is_accounted_for_exactly() {
    let on_disk = |disk: PathBuf| async move { day(&disk, true).await };
    if let Some(told) = disk::on_small_disk("a_day_is_accounted_for_exactly", DISK, on_disk) {
        println!("{told}");
    } else {
        println!("left out: filling the proxy's disk needs root on Linux");
        tokio::runtime::Runtime::new().unwrap().block_on(day(&std::env::temp_dir(), false));
    }
}

async fn day(disk: &Path, small: bool) {
    let mut day = Day::dawns(disk).await;

    day.traffic().await;
    day.a_laptop_and_a_server_sleep().await;
    if small {
        day.the_disk_is_full(disk).await;
    }
    day.the_proxy_dies().await;
    day.the_proxy_is_upgraded().await;
    day.a_builder_dies().await;

    day.counts_from_here().await;
    day.a_receiver_has_a_bug().await;
    day.the_source_gets_new_secrets().await;
    day.workers_get_new_secrets().await;
    day.one_source_floods().await;

    day.an_event_is_replayed().await;
    day.a_server_leaves_events_held().await;
    day.ends().await;
}

/// What becomes of an event at a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Delivered,
    Skipped,
    Held,
    Discarded,
}

/// The team, its machines and its books.
struct Day {
    began: Instant,
    central: Central,
    ledger: Arc<Ledger>,
    linear: Poster,
    github: Poster,
    /// Behind the tunnel; gets everything.
    ada: Laptop,
    /// At an address; gets everything, each issue's events in their order.
    bob: Laptop,
    /// A claim group: of both, one gets each event.
    builders: [Laptop; 2],
    /// Gets pull requests.
    ci: Server,
    /// Gets issues.
    staging: Server,
    /// Of events and workers, by their ids, whose fate is not delivery.
    fates: BTreeMap<(String, String), Fate>,
    /// How often an event was replayed to a worker.
    replays: BTreeMap<(String, String), usize>,
    /// The metrics and attempts when counting began.
    counted: evening::Counted,
    /// What may stand in no log.
    secrets: Vec<Secret>,
}

impl Day {
    async fn dawns(disk: &Path) -> Self {
        let began = Instant::now();
        let central = Central::open(disk).await;
        let ledger = Arc::new(Ledger::default());
        let (linear, github) = (Secret::new("lin_whs_of_the_morning"), Secret::new("ghs_of_the_whole_day"));
        let linear_url = central.source(Provider::Linear, &linear).await;
        let github_url = central.source(Provider::Github, &github).await;
        let ada = Laptop::starts(&central, &["--via", "tunnel"]).await;
        let bob = Laptop::starts(&central, &["--via", "address", "--ordering", "entity"]).await;
        let group = ["--via", "tunnel", "--group", "builders"];
        let builders = [Laptop::starts(&central, &group).await, Laptop::starts(&central, &group).await];
        let ci = Server::start(&central, "ci", json!({ "capabilities": ["github:*"] })).await;
        let staging = Server::start(&central, "staging", json!({ "capabilities": ["Issue"] })).await;
        let mut secrets = vec![linear.clone(), github.clone(), central.token.clone()];
        for server in [&ci, &staging] {
            secrets.push(server.credential.clone());
            secrets.extend(server.secrets());
        }
        let this = Self {
            linear: Poster::new(Provider::Linear, linear_url, &linear, &ledger),
            github: Poster::new(Provider::Github, github_url, &github, &ledger),
            began,
            central,
            ledger,
            ada,
            bob,
            builders,
            ci,
            staging,
            fates: BTreeMap::new(),
            replays: BTreeMap::new(),
            counted: evening::Counted::default(),
            secrets,
        };
        this.tells("the team is at work");
        this
    }

    /// The ids of the workers that an event is for.
    fn workers_for(&self, entry: &Entry) -> [&str; 3] {
        let server = if entry.provider == Provider::Github { &self.ci } else { &self.staging };
        [&self.ada.id, &self.bob.id, &server.id]
    }

    fn tells(&self, what: &str) {
        let seconds = self.began.elapsed().as_secs_f64();
        println!("{seconds:5.1} s  {:4} events  {what}", self.ledger.len());
    }
}
