//! The evening: an event once more, events left for tomorrow, and the books.

use crate::{Day, Fate};
use postern_protocol::Provider;
use postern_protocol::api::{CatchUp, LeaseResponse, WorkerState};
use postern_protocol::dedupe::{GITHUB_DELIVERY, LINEAR_DELIVERY};
use postern_protocol::id::{EventId, WorkerId};
use postern_testkit::{DEADLINE, leftovers};
use rusqlite::Connection;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The providers' own ids.
const DELIVERY: [&str; 2] = [LINEAR_DELIVERY, GITHUB_DELIVERY];
/// What of a secret is made by a program; and how long it is at least.
const PREFIXES: [&str; 4] = ["pst_", "psw_", "whsec_", "lin_whs_"];
const AT_LEAST: usize = 20;

/// How things stand in the evening.
const EVENING: [(&str, f64); 15] = [
    ("postern_workers{state=\"active\"}", 6.0),
    ("postern_workers{state=\"pending\"}", 0.0),
    ("postern_workers{state=\"away\"}", 0.0),
    ("postern_workers{state=\"paused\"}", 0.0),
    ("postern_workers{state=\"gone\"}", 0.0),
    ("postern_deliveries_waiting{state=\"active\"}", 0.0),
    ("postern_deliveries_waiting{state=\"pending\"}", 0.0),
    ("postern_deliveries_waiting{state=\"away\"}", 0.0),
    ("postern_deliveries_waiting{state=\"paused\"}", 0.0),
    ("postern_deliveries_waiting{state=\"unreachable\"}", 0.0),
    ("postern_deliveries_waiting{state=\"group\"}", 0.0),
    ("postern_deliveries_waiting{state=\"held\"}", 2.0),
    ("postern_deliveries_pending", 0.0),
    ("postern_delivery_attempts_in_flight", 0.0),
    ("postern_dead_letters", 0.0),
];

/// Where counting began: the proxy's metrics, and the books beside them.
#[derive(Default)]
pub(crate) struct Counted {
    metrics: BTreeMap<String, f64>,
    books: BTreeMap<String, f64>,
}

/// An event's way to a worker, as the proxy's database has it.
struct Delivery {
    state: i64,
    replay: i64,
    attempts: i64,
}

impl Day {
    /// From here on the proxy's counters and the books must move together.
    pub(crate) async fn counts_from_here(&mut self) {
        self.counted = Counted { metrics: self.central.metrics().await, books: self.totals() };
    }

    pub(crate) async fn an_event_is_replayed(&mut self) {
        let entries = self.ledger.entries();
        let entry = entries.iter().find(|entry| entry.provider == Provider::Github).unwrap();
        let path = format!("/v1/events/{}/replay", entry.id);
        let to = json!({ "to": { "worker": self.ci.id } });
        self.central.post(&path, &self.central.token, &to).await;
        self.replays.insert((entry.id.clone(), self.ci.id.clone()), 1);
        self.central.settled().await;
        let again = self.ci.arrival(&format!("{}.r1", entry.id)).unwrap();
        assert_eq!(again.body, entry.body);
        self.tells("an event was replayed");
    }

    /// Whoever should choose has gone home.
    pub(crate) async fn a_server_leaves_events_held(&mut self) {
        self.staging.falls_silent();
        self.central.worker(&self.staging.id, "an absence", |worker| worker.state == WorkerState::Away).await;
        for about in 0..2 {
            let id = self.linear.posts(about).await;
            self.fates.insert((id, self.staging.id.clone()), Fate::Held);
        }
        let (lease, credential) = (self.staging.lease(), &self.staging.credential);
        let answer = self.central.post(&lease, credential, &json!({ "catchUp": "ask" })).await;
        let answer: LeaseResponse = serde_json::from_value(answer).unwrap();
        assert_eq!(answer.waiting.held.unwrap().count, 2);
        self.staging.renews(&self.central, CatchUp::Ask);
        self.central.settled().await;
        self.tells("two events wait for tomorrow");
    }

