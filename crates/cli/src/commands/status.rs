//! `postern status`, `postern pause` and `postern resume`.

use crate::backend::{Backend, Settings, running};
use crate::failure::{Failure, sentence};
use crate::output::{self, Output};
use postern_edge::api::{Connection, SetPaused, Status};
use postern_protocol::ErrorCode;
use serde::Serialize;

/// What `--json` prints: the edge's status, and whether it runs.
#[derive(Serialize)]
struct Report {
    running: bool,
    #[serde(flatten)]
    status: Status,
}

/// Prints the status; fails when events cannot arrive, so that a script need
/// not read it.
pub(crate) async fn status(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let unlocked = edge.unlock().await;
    let report = Report { running: edge.runs(), status: edge.call("status", ()).await? };
    output.show(&report, |style| output::status(style, &report.status, report.running))?;
    unlocked?;
    match report.status.connection {
        Connection::Reconnecting { problem, .. } => Err(Failure::new(
            ErrorCode::ProxyUnreachable,
            format!("{} The proxy holds what arrives; the worker goes on trying.", sentence(&problem)),
        )),
        Connection::Refused { problem } => Err(Failure::new(
            ErrorCode::Unauthorized,
            format!("{} Sign in again with `postern login`.", sentence(&problem)),
        )),
        Connection::SignedOut => Err(not_signed_in()),
        Connection::Connecting { .. } | Connection::Live { .. } | Connection::Paused { .. } => Ok(()),
    }
}

/// Has the proxy hold events, or let them flow again.
pub(crate) async fn pause(settings: &Settings, paused: bool, output: &Output) -> Result<(), Failure> {
    let edge = match running(settings).await? {
        Some(client) => Backend::Running(client),
        None => return Err(not_running("The proxy holds events until one does.")),
    };
    let status: Status = edge.call("set_paused", SetPaused { paused }).await?;
    output.show(&Report { running: true, status }, |_| {
        if paused { "Paused: the proxy holds what arrives." } else { "Events flow again." }.into()
    })
}

/// No worker runs.
pub(super) fn not_running(meanwhile: &str) -> Failure {
    let message = format!("No worker runs on this data folder. {meanwhile} `postern serve` starts one.");
    Failure::coded("edge.not_running", message)
}

/// Nobody is.
pub(super) fn not_signed_in() -> Failure {
    Failure::new(
        ErrorCode::NotSignedIn,
        "Nobody is signed in on this machine. Sign in with `postern login --proxy URL`, or give POSTERN_TOKEN and POSTERN_PROXY.",
    )
}
