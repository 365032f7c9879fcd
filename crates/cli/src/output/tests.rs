use super::*;
use postern_edge::api::{
    Action, Altered, Arrival, Body, Check, Connection, DryRun, DryRunRow, EventDetail, EventPage,
    EventSummary, Forward, ForwardTo, HandlerRun, Hop, HopPlace, HopState, HostHeader, LocalVerification,
    Outcome, OutcomeKind, PathTest, ReceiverPort, Rejected, RejectedPage, Repeat, Rule, RuleList, RunRule,
    Session, Settings, Status, Template, Templates, Tunnel, Unproven, Verification,
};
use postern_protocol::api::{
    Circuit, CircuitCause, CircuitState, ReasonCode, Waiting, WorkerPolicy, WorkerReason, WorkspaceInfo,
};
use postern_protocol::{HeaderList, Provider};

const NOON: UnixMillis = UnixMillis(1_795_348_800_000);

pub(crate) fn plain() -> Style {
    Style { colour: false, zone: TimeZone::UTC }
}

pub(crate) fn coloured() -> Style {
    Style { colour: true, ..plain() }
}

pub(crate) fn event() -> EventSummary {
    EventSummary {
        id: "evt_01K9Z0000000000000000000AA".into(),
        received_at: NOON,
        stored_at: NOON.plus(4),
        source: "linear".into(),
        provider: Provider::Linear,
        event_type: "Issue".into(),
        action: Some("update".into()),
        name: "Issue.update".into(),
        subject: "ENG-42 Fix login".into(),
        detail: "status Todo → In Progress · by Ada".into(),
        size: 1234,
        synthetic: false,
        outcome: Outcome { kind: OutcomeKind::Succeeded, label: "200 · 12 ms".into() },
        latency_ms: 4,
        seq: 7,
        notify: None,
    }
}

fn handler_run() -> HandlerRun {
    HandlerRun {
        id: 1,
        target: "http://localhost:3000/hooks".into(),
        replay: false,
        started_at: NOON.plus(5),
        micros: Some(812),
        outcome: Outcome { kind: OutcomeKind::Failed, label: "localhost:3000 refused".into() },
        status: None,
        response_headers: HeaderList::new(),
        response_body: None,
        error: Some("connection refused — nothing listens on 3000".into()),
        rule: Some(RunRule { id: 1, name: "localhost:3000".into() }),
        attempt: 1,
        warning: None,
        altered: None,
    }
}

fn target() -> Forward {
    Forward {
        rule: 1,
        name: "localhost:3000".into(),
        url: "http://localhost:3000/hooks".into(),
        all: true,
        last: Some(handler_run()),
    }
}

pub(crate) fn session() -> Status {
    Status {
        version: "0.1.0".into(),
        name: "ada-laptop".into(),
        session: Some(Session {
            proxy_url: "https://postern.example".into(),
            workspace: WorkspaceInfo {
                id: "ws_01K9Z0000000000000000000AA".parse().unwrap(),
                name: "Acme".into(),
            },
            worker_id: Some("wrk_01K9Z0000000000000000000AA".into()),
            arrival: Arrival::Address {
                url: "http://127.0.0.1:41234/hook/k".into(),
                reason: "since the proxy is on this machine".into(),
            },
            token_kept_in: "keychain".into(),
        }),
        profiles: Vec::new(),
        connection: Connection::Live {
            proven_at: Some(NOON.plus(-12_000)),
            unproven: None,
            renewed_at: NOON.plus(-20_000),
            leased_until: NOON.plus(60_000),
            skew_ms: -4_200,
            waiting: Waiting { count: 3, oldest: Some(NOON), held: None },
        },
        targets: vec![target()],
        rules_version: 1,
        tunnels: Vec::new(),
        settings: Settings {
            capabilities: vec!["Issue".into(), "!Issue.remove".into()],
            group: Some("builders".parse().unwrap()),
            ..Settings::default()
        },
        receiver: ReceiverPort { port: 41_234, fixed: false },
        events: 1234,
        rejected: 1,
        cursor: 9,
        now: NOON,
    }
}

