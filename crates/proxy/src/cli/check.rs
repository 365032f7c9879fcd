//! `check`: whether the database is whole, and what is in it.

use super::output::size;
use super::{CliError, Common, Terminal, backup, open};
use crate::app::open_vault;
use crate::store::{self, OpenError, Report};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Every index against its table, too; takes a few times as long
    #[arg(long)]
    full: bool,
}

pub(super) fn run(args: &CheckArgs, common: &Common, terminal: &mut Terminal) -> Result<(), CliError> {
    let config = open::settings(common)?;
    let database = open::database(&config)?;
    let vault = open_vault(&config, true).map_err(OpenError::from)?;
    let report = store::check(&database, &vault, args.full)?;
    let key = backup::key_place(&config);
    terminal.answer(&report, || format!("{}\n{}", database.display(), text(&report, &key)))?;
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(CliError::Unsound("the check found a problem".into())),
        more => Err(CliError::Unsound(format!("the check found {more} problems"))),
    }
}

/// `1 worker`, `2 workers`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn text(report: &Report, key: &str) -> String {
    let Report { counts, .. } = report;
    let mut lines = vec![
        format!("schema      {} (this program writes {})", report.schema, report.known_schema),
        format!("size        {}, of which {} are free", size(report.bytes), size(report.free_bytes)),
    ];
    if report.problems.is_empty() {
        lines.extend([
            "integrity   whole".to_owned(),
            match report.secrets {
                1 => format!("master key  fits: 1 secret opens with {key}"),
                secrets => format!("master key  fits: {secrets} secrets open with {key}"),
            },
        ]);
    } else {
        lines.extend(report.problems.iter().map(|problem| format!("PROBLEM     {problem}")));
    }
    lines.extend([
        format!(
            "set up      {}, {}, {}, {}, {}",
            counted(counts.workspaces, "workspace"),
            counted(counts.sources, "source"),
            counted(counts.tokens, "token"),
            counted(counts.workers, "worker"),
            counted(counts.tunnels, "tunnel")
        ),
        format!("kept        {}, {}", counted(counts.events, "event"), counted(counts.attempts, "attempt")),
        format!(
            "deliveries  {} waiting, {} held, {} delivered, {} dead, {} discarded, {} skipped",
            counts.pending, counts.held, counts.delivered, counts.dead, counts.discarded, counts.skipped
        ),
    ]);
    lines.join("\n")
}
