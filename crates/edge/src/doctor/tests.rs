use super::*;
use crate::api::{Arrival, Settings, Tunnel};
use postern_protocol::api::Waiting;
use serde_json::json;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

const NOON: UnixMillis = UnixMillis(1_795_348_800_000);

fn session() -> Status {
    let target =
        json!({ "rule": 1, "name": "app", "url": "http://localhost:3000/hooks", "all": true, "last": null });
    serde_json::from_value(json!({
        "version": "0.1.0",
        "name": "ada-laptop",
        "session": {
            "proxyUrl": "https://postern.example",
            "workspace": { "id": "ws_01K9Z0000000000000000000AA", "name": "Acme" },
            "workerId": "wrk_01K9Z0000000000000000000AA",
            "arrival": { "way": "address", "url": "http://127.0.0.1:41234/hook/k", "reason": "since the proxy is on this machine" },
            "tokenKeptIn": "keychain",
        },
        "profiles": [],
        "connection": {
            "state": "live", "provenAt": NOON.0 - 12_000, "unproven": null, "renewedAt": NOON.0 - 20_000,
            "leasedUntil": NOON.0 + 60_000, "skewMs": -4_200, "waiting": { "count": 3, "oldest": NOON },
        },
        "targets": [target],
        "rulesVersion": 1,
        "settings": Settings::default(),
        "events": 1234,
        "rejected": 0,
        "cursor": 1,
        "now": NOON,
    }))
    .unwrap()
}

fn by_tunnel(tunnel: Tunnel) -> Status {
    let mut status = session();
    let reason = "since this machine has no HTTPS address of its own".into();
    status.session.as_mut().unwrap().arrival = Arrival::Tunnel { tunnel, reason };
    status
}

fn up() -> Tunnel {
    Tunnel::Up {
        since: NOON.plus(-720_000),
        carrier: "websocket".into(),
        round_trip_micros: Some(4_123),
        http_proxy: Some("gate.test:3128".into()),
    }
}

fn down(retry_at: Option<UnixMillis>) -> Tunnel {
    let problem = "the proxy cannot be reached: no connection: connection refused".into();
    Tunnel::Down { since: NOON.plus(-61_000), problem, cure: Some("Check the network.".into()), retry_at }
}

#[test]
fn the_clock_is_judged_by_what_deliveries_bear() {
    for (skew, verdict) in [
        (0, Verdict::Ok),
        (-30, Verdict::Ok),
        (31, Verdict::Warn),
        (-299, Verdict::Warn),
        (300, Verdict::Fail),
        (-86_400, Verdict::Fail),
    ] {
        assert_eq!(proxy::clock(skew).verdict, verdict, "{skew} s");
    }
}

#[test]
fn what_is_not_well_has_a_cure() {
    let now = session().now;
    let with = |connection| Status { connection, ..session() };
    let problem = || "what it says".to_owned();
    for (connection, verdict) in [
        (Connection::SignedOut, Verdict::Fail),
        (Connection::Connecting { since: now, problem: None }, Verdict::Warn),
        (Connection::Connecting { since: now, problem: Some(problem()) }, Verdict::Fail),
        (Connection::Paused { waiting: Waiting::default() }, Verdict::Warn),
        (Connection::Reconnecting { problem: problem(), retry_at: now }, Verdict::Fail),
        (Connection::Refused { problem: problem() }, Verdict::Fail),
        (session().connection, Verdict::Ok),
    ] {
        let findings = registration(&with(connection.clone()), true, false);
        assert_eq!(findings.last().unwrap().verdict, verdict, "{connection:?}");
        assert!(findings.iter().all(|f| (f.verdict == Verdict::Ok) == f.cure.is_none()), "{findings:?}");
    }
    let missed = Unproven { since: now.plus(-60_000), problem: problem() };
    assert_eq!(receiver(Some(now), None, now).verdict, Verdict::Ok);
    assert_eq!(receiver(None, None, now).verdict, Verdict::Warn);
    let found = receiver(Some(now.plus(-60_000)), Some(&missed), now);
    assert_eq!(
        (found.verdict, found.found.as_str()),
        (Verdict::Warn, "Nothing has arrived for 60 s, and a canary did not either: what it says.")
    );
}

#[test]
fn a_tunnel_is_found_as_it_stands() {
    let found = |status: &Status| tunnel::check(status).unwrap();
    let well = found(&by_tunnel(up()));
    assert_eq!(
        (well.verdict, well.found.as_str()),
        (
            Verdict::Ok,
            "Connected for 12 min · 4.1 ms · over a WebSocket · by the HTTP proxy gate.test:3128, since this machine has no HTTPS address of its own.",
        )
    );
    let broken = found(&by_tunnel(down(None)));
    assert_eq!((broken.verdict, broken.cure.as_deref()), (Verdict::Fail, Some("Check the network.")));
    assert_eq!(
        broken.found,
        "Down for 61 s. The proxy cannot be reached: no connection: connection refused."
    );
    assert_eq!(found(&by_tunnel(Tunnel::Idle)).verdict, Verdict::Warn);
    assert_eq!(found(&session()).verdict, Verdict::Ok, "at an address none is needed");
    assert!(tunnel::check(&Status { session: None, ..session() }).is_none());
}

#[tokio::test]
async fn a_target_that_nobody_serves_is_said() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let status = |url: &str| {
        let mut status = session();
        status.targets[0].url = url.to_owned();
        status
    };
    assert_eq!(targets(&status(&url)).await[0].verdict, Verdict::Ok);
    drop(listener);
    let finding = targets(&status(&url)).await.remove(0);
    assert!(finding.verdict == Verdict::Warn && finding.found.contains("nothing listens"), "{finding:?}");
}
