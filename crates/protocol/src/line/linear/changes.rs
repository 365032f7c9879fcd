//! What an update changed: `updatedFrom` holds the old values of the fields
//! that changed, `data` the new ones. Of references it holds only the old id,
//! so an old name is told only where it came along.

use crate::line::payload::Json;
use crate::line::{first, text};

/// Fields that change along with others, or by themselves, without anyone
/// having meant them.
const SILENT: &[&str] = &[
    "updatedAt",
    "editedAt",
    "startedAt",
    "completedAt",
    "canceledAt",
    "sortOrder",
    "subIssueSortOrder",
    "prioritySortOrder",
    "boardOrder",
    "addedToCycleAt",
    "addedToProjectAt",
    "addedToTeamAt",
    "startedTriageAt",
    "triagedAt",
    "autoArchivedAt",
    "autoClosedAt",
    "previousIdentifiers",
    "number",
    "identifier",
    "descriptionData",
    "bodyData",
    "reactionData",
    "healthUpdatedAt",
    "lastUpdateId",
    "lastUpdatedAt",
    "slaStartedAt",
    "slaType",
    "slaMediumRiskAt",
    "slaHighRiskAt",
    "lastAppliedTemplateId",
    "updatedById",
    "documentContentId",
    "url",
    "progress",
    "scope",
    "progressHistory",
    "scopeHistory",
    "issueCountHistory",
    "completedScopeHistory",
    "inProgressScopeHistory",
    "completedIssueCountHistory",
    "currentProgress",
    "approximateNeedCount",
    "stateUpdatedAt",
    "subscriberIds",
    "syncedWith",
    "contentState",
    "labels",
];

/// The changes as the parts of a line, the telling ones first.
pub(super) fn of(data: &Json, from: &Json) -> Vec<String> {
    // `state` beside `stateId` is the same change told twice.
    let referred = |key: &str| from.has(&format!("{key}Id"));
    let mut said: Vec<_> = TABLE
        .iter()
        .filter(|(key, _)| from.has(key) && !referred(key))
        .map(|(_, say)| say(data, from))
        .collect();
    said.extend(
        from.keys()
            .filter(|key| {
                !SILENT.contains(key) && !referred(key) && !TABLE.iter().any(|(known, _)| known == key)
            })
            .take(5)
            .map(|key| format!("{} changed", text::words(key.strip_suffix("Id").unwrap_or(key)))),
    );
    if said.is_empty() {
        let reordered = from.keys().any(|key| key.ends_with("Order"));
        said.push(if reordered { "reordered" } else { "updated" }.to_owned());
    }
    said
}

