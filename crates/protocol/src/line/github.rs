//! GitHub's events. The type stands only in the header `X-GitHub-Event`; the
//! body is JSON, or JSON in a form's field `payload`, as the hook is set.
//! Shapes: docs.github.com, "Webhook events and payloads".

use super::payload::{self, Json};
use super::{Line, first, form, generic, text};
use crate::HeaderList;

mod ci;
mod code;
mod talk;

/// The header that names the event.
const EVENT: &str = "x-github-event";

/// Reads the payload, out of a form where it is one.
pub(super) fn read<'b>(headers: &HeaderList, body: &'b [u8]) -> Option<Json<'b>> {
    if form::is_named(headers) || body.starts_with(b"payload=") {
        form::payload(body)
    } else {
        payload::read(body)
    }
}

pub(super) fn line(headers: &HeaderList, json: &Json, size: usize) -> Line {
    let Some(event) = headers.get(EVENT).filter(|event| !event.trim().is_empty()) else {
        let mut line = generic::line(&HeaderList::new(), json, size);
        line.event_type = None;
        return line;
    };
    let action = json.text("action");
    let line = match event {
        "push" => code::push(json),
        "create" | "delete" => code::created_or_deleted(json, event),
        "release" => code::release(json, action),
        "fork" => code::fork(json),
        "star" | "watch" => code::star(json, event, action),
        "repository" => code::repository(json, action),
        "commit_comment" => code::commit_comment(json),
        "merge_group" => code::merge_group(json, action),
        "pull_request" | "pull_request_target" => talk::pull_request(json, action),
        "issues" => talk::issue(json, action),
        "issue_comment" => talk::issue_comment(json, action),
        "pull_request_review" => talk::review(json, action),
        "pull_request_review_comment" => talk::review_comment(json, action),
        "pull_request_review_thread" => talk::review_thread(json, action),
        "discussion" => talk::discussion(json, action),
        "discussion_comment" => talk::discussion_comment(json, action),
        "workflow_run" => ci::workflow_run(json),
        "workflow_job" => ci::workflow_job(json),
        "check_run" => ci::check_run(json),
        "check_suite" => ci::check_suite(json),
        "deployment" => ci::deployment(json),
        "deployment_status" => ci::deployment_status(json),
        "status" => ci::status(json),
        "ping" => ping(json),
        _ => other(event, json, action),
    };
    let mut line = line.by(first(json, &["sender.login", "pusher.name"]));
    line.event_type = Some(event.to_owned());
    line.action = action.map(str::to_owned);
    line
}

/// `acme/web`, or the organisation or account where there is no repository.
fn place<'j>(json: &'j Json<'_>) -> &'j str {
    first(
        json,
        &["repository.full_name", "organization.login", "installation.account.login", "enterprise.slug"],
    )
    .unwrap_or("GitHub")
}

/// `acme/web main`, or with `#12`: `acme/web#12 Title`.
fn at_place(json: &Json, what: Option<&str>) -> String {
    [Some(place(json)), what].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `github:acme/web:pull_request:12`.
fn entity(json: &Json, kind: &str, id: Option<&str>) -> Option<String> {
    id.map(|id| format!("github:{}:{kind}:{id}", place(json)))
}

/// The first seven digits of a commit's hash.
fn short(sha: &str) -> String {
    sha.chars().take(7).collect()
}

/// `main` of `refs/heads/main`, `v1` of `refs/tags/v1`.
fn bare(reference: &str) -> &str {
    ["refs/heads/", "refs/tags/"].iter().find_map(|p| reference.strip_prefix(p)).unwrap_or(reference)
}

fn ping(json: &Json) -> Line {
    let hook = json.text("hook_id");
    Line::new(place(json))
        .about(entity(json, "hook", hook))
        .say("the hook is set up".to_owned())
        .say(json.text("zen").and_then(text::quote))
}

/// An event that has no line of its own: the thing it is named after, where
/// the payload has it, and the action in words.
fn other(event: &str, json: &Json, action: Option<&str>) -> Line {
    let installation = if event.starts_with("installation") { "installation" } else { event };
    let thing = [event, installation, "alert", "member", "team", "blocked_user"]
        .into_iter()
        .map(|key| json.at(key))
        .find(|thing| matches!(thing, Json::Object(_)))
        .unwrap_or(&Json::Null);
    let name =
        first(thing, &["title", "name", "login", "slug", "summary", "account.login", "rule.description"]);
    let subject = match thing.text("number") {
        Some(number) => format!("{}#{number} {}", place(json), name.unwrap_or_default()),
        None => at_place(json, name.filter(|name| *name != place(json))),
    };
    let what = action.map_or_else(
        || text::words(event),
        |action| format!("{} {}", text::words(event), text::words(action)),
    );
    Line::new(subject).about(entity(json, event, first(thing, &["number", "id", "ghsa_id"]))).say(what)
}
