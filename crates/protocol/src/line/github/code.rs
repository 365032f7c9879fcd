//! Events of the repository itself: pushes, branches and tags, releases.

use super::{at_place, bare, entity, place, short};
use crate::line::payload::Json;
use crate::line::{Line, first, text};

pub(super) fn push(json: &Json) -> Line {
    let reference = json.text("ref").unwrap_or_default();
    let kind = if reference.starts_with("refs/tags/") { "tag" } else { "branch" };
    let commits = json.count("commits");
    let what = if json.is_true("deleted") {
        format!("{kind} deleted")
    } else if json.is_true("created") && commits == 0 {
        format!("{kind} created")
    } else if json.is_true("forced") {
        format!("force-pushed {}", text::plural(commits, "commit"))
    } else {
        text::plural(commits, "commit")
    };
    let message = json.text("head_commit.message").filter(|_| commits > 0);
    Line::new(at_place(json, Some(bare(reference))))
        .about(entity(json, "ref", json.text("ref")))
        .say(what)
        .say(message.and_then(text::quote_line))
}

/// `create` and `delete` of a branch or tag; named by its bare name.
pub(super) fn created_or_deleted(json: &Json, event: &str) -> Line {
    let reference = json.text("ref");
    let kind = json.text("ref_type").unwrap_or("ref");
    let whole = reference.map(|name| match kind {
        "branch" => format!("refs/heads/{name}"),
        "tag" => format!("refs/tags/{name}"),
        _ => name.to_owned(),
    });
    Line::new(at_place(json, reference))
        .about(entity(json, "ref", whole.as_deref()))
        .say(format!("{kind} {event}d"))
}

pub(super) fn release(json: &Json, action: Option<&str>) -> Line {
    let release = json.at("release");
    let tag = release.text("tag_name");
    let kind = if release.is_true("draft") {
        "draft"
    } else if release.is_true("prerelease") {
        "pre-release"
    } else {
        "release"
    };
    let name = release.text("name").filter(|name| Some(*name) != tag);
    Line::new(at_place(json, tag))
        .about(entity(json, "release", release.text("id")))
        .say(
            [Some(kind.to_owned()), action.map(text::words)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
        )
        .say(name.and_then(text::quote))
}

pub(super) fn fork(json: &Json) -> Line {
    Line::new(place(json))
        .about(entity(json, "fork", json.text("forkee.id")))
        .say(json.text("forkee.full_name").map(|name| format!("forked to {name}")))
}

pub(super) fn star(json: &Json, event: &str, action: Option<&str>) -> Line {
    let what = match (event, action) {
        ("star", Some("deleted")) => "star removed",
        _ => "starred",
    };
    let stars = json.text("repository.stargazers_count");
    Line::new(place(json)).say(what.to_owned()).say(stars.map(|count| format!("{count} in all")))
}

pub(super) fn repository(json: &Json, action: Option<&str>) -> Line {
    let owner = first(json, &["changes.owner.from.user.login", "changes.owner.from.organization.login"]);
    let was = json.text("changes.repository.name.from");
    Line::new(place(json))
        .about(entity(json, "repository", json.text("repository.id")))
        .say(format!("repository {}", action.map(text::words).unwrap_or_default()))
        .say(was.map(|name| format!("was {name}")))
        .say(owner.map(|owner| format!("was {owner}'s")))
}

pub(super) fn commit_comment(json: &Json) -> Line {
    let sha = json.text("comment.commit_id");
    let quoted = json.text("comment.body").and_then(text::quote);
    Line::new(at_place(json, sha.map(short).as_deref()))
        .about(entity(json, "commit", sha))
        .say(format!("comment {}", quoted.unwrap_or_default()))
}

pub(super) fn merge_group(json: &Json, action: Option<&str>) -> Line {
    let group = json.at("merge_group");
    Line::new(at_place(json, group.text("base_ref").map(bare)))
        .about(entity(json, "merge_group", group.text("head_ref")))
        .say(format!("merge queue {}", action.map(text::words).unwrap_or_default()))
        .say(group.text("head_commit.message").and_then(text::quote_line))
}