    /// Everything stops, and everything is counted.
    pub(crate) async fn ends(mut self) {
        let [one, other] = &self.builders;
        for laptop in [&self.ada, &self.bob, one, other] {
            laptop.none("events to be forwarded", "SELECT count(*) FROM event WHERE pending").await;
            laptop.none("handlers to end", "SELECT count(*) FROM run WHERE micros IS NULL").await;
        }
        self.the_metrics_agree().await;
        let mut logs = Vec::new();
        let [one, other] = &mut self.builders;
        for laptop in [&mut self.ada, &mut self.bob, one, other] {
            let (status, log) = laptop.edge.take().unwrap().stop_with_log().await;
            assert!(status.success(), "{log}");
            logs.push(log);
        }
        self.central.stop().await;
        logs.push(self.central.logs());

        let mut wrong = Vec::new();
        self.the_proxys_books(&mut wrong);
        self.the_laptops_histories(&mut wrong);
        self.bobs_order(&mut wrong);
        self.the_builders_work(&mut wrong);
        self.the_servers_arrivals(&mut wrong);
        self.the_logs(&logs, &mut wrong);
        let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n  ");
        assert!(wrong.is_empty(), "{} things are wrong:\n  {shown}", wrong.len());
        let laptops = [&self.ada, &self.bob].into_iter().chain(&self.builders);
        leftovers::no_process(self.central.folder());
        laptops.for_each(|laptop| leftovers::no_process(laptop.machine.folder()));
        self.tells("every event is accounted for");
    }

    fn fate(&self, event: &str, worker: &str) -> Fate {
        self.fates.get(&(event.to_owned(), worker.to_owned())).copied().unwrap_or(Fate::Delivered)
    }

    /// Exactly what was accepted is there, byte for byte, with exactly one way
    /// to each worker that it was for, and that ended as it should have.
    fn the_proxys_books(&self, wrong: &mut Vec<String>) {
        let books = self.central.books();
        let mut events = bodies(&books);
        let mut ways = deliveries(&books);
        for entry in self.ledger.entries() {
            match events.remove(&entry.id) {
                None => wrong.push(format!("{} is lost at the proxy, or entered twice", entry.id)),
                Some(body) if body != entry.body => {
                    wrong.push(format!("{} is changed at the proxy", entry.id))
                }
                Some(_) => {}
            }
            for worker in self.workers_for(&entry) {
                let way = (entry.id.clone(), worker.to_owned());
                let made = ways.remove(&way).unwrap_or_default();
                let (replayed, made): (Vec<_>, Vec<_>) = made.into_iter().partition(|one| one.replay > 0);
                let replays = self.replays.get(&way).copied().unwrap_or(0);
                if replayed.len() != replays || replayed.iter().any(|one| one.state != 1) {
                    wrong.push(format!("{way:?}: not every replay was delivered"));
                }
                let wanted = match self.fate(&entry.id, worker) {
                    Fate::Delivered => 1,
                    Fate::Skipped => 3,
                    Fate::Held => 4,
                    Fate::Discarded => 5,
                };
                let found: Vec<_> = made.iter().map(|one| one.state).collect();
                if found != [wanted] {
                    wrong.push(format!("{way:?}: states {found:?} instead of one {wanted}"));
                }
            }
        }
        wrong.extend(events.keys().map(|id| format!("{id} is at the proxy, and nobody posted it")));
        wrong.extend(ways.keys().map(|way| format!("{way:?}: nobody wanted it")));
        let sound: String = books.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        if sound != "ok" {
            wrong.push(format!("the proxy's file: {sound}"));
        }
    }

    /// Each event once, byte for byte; and at the forward target too.
    fn the_laptops_histories(&self, wrong: &mut Vec<String>) {
        for (name, laptop) in [("ada", &self.ada), ("bob", &self.bob)] {
            let history = laptop.history();
            let count = history.len();
            let mut kept: BTreeMap<_, _> = history.into_iter().collect();
            if kept.len() != count {
                wrong.push(format!("{name}: {} events are there twice", count - kept.len()));
            }
            let mut forwarded = BTreeMap::new();
            for request in laptop.target.requests() {
                let id = DELIVERY.iter().find_map(|name| request.headers.get(name)).unwrap_or_default();
                forwarded.insert(id.to_owned(), request.body);
            }
            for entry in self.ledger.entries() {
                if kept.remove(&entry.id).is_none_or(|body| body != entry.body) {
                    wrong.push(format!("{name}: {} is missing or changed", entry.id));
                }
                if forwarded.remove(&entry.delivery).is_none_or(|body| body != entry.body) {
                    wrong.push(format!("{name}: {} was not forwarded as it came", entry.id));
                }
            }
            wrong.extend(kept.keys().map(|id| format!("{name}: nobody sent {id}")));
            wrong
                .extend(forwarded.keys().map(|id| format!("{name}: nobody sent {id}, and it was forwarded")));
        }
    }

