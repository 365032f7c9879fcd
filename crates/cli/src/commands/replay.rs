//! `postern replay`: one event, or several of the history.

use crate::args;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, safe};
use postern_edge::api::{Edit, EventPage, EventQuery, EventSummary, HandlerRun, OutcomeKind, Replay};
use serde::Serialize;
use std::io::{BufRead, Read, Write};
use std::path::Path;

/// The largest page of the history.
const PAGE: u32 = 500;

/// What `--json` prints for several.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    replayed: usize,
    failed: usize,
    runs: Vec<HandlerRun>,
}

/// Sends events once more, and fails when the target does not take one.
pub(crate) async fn replay(settings: &Settings, args: args::Replay, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let rule = match &args.rule {
        Some(which) => Some(super::rules::number(&edge, which).await?),
        None => None,
    };
    let Some(id) = args.id.clone() else { return several(&edge, args, rule, output).await };
    let edit = args.body.as_deref().map(edited).transpose()?;
    let run: HandlerRun = edge.call("replay", Replay { edit, ..one(id, &args, rule) }).await?;
    output.show(&run, |style| output::run(style, &run))?;
    if run.outcome.kind == OutcomeKind::Failed {
        return Err(not_taken("The target did not take the event. The run was kept in the history."));
    }
    Ok(())
}

/// As the arguments have it sent.
fn one(id: String, args: &args::Replay, rule: Option<u64>) -> Replay {
    let resign = match (args.resign, args.as_it_came) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    Replay { id, target: args.to.clone(), rule, resign, edit: None }
}

/// The file's content in the place of the body.
fn edited(file: &Path) -> Result<Edit, Failure> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = read.map_err(|e| {
        let message = format!("{} cannot be read: {e}. Nothing was sent.", file.display());
        Failure::coded("body.unreadable", message)
    })?;
    Ok(Edit { headers: None, body: Some(bytes.as_slice().into()) })
}

fn not_taken(message: impl Into<String>) -> Failure {
    Failure::coded("target.failed", message)
}

async fn several(
    edge: &Backend,
    args: args::Replay,
    rule: Option<u64>,
    output: &Output,
) -> Result<(), Failure> {
    let mut events = find(edge, args.which.clone().query(), args.last).await?;
    // As they came: the oldest first.
    events.reverse();
    if events.is_empty() {
        return Err(Failure::coded("not_found", "The history has no such event. Nothing was sent."));
    }
    let through = args.rule.as_ref().map(|rule| format!("through the rule {}", safe(rule)));
    let to = args.to.as_ref().map(|to| format!("to {}", safe(to)));
    if !args.yes && !agreed(events.len(), through.or(to), output)? {
        return Err(Failure::coded("replay.declined", "Nothing was sent."));
    }
    let (mut runs, mut failed) = (Vec::new(), 0);
    for event in &events {
        let run: HandlerRun = edge.call("replay", one(event.id.clone(), &args, rule)).await?;
        failed += usize::from(run.outcome.kind == OutcomeKind::Failed);
        if !output.json {
            output.print(&format!("{}  {}", safe(&event.name), output::run(&output.style, &run)))?;
        }
        runs.push(run);
    }
    let all = runs.len();
    output
        .show(&Replayed { replayed: all, failed, runs }, |_| format!("{} of {all} taken.", all - failed))?;
    if failed > 0 {
        return Err(not_taken(format!(
            "The target did not take {failed} of {all} events. The runs were kept in the history."
        )));
    }
    Ok(())
}

/// The newest `last` events that the query has, or all; newest first.
async fn find(edge: &Backend, query: EventQuery, last: Option<u32>) -> Result<Vec<EventSummary>, Failure> {
    let wanted = last.map_or(usize::MAX, |last| last as usize);
    let mut events = Vec::new();
    let mut before = None;
    loop {
        let limit = u32::try_from(wanted - events.len()).unwrap_or(PAGE).min(PAGE);
        let query = EventQuery { before, limit: Some(limit), ..query.clone() };
        let page: EventPage = edge.call("events", query).await?;
        events.extend(page.rows);
        match page.next {
            Some(next) if events.len() < wanted => before = Some(next),
            _ => return Ok(events),
        }
    }
}

/// Asks whether so many are to be sent.
fn agreed(count: usize, to: Option<String>, output: &Output) -> Result<bool, Failure> {
    if !output.interactive {
        let message =
            format!("This sends {count} events. Say so with --yes: there is no terminal to ask at.");
        return Err(Failure::usage(message));
    }
    let to = to.unwrap_or_else(|| "where the rules forward them".to_owned());
    let mut error = std::io::stderr();
    write!(error, "Send {count} events {to}? [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
