//! `postern doctor`: checks everything that an event needs to arrive, from the
//! keychain to the forward target, and says the cure of what is wrong. It
//! changes nothing.

use crate::args::UI_PORT;
use crate::backend::{Backend, Settings};
use crate::failure::{Failure, sentence};
use crate::output::{self, Output};
use postern_edge::api::{Connection, Forward, Status, Unproven};
use postern_protocol::UnixMillis;
use serde::Serialize;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

mod proxy;
mod tunnel;

/// How long a connection to a target may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Ok,
    /// Events arrive all the same, or will.
    Warn,
    /// Events cannot arrive.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    /// What to do, unless it is well.
    pub(crate) cure: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), cure: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), cure: Some(cure.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), cure: Some(cure.into()) }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    checks: Vec<Finding>,
}

/// Checks; fails when a check does.
pub(crate) async fn doctor(
    settings: &Settings,
    proxy_url: Option<String>,
    output: &Output,
) -> Result<(), Failure> {
    let mut checks = Vec::new();
    let opened = match settings.edge(None) {
        Ok(config) => Backend::open(settings, config).await,
        Err(failure) => Err(failure),
    };
    let folder = output::safe(&settings.data_dir.display().to_string());
    let status = match &opened {
        Ok(edge) => {
            checks.push(Finding::ok("data folder", folder));
            edge.call::<Status>("status", ()).await.ok()
        }
        Err(failure) => {
            let cure = "Make the folder yours to write, or name another one with --data-dir.";
            checks.push(Finding::fail("data folder", failure.message(), cure));
            None
        }
    };
    checks.push(secrets(settings, opened.as_ref().ok()).await);
    let runs = opened.as_ref().is_ok_and(Backend::runs);
    checks.push(ports(runs).await);
    let session = status.as_ref().and_then(|status| status.session.as_ref());
    let address = proxy_url.or_else(|| session.map(|session| session.proxy_url.clone()));
    match address {
        Some(address) => checks.extend(proxy::check(&address).await),
        None => checks.push(Finding::fail(
            "proxy",
            "No proxy is known.",
            "Sign in with `postern login --proxy URL`, or give --proxy or POSTERN_PROXY.",
        )),
    }
    if let Some(status) = &status {
        checks.extend(registration(status, runs, settings.token.is_some()));
        checks.extend(tunnel::check(status).filter(|_| runs));
        checks.extend(targets(status).await);
    }
    let failed = checks.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let report = Report { checks };
    output.show(&report, |style| output::findings(style, &report.checks))?;
    match failed {
        0 => Ok(()),
        1 => Err(Failure::coded("doctor.failed", "One check failed; its cure is beside it.")),
        n => Err(Failure::coded("doctor.failed", format!("{n} checks failed; the cures are beside them."))),
    }
}

/// Whether the secrets can be read where they are kept.
async fn secrets(settings: &Settings, edge: Option<&Backend>) -> Finding {
    if settings.token.is_some() {
        return Finding::ok("secrets", "The token is in POSTERN_TOKEN; no keychain is needed.");
    }
    let place = if settings.has_plain_file() { "a plain file" } else { "the keychain" };
    // A running worker has read them; the keychain may have been locked since.
    let read = match settings.probe().await {
        Ok(()) => match edge {
            Some(edge) => edge.unlock().await,
            None => Ok(()),
        },
        Err(failure) => Err(failure),
    };
    match read {
        Ok(()) => Finding::ok("secrets", format!("They can be read from {place}.")),
        Err(failure) => {
            let cure = match failure.code() {
                "keychain.absent" => {
                    "Give the token as POSTERN_TOKEN, or sign in with --plaintext-file to keep it in a file."
                }
                "keychain.locked" => "Unlock the keychain, or answer its dialog, and try again.",
                _ => "Make what the message names readable for you alone, or sign in anew.",
            };
            Finding::fail("secrets", failure.message(), cure)
        }
    }
}

/// Whether `serve` would get its port.
async fn ports(runs: bool) -> Finding {
    if runs {
        return Finding::ok("ports", "The running worker has its own.");
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, UI_PORT)).await {
        Ok(_) => Finding::ok("ports", format!("127.0.0.1:{UI_PORT} is free for `postern serve`.")),
        Err(error) => Finding::warn(
            "ports",
            format!("127.0.0.1:{UI_PORT} is not to be had: {error}."),
            "Start the worker with `postern serve --ui-port 0`, which takes any free port.",
        ),
    }
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
            let left = output::span(leased_until.since(status.now));
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
        let age = output::span(now.since(*since));
        let found = format!("Nothing has arrived for {age}, and a canary did not either: {problem}.");
        return Finding::warn(CHECK, found, CURE);
    }
    let Some(at) = proven_at else {
        return Finding::warn(CHECK, "Nothing has arrived yet since the worker started.", CURE);
    };
    Finding::ok(CHECK, format!("What the proxy posts arrives: proven {} ago.", output::span(now.since(at))))
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
