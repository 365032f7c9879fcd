//! Answers on standard output, for people or as JSON.

use super::CliError;
use crate::store::Progress;
use postern_protocol::UnixMillis;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Where answers and errors go.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    pub(super) json: bool,
    /// Whether somebody watches standard error.
    watched: bool,
}

impl Terminal {
    /// Standard output and standard error.
    #[must_use]
    pub fn standard() -> Self {
        let watched = io::stderr().is_terminal();
        Self { out: Box::new(io::stdout()), err: Box::new(io::stderr()), json: false, watched }
    }

    /// Answers: with `value` as JSON, or with `text`.
    pub(super) fn answer(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        let answer = if self.json {
            serde_json::to_string(value).map_err(|error| CliError::Output(error.into()))?
        } else {
            text()
        };
        self.line(&answer)
    }

    /// Answers with a list, as a table or as a JSON array.
    pub(super) fn list<T: Serialize, const N: usize>(
        &mut self,
        items: &[T],
        head: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<(), CliError> {
        self.answer(&items, || table(head, &items.iter().map(row).collect::<Vec<_>>()))
    }

    /// Writes text as it is.
    pub(super) fn line(&mut self, text: &str) -> Result<(), CliError> {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        write!(self.out, "{text}{end}").and_then(|()| self.out.flush()).map_err(CliError::Output)
    }

    /// How far something is, on a line that the next one overwrites, where
    /// somebody watches.
    pub(super) fn progress(&mut self, progress: Progress) {
        let Progress { done, total } = progress;
        if !self.watched || self.json || total == 0 {
            return;
        }
        let end = if done == total { "\n" } else { "" };
        let line = format!("\r{:>3} %  {} of {}{end}", done * 100 / total, size(done), size(total));
        // Progress that cannot be shown is no reason to stop.
        let _ = self.err.write_all(line.as_bytes()).and_then(|()| self.err.flush());
    }

    pub(super) fn fail(&mut self, error: &CliError) -> ExitCode {
        let sentence = sentence(error);
        let text = if self.json {
            serde_json::json!({ "error": { "message": sentence } }).to_string()
        } else {
            format!("postern-proxy: {sentence}")
        };
        // Nowhere is left to say that this failed.
        let _ = writeln!(self.err, "{text}");
        ExitCode::from(error.code())
    }
}

/// An error with its causes, none of them twice.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

/// A size as people read it.
#[expect(clippy::cast_precision_loss, reason = "a tenth of a unit is enough")]
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_024 => return format!("{bytes} B"),
        1_024..1_048_576 => (1 << 10, "KiB"),
        1_048_576..1_073_741_824 => (1 << 20, "MiB"),
        _ => (1u64 << 30, "GiB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit as f64)
}

/// A time as people read it, in UTC.
pub(super) fn time(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| at.0.to_string(), |t| t.strftime("%F %T UTC").to_string())
}

/// A time that may be absent.
pub(super) fn time_or(at: Option<UnixMillis>, absent: &str) -> String {
    at.map_or_else(|| absent.to_owned(), time)
}
