//! `status`: who is signed in, and how the connection stands.

use super::{Ink, Style, count, counted, safe, span};
use postern_edge::api::{Arrival, Connection, Forward, Status, Tunnel};
use postern_edge::doctor::trip;
use postern_protocol::UnixMillis;
use postern_protocol::api::{GroupName, Waiting};

/// The status in a few lines. Without a `running` edge, what was last known.
pub(crate) fn status(style: &Style, status: &Status, running: bool) -> String {
    let state = if running { connection(style, &status.connection, status.now) } else { stopped(style) };
    let Some(session) = &status.session else {
        return match status.connection {
            Connection::SignedOut => "Not signed in.".into(),
            _ => format!("Signing in as POSTERN_TOKEN says.\nstate      {state}"),
        };
    };
    let targets: Vec<_> = status.targets.iter().map(|target| forward(style, target)).collect();
    let forwards = if targets.is_empty() { "nowhere".to_owned() } else { targets.join("\n           ") };
    [
        format!(
            "workspace  {} at {}",
            style.paint(Ink::Strong, &safe(&session.workspace.name)),
            safe(&session.proxy_url)
        ),
        format!("worker     {}, token kept in {}", safe(&status.name), kept(&session.token_kept_in)),
        format!("state      {state}"),
        format!("receives   {}", arrival(style, &session.arrival, status.now, running)),
        format!("asks for   {}", asked(&status.settings.capabilities, status.settings.group.as_ref())),
        format!("forwards   {forwards}"),
        format!(
            "history    {}, {}",
            counted(status.events, "event"),
            counted(status.rejected, "refused request")
        ),
    ]
    .join("\n")
}

/// `http://localhost:3000/hooks, some (last: 200 · 12 ms)`
fn forward(style: &Style, target: &Forward) -> String {
    let some = if target.all { "" } else { ", some" };
    let last = target.last.as_ref().map(|run| super::row::outcome(style, &run.outcome));
    let last = last.map(|outcome| format!(" (last: {outcome})")).unwrap_or_default();
    format!("{}{some}{last}", safe(&target.url))
}

/// `10:42:07  live`: one line for one change of the connection.
pub(crate) fn state(style: &Style, status: &Status) -> String {
    let at = style.paint(Ink::Faint, &style.time(status.now));
    format!("{at}  {}", connection(style, &status.connection, status.now))
}

/// How events arrive, in words.
fn arrival(style: &Style, arrival: &Arrival, now: UnixMillis, running: bool) -> String {
    match arrival {
        Arrival::Address { url, .. } => safe(url),
        Arrival::Tunnel { .. } if !running => "through a tunnel".into(),
        Arrival::Tunnel { tunnel, .. } => format!("through a tunnel, {}", self::tunnel(style, tunnel, now)),
    }
}

/// Which events are asked for, and who shares them, in words.
fn asked(capabilities: &[String], group: Option<&GroupName>) -> String {
    let asked = match capabilities {
        [] => "everything".into(),
        terms => safe(&terms.join(" ")),
    };
    match group {
        Some(group) => format!("{asked}, shared in the group {group}"),
        None => asked,
    }
}

/// How the tunnel stands, in words.
fn tunnel(style: &Style, tunnel: &Tunnel, now: UnixMillis) -> String {
    match tunnel {
        Tunnel::Idle => style.paint(Ink::Busy, "not dialled yet"),
        Tunnel::Connecting { .. } => style.paint(Ink::Busy, "connecting"),
        Tunnel::Up { since, .. } => {
            let up = style.paint(Ink::Good, "up");
            format!("{up} for {}{}", span(now.since(*since)), safe(&trip(tunnel).unwrap_or_default()))
        }
        Tunnel::Down { since, retry_at, .. } => {
            let next = retry_at.map_or("now".to_owned(), |at| format!("in {}", span(at.since(now))));
            let down = style.paint(Ink::Bad, "down");
            format!("{down} for {}, next try {next}", span(now.since(*since)))
        }
    }
}

/// Where a token is kept, in words.
pub(crate) fn kept(place: &str) -> String {
    match place {
        "keychain" => "the keychain".into(),
        "file" => "a plain file".into(),
        "environment" => "the environment".into(),
        "memory" => "memory".into(),
        other => safe(other),
    }
}

fn stopped(style: &Style) -> String {
    style.paint(Ink::Busy, "not running: the proxy holds what arrives; `postern serve` starts it")
}

/// How the connection stands, in words.
pub(crate) fn connection(style: &Style, connection: &Connection, now: UnixMillis) -> String {
    match connection {
        Connection::SignedOut => "signed out".into(),
        Connection::Connecting { problem: None, .. } => style.paint(Ink::Busy, "connecting"),
        Connection::Connecting { problem: Some(problem), .. } => {
            format!("{}: {}", style.paint(Ink::Busy, "connecting"), safe(problem))
        }
        Connection::Live { proven_at, unproven, skew_ms, waiting, .. } => {
            let skew = if skew_ms.abs() > 2_000 {
                let way = if *skew_ms > 0 { "ahead of" } else { "behind" };
                format!(" · the proxy's clock is {} {way} this one", span(skew_ms.abs()))
            } else {
                String::new()
            };
            let live = match (unproven, proven_at) {
                (Some(missed), _) => {
                    let word = format!("live, but not proven since {}", style.time(missed.since));
                    format!("{}: {}", style.paint(Ink::Busy, &word), safe(&missed.problem))
                }
                (None, Some(at)) => {
                    format!("{}, proven {} ago", style.paint(Ink::Good, "live"), span(now.since(*at)))
                }
                (None, None) => format!("{}, not proven yet", style.paint(Ink::Good, "live")),
            };
            format!("{live}{}{skew}", held(waiting))
        }
        Connection::Paused { waiting } => format!("{}{}", style.paint(Ink::Busy, "paused"), held(waiting)),
        Connection::Reconnecting { problem, retry_at } => format!(
            "{} in {}: {}",
            style.paint(Ink::Busy, "reconnecting"),
            span(retry_at.since(now)),
            safe(problem)
        ),
        Connection::Refused { problem } => format!("{}: {}", style.paint(Ink::Bad, "refused"), safe(problem)),
    }
}

fn held(waiting: &Waiting) -> String {
    let waits =
        if waiting.count == 0 { String::new() } else { format!(" · {} waiting", count(waiting.count)) };
    match &waiting.held {
        None => waits,
        Some(held) => format!("{waits} · {} held: `postern catch-up`", count(held.count)),
    }
}
