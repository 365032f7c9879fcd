//! Linear's events. The type comes from the body, which is signed; never from
//! the header `Linear-Event`, which is not. Shapes: Linear's public GraphQL
//! schema (`*WebhookPayload`).

use super::payload::Json;
use super::{Line, first, generic, text};
use crate::HeaderList;

mod changes;

pub(super) fn line(json: &Json, size: usize) -> Line {
    let Some(kind) = json.text("type") else {
        let mut line = generic::line(&HeaderList::new(), json, size);
        line.event_type = None;
        return line;
    };
    let action = json.text("action");
    let data = json.at("data");
    let line = match kind {
        "Comment" => comment(json, data, action),
        "Reaction" => reaction(data, action),
        "Attachment" => attachment(data, action),
        "CustomerNeed" => customer_need(data, action),
        "ProjectUpdate" | "InitiativeUpdate" => update_post(kind, json, data, action),
        "IssueSLA" => issue_sla(json, action),
        "AgentSessionEvent" => agent_session(json, action),
        "AppUserNotification" => notification(json, action),
        "OAuthApp" => Line::new("OAuth app").say(action.map(text::words)).about(client(json)),
        "OAuthAuthorization" => authorization(json, action),
        "PermissionChange" => permission_change(json),
        _ => resource(kind, json, data, action),
    };
    let person = actor(json).or_else(|| line.by.clone());
    let mut line = line.by(person.as_deref());
    line.event_type = Some(kind.to_owned());
    line.action = action.map(str::to_owned);
    line
}

/// Who did it: a user's or app's name, or an integration's service.
fn actor(json: &Json) -> Option<String> {
    first(json, &["actor.name", "actor.displayName", "actor.service", "actor.email"]).map(str::to_owned)
}

fn entity(kind: &str, id: Option<&str>) -> Option<String> {
    id.map(|id| format!("linear:{kind}:{id}"))
}

fn client(json: &Json) -> Option<String> {
    entity("OAuthApp", json.text("oauthClientId"))
}

