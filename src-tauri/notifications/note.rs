//! What one notification says.

use postern_edge::api::EventSummary;

/// The text of a notification and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The strong line, plain text.
    pub(crate) summary: String,
    /// The lines under it, plain text.
    pub(crate) body: String,
    /// The event, when it is about a single one.
    pub(crate) event: Option<String>,
}

impl Note {
    /// How many events a note names.
    pub(super) const LINES: usize = 3;

    /// A note of `count` events, of which `newest` are the last, oldest
    /// first. None of none.
    pub(super) fn of(count: usize, newest: &[EventSummary]) -> Option<Self> {
        match newest {
            [] => None,
            [only] if count == 1 => Some(Self::single(only)),
            _ => Some(Self::several(count, newest)),
        }
    }

    fn single(row: &EventSummary) -> Self {
        let origin = format!("{} · {}{}", row.name, row.source, by(row.notify.as_deref().unwrap_or(&[])));
        let body = if row.detail.is_empty() { origin } else { format!("{}\n{origin}", row.detail) };
        Self { summary: title(row).to_owned(), body, event: Some(row.id.clone()) }
    }

    fn several(count: usize, newest: &[EventSummary]) -> Self {
        let mut lines: Vec<String> = newest
            .iter()
            .rev()
            .take(Self::LINES)
            .map(|row| format!("{} · {}", title(row), row.name))
            .collect();
        if let more @ 1.. = count.saturating_sub(lines.len()) {
            lines.push(format!("and {more} more"));
        }
        // Which rule it was, when it was one for all that are named.
        let rules = |row: &EventSummary| row.notify.clone().unwrap_or_default();
        let alike = newest.windows(2).all(|pair| rules(&pair[0]) == rules(&pair[1]));
        let by = newest.first().filter(|_| alike).map(|row| by(&rules(row))).unwrap_or_default();
        Self { summary: format!("{count} events{by}"), body: lines.join("\n"), event: None }
    }
}

/// ` · rule Urgent`: the notify rules that took an event, at most two of them.
fn by(rules: &[String]) -> String {
    match rules {
        [] => String::new(),
        [one] => format!(" · rule {one}"),
        [one, two] => format!(" · rules {one}, {two}"),
        [one, two, more @ ..] => format!(" · rules {one}, {two} and {} more", more.len()),
    }
}

/// The row's strong start, or the event's name where the payload gave none.
pub(crate) fn title(row: &EventSummary) -> &str {
    if row.subject.is_empty() { &row.name } else { &row.subject }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use postern_edge::api::{Outcome, OutcomeKind};
    use postern_protocol::{Provider, UnixMillis};

    /// A row as the edge gives it.
    pub(crate) fn row(id: &str, stored_at: i64) -> EventSummary {
        EventSummary {
            id: id.to_owned(),
            received_at: UnixMillis(stored_at),
            stored_at: UnixMillis(stored_at),
            source: "linear".to_owned(),
            provider: Provider::Linear,
            event_type: "Issue".to_owned(),
            action: Some("update".to_owned()),
            name: "Issue.update".to_owned(),
            subject: "ENG-42 Fix login".to_owned(),
            detail: "status Todo → Done · by Ada".to_owned(),
            size: 2,
            synthetic: false,
            outcome: Outcome { kind: OutcomeKind::None, label: String::new() },
            latency_ms: 0,
            seq: 1,
            notify: None,
        }
    }

    #[test]
    fn one_event_is_told_by_its_human_line() {
        let note = Note::of(1, &[row("evt_1", 5)]).unwrap();
        assert_eq!(note.summary, "ENG-42 Fix login");
        assert_eq!(note.body, "status Todo → Done · by Ada\nIssue.update · linear");
        assert_eq!(note.event.as_deref(), Some("evt_1"));
    }

    #[test]
    fn without_a_human_line_by_its_name() {
        let bare = EventSummary { subject: String::new(), detail: String::new(), ..row("evt_1", 5) };
        let note = Note::of(1, &[bare]).unwrap();
        assert_eq!((note.summary.as_str(), note.body.as_str()), ("Issue.update", "Issue.update · linear"));
    }

    #[test]
    fn the_rule_that_tells_it_is_named() {
        let told = |rules: &[&str]| EventSummary {
            notify: Some(rules.iter().map(|rule| (*rule).to_owned()).collect()),
            ..row("evt_1", 5)
        };
        let body = |rules: &[&str]| Note::of(1, &[told(rules)]).unwrap().body;
        assert!(body(&["Urgent"]).ends_with("\nIssue.update · linear · rule Urgent"));
        assert!(body(&["A", "B"]).ends_with(" · rules A, B"));
        assert!(body(&["A", "B", "C", "D"]).ends_with(" · rules A, B and 2 more"));
        let several = |rows: &[EventSummary]| Note::of(7, rows).unwrap().summary;
        assert_eq!(several(&[told(&["A"]), told(&["A"])]), "7 events · rule A");
        assert_eq!(several(&[told(&["A"]), told(&["B"])]), "7 events");
    }

    #[test]
    fn several_are_counted_and_the_newest_named() {
        let named = |n: i64| EventSummary { subject: format!("ENG-{n}"), ..row(&n.to_string(), n) };
        let note = Note::of(12, &[named(10), named(11), named(12)]).unwrap();
        assert_eq!(note.summary, "12 events");
        assert_eq!(
            note.body,
            "ENG-12 · Issue.update\nENG-11 · Issue.update\nENG-10 · Issue.update\nand 9 more"
        );
        assert_eq!(note.event, None);
        assert_eq!(Note::of(2, &[named(1), named(2)]).unwrap().body.lines().count(), 2);
    }
}
