//! Rules: which events they take, how they forward, what is recorded.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, soon};
use crate::target::Target;
use futures_util::StreamExt;
use postern_edge::api::{
    self, Action, DryRunQuery, EventDetail, EventKey, ForwardTo, HostHeader, OutcomeKind, Repeat, Replay,
    Rule, RuleList, RulePart, RunQuery, SetForward,
};
use postern_protocol::Clock;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const DOWN: &str = "HTTP/1.1 503 Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn set(edge: &TestEdge, rules: Vec<Rule>) -> RuleList {
    let version = api::rules(&edge.handle).await.unwrap().version;
    api::set_rules(&edge.handle, RuleList { version, rules }).await.unwrap()
}

fn taking(filter: &[&str], rule: Rule) -> Rule {
    Rule { filter: filter.iter().map(|&term| term.to_owned()).collect(), ..rule }
}

fn notify(name: &str) -> Rule {
    Rule { name: name.into(), action: Action::Notify, ..Rule::forward("") }
}

/// The event once no handler is at work on it.
async fn settled(edge: &TestEdge, id: &str) -> EventDetail {
    let done = async {
        let mut live = std::pin::pin!(edge.handle.live(None));
        while live.next().await.is_some() {
            let event = api::event(&edge.handle, EventKey { id: id.into() }).await.unwrap();
            if event.summary.outcome.kind != OutcomeKind::Running {
                return event;
            }
        }
        panic!("the edge ended");
    };
    soon("the event's outcome", done).await
}

#[tokio::test]
async fn every_rule_that_takes_an_event_forwards_it() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let (mut app, mut mirror, other) = (Target::ok().await, Target::ok().await, Target::ok().await);
    let list = set(
        &edge,
        vec![
            taking(&["Issue[data.identifier == \"ENG-42\"]"], Rule::forward(app.url())),
            taking(&["Comment"], Rule::forward(other.url())),
            Rule::forward(mirror.url()),
        ],
    )
    .await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    app.next().await;
    mirror.next().await;
    let event = settled(&edge, "evt_1").await;
    let mut rules: Vec<_> = event.runs.iter().map(|run| run.rule.clone().unwrap().id).collect();
    rules.sort_unstable();
    assert_eq!(rules, [list.rules[0].id, list.rules[2].id]);
    assert_eq!(event.summary.outcome.kind, OutcomeKind::Succeeded);
    assert!(event.summary.outcome.label.starts_with("2 targets · "), "{:?}", event.summary.outcome);
    assert!(other.seen.is_empty());

    let status = edge.status().await;
    let targets: Vec<_> = status.targets.iter().map(|to| (to.rule, to.all, to.last.is_some())).collect();
    let ids: Vec<_> = list.rules.iter().map(|rule| rule.id).collect();
    assert_eq!(targets, [(ids[0], false, true), (ids[1], false, false), (ids[2], true, true)]);

    // The rule on top keeps the event from those below.
    let mut rules = list.rules;
    rules[0].stop = true;
    let list = set(&edge, rules).await;
    Delivery::new("evt_2", &edge, &proxy).post(&hook).await;
    app.next().await;
    assert_eq!(settled(&edge, "evt_2").await.runs.len(), 1);
    assert!(mirror.seen.is_empty());

    // What is off does nothing; then nobody takes it at all.
    let off = list.rules.into_iter().map(|rule| Rule { enabled: false, ..rule }).collect();
    set(&edge, off).await;
    Delivery::new("evt_3", &edge, &proxy).post(&hook).await;
    let event = settled(&edge, "evt_3").await;
    assert_eq!((event.runs.len(), event.summary.outcome.label.as_str()), (0, "no handler"));
}

#[tokio::test]
async fn one_that_fails_holds_up_no_other_and_is_named() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (silent, permits) = Target::held().await;
    let mut app = Target::ok().await;
    let dead = Rule { name: "Old app".into(), ..Rule::forward("http://127.0.0.1:9/") };
    set(&edge, vec![Rule::forward(silent.url()), dead, Rule::forward(app.url())]).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    app.next().await;
    permits.add_permits(1);
    let event = settled(&edge, "evt_1").await;
    assert_eq!(event.summary.outcome.kind, OutcomeKind::Failed);
    assert_eq!(event.summary.outcome.label, "Old app: 127.0.0.1:9 refused");
}

