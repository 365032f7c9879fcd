//! Everything about one event, one run, one refused request.

use super::row::outcome;
use super::{Ink, Style, count, safe, size, span};
use postern_edge::api::{Altered, Body, Check, EventDetail, HandlerRun, Rejected, RejectedPage};
use postern_protocol::api::{ReasonCode, WorkerReason};

/// Why each worker got an event or did not, as the proxy says; or why that is
/// not known.
type Reasons = Result<Vec<WorkerReason>, String>;

/// `events show`, without what the proxy says.
pub(crate) fn detail(style: &Style, event: &EventDetail) -> String {
    let summary = &event.summary;
    let mut lines = vec![
        format!(
            "{}  {}",
            style.paint(Ink::Strong, &safe(&summary.name)),
            [&summary.subject, &summary.detail]
                .into_iter()
                .filter(|t| !t.is_empty())
                .map(|t| safe(t))
                .collect::<Vec<_>>()
                .join(" · ")
        ),
        format!("  id         {}", safe(&summary.id)),
        format!(
            "  source     {} ({}){}",
            safe(&summary.source),
            summary.provider,
            if summary.synthetic { ", synthetic" } else { "" }
        ),
        format!("  received   {} by the proxy", style.day_and_time(summary.received_at)),
        format!("  stored     {} later, delivered by attempt {}", span(summary.latency_ms), event.attempt),
        format!("  size       {}", size(summary.size)),
        format!("  outcome    {}", outcome(style, &summary.outcome)),
    ];
    let mut section = |title: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            lines.push(String::new());
            lines.push(style.paint(Ink::Strong, title));
            lines.extend(entries);
        }
    };
    section("Verification", event.verification.checks.iter().map(|c| check(style, c)).collect());
    if let Some(local) = &event.local {
        let of = local.source.as_deref().map_or_else(|| local.provider.to_string(), safe);
        let checks = local.checks.iter().map(|c| check(style, c)).collect();
        section(&format!("What a program with the local secret for {of} says of it now"), checks);
    }
    section("Runs", event.runs.iter().map(|r| format!("  {}", run(style, r))).collect());
    section("Headers", event.headers.iter().map(|(name, value)| header(name, value)).collect());
    section("Payload", vec![payload(&event.body)]);
    lines.join("\n")
}

fn check(style: &Style, check: &Check) -> String {
    format!("  {} {}: {}", mark(style, check.passed), safe(&check.name), safe(&check.reason))
}

fn mark(style: &Style, good: Option<bool>) -> String {
    match good {
        Some(true) => style.paint(Ink::Good, "✓"),
        Some(false) => style.paint(Ink::Bad, "✗"),
        None => style.paint(Ink::Faint, "–"),
    }
}

/// What the proxy says of an event, the last section of `events show`.
pub(crate) fn reasons(style: &Style, workers: &Reasons) -> String {
    let line = |worker: &WorkerReason| {
        let good = match worker.code {
            ReasonCode::Delivered => Some(true),
            ReasonCode::Dead | ReasonCode::Expired | ReasonCode::Discarded => Some(false),
            _ => None,
        };
        format!("  {} {}: {}", mark(style, good), safe(&worker.worker), safe(&worker.reason))
    };
    let entries = match workers {
        Ok(workers) if workers.is_empty() => vec![format!("  {} nobody", mark(style, None))],
        Ok(workers) => workers.iter().map(line).collect(),
        Err(why) => vec![format!("  {} not known: {}", mark(style, None), safe(why))],
    };
    [String::new(), style.paint(Ink::Strong, "Workers")]
        .into_iter()
        .chain(entries)
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) fn header(name: &str, value: &[u8]) -> String {
    format!("  {}: {}", safe(name), safe(&String::from_utf8_lossy(value)))
}

/// JSON is shown indented; the bytes as they came are in `--raw`.
pub(super) fn payload(body: &Body) -> String {
    match body {
        Body::Utf8 { text } => safe(&indented(text).unwrap_or_else(|| text.clone())),
        Body::Base64 { base64 } => format!("(not text; in base64) {base64}"),
    }
}

