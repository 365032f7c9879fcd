//! What a command prints: JSON for programs, or lines for people, coloured
//! only on a terminal. Standard output carries results, standard error
//! everything else.
//!
//! Text that came from outside is shown without the characters that command a
//! terminal ([`safe`]).

use crate::environment::Environment;
use crate::failure::Failure;
pub(crate) use crate::failure::sentence;
use jiff::tz::TimeZone;
pub(crate) use postern_edge::doctor::span;
use postern_protocol::UnixMillis;
use serde::Serialize;
use std::io::{self, Write};

mod catch_up;
mod dead_letters;
mod detail;
mod doctor;
mod imported;
mod local_secrets;
mod path_test;
mod profiles;
mod row;
mod rules;
mod status;
mod tunnel;
mod tunnel_request;
mod workers;

pub(crate) use catch_up::{caught_up, held};
pub(crate) use dead_letters::{dead_letter, dead_letters, done, recovered, would};
pub(crate) use detail::{detail, reasons, rejected, run};
pub(crate) use doctor::findings;
pub(crate) use imported::imported;
pub(crate) use local_secrets::local_secrets;
pub(crate) use path_test::path_test;
pub(crate) use profiles::profiles;
pub(crate) use row::{live_row, page, templates};
pub(crate) use rules::{dry_run, rules};
pub(crate) use status::{connection, kept, state, status};
pub(crate) use tunnel::{leads, request as tunnel_request, state as tunnel_state, took, tunnels};
pub(crate) use tunnel_request::detail as tunnel_request_detail;
pub(crate) use workers::workers;

/// How to print.
#[derive(Debug)]
pub(crate) struct Output {
    /// JSON instead of text.
    pub(crate) json: bool,
    pub(crate) style: Style,
    /// Whether a live view has a place: a person looks on, and wants no JSON.
    pub(crate) interactive: bool,
}

/// How text for people looks.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    colour: bool,
    zone: TimeZone,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The first thing to read.
    Strong,
    /// Of less interest.
    Faint,
    /// Went well.
    Good,
    /// Is under way.
    Busy,
    /// Went wrong.
    Bad,
}

impl Style {
    /// The same without colours.
    pub(crate) fn plain(&self) -> Self {
        Self { colour: false, ..self.clone() }
    }

    /// Whether there are colours.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Busy => "33",
            Ink::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// `10:42:07`, local time.
    pub(crate) fn time(&self, at: UnixMillis) -> String {
        self.format(at, "%H:%M:%S")
    }

    /// `2026-11-22 10:42:07`, local time.
    pub(crate) fn day_and_time(&self, at: UnixMillis) -> String {
        self.format(at, "%Y-%m-%d %H:%M:%S")
    }

    fn format(&self, at: UnixMillis, pattern: &str) -> String {
        match jiff::Timestamp::from_millisecond(at.0) {
            Ok(time) => time.to_zoned(self.zone.clone()).strftime(pattern).to_string(),
            // Beyond the year 9999: only a broken clock says so.
            Err(_) => format!("{} ms", at.0),
        }
    }
}

impl Output {
    /// Text or JSON on standard output, coloured as the environment wants.
    pub(crate) fn new(json: bool, environment: &Environment) -> Self {
        Self {
            json,
            style: Style { colour: environment.colour, zone: TimeZone::system() },
            interactive: environment.terminal && !json,
        }
    }

    /// The same without a live view where much is said on standard error: that
    /// would run through it.
    pub(crate) fn without_view(&self, verbose: bool) -> Self {
        Self { style: self.style.clone(), interactive: self.interactive && !verbose, ..*self }
    }

    /// Prints `value` as one line of JSON, or as the text it is for people.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&Style) -> String,
    ) -> Result<(), Failure> {
        if self.json { self.print(&json(value)?) } else { self.print(text(&self.style).trim_end()) }
    }

    /// Prints one line, or several, on standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// Says something in passing, on standard error.
    pub(crate) fn note(&self, text: &str) {
        let text = if self.json { serde_json::json!({ "note": text }).to_string() } else { text.to_owned() };
        // Nobody reads it: then it need not be said.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Says why the command failed, on standard error.
    pub(crate) fn failure(&self, code: &str, message: &str) {
        let text = if self.json {
            serde_json::json!({ "error": { "code": code, "message": message } }).to_string()
        } else {
            format!("postern: {} [{}]", safe(message), safe(code))
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| io::Error::other(error).into())
}

/// `text` without what a terminal would obey: control characters other than
/// newline and tab, and those that change the direction of writing, are shown
/// by their number.
pub(crate) fn safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() || turns(c) => format!("\\u{{{:x}}}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1,234`.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `2 events`.
pub(crate) fn counted(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `812 B`, `1.2 KB`, `3.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} KB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
pub(crate) mod tests;