#[tokio::test]
async fn a_forward_has_its_own_headers_host_and_timeout() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let mut target = Target::ok().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let to = ForwardTo {
        headers: vec![
            header("X-Token", "t0p"),
            header("linear-event", "Mine"),
            header("linear-event", "Too"),
        ],
        host: HostHeader::Keep,
        ..ForwardTo::new(target.url())
    };
    let impatient = ForwardTo {
        timeout_ms: Some(100),
        ..ForwardTo::new(format!("http://{}", silent.local_addr().unwrap()))
    };
    let of = |to| Rule { action: Action::Forward(to), ..Rule::forward("") };
    set(&edge, vec![of(to), of(impatient)]).await;
    let delivery = Delivery::new("evt_1", &edge, &proxy).header("postern-original-host", "in.example");
    delivery.post(&hook).await;
    let seen = target.next().await;
    assert_eq!(seen.header("host"), Some("in.example"));
    assert_eq!(seen.header("x-token"), Some("t0p"));
    let events: Vec<_> = seen.headers.iter().filter(|(n, _)| n == "linear-event").map(|(_, v)| v).collect();
    assert_eq!(events, ["Mine", "Too"]);
    let event = settled(&edge, "evt_1").await;
    let timed_out = event.runs.iter().find(|run| run.outcome.label == "timed out").unwrap();
    assert!(timed_out.error.as_deref().unwrap().contains("within 0.1 s"), "{timed_out:?}");
}

#[tokio::test]
async fn each_try_of_a_repetition_is_recorded() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let mut down = Target::answering(DOWN).await;
    let to = ForwardTo { retry: Repeat { count: 2, wait_ms: 10 }, ..ForwardTo::new(down.url()) };
    let list = set(&edge, vec![Rule { action: Action::Forward(to), ..Rule::forward("") }]).await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    let event = settled(&edge, "evt_1").await;
    let tries: Vec<_> = event.runs.iter().map(|run| (run.attempt, run.status)).collect();
    assert_eq!(tries, [(1, Some(503)), (2, Some(503)), (3, Some(503))]);
    assert_eq!(event.summary.outcome.kind, OutcomeKind::Failed);
    for _ in 0..3 {
        down.next().await;
    }
    let runs = api::runs(&edge.handle, RunQuery { rule: Some(list.rules[0].id), limit: None }).await.unwrap();
    assert_eq!(runs.rows.iter().map(|row| row.run.attempt).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(runs.rows[0].event.id, "evt_1");
    assert_eq!(
        api::runs(&edge.handle, RunQuery { rule: Some(99), limit: None }).await.unwrap().rows.len(),
        0
    );
    assert_eq!(api::runs(&edge.handle, RunQuery { rule: None, limit: Some(2) }).await.unwrap().rows.len(), 2);

    // A refusal is not repeated.
    let gone = Target::answering("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let mut rules = list.rules;
    let Action::Forward(to) = &mut rules[0].action else { panic!() };
    to.url = gone.url();
    set(&edge, rules).await;
    Delivery::new("evt_2", &edge, &proxy).post(&hook).await;
    assert_eq!(settled(&edge, "evt_2").await.runs.len(), 1);
}

#[tokio::test]
async fn a_repetition_goes_by_the_rule_as_it_then_is() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut down = Target::answering(DOWN).await;
    let to = ForwardTo { retry: Repeat { count: 5, wait_ms: 60_000 }, ..ForwardTo::new(down.url()) };
    let list = set(&edge, vec![Rule { action: Action::Forward(to), ..Rule::forward("") }]).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    down.next().await;
    // It ends while the event waits; after the restart the event goes to where
    // the rule then leads, and the event counts as handled once.
    let edge = edge.restart().await;
    let mut app = Target::answering(OK).await;
    edge.until("live", |s| matches!(s.connection, api::Connection::Live { .. })).await;
    let mut rules = api::rules(&edge.handle).await.unwrap().rules;
    assert_eq!(rules, list.rules);
    let Action::Forward(to) = &mut rules[0].action else { panic!() };
    to.url = app.url();
    set(&edge, rules).await;
    let replayed =
        api::replay(&edge.handle, Replay { id: "evt_1".into(), ..Replay::default() }).await.unwrap();
    assert_eq!(replayed.rule.unwrap().id, list.rules[0].id);
    assert_eq!(app.next().await.header("postern-event-id"), Some("evt_1"));
}