/// Deeper JSON is shown as it is: the indentation would be longer than it.
const DEEPEST: usize = 64;

/// JSON on many lines, every token as it was written: a number keeps its
/// digits, a repeated key stays. `None` for what is not JSON, or too deep.
fn indented(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth: usize = 0;
    let (mut in_string, mut escaped) = (false, false);
    let mut characters = text.chars().filter(|c| !c.is_ascii_whitespace() || *c == ' ').peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = characters.next() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            ' ' => continue,
            '"' => in_string = true,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
            }
            _ => {}
        }
        out.push(c);
        match c {
            ':' => out.push(' '),
            ',' => line(&mut out, depth),
            '{' | '[' => {
                while characters.next_if_eq(&' ').is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            _ => {}
        }
        if depth > DEEPEST {
            return None;
        }
    }
    Some(out)
}

/// `10:42:07  http://localhost:3000  200 · 12 ms`
pub(crate) fn run(style: &Style, run: &HandlerRun) -> String {
    let why = run.error.as_deref().map(|error| format!("  {}", safe(error))).unwrap_or_default();
    let altered = match run.altered {
        None => "",
        Some(Altered { edited: true, resigned: true }) => ", edited, signed anew",
        Some(Altered { edited: true, .. }) => ", edited",
        Some(Altered { .. }) => ", signed anew",
    };
    let replay = match (run.replay, altered) {
        (true, altered) => format!("  (replay{altered})"),
        (false, "") => String::new(),
        (false, altered) => format!("  ({})", altered.trim_start_matches(", ")),
    };
    let attempt = if run.attempt > 1 { format!("  (try {})", run.attempt) } else { String::new() };
    let warning = run.warning.as_deref().map(|warning| format!("  warning: {}", safe(warning)));
    let warning = warning.map(|warning| style.paint(Ink::Busy, &warning)).unwrap_or_default();
    format!(
        "{}  {}  {}{replay}{attempt}{why}{warning}",
        style.paint(Ink::Faint, &style.time(run.started_at)),
        safe(&run.target),
        outcome(style, &run.outcome)
    )
}

/// `rejected`.
pub(crate) fn rejected(style: &Style, page: &RejectedPage) -> String {
    if page.rows.is_empty() {
        return "No request was refused.".into();
    }
    let mut lines: Vec<_> = page.rows.iter().map(|row| refused(style, row)).collect();
    let shown = page.rows.len() as u64;
    if shown < page.total {
        lines.push(format!("{} of {} shown", count(shown), count(page.total)));
    }
    lines.join("\n")
}

fn refused(style: &Style, row: &Rejected) -> String {
    let times = if row.count > 1 { format!("  ×{}", count(row.count)) } else { String::new() };
    let guess = row.guess.as_deref().map(|guess| format!("; probably: {}", safe(guess))).unwrap_or_default();
    format!(
        "{}  {}  {}  {}  {}{guess}{times}  [{}]",
        style.paint(Ink::Faint, &style.day_and_time(row.at)),
        style.paint(Ink::Bad, &row.status.to_string()),
        safe(&row.request),
        safe(&row.peer),
        safe(&row.reason),
        safe(&row.code),
    )
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn indenting_changes_nothing_but_white_space() {
        let text = r#"{"n":12345678901234567890.0e-0, "n" : [ ], "s":"a \" , {\\", "o":{ "x":[1,{}] } }"#;
        let shown = indented(text).unwrap();
        let expected = r#"{
  "n": 12345678901234567890.0e-0,
  "n": [],
  "s": "a \" , {\\",
  "o": {
    "x": [
      1,
      {}
    ]
  }
}"#;
        assert_eq!(shown, expected);
        assert_eq!(indented(&shown).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_left_alone() {
        assert_eq!(indented("{\"a\":"), None);
        assert_eq!(indented(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))), None);
        assert_eq!(indented("7").as_deref(), Some("7"));
    }
}