    /// Bob asked for an order: of each issue, and each pull request, what was
    /// accepted earlier arrives earlier.
    fn bobs_order(&self, wrong: &mut Vec<String>) {
        let books = self.central.books();
        let mut query = books.prepare("SELECT id FROM events ORDER BY seq").unwrap();
        let rows = query.query_map([], |row| Ok(EventId::from_bytes(row.get(0)?).to_string())).unwrap();
        let accepted: Vec<_> = rows.map(Result::unwrap).collect();
        let arrived: Vec<_> = self.bob.history().into_iter().map(|(id, _)| id).collect();
        let of = self.ledger.entries();
        let of: BTreeMap<_, _> =
            of.iter().map(|entry| (&entry.id, (entry.provider.as_str(), entry.about))).collect();
        let in_turn = |ids: &[String]| {
            let mut turns: BTreeMap<_, Vec<String>> = BTreeMap::new();
            for id in ids {
                turns.entry(of.get(id).copied()).or_default().push(id.clone());
            }
            turns
        };
        let (accepted, arrived) = (in_turn(&accepted), in_turn(&arrived));
        for (entity, turn) in accepted {
            if arrived.get(&entity) != Some(&turn) {
                wrong.push(format!("bob: the events of {entity:?} came in another order"));
            }
        }
    }

    /// What a server took it took once, byte for byte; more often only what the
    /// proxy has more attempts of, or could not write down.
    fn the_servers_arrivals(&self, wrong: &mut Vec<String>) {
        let ways = deliveries(&self.central.books());
        for server in [&self.ci, &self.staging] {
            let mut taken: BTreeMap<String, Vec<_>> = BTreeMap::new();
            for arrived in server.arrived().into_iter().filter(|arrived| arrived.taken) {
                taken.entry(arrived.id).or_default().push(arrived.body);
            }
            for entry in self.ledger.entries() {
                let way = (entry.id.clone(), server.id.clone());
                for one in ways.get(&way).into_iter().flatten() {
                    let id = if one.replay > 0 {
                        format!("{}.r{}", entry.id, one.replay)
                    } else {
                        entry.id.clone()
                    };
                    let bodies = taken.remove(&id).unwrap_or_default();
                    let delivered = one.state == 1;
                    let unwritten = usize::from(self.ledger.is_uncertain(&entry.id));
                    let most = if delivered { usize::try_from(one.attempts).unwrap() + unwritten } else { 0 };
                    if bodies.len() < usize::from(delivered) || bodies.len() > most {
                        let times = bodies.len();
                        wrong.push(format!(
                            "{}: {id} was taken {times} times, at most {most} may be",
                            server.name
                        ));
                    }
                    if bodies.iter().any(|body| *body != entry.body) {
                        wrong.push(format!("{}: {id} was changed", server.name));
                    }
                }
            }
            wrong.extend(taken.keys().map(|id| format!("{}: nobody sent {id}", server.name)));
        }
    }

    /// No program panicked, and none printed a secret.
    fn the_logs(&self, logs: &[String], wrong: &mut Vec<String>) {
        for line in logs.iter().flat_map(|log| log.lines()) {
            let told = self.secrets.iter().any(|secret| line.contains(secret.reveal()));
            let looks = PREFIXES.iter().any(|prefix| {
                line.match_indices(prefix).any(|(at, _)| {
                    let rest = line[at + prefix.len()..].chars();
                    rest.take_while(|c| c.is_ascii_alphanumeric() || "-_+/".contains(*c)).count() >= AT_LEAST
                })
            });
            if told || looks {
                wrong.push("a secret stands in a log".to_owned());
            }
            if line.contains("panicked") {
                wrong.push(line.to_owned());
            }
        }
    }

