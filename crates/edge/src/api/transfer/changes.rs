//! What changes, in words.

use super::document::members;
use super::{Appearance, SettingChange, Theme};
use crate::api::{Action, ApiError, HostHeader, Rule, Settings, View};
use crate::doctor::span;
use crate::state::Shared;
use serde_json::Value;

fn change(
    profile: Option<&str>,
    what: impl Into<String>,
    from: Option<String>,
    to: Option<String>,
) -> SettingChange {
    SettingChange { profile: profile.map(str::to_owned), what: what.into(), from, to }
}

pub(super) fn of_settings(
    before: &Settings,
    after: &Settings,
    changes: &mut Vec<SettingChange>,
) -> Result<(), ApiError> {
    let (before, after) = (members(before)?, members(after)?);
    for (name, to) in &after {
        let from = before.get(name).unwrap_or(&Value::Null);
        if from != to {
            changes.push(change(None, label(name), Some(words(name, from)), Some(words(name, to))));
        }
    }
    Ok(())
}

/// A setting as the interface calls it; a newer one by its own name.
fn label(name: &str) -> String {
    match name {
        "notifications" => "Notifications",
        "catchUp" => "After an absence",
        "via" => "How events arrive",
        "ordering" => "Order",
        "capabilities" => "Events asked for",
        "keep" => "Keep events",
        "canaryMinutes" => "Prove the path",
        "port" => "Port",
        "group" => "Claim group",
        other => other,
    }
    .to_owned()
}

fn words(name: &str, value: &Value) -> String {
    match (name, value) {
        (_, Value::Bool(on)) => if *on { "on" } else { "off" }.into(),
        ("catchUp", Value::Null) => "as the program does".into(),
        ("catchUp", value) => match value.as_str() {
            Some("ask") => "ask".into(),
            Some("all") => "deliver all".into(),
            Some("newest_per_entity") => "deliver the newest per issue".into(),
            Some("none") => "skip".into(),
            _ => plain(value),
        },
        ("via", value) => match value.as_str() {
            Some("auto") => "automatic".into(),
            Some("address") => "own address".into(),
            _ => plain(value),
        },
        ("ordering", value) => match value.as_str() {
            Some("none") => "as they come".into(),
            Some("entity") => "by issue".into(),
            _ => plain(value),
        },
        ("capabilities", Value::Array(terms)) if terms.is_empty() => "all".into(),
        ("port", Value::Null) => "any".into(),
        ("keep", Value::Object(keep)) => {
            let days = keep.get("days").and_then(Value::as_u64);
            let gib = keep.get("gib").and_then(Value::as_u64);
            let days = days.map_or("forever".into(), |days| format!("{days} days"));
            let gib = gib.map_or("any size".into(), |gib| format!("up to {gib} GiB"));
            format!("{days}, {gib}")
        }
        ("canaryMinutes", value) => match value.as_u64() {
            Some(0) => "never".into(),
            Some(1) => "every minute".into(),
            Some(minutes) => format!("every {minutes} minutes"),
            None => plain(value),
        },
        (_, value) => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

pub(super) fn of_appearance(now: Appearance, then: Appearance, changes: &mut Vec<SettingChange>) {
    let theme = |theme| {
        let word = match theme {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        Some(word.to_owned())
    };
    let on = |on| Some(if on { "on" } else { "off" }.to_owned());
    if now.theme != then.theme {
        changes.push(change(None, "Theme", theme(now.theme), theme(then.theme)));
    }
    if now.single_keys != then.single_keys {
        changes.push(change(None, "Single-letter keys", on(now.single_keys), on(then.single_keys)));
    }
}

pub(super) fn of_label(called: &str, slot: &Shared, label: Option<&str>, changes: &mut Vec<SettingChange>) {
    let Some(then) = label.map(str::to_owned).or_else(|| slot.workspace_name()) else { return };
    if then != called {
        changes.push(change(Some(called), "Name on this machine", Some(called.to_owned()), Some(then)));
    }
}

pub(super) fn of_rules(called: &str, before: &[Rule], after: &[Rule], changes: &mut Vec<SettingChange>) {
    let called = Some(called);
    for rule in after {
        let what = format!("Rule “{}”", rule.name);
        match before.iter().find(|old| old.id == rule.id) {
            Some(old) if old == rule => {}
            Some(old) => changes.push(change(called, what, Some(of_rule(old)), Some(of_rule(rule)))),
            None => changes.push(change(called, what, None, Some(of_rule(rule)))),
        }
    }
    for old in before.iter().filter(|old| !after.iter().any(|rule| rule.id == old.id)) {
        changes.push(change(called, format!("Rule “{}”", old.name), Some(of_rule(old)), None));
    }
    let order = |rules: &[Rule], others: &[Rule]| {
        let both = rules.iter().filter(|rule| others.iter().any(|other| other.id == rule.id));
        both.map(|rule| (rule.id, rule.name.clone())).collect::<Vec<_>>()
    };
    let (was, is) = (order(before, after), order(after, before));
    if was != is {
        let names = |rules: Vec<(u64, String)>| {
            Some(rules.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(", "))
        };
        changes.push(change(called, "Order of rules", names(was), names(is)));
    }
}

/// What a rule does, without the values of its headers.
fn of_rule(rule: &Rule) -> String {
    let mut parts =
        vec![if rule.filter.is_empty() { "all events".to_owned() } else { rule.filter.join(", ") }];
    match &rule.action {
        Action::Notify => parts.push("notify".into()),
        Action::Forward(to) => {
            parts.push(format!("forward to {}", to.url));
            parts.extend(to.timeout_ms.map(|ms| format!("within {}", span(ms.into()))));
            let names: Vec<_> = to.headers.iter().map(|(name, _)| name.as_str()).collect();
            if !names.is_empty() {
                parts.push(format!("with {}", names.join(", ")));
            }
            if to.host == HostHeader::Keep {
                parts.push("keeping the host".into());
            }
            if to.retry.count > 0 {
                let first = span(to.retry.wait_ms.into());
                parts.push(format!("up to {} retries, the first after {first}", to.retry.count));
            }
        }
    }
    if rule.stop {
        parts.push("stop".into());
    }
    if !rule.enabled {
        parts.push("off".into());
    }
    parts.join(" · ")
}

pub(super) fn of_views(called: &str, before: &[View], after: &[View], changes: &mut Vec<SettingChange>) {
    for view in after {
        let old = before.iter().find(|old| old.name == view.name).map(|old| old.filter.clone());
        if old.as_ref() != Some(&view.filter) {
            changes.push(change(
                Some(called),
                format!("View “{}”", view.name),
                old,
                Some(view.filter.clone()),
            ));
        }
    }
}
