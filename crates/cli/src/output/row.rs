//! One event on one line.

use super::{Ink, Style, counted, safe, span};
use postern_edge::api::{EventPage, EventSummary, Outcome, OutcomeKind, Templates};

/// What most names fit into.
const NAME_WIDTH: usize = 24;

/// `events list`.
pub(crate) fn page(style: &Style, page: &EventPage) -> String {
    if page.rows.is_empty() {
        return "No events. `postern trigger linear Issue.create` makes one.".into();
    }
    let mut lines: Vec<_> = page.rows.iter().map(|event| row(style, event)).collect();
    if let Some(next) = &page.next {
        let all = page.total.map_or(String::new(), |total| format!("{} in all; ", counted(total, "event")));
        let more = format!("{all}older ones: --before {}", safe(next));
        lines.push(style.paint(Ink::Faint, &more));
    }
    lines.join("\n")
}

/// `trigger --list`.
pub(crate) fn templates(style: &Style, list: &Templates) -> String {
    let width = list.templates.iter().map(|template| template.name.chars().count()).max().unwrap_or(0);
    let line = |template: &postern_edge::api::Template| {
        let name = style.paint(Ink::Strong, &format!("{:width$}", safe(&template.name)));
        format!("{:8} {name}  {}", template.provider.as_str(), safe(&template.about))
    };
    list.templates.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `2026-11-22 10:42:07  evt_…  Issue.update  ENG-42 Fix login · by Ada  → 200 · 12 ms`
fn row(style: &Style, event: &EventSummary) -> String {
    let at = style.paint(Ink::Faint, &style.day_and_time(event.received_at));
    let id = style.paint(Ink::Faint, &safe(&event.id));
    format!("{at}  {id}  {}", rest(style, event))
}

/// `10:42:07  Issue.update  ENG-42 Fix login · by Ada  → 200 · 12 ms  (4 ms)`:
/// the span in brackets is the way from the proxy to this machine.
pub(crate) fn live_row(style: &Style, event: &EventSummary) -> String {
    let at = style.paint(Ink::Faint, &style.time(event.received_at));
    let way = style.paint(Ink::Faint, &format!("({})", span(event.latency_ms)));
    format!("{at}  {}  {way}", rest(style, event))
}

fn rest(style: &Style, event: &EventSummary) -> String {
    let name = style.paint(Ink::Strong, &format!("{:NAME_WIDTH$}", safe(&event.name)));
    let line = match (event.subject.as_str(), event.detail.as_str()) {
        (subject, "") => safe(subject),
        (subject, detail) => format!("{} · {}", safe(subject), safe(detail)),
    };
    format!("{name}  {line}  → {}", outcome(style, &event.outcome))
}

/// The outcome's label in its colour.
pub(super) fn outcome(style: &Style, outcome: &Outcome) -> String {
    let ink = match outcome.kind {
        OutcomeKind::None => Ink::Faint,
        OutcomeKind::Running => Ink::Busy,
        OutcomeKind::Succeeded => Ink::Good,
        OutcomeKind::Failed => Ink::Bad,
    };
    style.paint(ink, &safe(&outcome.label))
}
