//! A claim group over HTTP: headers, reports, what is refused, and why each
//! worker got an event or did not.

use crate::harness::{Answer, Proxy, Receiver, Registered};
use postern_protocol::Provider;
use postern_protocol::api::{EventDetail, ReasonCode, WorkStatus, WorkerList};
use postern_protocol::id::EventId;
use postern_proxy::store::{Next, Store};
use serde_json::{Value, json};

/// A receiver that is a member of the claim group `builders`.
async fn member(proxy: &mut Proxy, name: &str) -> (Receiver, Registered) {
    let receiver = Receiver::start().await;
    let mut request = proxy.registration(&receiver.url());
    request["name"] = json!(name);
    request["group"] = json!({"name": "builders", "mode": "claim"});
    let worker = proxy.register_pending(&receiver, &request).await;
    assert_eq!(proxy.settled().await, (worker.id, Ok(())));
    (receiver, worker)
}

async fn report(proxy: &Proxy, worker: &Registered, event: EventId, body: Value) -> Answer {
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let path = format!("/edge/events/{event}/status");
    proxy.post(&path, &[("authorization", bearer.as_bytes())], body.to_string().as_bytes()).await
}

#[tokio::test]
async fn a_claim_is_renewed_lost_and_completed() {
    let mut proxy = Proxy::with("[delivery]\nclaim_lease = \"30s\"\n").await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut members = [member(&mut proxy, "one").await, member(&mut proxy, "two").await];
    let event = proxy.event(&source, 1).await;
    let finish = proxy.finished().await;
    assert_eq!(finish.next, Next::Delivered);
    let holder = usize::from(members[1].1.id == finish.worker);
    let (receiver, _) = &mut members[holder];
    let delivery = receiver.delivery().await;
    let header = |name: &str| delivery.header(name);
    assert_eq!(
        (header("postern-group"), header("postern-claim"), header("postern-claim-lease")),
        ("builders", "1", "30")
    );
    let (first, other) = (&members[holder].1, &members[1 - holder].1);

    let renewed = report(&proxy, first, event, json!({"status": "processing", "claim": 1})).await;
    assert_eq!(renewed.status, 200);
    assert_eq!(renewed.json::<Value>(), json!({"leaseSeconds": 30}));
    let not_theirs = report(&proxy, other, event, json!({"status": "completed"})).await;
    assert_eq!(not_theirs.error(), "409 claim.lost");
    let wrong = report(&proxy, first, event, json!({"status": "completed", "claim": 2})).await;
    assert_eq!(wrong.error(), "409 claim.lost");
    let said_by_the_proxy = report(&proxy, first, event, json!({"status": "expired"})).await;
    assert_eq!(said_by_the_proxy.error(), "400 request.malformed");

    // Nothing more is heard of it: the other one takes over.
    proxy.turn(30_001);
    let finish = proxy.finished().await;
    assert_eq!((finish.worker, finish.next), (other.id, Next::Delivered));
    let late = report(&proxy, first, event, json!({"status": "completed", "claim": 1})).await;
    assert_eq!(late.error(), "409 claim.lost");
    let done = report(&proxy, other, event, json!({"status": "completed", "claim": 2})).await;
    assert_eq!(done.status, 200);
    let again = report(&proxy, other, event, json!({"status": "completed", "claim": 2})).await;
    assert_eq!(again.status, 200, "its answer may have been lost");
    let record = proxy.record(event).await;
    let told: Vec<_> =
        record.deliveries[0].reports.iter().map(|report| (report.status, report.worker_id)).collect();
    assert_eq!(
        told,
        [
            (WorkStatus::Processing, Some(first.id)),
            (WorkStatus::Expired, Some(first.id)),
            (WorkStatus::Completed, Some(other.id))
        ]
    );
    let workers: WorkerList = proxy.get("/v1/workers", &proxy.token.clone()).await.json();
    assert!(workers.workers.iter().all(|w| w.group.as_ref().is_some_and(|g| g.name.as_str() == "builders")));
}

#[tokio::test]
async fn a_failure_follows_the_policy_to_its_end() {
    let schedule = "schedule = [\"immediate\", \"5s\"]\njitter = 0.0\n";
    let mut proxy = Proxy::with(&format!("[delivery]\n{schedule}")).await;
    let source = proxy.make_source(Provider::Linear).await;
    let members = [member(&mut proxy, "one").await, member(&mut proxy, "two").await];
    let event = proxy.event(&source, 1).await;
    let by = |id| members.iter().map(|(_, worker)| worker).find(|worker| worker.id == id).unwrap();
    let first = proxy.finished().await.worker;
    let failed = json!({"status": "failed", "reason": "the build broke"});
    assert_eq!(report(&proxy, by(first), event, failed.clone()).await.status, 200);
    proxy.turn(5_000);
    let second = proxy.finished().await.worker;
    assert_ne!(second, first, "another member's turn");
    assert_eq!(report(&proxy, by(second), event, failed).await.status, 200);
    let record = proxy.record(event).await;
    let ended = record.deliveries[0].ended.clone().unwrap();
    assert_eq!(ended.reason.as_deref(), Some("exhausted"));
    let late = report(&proxy, by(second), event, json!({"status": "completed"})).await;
    assert_eq!(late.error(), "409 claim.lost");
}

