//! `postern catch-up` and `postern redeliver`: events that the proxy holds
//! after an absence, and events that were skipped or given up.

use super::status::not_running;
use crate::args;
use crate::backend::{Backend, Settings, running};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::{Connection, EventKey, ReportEvent, Status};
use postern_protocol::api::{CatchUpChoice, CatchUpRequest, CaughtUp, EventRecord, Held, WorkStatus};
use serde::Serialize;

/// What `--json` prints where nothing is chosen.
#[derive(Serialize)]
struct Report {
    held: Option<Held>,
}

/// Does with the held events what was chosen; without a choice says what is held.
pub(crate) async fn catch_up(
    settings: &Settings,
    args: args::CatchUp,
    output: &Output,
) -> Result<(), Failure> {
    let edge = worker(settings).await?;
    let choice = match args.choice {
        Some(args::Choice::All) => CatchUpChoice::All,
        Some(args::Choice::Newest) => CatchUpChoice::NewestPerEntity,
        Some(args::Choice::None) => CatchUpChoice::None,
        None => {
            let status: Status = edge.call("status", ()).await?;
            let held = match status.connection {
                Connection::Live { waiting, .. } | Connection::Paused { waiting } => waiting.held,
                _ => None,
            };
            return output.show(&Report { held: held.clone() }, |style| output::held(style, held.as_ref()));
        }
    };
    let caught_up: CaughtUp = edge.call("catch_up", CatchUpRequest { choice }).await?;
    output.show(&caught_up, |_| output::caught_up(&caught_up))
}

/// Has the proxy deliver an event after all.
pub(crate) async fn redeliver(settings: &Settings, id: String, output: &Output) -> Result<(), Failure> {
    let edge = worker(settings).await?;
    let record: EventRecord = edge.call("redeliver", EventKey { id }).await?;
    output.show(&record, |_| format!("{} is on its way again.", record.id))
}

/// Tells the proxy how the work on an event stands.
pub(crate) async fn report(
    settings: &Settings,
    args: args::EventsStatus,
    output: &Output,
) -> Result<(), Failure> {
    let edge = match running(settings).await? {
        Some(client) => Backend::Running(client),
        None => return Err(not_running("Nothing was reported.")),
    };
    let (status, word) = match args.status {
        args::WorkStatus::Processing => (WorkStatus::Processing, "in work"),
        args::WorkStatus::Completed => (WorkStatus::Completed, "completed"),
        args::WorkStatus::Failed => (WorkStatus::Failed, "failed"),
    };
    let report = ReportEvent { id: args.id, status, reason: args.reason };
    let record: EventRecord = edge.call("report_work", report).await?;
    output.show(&record, |_| format!("{} is reported as {word}.", record.id))
}

/// The running worker.
async fn worker(settings: &Settings) -> Result<Backend, Failure> {
    match running(settings).await? {
        Some(client) => Ok(Backend::Running(client)),
        None => Err(not_running("What the proxy holds is kept.")),
    }
}
