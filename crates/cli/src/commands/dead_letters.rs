//! `postern dead-letters`, `postern recover` and `postern replay --from-proxy`:
//! what the proxy could not deliver, or is to deliver once more.

use crate::args::{DeadLetters, DeadLettersList, Discard, Recover, Redrive, Work};
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, counted};
use postern_edge::api::{DeadLetterQuery, DeadLetterWork, DeliveryKey, ProxyReplay};
use postern_protocol::api::{DeliveryDetail, DeliveryList, Progress, RecoverRequest, Recovered, Replayed};
use postern_protocol::id::DeliveryId;
use std::io::{BufRead, Write};

/// Does what the subcommand says.
pub(crate) async fn dead_letters(
    settings: &Settings,
    command: DeadLetters,
    output: &Output,
) -> Result<(), Failure> {
    let edge = open(settings).await?;
    match command {
        DeadLetters::List(args) => list(&edge, args, output).await,
        DeadLetters::Show { id } => show(&edge, id, output).await,
        DeadLetters::Redrive(Redrive { work }) => change(&edge, work, None, output).await,
        DeadLetters::Discard(Discard { work, because }) => change(&edge, work, Some(because), output).await,
    }
}

async fn open(settings: &Settings) -> Result<Backend, Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    Ok(edge)
}

async fn list(edge: &Backend, args: DeadLettersList, output: &Output) -> Result<(), Failure> {
    let filter = args.which.filter();
    let query = DeadLetterQuery { filter, all: args.which.all, cursor: args.cursor, limit: Some(args.limit) };
    let list: DeliveryList = edge.call("dead_letters", query).await?;
    output.show(&list, |style| output::dead_letters(style, &list))
}

async fn show(edge: &Backend, id: DeliveryId, output: &Output) -> Result<(), Failure> {
    let detail: DeliveryDetail = edge.call("dead_letter", DeliveryKey { id: id.to_string() }).await?;
    output.show(&detail, |style| output::dead_letter(style, &detail))
}

/// Redrives, or discards for a reason: counts first, asks, then goes on part
/// by part until all is done.
async fn change(edge: &Backend, work: Work, because: Option<String>, output: &Output) -> Result<(), Failure> {
    let op = if because.is_some() { "discard" } else { "redrive" };
    let (which, all) = (work.which(), work.which.all);
    let request = |dry_run, cursor| DeadLetterWork {
        which: which.clone(),
        all,
        dry_run,
        cursor,
        reason: because.clone(),
    };
    let part = async |dry_run, cursor| edge.call::<Progress>(op, request(dry_run, cursor)).await;
    let asks = work.ids.is_empty() && !work.yes;
    if work.dry_run || asks {
        let would = sum(async |cursor| part(true, cursor).await, |_| {}).await?;
        if work.dry_run || would.matched == would.unable {
            return output.show(&would, |_| output::would(op, &would));
        }
        let question = format!(
            "{} {}?",
            if op == "discard" { "Discard" } else { "Redrive" },
            counted(u64::from(would.matched - would.unable), "dead letter")
        );
        agreed(&question, output)?;
    }
    let done = sum(
        async |cursor| part(false, cursor).await,
        |so_far| output.note(&format!("{} so far.", so_far.changed)),
    )
    .await?;
    output.show(&done, |_| output::done(op, &done))
}

/// All parts of a piece of work, `told` after each that is not the last.
async fn sum(
    part: impl AsyncFn(Option<String>) -> Result<Progress, Failure>,
    told: impl Fn(&Progress),
) -> Result<Progress, Failure> {
    let mut all = Progress::default();
    let mut cursor = None;
    loop {
        let Progress { matched, changed, unable, next } = part(cursor).await?;
        all.matched += matched;
        all.changed += changed;
        all.unable += unable;
        if next.is_none() {
            return Ok(all);
        }
        told(&all);
        cursor = next;
    }
}

/// Has what did not reach this machine delivered.
pub(crate) async fn recover(settings: &Settings, args: Recover, output: &Output) -> Result<(), Failure> {
    let edge = open(settings).await?;
    let all = async |dry_run: bool| -> Result<Recovered, Failure> {
        let mut sum = Recovered::default();
        let mut cursor = None;
        loop {
            let request = RecoverRequest { since: args.since, until: args.until, dry_run, cursor };
            let part: Recovered = edge.call("recover", request).await?;
            sum.missing += part.missing;
            sum.ended += part.ended;
            sum.delivering += part.delivering;
            cursor = part.next;
            if cursor.is_none() {
                return Ok(sum);
            }
        }
    };
    if args.dry_run || !args.yes {
        let would = all(true).await?;
        let count = would.missing + would.ended;
        if args.dry_run || count == 0 {
            return output.show(&would, |_| output::recovered(&would, true));
        }
        agreed(&format!("Have {} delivered to this machine?", counted(count.into(), "event")), output)?;
    }
    let done = all(false).await?;
    output.show(&done, |_| output::recovered(&done, false))
}

/// Has the proxy deliver an event once more.
pub(crate) async fn replay(
    settings: &Settings,
    id: String,
    all: bool,
    output: &Output,
) -> Result<(), Failure> {
    let edge = open(settings).await?;
    let replayed: Replayed = edge.call("proxy_replay", ProxyReplay { id: id.clone(), all }).await?;
    output.show(&replayed, |_| {
        let event = id.split('.').next().unwrap_or(&id);
        let to = counted(replayed.deliveries.into(), "worker");
        format!("On its way to {to} as {}.r{}.", output::safe(event), replayed.replay)
    })
}

pub(super) fn agreed(question: &str, output: &Output) -> Result<(), Failure> {
    if !output.interactive {
        let message = format!("{question} Say so with --yes: there is no terminal to ask at.");
        return Err(Failure::usage(message));
    }
    let mut error = std::io::stderr();
    write!(error, "{question} [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::coded("declined", "Nothing was changed."))
    }
}