#[test]
fn lists_of_rules_and_what_they_would_take() {
    let issues = ForwardTo {
        timeout_ms: Some(5_000),
        headers: vec![("x-token".into(), "t0p".into())],
        host: HostHeader::Keep,
        retry: Repeat { count: 2, wait_ms: 500 },
        ..ForwardTo::new("http://localhost:4000/issues")
    };
    let rule = |id, name: &str, rule| Rule { id, name: name.into(), ..rule };
    let filter = vec!["Issue".to_owned(), "!Issue.remove".to_owned()];
    let list = RuleList {
        version: 3,
        rules: vec![
            rule(1, "localhost:3000", Rule::forward("http://localhost:3000/hooks")),
            rule(
                12,
                "Issues",
                Rule { filter, action: Action::Forward(issues), stop: true, ..Rule::forward("") },
            ),
            rule(3, "Told", Rule { action: Action::Notify, enabled: false, ..Rule::forward("") }),
        ],
    };
    insta::assert_snapshot!(rules(&plain(), &list, &[target()]));
    let row = |rules: &[u32]| DryRunRow { event: event(), rules: rules.to_vec() };
    let run = DryRun { problem: None, rows: vec![row(&[0, 1]), row(&[0]), row(&[])] };
    insta::assert_snapshot!(dry_run(&plain(), &list, &run));
    let several =
        Status { targets: vec![target(), Forward { all: false, last: None, ..target() }], ..session() };
    insta::assert_snapshot!(status(&plain(), &several, true));
}

#[test]
fn rows() {
    let bare = EventSummary {
        name: "push".into(),
        provider: Provider::Github,
        detail: String::new(),
        outcome: Outcome { kind: OutcomeKind::None, label: "no handler".into() },
        ..event()
    };
    insta::assert_snapshot!([live_row(&plain(), &event()), live_row(&plain(), &bare)].join("\n"));
    insta::assert_snapshot!(live_row(&coloured(), &event()).escape_debug().to_string());
}

#[test]
fn pages() {
    let shown = EventPage {
        rows: vec![event()],
        next: Some("c7".into()),
        total: Some(1200),
        searched_to: None,
        cursor: 9,
    };
    insta::assert_snapshot!(page(&plain(), &shown));
    let empty = EventPage { rows: Vec::new(), next: None, total: Some(0), searched_to: None, cursor: 9 };
    insta::assert_snapshot!(page(&plain(), &empty));
}

