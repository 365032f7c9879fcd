//! Slack's events: the type is the inner event's, its subtype the action.

use super::{named, place, thread};
use crate::line::payload::Json;
use crate::line::{Line, first, text};

pub(super) fn line(json: &Json) -> Line {
    let event = json.at("event");
    let Some(kind) = event.text("type") else { return Line::new("Event without a type") };
    let team = first(json, &["team_id", "event.team"]);
    let line = match kind {
        "message" | "app_mention" => message(event, kind, team),
        "reaction_added" | "reaction_removed" => reaction(event, kind, team),
        "app_home_opened" => Line::new("App home").say("opened".to_owned()),
        "member_joined_channel" | "member_left_channel" => Line::new(text::words(kind))
            .about(about("channel", team, event.text("channel")))
            .say(place(None, event.text("channel"))),
        "team_join" | "user_change" => {
            let name = first(event, &["user.real_name", "user.name", "user.id"]);
            Line::new(name.unwrap_or("A member"))
                .about(about("user", team, event.text("user.id")))
                .say(text::words(kind))
        }
        _ if kind.starts_with("channel_") || kind.starts_with("group_") => channel(event, kind, team),
        _ if kind.starts_with("file_") => Line::new(text::words(kind))
            .about(about("file", team, first(event, &["file_id", "file.id"])))
            .say(place(None, event.text("channel_id"))),
        _ => Line::new(text::words(kind)).say(place(None, event.text("channel"))),
    };
    let who = first(event, &["user", "message.user", "user_id", "bot_id", "username"]);
    named(line.by(who), kind, event.text("subtype"))
}

/// A message as it is now; of an edited one Slack nests the new one.
fn message(event: &Json, kind: &str, team: Option<&str>) -> Line {
    let inner = match (event.at("message"), event.at("previous_message")) {
        (message @ Json::Object(_), _) | (Json::Null, message @ Json::Object(_)) => message,
        _ => event,
    };
    let said = inner.text("text").and_then(text::quote);
    let what = match (kind, event.text("subtype")) {
        ("app_mention", _) => "mention".to_owned(),
        (_, Some(subtype)) => text::words(subtype),
        (_, None) if event.text("thread_ts").is_some() => "reply".to_owned(),
        (_, None) if event.text("channel_type") == Some("im") => "direct message".to_owned(),
        (_, None) => "message".to_owned(),
    };
    let channel = event.text("channel");
    Line::new(said.clone().unwrap_or_else(|| what.clone()))
        .about(thread(team, channel, inner))
        .say(said.map(|_| what))
        .say(place(None, channel))
}

fn reaction(event: &Json, kind: &str, team: Option<&str>) -> Line {
    let emoji = event.text("reaction").map_or_else(|| "Reaction".to_owned(), |name| format!(":{name}:"));
    let channel = event.text("item.channel");
    Line::new(emoji)
        .about(thread(team, channel, event.at("item")))
        .say(text::words(kind))
        .say(place(None, channel))
}

/// `channel_created` and the like: the channel is its id, or an object.
fn channel(event: &Json, kind: &str, team: Option<&str>) -> Line {
    let id = first(event, &["channel.id", "channel"]);
    let name = event.text("channel.name").map(|name| format!("#{name}"));
    Line::new(name.or_else(|| id.map(str::to_owned)).unwrap_or_else(|| text::words(kind)))
        .about(about("channel", team, id))
        .say(text::words(kind))
}

fn about(kind: &str, team: Option<&str>, id: Option<&str>) -> Option<String> {
    id.map(|id| format!("slack:{}:{kind}:{id}", team.unwrap_or_default()))
}
