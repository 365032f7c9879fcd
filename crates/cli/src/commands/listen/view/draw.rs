//! The view's lines, each as wide as the screen at most.

use super::model::Model;
use crate::output::{self, Ink, Style, counted, safe};
use crate::view::{Frame, Line, cut, ends};
use postern_edge::api::{Connection, EventSummary, OutcomeKind};
use unicode_width::UnicodeWidthStr;

/// What most names fit into.
const NAME: usize = 22;

/// The whole screen.
pub(super) fn lines(model: &mut Model, width: usize, height: usize, style: &Style) -> Vec<String> {
    let frame = Frame {
        head: vec![path(model, width, style)],
        count: counted(model.list.count() as u64, "event"),
        waiting: "Waiting for events. `postern trigger linear Issue.create` makes one.",
        no_match: "No event has these words. Esc shows all.",
        keys: "↑/↓ select · Enter open · r replay · / filter · q quit",
        pager_keys: "↑/↓ scroll · r replay · Esc back",
    };
    frame.lines(&mut model.list, (width, height), style, |line, event| row(line, event, width))
}

/// `Acme → ada-laptop → http://localhost:3000          ● live, proven 3 s ago`
fn path(model: &Model, width: usize, style: &Style) -> String {
    let status = &model.status;
    let workspace = match &status.session {
        Some(session) => safe(&session.workspace.name),
        None => "signing in".into(),
    };
    let standing = status.targets.first().map(|first| match status.targets.len() {
        1 => first.url.clone(),
        all => format!("{} and {} more", first.url, all - 1),
    });
    let target = match model.forward_to.clone().or(standing) {
        Some(url) => safe(&url),
        None => "shown only".into(),
    };
    let ink = match &status.connection {
        Connection::Live { .. } => Ink::Good,
        Connection::Refused { .. } => Ink::Bad,
        _ => Ink::Busy,
    };
    let state = format!("● {}", output::connection(&style.plain(), &status.connection, status.now));
    let way = format!(" → {} → {target}", safe(&status.name));
    ends(style, width, &[(Some(Ink::Strong), &workspace), (None, &way)], (ink, &state))
}

/// `10:42:07  Issue.update  ENG-42 Fix login · by Ada   200 · 12 ms   4 ms`
fn row<'s>(mut line: Line<'s>, event: &EventSummary, width: usize) -> Line<'s> {
    let ink = match event.outcome.kind {
        OutcomeKind::None => Ink::Faint,
        OutcomeKind::Running => Ink::Busy,
        OutcomeKind::Succeeded => Ink::Good,
        OutcomeKind::Failed => Ink::Bad,
    };
    let outcome = cut(&format!("→ {}", safe(&event.outcome.label)), width / 3);
    let way = format!("{:>7}", output::span(event.latency_ms));
    let ends = outcome.width() + way.width() + 2;
    let at = line.style.time(event.received_at);
    line = line.add(Some(Ink::Faint), &at).add(None, "  ");
    if width >= 60 {
        line = line.column(Some(Ink::Strong), &safe(&event.name), NAME).add(None, " ");
    }
    let detail = if event.detail.is_empty() { String::new() } else { format!(" · {}", safe(&event.detail)) };
    line.leave(ends, None, &safe(&event.subject))
        .leave(ends, Some(Ink::Faint), &detail)
        .right(ends)
        .add(None, " ")
        .add(Some(ink), &outcome)
        .add(None, " ")
        .add(Some(Ink::Faint), &way)
}

#[cfg(test)]
mod tests;
