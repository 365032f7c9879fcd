//! What Slack posts: events (JSON), slash commands (a form's fields) and
//! interactions (JSON in a form's field `payload`). Shapes: docs.slack.dev,
//! "Events API", "Slash commands", "Interaction payloads".

use super::payload::{self, Json};
use super::{Line, first, form, generic, text};
use crate::HeaderList;

mod event;

pub(super) fn read<'b>(headers: &HeaderList, body: &'b [u8]) -> Option<Json<'b>> {
    let json = matches!(body.trim_ascii_start().first(), Some(b'{'));
    if json && !form::is_named(headers) {
        return payload::read(body);
    }
    form::payload(body).or_else(|| {
        let fields = form::fields(body);
        fields.text("command").is_some().then_some(fields)
    })
}

pub(super) fn line(json: &Json, size: usize) -> Line {
    match json.text("type") {
        Some("event_callback") => event::line(json),
        Some("url_verification") => named(Line::new("URL verification"), "url_verification", None),
        Some("app_rate_limited") => {
            named(Line::new("Events held back: rate limit"), "app_rate_limited", None)
        }
        Some(kind) => interaction(json, kind),
        None if json.text("command").is_some() => command(json),
        None => {
            let mut line = generic::line(&HeaderList::new(), json, size);
            line.event_type = None;
            line
        }
    }
}

fn named(mut line: Line, kind: &str, action: Option<&str>) -> Line {
    line.event_type = Some(kind.to_owned());
    line.action = action.map(str::to_owned);
    line
}

/// `slack:T1:C1:1712345678.000100`: the thread, or the message that begins it.
fn thread(team: Option<&str>, channel: Option<&str>, message: &Json) -> Option<String> {
    let ts = first(message, &["thread_ts", "ts"]);
    Some(format!("slack:{}:{}:{}", team.unwrap_or_default(), channel?, ts?))
}

/// `/deploy web now`, of type `slash_command`, the command its action.
fn command(json: &Json) -> Line {
    let command = json.text("command").unwrap_or_default();
    let subject = [Some(command), json.text("text")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let line = Line::new(subject)
        .say(place(first(json, &["channel_name"]), json.text("channel_id")))
        .by(first(json, &["user_name", "user_id"]));
    named(line, "slash_command", Some(command.trim_start_matches('/')).filter(|name| !name.is_empty()))
}

/// A button, a form, a shortcut: the action is what the app named it.
fn interaction(json: &Json, kind: &str) -> Line {
    let acted = json.at("actions").first_item();
    let name =
        first(acted, &["action_id", "name"]).or_else(|| first(json, &["callback_id", "view.callback_id"]));
    let shown = first(acted, &["text.text", "value", "selected_option.text.text"])
        .or_else(|| first(json, &["view.title.text", "message.text"]));
    let line = Line::new(name.map_or_else(|| text::words(kind), str::to_owned))
        .say(name.map(|_| text::words(kind)))
        .say(shown.and_then(text::quote))
        .say(place(json.text("channel.name"), json.text("channel.id")))
        .about(
            thread(json.text("team.id"), json.text("channel.id"), json.at("message"))
                .or_else(|| json.text("view.id").map(|id| format!("slack:view:{id}"))),
        )
        .by(first(json, &["user.name", "user.username", "user.id"]));
    named(line, kind, name)
}

/// `in #general`, `in C123` where only the id is known.
fn place(name: Option<&str>, id: Option<&str>) -> Option<String> {
    name.map(|name| format!("in #{name}")).or_else(|| id.map(|id| format!("in {id}")))
}
