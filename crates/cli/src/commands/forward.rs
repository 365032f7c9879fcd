//! `postern forward set`, `clear` and `show`.

use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{Output, safe};
use postern_edge::api::{Forward, SetForward, Status};
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    targets: Vec<Forward>,
}

/// Sets, or removes, the rule that forwards everything.
pub(crate) async fn set(settings: &Settings, url: Option<String>, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let status: Status = edge.call("set_forward", SetForward { url }).await?;
    print(status, output)
}

/// Says where events are forwarded to.
pub(crate) async fn show(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    print(edge.call("status", ()).await?, output)
}

fn print(status: Status, output: &Output) -> Result<(), Failure> {
    let report = Report { targets: status.targets };
    output.show(&report, |_| match report.targets.as_slice() {
        [] => "Events are forwarded nowhere. `postern forward set URL` sets a target.".into(),
        [only] if only.all => format!("Events are forwarded to {}.", safe(&only.url)),
        several => {
            let line = |target: &Forward| {
                let some = if target.all { "" } else { " (some, by its filter)" };
                format!("  {}{some}", safe(&target.url))
            };
            let lines: Vec<_> = several.iter().map(line).collect();
            format!("Events are forwarded to:\n{}\n`postern rules list` says more.", lines.join("\n"))
        }
    })
}