#[tokio::test]
async fn a_registration_says_which_group() {
    let mut proxy = Proxy::start().await;
    let (receiver, worker) = member(&mut proxy, "one").await;
    let mut request = proxy.registration(&receiver.url());
    for wrong in
        [json!({"name": "", "mode": "claim"}), json!({"name": "a b"}), json!({"name": "a", "mode": "x"})]
    {
        request["group"] = wrong;
        assert_eq!(proxy.register_with(&request, None).await.error(), "400 request.malformed");
    }
    let path = format!("/edge/workers/{}/lease", worker.id);
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let renew = async |body: Value| {
        proxy.post(&path, &[("authorization", bearer.as_bytes())], body.to_string().as_bytes()).await
    };
    let group = async || proxy.store.worker(worker.id).await.unwrap().unwrap().group;
    assert_eq!(renew(json!({})).await.status, 200);
    assert!(group().await.is_some(), "left as it is");
    assert_eq!(renew(json!({"group": null})).await.status, 200);
    assert_eq!(group().await, None);
    assert_eq!(renew(json!({"group": {"name": "night", "mode": "fanout"}})).await.status, 200);
    assert_eq!(group().await.unwrap().name.as_str(), "night");
}

#[tokio::test]
async fn a_record_says_why_each_worker_got_it_or_not() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let members = [member(&mut proxy, "one").await, member(&mut proxy, "two").await];
    let alone = |name: &str, capabilities: Value| {
        let mut request = proxy.registration("");
        request["name"] = json!(name);
        request["capabilities"] = capabilities;
        request.as_object_mut().unwrap().remove("webhookUrl");
        request
    };
    let comments = alone("comments", json!(["Comment", "Project.create"]));
    let no_issues = alone("no-issues", json!(["!Issue"]));
    let paused = alone("paused", json!([]));
    let mut ids = Vec::new();
    for request in [&comments, &no_issues, &paused] {
        let answer = proxy.register_with(request, None).await;
        ids.push(answer.json::<Value>());
    }
    let path = format!("/edge/workers/{}/lease", ids[2]["workerId"].as_str().unwrap());
    let bearer = format!("Bearer {}", ids[2]["credential"].as_str().unwrap());
    let paused = proxy.post(&path, &[("authorization", bearer.as_bytes())], br#"{"paused":true}"#).await;
    assert_eq!(paused.status, 200);
    let event = proxy.event(&source, 1).await;
    let holder = proxy.finished().await.worker;
    proxy.turn(1_000);
    let late = Receiver::start().await;
    let mut request = proxy.registration(&late.url());
    request["name"] = json!("late");
    let late = proxy.register_pending(&late, &request).await;

    let detail: EventDetail = proxy.get(&format!("/v1/events/{event}"), &proxy.token.clone()).await.json();
    let of = |name: &str| {
        let reason = detail.record.workers.iter().find(|reason| reason.worker == name).unwrap();
        (reason.code, reason.reason.clone(), reason.terms.clone(), reason.delivery_id.is_some())
    };
    assert_eq!(detail.record.workers.len(), 6);
    for (_, worker) in &members {
        let code = detail.record.workers.iter().find(|r| r.worker_id == worker.id).unwrap().code;
        let expected = if worker.id == holder { ReasonCode::Claimed } else { ReasonCode::OtherMember };
        assert_eq!(code, expected);
    }
    let (code, reason, terms, _) = of("comments");
    assert_eq!(
        (code, terms),
        (ReasonCode::FilterDoesNotTake, vec!["Comment".into(), "Project.create".into()])
    );
    assert_eq!(reason, "None of its capabilities takes the event: Comment, Project.create.");
    let (code, reason, terms, _) = of("no-issues");
    assert_eq!((code, terms), (ReasonCode::FilterRefuses, vec!["!Issue".to_owned()]));
    assert_eq!(reason, "Its capability `!Issue` refuses the event.");
    assert_eq!(of("paused").0, ReasonCode::Paused);
    assert!(of("paused").3, "its delivery waits");
    assert_eq!(of("late").0, ReasonCode::RegisteredLater);
    assert!(detail.record.workers.iter().any(|reason| reason.worker_id == late.id));
}
