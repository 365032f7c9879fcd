//! `postern forward set`, `clear` and `show`.

use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{Output, safe};
use postern_edge::api::{Forward, SetForward, Status};
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    forward: Option<Forward>,
}

/// Sets, or clears, the forward target.
pub(crate) async fn set(settings: &Settings, url: Option<String>, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let status: Status = edge.call("set_forward", SetForward { url }).await?;
    print(status, output)
}

/// Says what the forward target is.
pub(crate) async fn show(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    print(edge.call("status", ()).await?, output)
}

fn print(status: Status, output: &Output) -> Result<(), Failure> {
    let report = Report { forward: status.forward };
    output.show(&report, |_| match &report.forward {
        Some(forward) => format!("Events are forwarded to {}.", safe(&forward.url)),
        None => "Events are forwarded nowhere. `postern forward set URL` sets a target.".into(),
    })
}