#[test]
fn an_event_in_full() {
    let headers = [
        ("webhook-id", "evt_01K9Z0000000000000000000AA"),
        ("linear-event", "Issue"),
        ("x-odd", "a\u{1b}[31mb"),
    ];
    let shown = EventDetail {
        summary: event(),
        headers: headers.into_iter().collect(),
        body: Body::Utf8 { text: r#"{"action":"update","data":{"title":"Fix \u001b[2Jlogin"}}"#.into() },
        verification: Verification {
            checks: vec![
                Check {
                    name: "The proxy's signature".into(),
                    passed: Some(true),
                    reason: "made with the current secret".into(),
                },
                Check { name: "Timestamp".into(), passed: Some(false), reason: "signed 301 s ago".into() },
                Check {
                    name: "The provider's signature".into(),
                    passed: None,
                    reason: "its secret is not known here".into(),
                },
            ],
        },
        attempt: 2,
        local: Some(LocalVerification {
            source: None,
            provider: Provider::Linear,
            checks: vec![Check {
                name: "Signed time".into(),
                passed: Some(false),
                reason: "signed 9 days ago, 60 s are allowed".into(),
            }],
        }),
        runs: vec![
            handler_run(),
            HandlerRun {
                replay: true,
                error: None,
                altered: Some(Altered { edited: true, resigned: true }),
                ..handler_run()
            },
        ],
    };
    let reason = |worker: &str, code, reason: &str| WorkerReason {
        worker_id: "wrk_01JD3Q0000000000000000000A".parse().unwrap(),
        worker: worker.into(),
        code,
        reason: reason.into(),
        terms: Vec::new(),
        delivery_id: None,
    };
    let workers = Ok(vec![
        reason("ada", ReasonCode::Delivered, "It was delivered."),
        reason("b\u{1b}ob", ReasonCode::Paused, "The worker is paused: the event waits for it."),
        reason("ci", ReasonCode::Dead, "It was given up: exhausted."),
    ]);
    insta::assert_snapshot!(format!("{}\n{}", detail(&plain(), &shown), reasons(&plain(), &workers)));
    let unknown = reasons(&plain(), &Err("the proxy does not answer".into()));
    assert_eq!(unknown, "\nWorkers\n  – not known: the proxy does not answer");
    assert_eq!(reasons(&plain(), &Ok(Vec::new())), "\nWorkers\n  – nobody");
}

#[test]
fn statuses() {
    insta::assert_snapshot!(status(&plain(), &session(), true));
    insta::assert_snapshot!(status(&plain(), &session(), false).lines().nth(2).unwrap());
    let nobody = Status { session: None, connection: Connection::SignedOut, ..session() };
    insta::assert_snapshot!(status(&plain(), &nobody, true));
    let problem = "connection refused".to_owned();
    let connection = Connection::Reconnecting { problem, retry_at: NOON.plus(4_000) };
    insta::assert_snapshot!(status(&plain(), &Status { session: None, connection, ..session() }, true));
}

/// A worker whose deliveries come through this tunnel.
pub(crate) fn by_tunnel(tunnel: Tunnel) -> Status {
    let mut status = session();
    let reason = "since this machine has no HTTPS address of its own".into();
    status.session.as_mut().unwrap().arrival = Arrival::Tunnel { tunnel, reason };
    status
}

pub(crate) fn up() -> Tunnel {
    Tunnel::Up {
        since: NOON.plus(-720_000),
        carrier: "websocket".into(),
        round_trip_micros: Some(4_123),
        http_proxy: Some("gate.test:3128".into()),
    }
}

pub(crate) fn down(retry_at: Option<UnixMillis>) -> Tunnel {
    let problem = "the proxy cannot be reached: no connection: connection refused".into();
    Tunnel::Down { since: NOON.plus(-61_000), problem, cure: Some("Check the network.".into()), retry_at }
}

#[test]
fn tunnels() {
    let plain_up =
        Tunnel::Up { since: NOON, carrier: "upgrade".into(), round_trip_micros: None, http_proxy: None };
    let lines: Vec<_> = [
        Tunnel::Idle,
        Tunnel::Connecting { since: NOON },
        plain_up,
        up(),
        down(Some(NOON.plus(5_000))),
        down(None),
    ]
    .into_iter()
    .map(|tunnel| status(&plain(), &by_tunnel(tunnel), true).lines().nth(3).unwrap().to_owned())
    .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let stopped = status(&plain(), &by_tunnel(up()), false);
    assert_eq!(stopped.lines().nth(3).unwrap(), "receives   through a tunnel");
}

#[test]
fn connections() {
    let lines: Vec<_> = [
        Connection::Connecting { since: NOON, problem: None },
        Connection::Connecting { since: NOON, problem: Some("nothing answers at http://127.0.0.1:1".into()) },
        Connection::Paused { waiting: Waiting { count: 38, ..Waiting::default() } },
        Connection::Reconnecting { problem: "connection refused".into(), retry_at: NOON.plus(4_000) },
        Connection::Refused { problem: "the token was revoked".into() },
        live(None, None),
        live(Some(NOON.plus(-900_000)), Some("connection refused")),
    ]
    .into_iter()
    .map(|connection| state(&plain(), &Status { connection, ..session() }))
    .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn live(proven_at: Option<UnixMillis>, missed: Option<&str>) -> Connection {
    Connection::Live {
        proven_at,
        unproven: missed.zip(proven_at).map(|(problem, since)| Unproven { since, problem: problem.into() }),
        renewed_at: NOON,
        leased_until: NOON.plus(60_000),
        skew_ms: 0,
        waiting: Waiting::default(),
    }
}

#[test]
fn refused_requests() {
    let row = Rejected {
        id: 1,
        at: NOON,
        status: 401,
        code: "signature.mismatch".into(),
        reason: "the signature matches none of the 1 configured secret(s): wrong secret, or altered body"
            .into(),
        failure: None,
        peer: "127.0.0.1:50123".into(),
        request: "POST /hook".into(),
        size: 12,
        count: 41,
        guess: Some("`x-hub-signature-256` looks like a GitHub signature".into()),
    };
    insta::assert_snapshot!(rejected(&plain(), &RejectedPage { rows: vec![row], total: 5 }));
    insta::assert_snapshot!(rejected(&plain(), &RejectedPage { rows: Vec::new(), total: 0 }));
}

#[test]
fn template_lists() {
    let list = Templates {
        templates: vec![
            Template {
                provider: Provider::Linear,
                name: "Issue.create".into(),
                about: "An issue is created".into(),
            },
            Template { provider: Provider::Github, name: "push".into(), about: "Commits are pushed".into() },
        ],
    };
    insta::assert_snapshot!(templates(&plain(), &list));
}

#[test]
fn nothing_commands_the_terminal() {
    assert_eq!(safe("a\u{1b}[2Jb\u{202e}c\u{9b}d\te\nf"), "a\\u{1b}[2Jb\\u{202e}c\\u{9b}d\te\nf");
}

#[test]
fn quantities() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0, 999, 1_250, 5_242_880].map(size), ["0 B", "999 B", "1.2 KB", "5.2 MB"]);
    let spans = [-5, 999, 3_400, 61_000, 300_000, 7_200_000, 259_200_000].map(span);
    assert_eq!(spans, ["0 ms", "999 ms", "3.4 s", "61 s", "5 min", "2 h", "3 d"]);
    assert_eq!(counted(1, "event"), "1 event");
    assert_eq!(counted(1_000, "event"), "1,000 events");
}