#[tokio::test]
async fn those_that_took_an_event_do_not_get_it_again_after_a_restart() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (mut app, mut down) = (Target::ok().await, Target::answering(DOWN).await);
    let to = ForwardTo { retry: Repeat { count: 1, wait_ms: 60_000 }, ..ForwardTo::new(down.url()) };
    let waits = Rule { action: Action::Forward(to), ..Rule::forward("") };
    set(&edge, vec![Rule::forward(app.url()), waits]).await;
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    app.next().await;
    down.next().await;
    let ended =
        |event: &EventDetail| event.runs.len() == 2 && event.runs.iter().all(|run| run.micros.is_some());
    let both = async {
        let mut live = std::pin::pin!(edge.handle.live(None));
        while live.next().await.is_some() {
            if ended(&api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap()) {
                return;
            }
        }
    };
    soon("both runs", both).await;
    let waiting = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!(waiting.summary.outcome.label, "503 · again in 60.0 s");
    let edge = edge.restart().await;
    down.next().await;
    edge.until("live", |s| matches!(s.connection, api::Connection::Live { .. })).await;
    assert!(app.seen.is_empty());
    assert!(edge.status().await.targets.iter().all(|target| target.last.is_some()), "remembered");
}

#[tokio::test]
async fn of_two_clients_the_second_is_told() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let read = api::rules(&edge.handle).await.unwrap();
    let one = RuleList { rules: vec![Rule::forward("3000")], ..read.clone() };
    let set = api::set_rules(&edge.handle, one.clone()).await.unwrap();
    assert_eq!(set.rules[0].name, "localhost:3000");
    assert!(set.version > read.version && set.rules[0].id > 0);
    let refused = api::set_rules(&edge.handle, one).await.unwrap_err();
    assert_eq!(refused.code, "edge.rules_changed");
    assert_eq!(api::rules(&edge.handle).await.unwrap(), set);
    assert_eq!(edge.status().await.rules_version, set.version);

    let status = api::set_forward(&edge.handle, SetForward { url: Some("4000".into()) }).await.unwrap();
    assert_eq!(status.targets[0].url, "http://localhost:4000/");
    assert_eq!(status.targets[0].rule, set.rules[0].id, "the rule stays itself");
    assert!(status.rules_version > set.version);

    let bad =
        RuleList { version: status.rules_version, rules: vec![taking(&["Issue."], Rule::forward("1"))] };
    let refused = api::set_rules(&edge.handle, bad).await.unwrap_err();
    assert_eq!(refused.code, "request.malformed");
    assert!(refused.message.starts_with("rule 1: the filter `Issue.`, character 7: "), "{}", refused.message);
    assert_eq!(edge.status().await.rules_version, status.rules_version);
}

#[tokio::test]
async fn a_dry_run_says_who_would_take_what() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    let comment = r#"{"type":"Comment","action":"create"}"#;
    let comment = Delivery::new("evt_2", &edge, &proxy).body(comment);
    comment.post(&hook).await;
    let drafts = vec![
        taking(&["Issue[data.state.name == \"Done\"]"], notify("done")),
        Rule::forward("3000"),
        Rule { enabled: false, ..Rule::forward("4000") },
    ];
    let query = |rules| DryRunQuery { rules, limit: None };
    let run = api::dry_run(&edge.handle, query(Some(drafts.clone()))).await.unwrap();
    assert_eq!(run.problem, None);
    let rows: Vec<_> = run.rows.iter().map(|row| (row.event.id.as_str(), row.rules.as_slice())).collect();
    assert_eq!(rows, [("evt_2", &[1][..]), ("evt_1", &[0, 1])]);
    assert_eq!(api::rules(&edge.handle).await.unwrap().rules, [], "nothing is set");

    let saved = api::dry_run(&edge.handle, query(None)).await.unwrap();
    assert!(saved.rows.iter().all(|row| row.rules.is_empty()) && saved.rows.len() == 2);
    let wrong = vec![taking(&["Issue", "Café[x"], Rule::forward("3000"))];
    let problem = api::dry_run(&edge.handle, query(Some(wrong))).await.unwrap().problem.unwrap();
    assert_eq!(
        (problem.part, problem.rule, problem.item, problem.at),
        (RulePart::Filter, 0, Some(1), Some(7))
    );
    let refused = api::dry_run(&edge.handle, DryRunQuery { rules: None, limit: Some(101) }).await;
    assert_eq!(refused.unwrap_err().code, "request.malformed");
}

