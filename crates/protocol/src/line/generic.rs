//! Any other sender: what the usual fields say.

use super::payload::Json;
use super::{Line, first, text};
use crate::HeaderList;

const TYPES: &[&str] =
    &["type", "event", "event_type", "eventType", "event_name", "eventName", "topic", "kind"];
const TITLES: &[&str] = &["title", "name", "subject", "summary", "message", "description", "email", "id"];
/// Where senders put the thing itself.
const THINGS: &[&str] = &["data.object", "data", "payload", "resource", "object"];

pub(super) fn line(headers: &HeaderList, json: &Json, size: usize) -> Line {
    let named = first(json, TYPES).or_else(|| named_by_header(headers));
    let (event_type, action) = split(named, json.text("action"));
    let things = || THINGS.iter().map(|path| json.at(path));
    let title = things().chain([json]).find_map(|thing| first(thing, TITLES));
    let status = things().chain([json]).find_map(|thing| first(thing, &["status", "state"]));
    let subject = match (title, named) {
        (Some(title), _) => title.to_owned(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => format!("{} · {}", shape(json), text::bytes(size)),
    };
    let mut line = Line::new(subject)
        .say(action.as_deref().map(text::words))
        .say(status.map(text::words))
        .by(first(json, &["actor.name", "user.name", "sender.login", "sender.name"]));
    line.event_type = event_type;
    line.action = action;
    line
}

/// `user.created` is a type and an action, as a filter reads it.
fn split(name: Option<&str>, action: Option<&str>) -> (Option<String>, Option<String>) {
    match name.map(|n| n.trim().split_once('.').ok_or(n)) {
        Some(Ok((kind, rest))) if !kind.is_empty() && !rest.is_empty() => {
            (Some(kind.to_owned()), Some(rest.to_owned()))
        }
        Some(Ok((kind, rest))) => (Some(format!("{kind}{rest}")), action.map(str::to_owned)),
        Some(Err(kind)) => (Some(kind.to_owned()), action.map(str::to_owned)),
        None => (None, action.map(str::to_owned)),
    }
}

/// `X-Gitlab-Event`, `X-Shopify-Topic`: a custom header that names the event.
fn named_by_header(headers: &HeaderList) -> Option<&str> {
    let names = |name: &str| name.starts_with("x-") && (name.ends_with("-event") || name.ends_with("-topic"));
    headers.iter().filter(|(name, _)| names(name)).find_map(|(_, value)| std::str::from_utf8(value).ok())
}

fn shape(json: &Json) -> String {
    match json {
        Json::Object(_) => "Untyped object".to_owned(),
        Json::List(_, count) => format!("List of {}", text::plural(*count, "item")),
        Json::Text(_) => "Bare text".to_owned(),
        Json::Number(_) => "Bare number".to_owned(),
        Json::Bool(_) | Json::Null => "Bare value".to_owned(),
    }
}
