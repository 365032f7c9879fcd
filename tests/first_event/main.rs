//! The path of the first event, as a newcomer walks it, with the programs as
//! they are shipped: a proxy started by one command, a worker started by
//! another, `trigger`, and the event is in the history and at the target.
//! Then each side is restarted, and the next event arrives all the same.

use postern_protocol::signature::linear;
use postern_testkit::{Machine, Process, ProxyHome, Receiver, Sender};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_event_arrives_and_restarts_lose_none() {
    let home = ProxyHome::new();
    let proxy = home.dev().await;
    let secret = proxy.source_secret();
    let target = Receiver::start().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let edge = machine.serve().await;
    edge.live().await;
    machine.ask(&["forward", "set", &target.url("/hooks?from=postern")]).await;

    // The first event: the provider's own signature holds at the far end.
    let made = machine.ask(&["trigger", "linear", "Issue.create"]).await;
    let forwarded = target.nth(1).await;
    assert_eq!((forwarded.method.as_str(), forwarded.target.as_str()), ("POST", "/hooks?from=postern"));
    linear::verify(std::slice::from_ref(&secret), &forwarded.headers, &forwarded.body, None)
        .expect("the source's secret made the signature over the forwarded body");
    let body: Value = serde_json::from_slice(&forwarded.body).unwrap();
    assert_eq!((&body["type"], &body["action"]), (&"Issue".into(), &"create".into()));
    assert_eq!(newest(&machine).await["id"], made["eventId"]);
    assert_eq!(newest(&machine).await["name"], "Issue.create");

    // The proxy is gone and comes back: the edge finds it by itself.
    proxy.kill_9().await;
    let proxy = home.dev().await;
    let sender = Sender::linear(proxy.source_url(), secret);
    let second = Sender::new_delivery();
    sender.deliver(&second).await;
    assert_eq!(target.nth(2).await.headers.get("linear-delivery"), Some(second.as_str()));

    // The edge is gone: what arrives meanwhile is held for it.
    assert!(edge.stop().await.success());
    let held = [Sender::new_delivery(), Sender::new_delivery()];
    for delivery in &held {
        sender.deliver(delivery).await;
    }
    assert_eq!(target.requests().len(), 2);
    let edge = machine.serve().await;
    let mut arrived = [target.nth(3).await, target.nth(4).await]
        .map(|request| request.headers.get("linear-delivery").unwrap_or_default().to_owned());
    arrived.sort();
    let mut expected = held;
    expected.sort();
    assert_eq!(arrived, expected);

    assert!(edge.stop().await.success());
    // With nothing running, the history is still there to be read.
    let page = machine.ask(&["events", "list", "--type", "Issue"]).await;
    assert_eq!(page["total"], 4);
    assert!(proxy.stop().await.success());
}

/// Whoever has the `x-request-id` of a provider finds the event by it on each
/// side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_id_is_found_at_every_hop() {
    let home = ProxyHome::new()
        .with("POSTERN_LOG__FORMAT", "json")
        .with("POSTERN_LOG__LEVEL", "info,postern_proxy=debug");
    let proxy = home.dev().await;
    let machine =
        Machine::new().signed_in(proxy.url(), proxy.token()).with("RUST_LOG", "info,postern_edge=debug");
    let edge = machine.serve().await;
    edge.live().await;
    let sender = Sender::linear(proxy.source_url(), proxy.source_secret());
    let request = sender.request_id(&Sender::new_delivery()).await;

    // The proxy's log: what came in, and the attempt, by one event's id.
    let line = |message: &'static str| {
        move |line: &str| -> Option<Value> {
            serde_json::from_str(line).ok().filter(|line: &Value| line["message"] == message)
        }
    };
    let accepted = proxy.process().note("what was accepted", line("accepted")).await;
    assert_eq!(accepted["span"]["id"], request.as_str(), "{accepted}");
    let delivered = proxy.process().note("the attempt", line("delivered")).await;
    assert_eq!((&delivered["request"], &delivered["event"]), (&request.as_str().into(), &accepted["event"]));
    let event = accepted["event"].as_str().unwrap().to_owned();

    // Its record.
    let asked = postern_testkit::client().get(format!("{}/v1/events/{event}", proxy.url()));
    let answer = asked.bearer_auth(proxy.token().reveal()).send().await.unwrap();
    let record: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(record["requestId"], request.as_str(), "{record}");

    // The worker's log, and what it keeps of the delivery.
    let received = |line: &str| line.contains("delivery received").then(|| line.to_owned());
    let received = edge.process().note("the receipt", received).await;
    assert!(received.contains(&request) && received.contains(&event), "{received}");
    let kept = machine.ask(&["events", "show", &event]).await;
    let header = serde_json::json!(["postern-request-id", request]);
    assert!(kept["headers"].as_array().unwrap().contains(&header), "{kept}");
    assert!(edge.stop().await.success() && proxy.stop().await.success());
}

/// What this machine knows of an event is shown before the proxy was heard,
/// and when the proxy cannot be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_shown_before_the_proxy_answers() {
    let home = ProxyHome::new();
    let proxy = home.dev().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let edge = machine.serve().await;
    edge.live().await;
    let target = Receiver::start().await;
    machine.ask(&["forward", "set", &target.url("/hooks")]).await;
    let made = machine.ask(&["trigger", "linear", "Issue.create"]).await;
    let event = made["eventId"].as_str().unwrap();
    target.nth(1).await;

    let show = || Process::spawn(machine.command(&["events", "show", event]));
    let line = |wanted: &'static str| move |line: &str| (line == wanted).then_some(());
    proxy.process().sleep().await;
    let shown = show();
    shown.line("the payload", line("Payload")).await;
    assert!(!shown.log().contains("\nWorkers\n"), "{}", shown.log());
    proxy.process().wake().await;
    let (status, log) = shown.ended().await;
    let (_, asked) = log.split_once("\nWorkers\n").expect("what the proxy says is the last section");
    assert!(status.success() && !asked.contains("not known"), "{log}");

    assert!(proxy.stop().await.success());
    let (status, log) = show().ended().await;
    let (local, asked) = log.split_once("\nWorkers\n").expect("what the proxy says is the last section");
    assert!(status.success() && local.contains("\nPayload\n"), "{log}");
    assert!(asked.starts_with("  – not known: Cannot reach the proxy"), "{log}");
    assert_eq!(asked.trim().lines().count(), 1, "{log}");
    assert!(edge.stop().await.success());
}

/// The newest event of the history.
async fn newest(machine: &Machine) -> Value {
    machine.ask(&["events", "list", "--limit", "1"]).await["rows"][0].take()
}