    /// What the metrics have counted since counting began is what the books
    /// have; what they measure is how things stand.
    async fn the_metrics_agree(&self) {
        let mut differ = Vec::new();
        let agreed = tokio::time::timeout(DEADLINE, async {
            loop {
                let (metrics, books) = (self.central.metrics().await, self.totals());
                differ = unlike(&metrics);
                differ.extend(differences(&self.counted, &Counted { metrics, books }));
                if differ.is_empty() {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        let agreed = agreed.await.is_ok();
        assert!(agreed, "metrics and books differ:\n  {}", differ.join("\n  "));
    }

    /// What the counters should say, since the proxy's beginning: from the
    /// ledger what was accepted and refused, from the database what was tried.
    fn totals(&self) -> BTreeMap<String, f64> {
        let mut totals = BTreeMap::new();
        totals.insert("postern_ingest_accepted_total".to_owned(), self.ledger.len() as f64);
        totals.insert("postern_ingest_duplicate_total".to_owned(), self.ledger.repeated() as f64);
        for (code, count) in self.ledger.refusals() {
            totals.insert(format!("postern_ingest_rejected_total{{code=\"{code}\"}}"), count as f64);
        }
        let mismatches = self.ledger.refusals().get("signature.mismatch").copied().unwrap_or(0);
        let failures = "postern_ingest_signature_failures_total{provider=\"linear\"}";
        totals.insert(failures.to_owned(), mismatches as f64);
        let books = self.central.books();
        let died = "SELECT count(*) FROM deliveries WHERE redriven > 0 OR state = 5";
        let died = books.query_row(died, [], |row| row.get(0)).unwrap();
        totals.insert("postern_deliveries_dead_total".to_owned(), died);
        let mut query = books.prepare("SELECT outcome, count(*) FROM attempts GROUP BY outcome").unwrap();
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?))).unwrap();
        for (outcome, count) in rows.map(Result::unwrap) {
            totals.insert(format!("postern_delivery_attempts_total{{outcome=\"{outcome}\"}}"), count);
        }
        totals
    }
}

/// What the gauges say in the evening that is not so.
fn unlike(metrics: &BTreeMap<String, f64>) -> Vec<String> {
    let unlike = EVENING.iter().filter(|(name, value)| metrics.get(*name) != Some(value));
    unlike.map(|(name, value)| format!("{name}: {:?} instead of {value}", metrics.get(*name))).collect()
}

/// Of every counter of the books, where what was counted between differs.
fn differences(from: &Counted, to: &Counted) -> Vec<String> {
    let since = |from: &BTreeMap<String, f64>, to: &BTreeMap<String, f64>, name: &str| {
        to.get(name).unwrap_or(&0.0) - from.get(name).unwrap_or(&0.0)
    };
    let counters = [
        "postern_ingest_accepted",
        "postern_ingest_duplicate",
        "postern_ingest_rejected",
        "postern_delivery_attempts_total",
    ];
    let names = to.metrics.keys().filter(|name| counters.iter().any(|counter| name.starts_with(counter)));
    let names: std::collections::BTreeSet<_> = names.chain(to.books.keys()).collect();
    let differ = names.into_iter().filter_map(|name| {
        let (metrics, books) = (since(&from.metrics, &to.metrics, name), since(&from.books, &to.books, name));
        (metrics != books).then(|| format!("{name}: {metrics} in the metrics, {books} in the books"))
    });
    differ.collect()
}

/// Every event's body, by id.
fn bodies(books: &Connection) -> BTreeMap<String, Vec<u8>> {
    let mut query = books.prepare("SELECT id, body FROM events").unwrap();
    let rows = query.query_map([], |row| Ok((EventId::from_bytes(row.get(0)?).to_string(), row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Every delivery, by event and worker.
fn deliveries(books: &Connection) -> BTreeMap<(String, String), Vec<Delivery>> {
    let sql = "SELECT events.id, workers.id, deliveries.state, replay, attempts FROM deliveries \
               JOIN events ON events.seq = deliveries.event JOIN workers ON workers.no = deliveries.worker";
    let mut query = books.prepare(sql).unwrap();
    let rows = query.query_map([], |row| {
        let way =
            (EventId::from_bytes(row.get(0)?).to_string(), WorkerId::from_bytes(row.get(1)?).to_string());
        Ok((way, Delivery { state: row.get(2)?, replay: row.get(3)?, attempts: row.get(4)? }))
    });
    let mut ways: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (way, delivery) in rows.unwrap().map(Result::unwrap) {
        ways.entry(way).or_default().push(delivery);
    }
    ways
}
