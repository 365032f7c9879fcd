//! The view's lines, each as wide as the screen at most.

use super::model::{FRAME, Model};
use crate::output::{self, Ink, Style, safe};
use postern_edge::api::{Connection, EventSummary, OutcomeKind};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What most names fit into.
const NAME: usize = 22;
const KEYS: &str = "↑/↓ select · Enter open · r replay · / filter · q quit";
const PAGER_KEYS: &str = "↑/↓ scroll · r replay · Esc back";

/// One line in the making: pieces of text, up to a width.
struct Line<'s> {
    style: &'s Style,
    room: usize,
    text: String,
}

impl<'s> Line<'s> {
    fn new(style: &'s Style, width: usize) -> Self {
        Self { style, room: width, text: String::new() }
    }

    /// Adds a piece, cut where the line ends.
    fn add(mut self, ink: Option<Ink>, text: &str) -> Self {
        let text = cut(text, self.room);
        self.room -= text.width();
        match ink {
            Some(ink) => self.text.push_str(&self.style.paint(ink, &text)),
            None => self.text.push_str(&text),
        }
        self
    }

    /// Adds a piece, padded to a width.
    fn column(self, ink: Option<Ink>, text: &str, width: usize) -> Self {
        let text = cut(text, width);
        let gap = " ".repeat(width - text.width());
        self.add(ink, &text).add(None, &gap)
    }

    /// Adds a piece so that `keep` columns stay free after it.
    fn leave(mut self, keep: usize, ink: Option<Ink>, text: &str) -> Self {
        let kept = keep.min(self.room);
        self.room -= kept;
        let mut line = self.add(ink, text);
        line.room += kept;
        line
    }

    /// Moves what follows, so wide, to the right end.
    fn right(self, width: usize) -> Self {
        let gap = " ".repeat(self.room.saturating_sub(width));
        self.add(None, &gap)
    }
}

/// `text` on one line and not wider than `width`, `…` where it is cut.
fn cut(text: &str, width: usize) -> String {
    let text = text.replace(['\n', '\t'], " ");
    if text.width() <= width {
        return text;
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = if fits { room - wide } else { 0 };
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The whole screen.
pub(super) fn lines(model: &Model, width: usize, height: usize, style: &Style) -> Vec<String> {
    let room = height.saturating_sub(FRAME).max(1);
    let mut lines = vec![path(model, width, style), filter(model, width, style)];
    match &model.pager {
        Some(pager) => {
            let text = pager.lines.iter().skip(pager.top).take(room);
            lines.extend(text.map(|line| Line::new(style, width).add(None, line).text));
        }
        None => lines.extend(events(model, width, room, style)),
    }
    lines.resize(room + 2, String::new());
    lines.push(Line::new(style, width).add(Some(Ink::Strong), &safe(&model.note)).text);
    let keys = if model.pager.is_some() { PAGER_KEYS } else { KEYS };
    lines.push(Line::new(style, width).add(Some(Ink::Faint), keys).text);
    // On a screen too small for all, the top counts.
    lines.truncate(height);
    lines
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
    let state = cut(&state, width / 2);
    Line::new(style, width)
        .leave(state.width() + 2, Some(Ink::Strong), &workspace)
        .leave(state.width() + 2, None, &format!(" → {} → {target}", safe(&status.name)))
        .right(state.width())
        .add(Some(ink), &state)
        .text
}

/// How many events there are, and what chooses among them.
fn filter(model: &Model, width: usize, style: &Style) -> String {
    let (all, shown) = (model.count(), model.shown().len());
    let line = Line::new(style, width);
    if model.typing || !model.filter.is_empty() {
        let cursor = if model.typing { "▏" } else { "" };
        return line
            .add(Some(Ink::Strong), &format!("/{}{cursor}", safe(&model.filter)))
            .add(Some(Ink::Faint), &format!("  {shown} of {all}"))
            .text;
    }
    let events = if all == 1 { "1 event".to_owned() } else { format!("{all} events") };
    line.add(Some(Ink::Faint), &events).text
}

fn events(model: &Model, width: usize, room: usize, style: &Style) -> Vec<String> {
    let shown = model.shown();
    if shown.is_empty() {
        let text = if model.count() > 0 {
            "No event has these words. Esc shows all."
        } else {
            "Waiting for events. `postern trigger linear Issue.create` makes one."
        };
        return vec![String::new(), Line::new(style, width).add(Some(Ink::Faint), &format!("  {text}")).text];
    }
    let at = model.at();
    let rows = shown.into_iter().enumerate().skip(model.top).take(room);
    rows.map(|(n, event)| row(event, at == Some(n), width, style)).collect()
}

/// `› 10:42:07  Issue.update  ENG-42 Fix login · by Ada   200 · 12 ms   4 ms`
fn row(event: &EventSummary, selected: bool, width: usize, style: &Style) -> String {
    let ink = match event.outcome.kind {
        OutcomeKind::None => Ink::Faint,
        OutcomeKind::Running => Ink::Busy,
        OutcomeKind::Succeeded => Ink::Good,
        OutcomeKind::Failed => Ink::Bad,
    };
    let outcome = cut(&format!("→ {}", safe(&event.outcome.label)), width / 3);
    let way = format!("{:>7}", output::span(event.latency_ms));
    let ends = outcome.width() + way.width() + 2;
    // Colours within would end the selected row's.
    let plain = style.plain();
    let inner = if selected { &plain } else { style };
    let mut line = Line::new(inner, width)
        .add(None, if selected { "› " } else { "  " })
        .add(Some(Ink::Faint), &style.time(event.received_at))
        .add(None, "  ");
    if width >= 60 {
        line = line.column(Some(Ink::Strong), &safe(&event.name), NAME).add(None, " ");
    }
    let detail = if event.detail.is_empty() { String::new() } else { format!(" · {}", safe(&event.detail)) };
    let line = line
        .leave(ends, None, &safe(&event.subject))
        .leave(ends, Some(Ink::Faint), &detail)
        .right(ends)
        .add(None, " ")
        .add(Some(ink), &outcome)
        .add(None, " ")
        .add(Some(Ink::Faint), &way);
    if selected && style.colour() { format!("\x1b[7m{}\x1b[0m", line.text) } else { line.text }
}

#[cfg(test)]
mod tests;