#[tokio::test]
async fn notify_rules_say_which_events_are_told() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    Delivery::new("evt_1", &edge, &proxy).post(&hook).await;
    set(&edge, vec![taking(&["Issue"], notify("Issues")), notify("All")]).await;
    Delivery::new("evt_2", &edge, &proxy).post(&hook).await;
    set(&edge, vec![taking(&["Comment"], notify("Comments"))]).await;
    Delivery::new("evt_3", &edge, &proxy).post(&hook).await;
    let told = async |id: &str| {
        let summary = settled(&edge, id).await.summary;
        (summary.notify, summary.outcome.label)
    };
    assert_eq!(told("evt_1").await, (None, "no handler".into()));
    assert_eq!(told("evt_2").await, (Some(vec!["Issues".into(), "All".into()]), "notified".into()));
    assert_eq!(told("evt_3").await, (Some(vec![]), "no handler".into()));
}

#[tokio::test]
async fn a_run_of_a_stale_event_says_so() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut target = Target::ok().await;
    set(&edge, vec![Rule::forward(target.url())]).await;
    let body = format!(r#"{{"type":"Issue","action":"create","webhookTimestamp":{}}}"#, edge.clock.now().0);
    Delivery::new("evt_1", &edge, &proxy).body(body).post(&edge.hook().await).await;
    target.next().await;
    assert_eq!(settled(&edge, "evt_1").await.runs[0].warning, None);
    edge.clock.turn(3 * 3_600_000);
    let run = api::replay(&edge.handle, Replay { id: "evt_1".into(), ..Replay::default() }).await.unwrap();
    assert_eq!(
        run.warning.as_deref(),
        Some("the signature's time is 3 h old; the app's own verification may refuse it")
    );
}

#[tokio::test]
async fn a_replay_goes_as_a_chosen_rule_sends() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (mut first, mut chosen) = (Target::ok().await, Target::ok().await);
    Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await;
    settled(&edge, "evt_1").await;
    let to = ForwardTo { headers: vec![("x-by".into(), "rule".into())], ..ForwardTo::new(chosen.url()) };
    let other =
        Rule { action: Action::Forward(to), name: "Other".into(), ..taking(&["Comment"], Rule::forward("")) };
    let off = Rule { enabled: false, ..Rule::forward(first.url()) };
    let list = set(&edge, vec![Rule::forward(first.url()), other, notify("Tell"), off]).await.rules;
    let replay = |rule: u64| Replay { id: "evt_1".into(), rule: Some(rule), ..Replay::default() };
    // Its filter does not take the event: it was chosen all the same.
    let run = api::replay(&edge.handle, replay(list[1].id)).await.unwrap();
    assert_eq!(run.rule.map(|rule| rule.name).as_deref(), Some("Other"));
    assert_eq!(chosen.next().await.header("x-by"), Some("rule"));
    for none in [list[2].id, list[3].id, 99] {
        assert_eq!(api::replay(&edge.handle, replay(none)).await.unwrap_err().code, "not_found");
    }
    let both = Replay { target: Some(first.url()), ..replay(list[0].id) };
    assert_eq!(api::replay(&edge.handle, both).await.unwrap_err().code, "request.malformed");
    api::replay(&edge.handle, replay(list[0].id)).await.unwrap();
    first.next().await;
}
