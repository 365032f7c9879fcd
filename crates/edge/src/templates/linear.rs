//! Linear's events.

use super::{Entry, Fresh};
use serde_json::{Value, json};

pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "Issue.create", about: "An issue is created", make: issue_create },
    Entry { name: "Issue.update", about: "An issue moves from Todo to In Progress", make: issue_update },
    Entry { name: "Comment.create", about: "Somebody comments on an issue", make: comment_create },
    Entry {
        name: "AgentSessionEvent.created",
        about: "An agent is asked to work on an issue",
        make: session_created,
    },
    Entry { name: "Project.update", about: "A project starts", make: project_update },
];

/// The headers Linear sends besides its signature.
pub(super) fn headers(fresh: &Fresh, body: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json; charset=utf-8".into()),
        ("user-agent", "Linear-Webhook".into()),
        ("linear-delivery", fresh.uuid()),
        ("linear-event", body["type"].as_str().unwrap_or_default().into()),
        ("linear-timestamp", body["webhookTimestamp"].to_string()),
    ]
}

const ORGANIZATION: &str = "3b5e4c52-7f0b-4c0e-9a53-6f1c7c1f6a10";
const WEBHOOK: &str = "8f2d7c0a-19a5-4a0d-8d4a-2f4f1f0f7b21";
const TEAM: &str = "72b2a2dc-6f4f-4423-9d34-24b5bd10634a";
const ADA: &str = "b5ea5f1f-8adc-4f52-b4bd-ab4e84cf51ba";
const GRACE: &str = "aa7d6a3e-5a3c-4a0a-9a2f-0c2b1d3e4f55";

/// The envelope of an entity event.
fn entity(fresh: &Fresh, action: &str, kind: &str, data: Value, url: &str) -> Value {
    json!({
        "action": action,
        "actor": {
            "id": ADA,
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "url": "https://linear.app/example/profiles/ada",
            "type": "user"
        },
        "createdAt": fresh.time(0),
        "data": data,
        "url": url,
        "type": kind,
        "organizationId": ORGANIZATION,
        "webhookTimestamp": fresh.now.0,
        "webhookId": WEBHOOK
    })
}

fn state(name: &str) -> Value {
    let (id, color, kind) = match name {
        "Todo" => ("e0b9d2f5-6f6c-4c59-8f5a-8d3ff0b1a001", "#e2e2e2", "unstarted"),
        _ => ("e0b9d2f5-6f6c-4c59-8f5a-8d3ff0b1a002", "#f2c94c", "started"),
    };
    json!({ "id": id, "color": color, "name": name, "type": kind })
}

fn team() -> Value {
    json!({ "id": TEAM, "key": "ENG", "name": "Engineering" })
}

fn issue(fresh: &Fresh, title: &str, status: &str, age: i64) -> Value {
    let number = fresh.number(5000);
    let identifier = format!("ENG-{number}");
    let slug = title.to_lowercase().replace(' ', "-");
    let state = state(status);
    json!({
        "id": fresh.uuid(),
        "createdAt": fresh.time(-age),
        "updatedAt": fresh.time(0),
        "number": number,
        "title": title,
        "priority": 2,
        "sortOrder": -1250.5,
        "prioritySortOrder": -1200,
        "slaType": "all",
        "addedToTeamAt": fresh.time(-age),
        "labelIds": ["a2f1b7c4-33f3-4b2a-9a44-0d2a6a52f6e1"],
        "teamId": TEAM,
        "previousIdentifiers": [],
        "creatorId": ADA,
        "assigneeId": GRACE,
        "stateId": state["id"],
        "reactionData": [],
        "priorityLabel": "High",
        "botActor": null,
        "identifier": identifier,
        "url": format!("https://linear.app/example/issue/{identifier}/{slug}"),
        "subscriberIds": [ADA, GRACE],
        "assignee": {
            "id": GRACE,
            "name": "Grace Hopper",
            "email": "grace@example.com",
            "url": "https://linear.app/example/profiles/grace"
        },
        "state": state,
        "team": team(),
        "labels": [{ "id": "a2f1b7c4-33f3-4b2a-9a44-0d2a6a52f6e1", "color": "#eb5757", "name": "Bug" }],
        "description": "Signing in with a link from an e-mail leads to an empty page on Safari."
    })
}

fn issue_create(fresh: &Fresh) -> Value {
    let data = issue(fresh, "Fix login on Safari", "Todo", 0);
    let url = data["url"].as_str().unwrap_or_default().to_owned();
    entity(fresh, "create", "Issue", data, &url)
}