#[test]
fn lists_of_workers() {
    use postern_edge::api::Workers;
    use postern_protocol::api::{CatchUp, Ordering, WorkerInfo, WorkerState};
    let worker = |id: &str, name: &str, state| WorkerInfo {
        id: id.parse().unwrap(),
        name: name.into(),
        state,
        capabilities: Vec::new(),
        ordering: Ordering::default(),
        catch_up: CatchUp::default(),
        group: None,
        waiting: Waiting::default(),
        tunnel: None,
        leased_until: NOON,
        created_at: NOON,
        challenge_error: None,
        transport_failures: 0,
        transport_error: None,
        circuit: None,
        throttled_until: None,
        policy: WorkerPolicy::default(),
    };
    let (own, other) = ("wrk_01K9Z0000000000000000000AA", "wrk_01K9Z0000000000000000000AB");
    let away = WorkerInfo {
        capabilities: vec!["Issue".into(), "!Issue.remove".into()],
        waiting: Waiting { count: 38, ..Waiting::default() },
        transport_failures: 3,
        transport_error: Some("no answer in time".into()),
        ..worker(other, "grace", WorkerState::Away)
    };
    let circuit = Circuit {
        state: CircuitState::Open,
        trips: 2,
        cause: Some(CircuitCause::Failing),
        error: Some("answered 500".into()),
        until: Some(NOON),
        ..Circuit::closed(NOON)
    };
    let failing = WorkerInfo {
        transport_error: circuit.error.clone(),
        circuit: Some(circuit),
        ..worker("wrk_01K9Z0000000000000000000AC", "staging", WorkerState::Active)
    };
    let slow = WorkerInfo {
        throttled_until: Some(NOON),
        ..worker("wrk_01K9Z0000000000000000000AD", "slow", WorkerState::Active)
    };
    let list = Workers {
        workers: vec![worker(own, "ada-laptop", WorkerState::Active), away, failing, slow],
        own: Some(own.into()),
    };
    insta::assert_snapshot!(workers(&plain(), &list));
    insta::assert_snapshot!(workers(&plain(), &Workers { workers: Vec::new(), own: None }));
}

#[test]
fn findings_of_the_doctor() {
    use postern_edge::doctor::{Finding, Verdict};
    let finding = |check, verdict, found: &str, cure: Option<&str>| Finding {
        check,
        verdict,
        found: found.into(),
        cure: cure.map(str::to_owned),
    };
    let list = [
        finding("proxy", Verdict::Ok, "https://postern.example answers in 31 ms.", None),
        finding("clock", Verdict::Warn, "The proxy's is 90 s ahead of this machine's.", Some("Set both.")),
        finding("secrets", Verdict::Fail, "The keychain is locked.", Some("Unlock it.")),
    ];
    insta::assert_snapshot!(findings(&plain(), &list));
}

#[test]
fn tested_paths() {
    let hop = |name: &str, place, state, took_micros, note: &str| Hop {
        name: name.into(),
        place,
        state,
        took_micros,
        note: note.into(),
    };
    let hops = vec![
        hop("Asked the proxy", HopPlace::Network, HopState::Passed, Some(4_120), "half of a round trip"),
        hop("Committed", HopPlace::Proxy, HopState::Passed, Some(1_650_000), "on the proxy's disk"),
        hop("Stored", HopPlace::ThisMachine, HopState::Passed, Some(31_400), "on this machine's disk"),
        hop("Handler answered", HopPlace::Target, HopState::Skipped, None, "no handler takes it"),
    ];
    let passed = PathTest {
        at: NOON,
        event_id: None,
        passed: true,
        total_micros: Some(1_700_000),
        skew_ms: Some(-4_200),
        hops,
    };
    let mut failed = PathTest { passed: false, total_micros: None, skew_ms: Some(3), ..passed.clone() };
    failed.hops.truncate(2);
    failed.hops.push(hop("Arrived", HopPlace::Network, HopState::Failed, None, "connection refused"));
    let style = plain();
    insta::assert_snapshot!(format!("{}\n\n{}", path_test(&style, &passed), path_test(&style, &failed)));
}
