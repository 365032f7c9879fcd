//! `postern doctor`: checks everything that an event needs to arrive, from the
//! keychain to the forward target, and says the cure of what is wrong. It
//! changes nothing.

use crate::args::UI_PORT;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::Status;
use postern_edge::doctor::{self, Finding, Verdict};
use serde::Serialize;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

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
    let checks = examine(settings, proxy_url).await;
    let failed = checks.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let report = Report { checks };
    output.show(&report, |style| output::findings(style, &report.checks))?;
    match failed {
        0 => Ok(()),
        1 => Err(Failure::coded("doctor.failed", "One check failed; its cure is beside it.")),
        n => Err(Failure::coded("doctor.failed", format!("{n} checks failed; the cures are beside them."))),
    }
}

/// All checks.
async fn examine(settings: &Settings, proxy_url: Option<String>) -> Vec<Finding> {
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
    checks.extend(doctor::examine(status.as_ref(), proxy_url, runs, settings.token.is_some()).await);
    checks
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
