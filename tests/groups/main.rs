//! A claim group of real programs: three `postern serve --group`, each
//! forwarding to a server of its own. One is killed while it holds entities:
//! the others take over, each event is completed exactly once by the record,
//! those of an entity one after the other; and what the killed one finds in its
//! history when it is back is left to those who have it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::extract::State;
use http::StatusCode;
use postern_testkit::{EdgeProcess, Machine, ProxyHome, Sender, client, leftovers, within};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

const ENTITIES: usize = 6;
const EACH: usize = 4;
/// A record is in another process.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A server that does the work: at once, or, while it is closed, never.
struct Workshop {
    url: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

struct Shared {
    begun: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Workshop {
    async fn start() -> Self {
        let shared = Arc::new(Shared {
            begun: Mutex::new(Vec::new()),
            count: watch::Sender::new(0),
            open: watch::Sender::new(true),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let app = Router::new().fallback(work).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // Ends with the test.
            let _ = axum::serve(listener, app).await;
        });
        Self { url: format!("http://{address}/work"), shared, _server: AbortOnDropHandle::new(server) }
    }

    /// The events it has begun, in the order in which it did.
    fn begun(&self) -> Vec<String> {
        self.shared.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn has_begun(&self, count: usize) {
        let mut now = self.shared.count.subscribe();
        let begun = within(&format!("{count} events at a server"), now.wait_for(|now| *now >= count)).await;
        drop(begun.expect("the server outlives its own wait"));
    }
}

async fn work(State(shared): State<Arc<Shared>>, headers: http::HeaderMap) -> StatusCode {
    let event = headers.get("postern-event-id").and_then(|id| id.to_str().ok());
    let event = event.expect("a forwarded event has its id").to_owned();
    shared.begun.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    shared.count.send_modify(|count| *count += 1);
    // A closed one neither answers nor forgets.
    let opened = shared.open.subscribe().wait_for(|open| *open).await.map(|_| ());
    if opened.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

struct Member {
    machine: Machine,
    edge: EdgeProcess,
    workshop: Workshop,
}

impl Member {
    async fn start(proxy: &postern_testkit::ProxyProcess) -> Self {
        let machine = Machine::new().signed_in(proxy.url(), proxy.token());
        let edge = machine.serve_with(&["--group", "builders"]).await;
        edge.live().await;
        let workshop = Workshop::start().await;
        machine.ask(&["forward", "set", &workshop.url]).await;
        Self { machine, edge, workshop }
    }
}

fn issue(entity: usize, n: usize) -> Vec<u8> {
    let body = json!({
        "action": "update", "type": "Issue", "createdAt": "2026-11-22T10:00:00.000Z",
        "data": {"id": format!("issue-{entity}"), "identifier": format!("ENG-{entity}"), "title": format!("Change {n}"),
                 "team": {"key": "ENG"}},
        "organizationId": "8a2c1d5e-3f74-4b7a-9c61-0d2e4f6a8b13", "webhookId": "000042e3-d123-4980-b49f-8e140eef9329",
    });
    body.to_string().into_bytes()
}

async fn post(sender: &Sender, entity: usize, n: usize) -> String {
    let (status, answer) =
        sender.ask_body(&Sender::new_delivery(), issue(entity, n).into()).await.expect("the proxy answers");
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_slice(&answer).expect("a receipt is JSON");
    answer["eventId"].as_str().expect("a receipt names the event").to_owned()
}

/// What the proxy has on record of an event.
async fn record(proxy: &postern_testkit::ProxyProcess, event: &str) -> Value {
    let url = format!("{}/v1/events/{event}", proxy.url());
    let answer = client().get(url).bearer_auth(proxy.token().reveal()).send().await;
    answer.expect("the proxy answers").json().await.expect("a record is JSON")
}

async fn completed(proxy: &postern_testkit::ProxyProcess, event: &str) -> Value {
    within(&format!("{event} to be completed"), async {
        loop {
            let record = record(proxy, event).await;
            if record["deliveries"][0]["state"] == "delivered" {
                return record;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await
}

fn reports<'r>(record: &'r Value, status: &str) -> Vec<&'r Value> {
    let reports = record["deliveries"][0]["reports"].as_array().expect("a delivery has reports");
    reports.iter().filter(|report| report["status"] == status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_what_a_killed_one_held() {
    let home = ProxyHome::new().with("POSTERN_DELIVERY__CLAIM_LEASE", "2s");
    let proxy = home.dev().await;
    let sender = Sender::linear(proxy.source_url(), proxy.source_secret());
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(Member::start(&proxy).await);
    }
    // One of them never ends what it begins.
    let victim = members.remove(0);
    victim.workshop.shared.open.send_replace(false);

    let mut events: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for n in 0..EACH {
        for entity in 0..ENTITIES {
            events.entry(entity).or_default().push(post(&sender, entity, n).await);
        }
    }
    victim.workshop.has_begun(2).await;
    let Member { machine, edge, workshop } = victim;
    edge.kill_9().await;
    let held = workshop.begun();

    let mut taken_over = 0;
    for of_entity in events.values() {
        let mut before = 0;
        for event in of_entity {
            let record = completed(&proxy, event).await;
            assert_eq!(record["deliveries"].as_array().map(Vec::len), Some(1), "one for the group: {record}");
            let done = reports(&record, "completed");
            assert_eq!(done.len(), 1, "completed once: {record}");
            let at = done[0]["at"].as_i64().expect("a report has its time");
            assert!(at >= before, "those of an entity in order");
            before = at;
            let expired = reports(&record, "expired");
            assert!(expired.iter().all(|report| report["workerId"] != done[0]["workerId"]), "{record}");
            taken_over += usize::from(held.contains(event) && !expired.is_empty());
            // Who had it, and who had not, is said of each.
            let told: Vec<_> = record["workers"].as_array().expect("each worker is told of").iter().collect();
            assert_eq!(told.len(), 3);
            let of = |code: &str| told.iter().filter(|reason| reason["code"] == code).count();
            assert_eq!((of("delivered"), of("other_member")), (1, 2), "{record}");
        }
    }
    assert_eq!(taken_over, held.len(), "what was held was taken over");
    for (entity, of_entity) in &events {
        for member in &members {
            let begun = member.workshop.begun();
            let order: Vec<_> = begun.iter().filter(|event| of_entity.contains(event)).collect();
            let mut sorted = order.clone();
            sorted.sort_by_key(|event| of_entity.iter().position(|other| other == *event));
            assert_eq!(order, sorted, "entity {entity}");
        }
    }

    // Back again, it leaves to the others what is theirs, and takes what is new.
    workshop.shared.open.send_replace(true);
    let begun = workshop.begun().len();
    let edge = machine.serve_with(&["--group", "builders"]).await;
    edge.live().await;
    within("what was held to be left to others", async {
        loop {
            let page = machine.ask(&["events", "list", "--limit", "100"]).await;
            let rows = page["rows"].as_array().expect("a page has rows").clone();
            let left = rows.iter().filter(|row| row["outcome"]["label"] == "left to another").count();
            if left == held.len() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    assert_eq!(workshop.begun().len(), begun, "nothing is done twice");
    let new: Vec<String> = {
        let mut new = Vec::new();
        for entity in 100..112 {
            new.push(post(&sender, entity, 0).await);
        }
        new
    };
    for event in &new {
        completed(&proxy, event).await;
    }
    assert!(workshop.begun().len() > begun, "it shares the work again");

    assert!(edge.stop().await.success());
    for member in members {
        assert!(member.edge.stop().await.success());
        leftovers::no_process(member.machine.folder());
    }
    assert!(proxy.stop().await.success());
    leftovers::no_process(home.folder());
    leftovers::no_process(machine.folder());
}
