//! Rules, and what they would do.

use super::{Ink, Style, counted, safe, span};
use postern_edge::api::{Action, DryRun, Forward, ForwardTo, HostHeader, Rule, RuleList};

/// `rules list`: two lines for each, in order.
pub(crate) fn rules(style: &Style, list: &RuleList, targets: &[Forward]) -> String {
    if list.rules.is_empty() {
        return "There are no rules: events are kept and shown. `postern rules add --to 3000` forwards them."
            .into();
    }
    let width = list.rules.iter().map(|rule| rule.id.to_string().len()).max().unwrap_or(1);
    list.rules.iter().map(|rule| one(style, rule, width, targets)).collect::<Vec<_>>().join("\n")
}

/// `7  on   My app   Issue, !Issue.remove`, and under it what it does.
fn one(style: &Style, rule: &Rule, width: usize, targets: &[Forward]) -> String {
    let state = if rule.enabled { style.paint(Ink::Good, "on ") } else { style.paint(Ink::Faint, "off") };
    let stop = if rule.stop { style.paint(Ink::Busy, "  then stop") } else { String::new() };
    let last = targets.iter().find(|target| target.rule == rule.id).and_then(|target| target.last.as_ref());
    let last =
        last.map(|run| format!("  (last: {})", super::row::outcome(style, &run.outcome))).unwrap_or_default();
    format!(
        "{:>width$}  {state}  {}  {}\n{:width$}       → {}{last}{stop}",
        rule.id,
        style.paint(Ink::Strong, &safe(&rule.name)),
        style.paint(Ink::Faint, &filter(rule)),
        "",
        action(&rule.action),
    )
}

fn filter(rule: &Rule) -> String {
    if rule.filter.is_empty() {
        return "every event".into();
    }
    safe(&rule.filter.join("  "))
}

/// What a rule does. Values of headers may be secrets, and are not shown.
fn action(action: &Action) -> String {
    let Action::Forward(ForwardTo { url, timeout_ms, headers, host, retry }) = action else {
        return "notify".into();
    };
    let mut text = safe(url);
    let mut add = |more: String| {
        text.push_str(" · ");
        text.push_str(&more);
    };
    if let Some(ms) = timeout_ms {
        add(format!("within {}", span((*ms).into())));
    }
    if retry.count > 0 {
        let again = counted(retry.count.into(), "more time");
        add(format!("up to {again}, after {}", span(retry.wait_ms.into())));
    }
    if *host == HostHeader::Keep {
        add("host kept".into());
    }
    if !headers.is_empty() {
        let names: Vec<_> = headers.iter().map(|(name, _)| safe(name)).collect();
        add(format!("with {}", names.join(", ")));
    }
    text
}

/// `rules dry-run`: how many each takes, then every event with its takers.
pub(crate) fn dry_run(style: &Style, list: &RuleList, run: &DryRun) -> String {
    if run.rows.is_empty() {
        return "There are no events yet. `postern trigger linear Issue.create` makes one.".into();
    }
    let all = run.rows.len();
    let mut lines: Vec<_> = list
        .rules
        .iter()
        .enumerate()
        .map(|(place, rule)| {
            let taken =
                run.rows.iter().filter(|row| row.rules.contains(&u32::try_from(place).unwrap_or(u32::MAX)));
            let of = format!("{} of {}", taken.count(), counted(all as u64, "event"));
            let name = if rule.name.is_empty() { filter(rule) } else { safe(&rule.name) };
            let off = if rule.enabled { "" } else { "  (off)" };
            format!("{}  {of}{off}", style.paint(Ink::Strong, &name))
        })
        .collect();
    lines.push(String::new());
    lines.extend(run.rows.iter().filter(|row| !row.rules.is_empty()).map(|row| {
        let takers = row.rules.iter().filter_map(|place| list.rules.get(*place as usize));
        let takers: Vec<_> = takers.map(|rule| safe(&rule.name)).filter(|name| !name.is_empty()).collect();
        let takers = if takers.is_empty() { String::new() } else { format!("  → {}", takers.join(", ")) };
        let at = style.paint(Ink::Faint, &style.day_and_time(row.event.received_at));
        format!(
            "{at}  {}  {}{takers}",
            style.paint(Ink::Strong, &safe(&row.event.name)),
            safe(&row.event.subject)
        )
    }));
    lines.join("\n")
}
