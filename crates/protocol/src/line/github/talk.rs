//! Pull requests, issues, discussions, and what is said on them.

use super::{entity, place};
use crate::line::payload::Json;
use crate::line::{Line, first, text};

/// `acme/web#12 Title` and its entity.
fn numbered(json: &Json, kind: &str, thing: &Json) -> Line {
    let number = thing.text("number");
    let subject =
        format!("{}#{} {}", place(json), number.unwrap_or("?"), thing.text("title").unwrap_or_default());
    Line::new(subject).about(entity(json, kind, number))
}

pub(super) fn pull_request(json: &Json, action: Option<&str>) -> Line {
    let pull = json.at("pull_request");
    let line = numbered(json, "pull_request", pull);
    match action {
        Some("opened" | "reopened" | "ready_for_review") => {
            let opened =
                if pull.is_true("draft") { "opened as draft".to_owned() } else { said(json, action) };
            line.say(opened).say(branches(pull))
        }
        Some("closed") if pull.is_true("merged") => {
            line.say("merged".to_owned()).say(pull.text("base.ref").map(|base| format!("into {base}")))
        }
        Some("closed") => line.say("closed without merging".to_owned()),
        Some("synchronize") => line.say("new commits".to_owned()).say(branches(pull)),
        _ => line.say(said(json, action)),
    }
}

fn branches(pull: &Json) -> Option<String> {
    Some(format!("{} → {}", pull.text("head.ref")?, pull.text("base.ref")?))
}

pub(super) fn issue(json: &Json, action: Option<&str>) -> Line {
    let issue = json.at("issue");
    let reason = issue.text("state_reason").filter(|_| action == Some("closed"));
    numbered(json, "issue", issue).say(said(json, action)).say(reason.map(text::words))
}

/// The action in words, with whom or what it concerns.
fn said(json: &Json, action: Option<&str>) -> String {
    let with = |verb: &str, paths: &[&str]| match first(json, paths) {
        Some(what) => format!("{verb} {what}"),
        None => verb.to_owned(),
    };
    match action {
        Some("assigned") => with("assigned to", &["assignee.login"]),
        Some("unassigned") => with("unassigned from", &["assignee.login"]),
        Some("labeled") => with("labeled", &["label.name"]),
        Some("unlabeled") => with("unlabeled", &["label.name"]),
        Some("milestoned") => with("milestone", &["milestone.title", "issue.milestone.title"]),
        Some("demilestoned") => "milestone removed".to_owned(),
        Some("review_requested") => {
            with("review requested from", &["requested_reviewer.login", "requested_team.name"])
        }
        Some("review_request_removed") => {
            with("review no longer requested from", &["requested_reviewer.login", "requested_team.name"])
        }
        Some("transferred") => with("transferred to", &["changes.new_repository.full_name"]),
        Some("edited") => edited(json),
        Some(other) => text::words(other),
        None => String::new(),
    }
}

fn edited(json: &Json) -> String {
    match json.text("changes.title.from").and_then(text::quote) {
        Some(old) => format!("renamed from {old}"),
        None => {
            let what: Vec<_> = json.at("changes").keys().take(3).map(text::words).collect();
            if what.is_empty() { "edited".to_owned() } else { format!("{} edited", what.join(", ")) }
        }
    }
}

/// `comment “…”`, `comment edited “…”`.
fn comment(json: &Json, action: Option<&str>, on: Option<&str>) -> String {
    let verb = action.filter(|action| *action != "created").map(text::words);
    let on = on.map(|path| format!("on {path}"));
    let quoted = json.text("comment.body").and_then(text::quote);
    [Some("comment".to_owned()), verb, on, quoted].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

pub(super) fn issue_comment(json: &Json, action: Option<&str>) -> Line {
    let issue = json.at("issue");
    let kind = if matches!(issue.at("pull_request"), Json::Object(_)) { "pull_request" } else { "issue" };
    numbered(json, kind, issue).say(comment(json, action, None))
}

pub(super) fn review(json: &Json, action: Option<&str>) -> Line {
    let review = json.at("review");
    let what = match (action, review.text("state").map(str::to_ascii_lowercase).as_deref()) {
        (Some("submitted"), Some("approved")) => "approved".to_owned(),
        (Some("submitted"), Some("changes_requested")) => "changes requested".to_owned(),
        (Some("submitted"), Some("commented") | None) => "reviewed".to_owned(),
        (Some("submitted"), Some(state)) => format!("review {}", text::words(state)),
        (action, _) => format!("review {}", action.map(text::words).unwrap_or_default()),
    };
    numbered(json, "pull_request", json.at("pull_request"))
        .say(what)
        .say(review.text("body").and_then(text::quote))
}

pub(super) fn review_comment(json: &Json, action: Option<&str>) -> Line {
    numbered(json, "pull_request", json.at("pull_request")).say(comment(
        json,
        action,
        json.text("comment.path"),
    ))
}

pub(super) fn review_thread(json: &Json, action: Option<&str>) -> Line {
    let path = json.items("thread.comments").first().and_then(|comment| comment.text("path"));
    numbered(json, "pull_request", json.at("pull_request"))
        .say(format!("thread {}", action.map(text::words).unwrap_or_default()))
        .say(path.map(|path| format!("on {path}")))
}

pub(super) fn discussion(json: &Json, action: Option<&str>) -> Line {
    let discussion = json.at("discussion");
    let category =
        discussion.text("category.name").filter(|_| matches!(action, Some("created" | "category_changed")));
    numbered(json, "discussion", discussion)
        .say(format!("discussion {}", said(json, action)))
        .say(category.map(|name| format!("in {name}")))
}

pub(super) fn discussion_comment(json: &Json, action: Option<&str>) -> Line {
    numbered(json, "discussion", json.at("discussion")).say(comment(json, action, None))
}
