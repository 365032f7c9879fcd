//! `postern replay`.

use crate::args;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::{HandlerRun, OutcomeKind, Replay};

/// Sends an event once more, and fails when the target does not take it.
pub(crate) async fn replay(settings: &Settings, args: args::Replay, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let run: HandlerRun = edge.call("replay", Replay { id: args.id, target: args.to }).await?;
    output.show(&run, |style| output::run(style, &run))?;
    if run.outcome.kind == OutcomeKind::Failed {
        return Err(Failure::coded(
            "target.failed",
            "The target did not take the event. The run was kept in the history.",
        ));
    }
    Ok(())
}
