//! The morning: events flow, machines sleep and wake, a disk fills, the proxy
//! dies, and is upgraded.

use crate::{Day, Fate};
use http::StatusCode;
use postern_protocol::api::{CatchUp, LeaseResponse, TunnelState, WorkerState};
use postern_testkit::disk::Filler;
use postern_testkit::within;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Over how many connections each provider posts while the proxy stops.
const CONNECTIONS: usize = 2;
/// A program that writes makes room too, by emptying its log.
const FILL_AGAIN: Duration = Duration::from_millis(5);

impl Day {
    pub(crate) async fn traffic(&self) {
        for about in 0..12 {
            self.linear.posts(about % 4).await;
            self.github.posts(about % 3).await;
        }
        self.central.settled().await;
        self.tells("what the morning brought is delivered");
    }

    /// Ada closes the lid and a server falls silent. What comes for them waits,
    /// and burns nothing; what comes for the others flows. Ada has everything
    /// when the lid is open again; at the server somebody chooses.
    pub(crate) async fn a_laptop_and_a_server_sleep(&mut self) {
        self.ada.edge().process().sleep().await;
        self.staging.falls_silent();
        // Before anybody has noticed.
        for about in 0..3 {
            self.github.posts(about).await;
        }
        let away = |id| self.central.worker(id, "an absence", |worker| worker.state == WorkerState::Away);
        away(&self.ada.id).await;
        away(&self.staging.id).await;
        let mut missed = Vec::new();
        for about in [1, 2, 3, 1, 2, 3] {
            missed.push(self.linear.posts(about).await);
        }
        for id in &missed {
            self.bob.has(id).await;
        }

        self.ada.edge().process().wake().await;
        let back = |worker: &postern_protocol::api::WorkerInfo| {
            worker.state == WorkerState::Active && worker.tunnel == Some(TunnelState::Up)
        };
        self.central.worker(&self.ada.id, "ada's return", back).await;
        for id in &missed {
            self.ada.has(id).await;
        }

        let (lease, staging) = (self.staging.lease(), &self.staging.credential);
        let answer = self.central.post(&lease, staging, &json!({ "catchUp": "ask" })).await;
        let answer: LeaseResponse = serde_json::from_value(answer).unwrap();
        let held = answer.waiting.held.unwrap();
        assert_eq!((held.count, held.entities, held.newest_per_entity), (6, 3, 3));
        // One that somebody picks; then the newest of each issue.
        let choose = format!("/edge/workers/{}/catch-up", self.staging.id);
        let choice = json!({ "choice": { "events": [missed[0]] } });
        self.central.post(&choose, staging, &choice).await;
        let chosen = self.central.post(&choose, staging, &json!({ "choice": "newest_per_entity" })).await;
        assert_eq!(chosen, json!({ "delivering": 3, "skipped": 2, "held": 0 }));
        for id in &missed[1..3] {
            self.fates.insert((id.clone(), self.staging.id.clone()), Fate::Skipped);
        }
        self.staging.renews(&self.central, CatchUp::All);
        self.central.settled().await;
        self.tells("ada and the server slept, and are back");
    }

    /// The proxy says so, the provider repeats, and once there is room it goes
    /// on by itself.
    pub(crate) async fn the_disk_is_full(&self, disk: &Path) {
        let before = self.central.metrics().await;
        let refusals = self.ledger.refusals();
        let mut filler = Filler::new(disk);
        let filling = async {
            let mut again = tokio::time::interval(FILL_AGAIN);
            loop {
                filler.fill();
                again.tick().await;
            }
        };
        let (refused, _) = tokio::select! {
            refused = self.linear.is_refused(StatusCode::SERVICE_UNAVAILABLE) => refused,
            () = filling => unreachable!("it fills until the end"),
        };
        let insisting = tokio::spawn({
            let linear = self.linear.clone();
            async move { linear.insists(&refused).await }
        });
        filler.free();
        within("the refused event to be accepted", insisting).await.unwrap();
        self.central.settled().await;

        let (after, code) = (self.central.metrics().await, "store.unavailable");
        let counter = format!("postern_ingest_rejected_total{{code=\"{code}\"}}");
        let told = self.ledger.refusals()[code] - refusals.get(code).unwrap_or(&0);
        assert_eq!(after[&counter] - before[&counter], told as f64);
        self.tells("the disk was full");
    }

    /// Killed in the middle of it all.
    pub(crate) async fn the_proxy_dies(&mut self) {
        let from = self.ledger.len();
        let floods = [self.linear.floods(CONNECTIONS), self.github.floods(CONNECTIONS)];
        for flood in &floods {
            flood.brings(10).await;
        }
        self.central.is_killed_and_starts_again().await;
        // One that was under way may be entered later than it was taken.
        for flood in &floods {
            flood.brings(CONNECTIONS + 1).await;
        }
        self.ledger.uncertain_since(from);
        for flood in floods {
            flood.ends().await;
        }
        self.central.settled().await;
        self.tells("the proxy was killed under load");
    }

    /// Stopped with its drain in the middle of it all: nothing is done twice.
    pub(crate) async fn the_proxy_is_upgraded(&mut self) {
        let floods = [self.linear.floods(CONNECTIONS), self.github.floods(CONNECTIONS)];
        for flood in &floods {
            flood.brings(10).await;
        }
        self.central.is_upgraded().await;
        for flood in &floods {
            flood.brings(10).await;
        }
        for flood in floods {
            flood.ends().await;
        }
        self.central.settled().await;
        self.tells("the proxy was upgraded under load");
    }
}