/// What is worth telling of a thing just made.
pub(super) fn present(data: &Json) -> Vec<String> {
    let status = first(data, &["state.name", "status.name"]);
    let priority = data.text("priority").filter(|p| *p != "0").map(|p| format!("priority {}", priority(p)));
    [
        status.map(|name| format!("status {name}")),
        priority,
        data.text("assignee.name").map(|name| format!("assigned to {name}")),
        data.text("delegate.name").map(|name| format!("delegated to {name}")),
        data.text("lead.name").map(|name| format!("led by {name}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `onTrack` → `on track`.
pub(super) fn health(health: &str) -> String {
    text::words(health)
}

type Say = fn(&Json, &Json) -> String;

const TABLE: &[(&str, Say)] = &[
    ("stateId", |data, from| named("status", from.text("state.name"), data.text("state.name"))),
    ("statusId", |data, from| named("status", from.text("status.name"), data.text("status.name"))),
    ("status", |data, from| named("status", from.text("status"), data.text("status"))),
    ("title", |_, from| renamed(from.text("title"))),
    ("name", |_, from| renamed(from.text("name"))),
    ("assigneeId", |data, _| person(data, "assignee", "assigned to", "unassigned")),
    ("delegateId", |data, _| person(data, "delegate", "delegated to", "delegation removed")),
    ("leadId", |data, _| person(data, "lead", "led by", "lead removed")),
    ("ownerId", |data, _| person(data, "owner", "owned by", "owner removed")),
    ("priority", |data, from| {
        named("priority", from.text("priority").map(priority), data.text("priority").map(priority))
    }),
    ("estimate", |data, from| named("estimate", from.text("estimate"), data.text("estimate"))),
    ("health", |data, from| {
        named(
            "health",
            from.text("health").map(health).as_deref(),
            data.text("health").map(health).as_deref(),
        )
    }),
    ("labelIds", labels),
    ("dueDate", |data, from| named("due", from.text("dueDate"), data.text("dueDate"))),
    ("startDate", |data, from| named("start", from.text("startDate"), data.text("startDate"))),
    ("targetDate", |data, from| named("target", from.text("targetDate"), data.text("targetDate"))),
    ("endsAt", |data, from| named("ends", from.text("endsAt"), data.text("endsAt"))),
    ("projectId", |data, _| named("project", None, data.text("project.name"))),
    ("projectMilestoneId", |data, _| named("milestone", None, data.text("projectMilestone.name"))),
    ("cycleId", |data, _| named("cycle", None, first(data, &["cycle.name", "cycle.number"]))),
    ("teamId", |data, _| named("team", None, first(data, &["team.name", "team.key"]))),
    ("parentId", |data, _| named("parent", None, first(data, &["parent.identifier", "parentId"]))),
    ("description", |_, _| "description edited".to_owned()),
    ("content", |_, _| "content edited".to_owned()),
    ("color", |data, from| named("color", from.text("color"), data.text("color"))),
    ("slaBreachesAt", |data, _| named("SLA due", None, data.text("slaBreachesAt"))),
    ("snoozedUntilAt", |data, _| named("snoozed until", None, data.text("snoozedUntilAt"))),
    ("archivedAt", |data, _| {
        if data.text("archivedAt").is_some() { "archived" } else { "unarchived" }.to_owned()
    }),
    ("trashed", |data, _| if data.is_true("trashed") { "moved to trash" } else { "restored" }.to_owned()),
    ("active", |data, _| if data.is_true("active") { "activated" } else { "deactivated" }.to_owned()),
    ("admin", |data, _| if data.is_true("admin") { "made admin" } else { "no longer admin" }.to_owned()),
];

/// `status Todo → Done`, `status → Done`, `status removed`.
fn named(what: &str, old: Option<&str>, new: Option<&str>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old != new => {
            format!("{what} {} → {}", text::cut(old, 60), text::cut(new, 60))
        }
        (_, Some(new)) => format!("{what} → {}", text::cut(new, 60)),
        (_, None) => format!("{what} removed"),
    }
}

fn renamed(old: Option<&str>) -> String {
    match old.and_then(text::quote) {
        Some(old) => format!("renamed from {old}"),
        None => "renamed".to_owned(),
    }
}

fn person(data: &Json, key: &str, now: &str, none: &str) -> String {
    let by_id = data.text(&format!("{key}Id"));
    match first(data.at(key), &["name", "displayName", "email"]).or(by_id) {
        Some(name) => format!("{now} {name}"),
        None => none.to_owned(),
    }
}

/// Linear's names of its five priorities.
fn priority(number: &str) -> &str {
    match number {
        "0" => "None",
        "1" => "Urgent",
        "2" => "High",
        "3" => "Medium",
        "4" => "Low",
        other => other,
    }
}

/// The labels put on by name (`data` has them), those taken off by number
/// (`updatedFrom` has only their ids).
fn labels(data: &Json, from: &Json) -> String {
    let ids =
        |json: &Json| json.items("labelIds").iter().filter_map(Json::as_text).map(str::to_owned).collect();
    let (old, new): (Vec<String>, Vec<String>) = (ids(from), ids(data));
    let name = |id: &str| {
        let label = data.items("labels").iter().find(|label| label.text("id") == Some(id));
        label.and_then(|label| label.text("name")).unwrap_or("a label").to_owned()
    };
    let added: Vec<_> =
        new.iter().filter(|id| !old.contains(id)).map(|id| format!("+{}", name(id))).collect();
    let gone = old.iter().filter(|id| !new.contains(id)).count();
    match (added.is_empty(), gone) {
        (true, 0) => "labels changed".to_owned(),
        (true, gone) => format!("{} removed", text::plural(gone, "label")),
        (false, 0) => format!("labels {}", added.join(" ")),
        (false, gone) => format!("labels {}, {gone} removed", added.join(" ")),
    }
}