/// `ENG-42 Fix login`, or a name, or a number.
fn title(kind: &str, thing: &Json) -> Option<String> {
    let name = first(thing, &["title", "name", "displayName", "email"]);
    match (thing.text("identifier"), name) {
        (Some(identifier), Some(name)) => Some(format!("{identifier} {name}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => thing.text("number").map(|number| format!("{} {number}", spaced(kind))),
    }
}

/// `InitiativeUpdate` → `Initiative update`.
fn spaced(kind: &str) -> String {
    let words = text::words(kind);
    let mut chars = words.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// What a comment, reaction, attachment, … hangs on: its title and entity.
fn parent(data: &Json) -> (Option<String>, Option<String>) {
    const PARENTS: &[(&str, &str)] = &[
        ("issue", "Issue"),
        ("projectUpdate", "ProjectUpdate"),
        ("initiativeUpdate", "InitiativeUpdate"),
        ("project", "Project"),
        ("initiative", "Initiative"),
        ("document", "Document"),
        ("documentContent", "DocumentContent"),
        ("comment", "Comment"),
    ];
    let found = PARENTS.iter().find_map(|(key, kind)| {
        let thing = data.at(key);
        let id = thing.text("id").or_else(|| data.text(&format!("{key}Id")));
        id.map(|id| {
            let of =
                |inner| title(kind, thing.at(inner)).map(|name| format!("{name} · {}", text::words(kind)));
            let name = title(kind, thing)
                .or_else(|| ["project", "initiative", "document", "issue"].into_iter().find_map(of));
            (name, entity(kind, Some(id)))
        })
    });
    found.unwrap_or_default()
}

fn done(action: Option<&str>) -> Option<String> {
    action.map(|action| match action {
        "create" => "created".to_owned(),
        "update" => "updated".to_owned(),
        "remove" => "removed".to_owned(),
        "restore" => "restored".to_owned(),
        other => text::words(other),
    })
}

/// Issues, projects, cycles, labels, documents, initiatives, users, customers,
/// releases, and whatever Linear adds.
fn resource(kind: &str, json: &Json, data: &Json, action: Option<&str>) -> Line {
    let line = Line::new(title(kind, data).unwrap_or_else(|| spaced(kind)))
        .about(entity(kind, data.text("id")))
        .by(first(data, &["botActor.name", "creator.name"]).filter(|_| action == Some("create")));
    match action {
        Some("update") => changes::of(data, json.at("updatedFrom")).into_iter().fold(line, Line::say),
        Some("create") => changes::present(data).into_iter().fold(line.say("created".to_owned()), Line::say),
        _ => line.say(done(action)),
    }
}

fn comment(json: &Json, data: &Json, action: Option<&str>) -> Line {
    let (name, about) = parent(data);
    let resolved = json.has("updatedFrom.resolvedAt");
    let what = match action {
        Some("create") if data.text("parentId").is_some() => "reply",
        Some("create") | None => "comment",
        Some("update") if resolved && data.text("resolvedAt").is_some() => "comment resolved",
        Some("update") if resolved => "comment reopened",
        Some("update") => "comment edited",
        Some("remove") => "comment removed",
        Some(_) => "comment changed",
    };
    let quoted = data.text("body").and_then(text::quote);
    Line::new(name.unwrap_or_else(|| "Comment".to_owned()))
        .about(about.or_else(|| entity("Comment", data.text("id"))))
        .say([Some(what.to_owned()), quoted].into_iter().flatten().collect::<Vec<_>>().join(" "))
        .by(first(data, &["user.name", "externalUser.name", "botActor.name"])
            .filter(|_| action == Some("create")))
}

fn reaction(data: &Json, action: Option<&str>) -> Line {
    let (name, about) = match parent(data) {
        (None, about) => (data.text("comment.body").and_then(text::quote), about),
        known => known,
    };
    let emoji = data.text("emoji").map(|emoji| format!(":{emoji}:")).unwrap_or_default();
    let what = if action == Some("remove") {
        format!("reaction {emoji} removed")
    } else {
        format!("reaction {emoji}")
    };
    Line::new(name.unwrap_or_else(|| "Reaction".to_owned()))
        .about(about.or_else(|| entity("Reaction", data.text("id"))))
        .say(what)
        .by(data.text("user.name"))
}

fn attachment(data: &Json, action: Option<&str>) -> Line {
    let (issue, about) = parent(data);
    let title = first(data, &["title", "url"]).unwrap_or("Attachment");
    let subject = issue.clone().unwrap_or_else(|| title.to_owned());
    let what = format!("attachment {}", done(action).unwrap_or_default());
    Line::new(subject)
        .about(about.or_else(|| entity("Attachment", data.text("id"))))
        .say(what)
        .say(issue.and_then(|_| text::quote(title)))
        .say(first(data, &["subtitle", "sourceType"]).map(str::to_owned))
}

fn customer_need(data: &Json, action: Option<&str>) -> Line {
    let (issue, about) = parent(data);
    let customer = data.text("customer.name").map(|name| format!("customer {name}"));
    Line::new(issue.unwrap_or_else(|| "Customer need".to_owned()))
        .about(about.or_else(|| entity("CustomerNeed", data.text("id"))))
        .say(format!("customer need {}", done(action).unwrap_or_default()))
        .say(customer)
        .say(data.text("body").and_then(text::quote))
}

fn update_post(kind: &str, json: &Json, data: &Json, action: Option<&str>) -> Line {
    let on = if kind == "ProjectUpdate" { "project" } else { "initiative" };
    let line = Line::new(data.text(&format!("{on}.name")).map_or_else(|| spaced(kind), str::to_owned))
        .about(entity(kind, data.text("id")))
        .by(data.text("user.name").filter(|_| action == Some("create")));
    let line = match action {
        Some("create") => line.say("update posted".to_owned()),
        Some("update") if json.has("updatedFrom.health") => line.say("update edited".to_owned()),
        Some("update") => return line.say(edited(data)),
        _ => line.say(format!("update {}", done(action).unwrap_or_default())),
    };
    line.say(data.text("health").map(changes::health)).say(data.text("body").and_then(text::quote))
}

fn edited(data: &Json) -> String {
    match data.text("body").and_then(text::quote) {
        Some(quoted) => format!("update edited {quoted}"),
        None => "update edited".to_owned(),
    }
}

fn issue_sla(json: &Json, action: Option<&str>) -> Line {
    let issue = json.at("issueData");
    let what = match action {
        Some("set") => "SLA set".to_owned(),
        Some("highRisk") => "SLA at high risk".to_owned(),
        Some("breached") => "SLA breached".to_owned(),
        Some(other) => format!("SLA {}", text::words(other)),
        None => "SLA".to_owned(),
    };
    let due = issue.text("slaBreachesAt").filter(|_| action != Some("breached"));
    Line::new(title("Issue", issue).unwrap_or_else(|| "Issue".to_owned()))
        .about(entity("Issue", issue.text("id")))
        .say(what)
        .say(due.map(|at| format!("due {at}")))
}

fn agent_session(json: &Json, action: Option<&str>) -> Line {
    let session = json.at("agentSession");
    let said =
        first(json, &["agentActivity.content.body", "agentActivity.body", "agentSession.comment.body"]);
    let name = title("Issue", session.at("issue"));
    let what = match action {
        Some("created") => "agent session started".to_owned(),
        Some("prompted") => "agent prompted".to_owned(),
        other => format!("agent session {}", other.map(text::words).unwrap_or_default()),
    };
    Line::new(name.unwrap_or_else(|| "Agent session".to_owned()))
        .about(entity("AgentSession", session.text("id")))
        .say(what)
        .say(said.and_then(text::quote))
        .by(first(json, &["agentActivity.user.name", "agentSession.creator.name"]))
}

fn notification(json: &Json, action: Option<&str>) -> Line {
    let notification = json.at("notification");
    let (name, about) = parent(notification);
    let kind = action.or_else(|| notification.text("type"));
    Line::new(name.unwrap_or_else(|| "Notification".to_owned()))
        .about(about.or_else(|| entity("Notification", notification.text("id"))))
        .say(kind.map(text::words))
        .say(notification.text("comment.body").and_then(text::quote))
        .say(notification.text("reactionEmoji").map(|emoji| format!(":{emoji}:")))
        .by(first(notification, &["actor.name", "actor.displayName"]))
}

fn authorization(json: &Json, action: Option<&str>) -> Line {
    Line::new(json.text("oauthClient.name").unwrap_or("OAuth authorization"))
        .about(client(json))
        .say(format!("authorization {}", action.map(text::words).unwrap_or_default()))
        .say(json.text("user.name").map(|name| format!("of {name}")))
}

fn permission_change(json: &Json) -> Line {
    let teams = |key: &str, verb: &str| {
        let count = json.count(key);
        (count > 0).then(|| format!("{} {verb}", text::plural(count, "team")))
    };
    Line::new("Team access")
        .about(client(json))
        .say(teams("addedTeamIds", "added"))
        .say(teams("removedTeamIds", "removed"))
        .say(json.is_true("canAccessAllPublicTeams").then(|| "all public teams".to_owned()))
}
