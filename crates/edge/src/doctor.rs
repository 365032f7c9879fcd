//! What a doctor checks of all that an event needs to arrive, from the proxy to
//! the forward target, with the cure of what is wrong. Nothing is changed.

use crate::api::{Connection, Forward, Status, Unproven};
use postern_protocol::UnixMillis;
use serde::Serialize;
use std::time::Duration;
use tokio::net::TcpStream;
use url::Url;

mod proxy;
mod tunnel;
mod words;

pub use words::{sentence, span, trip};

/// How long a connection to a target may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is well.
    Ok,
    /// Events arrive all the same, or will.
    Warn,
    /// Events cannot arrive.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was checked, in a word.
    pub check: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found, as a sentence.
    pub found: String,
    /// What to do, unless it is well.
    pub cure: Option<String>,
}

impl Finding {
    /// It is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), cure: None }
    }

    /// Worth a look.
    pub fn warn(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), cure: Some(cure.into()) }
    }

    /// It keeps events from arriving.
    pub fn fail(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), cure: Some(cure.into()) }
    }
}

/// Checks the way of an event: the proxy at `address` (the session's without
/// one), and of an edge whose status is known its registration, tunnel and
/// targets. `runs`: whether that edge is at work; `token`: whether the
/// environment signs it in.
pub async fn examine(
    status: Option<&Status>,
    address: Option<String>,
    runs: bool,
    token: bool,
) -> Vec<Finding> {
    let session = status.and_then(|status| status.session.as_ref());
    let mut findings = match address.or_else(|| session.map(|session| session.proxy_url.clone())) {
        Some(address) => proxy::check(&address).await,
        None => vec![Finding::fail(
            "proxy",
            "No proxy is known.",
            "Sign in with `postern login --proxy URL`, or give --proxy or POSTERN_PROXY.",
        )],
    };
    if let Some(status) = status {
        findings.extend(registration(status, runs, token));
        findings.extend(tunnel::check(status).filter(|_| runs));
        findings.extend(targets(status).await);
    }
    findings
}

/// The sign-in, the lease, and whether the proxy reaches this machine.
fn registration(status: &Status, runs: bool, token: bool) -> Vec<Finding> {
    const CHECK: &str = "worker";
    if !runs {
        return vec![if status.session.is_none() && !token {
            Finding::fail(CHECK, "Nobody is signed in.", "Sign in with `postern login --proxy URL`.")
        } else {
            let found = "None runs on this data folder; the proxy holds what arrives.";
            Finding::warn(CHECK, found, "Start it with `postern serve` or `postern listen`.")
        }];
    }
    match &status.connection {
        Connection::SignedOut => {
            vec![Finding::fail(CHECK, "Nobody is signed in.", "Sign in with `postern login --proxy URL`.")]
        }
        Connection::Connecting { problem: None, .. } => {
            vec![Finding::warn(CHECK, "It is registering.", "Try again in a moment.")]
        }
        Connection::Connecting { problem: Some(problem), .. } => vec![
            Finding::warn(CHECK, "It is registered, and not active yet.", "See the next line."),
            Finding::fail(
                "receiver",
                sentence(problem),
                "Have the address that the worker registered reach this machine from the proxy (firewall, port, name), or let events come through a tunnel: `postern serve --via tunnel`.",
            ),
        ],
        Connection::Reconnecting { problem, .. } => vec![Finding::fail(
            CHECK,
            sentence(problem),
            "See the line about the proxy; the worker goes on trying, and nothing is lost.",
        )],
        Connection::Refused { problem } => {
            vec![Finding::fail(CHECK, sentence(problem), "Sign in again with `postern login`.")]
        }
        Connection::Paused { waiting } => vec![Finding::warn(
            CHECK,
            format!("It is paused; {} waiting.", waiting.count),
            "`postern resume` lets events flow.",
        )],
        Connection::Live { proven_at, unproven, leased_until, .. } => {
            let left = span(leased_until.since(status.now));
            vec![
                Finding::ok(CHECK, format!("It is live, leased for {left} more.")),
                receiver(*proven_at, unproven.as_ref(), status.now),
            ]
        }
    }
}

/// Whether deliveries arrive, as far as has been seen.
fn receiver(proven_at: Option<UnixMillis>, unproven: Option<&Unproven>, now: UnixMillis) -> Finding {
    const CHECK: &str = "receiver";
    const CURE: &str = "`postern test` sends a canary through the whole path and says where it ends.";
    if let Some(Unproven { since, problem }) = unproven {
        let age = span(now.since(*since));
        let found = format!("Nothing has arrived for {age}, and a canary did not either: {problem}.");
        return Finding::warn(CHECK, found, CURE);
    }
    let Some(at) = proven_at else {
        return Finding::warn(CHECK, "Nothing has arrived yet since the worker started.", CURE);
    };
    Finding::ok(CHECK, format!("What the proxy posts arrives: proven {} ago.", span(now.since(at))))
}

/// Whether something listens wherever events are forwarded to.
async fn targets(status: &Status) -> Vec<Finding> {
    if status.targets.is_empty() {
        return vec![Finding::ok("forward", "Events are forwarded nowhere.")];
    }
    let mut findings = Vec::new();
    for forward in &status.targets {
        findings.push(target(forward).await);
    }
    findings
}

async fn target(forward: &Forward) -> Finding {
    const CHECK: &str = "forward";
    let place = Url::parse(&forward.url).ok().and_then(|url| {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some((host, url.port_or_known_default()?))
    });
    let Some((host, port)) = place else {
        return Finding::fail(
            CHECK,
            format!("{} is no address.", forward.url),
            "Give the rule another one with `postern rules edit`.",
        );
    };
    let why = match tokio::time::timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => return Finding::ok(CHECK, format!("{host}:{port} listens.")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nothing listens there".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    Finding::warn(
        CHECK,
        format!("{host}:{port} does not take connections: {why}."),
        "Start your server there, or give the rule another target with `postern rules edit`; then `postern replay`.",
    )
}

#[cfg(test)]
mod tests;