fn issue_update(fresh: &Fresh) -> Value {
    let mut data = issue(fresh, "Fix login on Safari", "In Progress", 86_400);
    data["startedAt"] = fresh.time(0).into();
    let url = data["url"].as_str().unwrap_or_default().to_owned();
    let mut event = entity(fresh, "update", "Issue", data, &url);
    event["updatedFrom"] = json!({
        "updatedAt": fresh.time(-3_600),
        "sortOrder": -980.25,
        "stateId": state("Todo")["id"],
        "startedAt": null
    });
    event
}

fn comment_create(fresh: &Fresh) -> Value {
    let issue = issue(fresh, "Fix login on Safari", "In Progress", 86_400);
    let id = fresh.uuid();
    let url = format!("{}#comment-{}", issue["url"].as_str().unwrap_or_default(), &id[..8]);
    let data = json!({
        "id": id,
        "createdAt": fresh.time(0),
        "updatedAt": fresh.time(0),
        "body": "It only happens when third-party cookies are blocked. I have a fix.",
        "issueId": issue["id"],
        "userId": ADA,
        "reactionData": [],
        "user": {
            "id": ADA,
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "url": "https://linear.app/example/profiles/ada"
        },
        "issue": {
            "id": issue["id"],
            "title": issue["title"],
            "teamId": TEAM,
            "team": team(),
            "identifier": issue["identifier"],
            "url": issue["url"]
        }
    });
    entity(fresh, "create", "Comment", data, &url)
}

fn session_created(fresh: &Fresh) -> Value {
    let issue = issue(fresh, "Write release notes", "Todo", 7_200);
    let session = fresh.uuid();
    let comment = fresh.uuid();
    let (app_user, client) = (fresh.uuid(), fresh.uuid());
    json!({
        "type": "AgentSessionEvent",
        "action": "created",
        "createdAt": fresh.time(0),
        "organizationId": ORGANIZATION,
        "oauthClientId": client,
        "appUserId": app_user,
        "agentSession": {
            "id": session,
            "createdAt": fresh.time(0),
            "updatedAt": fresh.time(0),
            "archivedAt": null,
            "creatorId": ADA,
            "appUserId": app_user,
            "commentId": comment,
            "issueId": issue["id"],
            "status": "pending",
            "startedAt": null,
            "endedAt": null,
            "type": "commentThread",
            "summary": null,
            "sourceMetadata": null,
            "organizationId": ORGANIZATION,
            "creator": {
                "id": ADA,
                "name": "Ada Lovelace",
                "email": "ada@example.com",
                "url": "https://linear.app/example/profiles/ada"
            },
            "comment": {
                "id": comment,
                "body": "@agent please draft the notes for 2.4",
                "userId": ADA,
                "issueId": issue["id"]
            },
            "issue": {
                "id": issue["id"],
                "title": issue["title"],
                "teamId": TEAM,
                "team": team(),
                "identifier": issue["identifier"],
                "url": issue["url"],
                "description": issue["description"]
            }
        },
        "agentActivity": null,
        "previousComments": [],
        "guidance": null,
        "promptContext": format!(
            "<issue identifier=\"{}\"><title>Write release notes</title></issue>",
            issue["identifier"].as_str().unwrap_or_default()
        ),
        "webhookTimestamp": fresh.now.0,
        "webhookId": WEBHOOK
    })
}

fn project_update(fresh: &Fresh) -> Value {
    let id = fresh.uuid();
    let url = format!("https://linear.app/example/project/sign-in-rework-{}", &id[..8]);
    let (planned, started) = (fresh.uuid(), fresh.uuid());
    let data = json!({
        "id": id,
        "createdAt": fresh.time(-604_800),
        "updatedAt": fresh.time(0),
        "name": "Sign-in rework",
        "description": "One way in, on every browser",
        "slugId": &id[..8],
        "icon": "Key",
        "color": "#5e6ad2",
        "statusId": started,
        "status": { "id": started, "name": "In Progress", "color": "#f2c94c", "type": "started" },
        "creatorId": ADA,
        "leadId": GRACE,
        "lead": {
            "id": GRACE,
            "name": "Grace Hopper",
            "email": "grace@example.com",
            "url": "https://linear.app/example/profiles/grace"
        },
        "sortOrder": 120.5,
        "startedAt": fresh.time(0),
        "priority": 2,
        "teamIds": [TEAM],
        "memberIds": [ADA, GRACE],
        "initiatives": [],
        "url": url
    });
    let mut event = entity(fresh, "update", "Project", data, &url);
    event["updatedFrom"] = json!({
        "updatedAt": fresh.time(-3_600),
        "statusId": planned,
        "startedAt": null
    });
    event
}
