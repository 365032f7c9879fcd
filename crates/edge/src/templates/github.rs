//! GitHub's events.

use super::{Entry, Fresh};
use serde_json::{Value, json};

pub(super) const ENTRIES: &[Entry] = &[
    Entry { name: "push", about: "Two commits are pushed to main", make: push },
    Entry { name: "pull_request.opened", about: "A pull request is opened", make: pull_request_opened },
    Entry { name: "issues.opened", about: "An issue is opened", make: issues_opened },
    Entry {
        name: "issue_comment.created",
        about: "Somebody comments on an issue",
        make: issue_comment_created,
    },
    Entry { name: "workflow_run.completed", about: "A workflow has passed", make: workflow_run_completed },
    Entry { name: "ping", about: "GitHub's greeting when a webhook is made", make: ping },
];

const HOOK: u64 = 489_200_117;

/// The headers GitHub sends besides its signatures.
pub(super) fn headers(fresh: &Fresh, name: &str) -> Vec<(&'static str, String)> {
    let event = name.split('.').next().unwrap_or(name);
    vec![
        ("accept", "*/*".into()),
        ("content-type", "application/json".into()),
        ("user-agent", "GitHub-Hookshot/0f2b1c7".into()),
        ("x-github-delivery", fresh.uuid()),
        ("x-github-event", event.into()),
        ("x-github-hook-id", HOOK.to_string()),
        ("x-github-hook-installation-target-id", "700112233".into()),
        ("x-github-hook-installation-target-type", "repository".into()),
    ]
}

fn user(login: &str, id: u32) -> Value {
    let url = format!("https://api.github.com/users/{login}");
    json!({
        "login": login,
        "id": id,
        "node_id": format!("U_{id}"),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("https://github.com/{login}"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "type": "User",
        "site_admin": false
    })
}

fn ada() -> Value {
    user("ada", 583_231)
}

fn repository(fresh: &Fresh) -> Value {
    let api = "https://api.github.com/repos/acme/web";
    let mut owner = user("acme", 9_919);
    owner["type"] = "Organization".into();
    json!({
        "id": 700_112_233,
        "node_id": "R_kgDOKbbbbb",
        "name": "web",
        "full_name": "acme/web",
        "private": false,
        "owner": owner,
        "html_url": "https://github.com/acme/web",
        "description": "The web application",
        "fork": false,
        "url": api,
        "issues_url": format!("{api}/issues{{/number}}"),
        "pulls_url": format!("{api}/pulls{{/number}}"),
        "created_at": "2024-03-01T09:00:00Z",
        "updated_at": fresh.second(-7_200),
        "pushed_at": fresh.second(-60),
        "clone_url": "https://github.com/acme/web.git",
        "size": 18_204,
        "stargazers_count": 42,
        "watchers_count": 42,
        "language": "TypeScript",
        "forks_count": 7,
        "archived": false,
        "open_issues_count": 11,
        "visibility": "public",
        "default_branch": "main"
    })
}

/// The envelope with who did it and where.
fn event(fresh: &Fresh, mut event: Value) -> Value {
    event["repository"] = repository(fresh);
    event["sender"] = ada();
    event
}

fn push(fresh: &Fresh) -> Value {
    let (before, first, second) = (fresh.sha(), fresh.sha(), fresh.sha());
    let person = json!({ "name": "Ada Lovelace", "email": "ada@example.com", "username": "ada" });
    let commit = |id: &str, message: &str, file: &str, age: i64| {
        json!({
            "id": id,
            "tree_id": fresh.sha(),
            "distinct": true,
            "message": message,
            "timestamp": fresh.second(-age),
            "url": format!("https://github.com/acme/web/commit/{id}"),
            "author": person,
            "committer": person,
            "added": [],
            "removed": [],
            "modified": [file]
        })
    };
    let commits = [
        commit(&first, "Send cookies with SameSite=Lax", "src/session.ts", 120),
        commit(&second, "Test sign-in on Safari", "test/session.test.ts", 60),
    ];
    event(
        fresh,
        json!({
            "ref": "refs/heads/main",
            "before": before,
            "after": second,
            "pusher": { "name": "ada", "email": "ada@example.com" },
            "created": false,
            "deleted": false,
            "forced": false,
            "base_ref": null,
            "compare": format!("https://github.com/acme/web/compare/{}...{}", &before[..12], &second[..12]),
            "head_commit": commits[1],
            "commits": commits
        }),
    )
}

fn pull_request_opened(fresh: &Fresh) -> Value {
    let number = fresh.number(3000);
    let url = format!("https://api.github.com/repos/acme/web/pulls/{number}");
    let branch = |name: &str, sha: String| json!({ "label": format!("acme:{name}"), "ref": name, "sha": sha, "user": user("acme", 9_919), "repo": repository(fresh) });
    event(
        fresh,
        json!({
            "action": "opened",
            "number": number,
            "pull_request": {
                "url": url,
                "id": 1_500_000_000_u64 + u64::from(number),
                "node_id": format!("PR_kwDO{number}"),
                "html_url": format!("https://github.com/acme/web/pull/{number}"),
                "diff_url": format!("https://github.com/acme/web/pull/{number}.diff"),
                "number": number,
                "state": "open",
                "locked": false,
                "title": "Fix login on Safari",
                "user": ada(),
                "body": "Cookies are sent with `SameSite=Lax` now.\n\nCloses ENG-42.",
                "created_at": fresh.second(0),
                "updated_at": fresh.second(0),
                "closed_at": null,
                "merged_at": null,
                "merge_commit_sha": null,
                "assignee": null,
                "assignees": [],
                "requested_reviewers": [],
                "requested_teams": [],
                "labels": [],
                "milestone": null,
                "draft": false,
                "head": branch("fix-login", fresh.sha()),
                "base": branch("main", fresh.sha()),
                "author_association": "MEMBER",
                "auto_merge": null,
                "merged": false,
                "mergeable": null,
                "mergeable_state": "unknown",
                "comments": 0,
                "review_comments": 0,
                "commits": 2,
                "additions": 18,
                "deletions": 4,
                "changed_files": 2
            }
        }),
    )
}

fn issue(fresh: &Fresh, comments: u32) -> Value {
    let number = fresh.number(3000);
    let url = format!("https://api.github.com/repos/acme/web/issues/{number}");
    json!({
        "url": url,
        "repository_url": "https://api.github.com/repos/acme/web",
        "comments_url": format!("{url}/comments"),
        "html_url": format!("https://github.com/acme/web/issues/{number}"),
        "id": 2_000_000_000_u64 + u64::from(number),
        "node_id": format!("I_kwDO{number}"),
        "number": number,
        "title": "Login leads to an empty page on Safari",
        "user": ada(),
        "labels": [{
            "id": 208_045_946,
            "node_id": "LA_kwDO208045946",
            "url": "https://api.github.com/repos/acme/web/labels/bug",
            "name": "bug",
            "color": "d73a4a",
            "default": true,
            "description": "Something isn't working"
        }],
        "state": "open",
        "locked": false,
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "comments": comments,
        "created_at": fresh.second(if comments == 0 { 0 } else { -3_600 }),
        "updated_at": fresh.second(0),
        "closed_at": null,
        "author_association": "MEMBER",
        "active_lock_reason": null,
        "body": "1. Open the link from the e-mail\n2. See nothing",
        "state_reason": null
    })
}

fn issues_opened(fresh: &Fresh) -> Value {
    event(fresh, json!({ "action": "opened", "issue": issue(fresh, 0) }))
}

fn issue_comment_created(fresh: &Fresh) -> Value {
    let issue = issue(fresh, 1);
    let id = 1_700_000_000_u64 + u64::from(fresh.number(90_000_000));
    let comment = json!({
        "url": format!("https://api.github.com/repos/acme/web/issues/comments/{id}"),
        "html_url": format!("{}#issuecomment-{id}", issue["html_url"].as_str().unwrap_or_default()),
        "issue_url": issue["url"],
        "id": id,
        "node_id": format!("IC_kwDO{id}"),
        "user": ada(),
        "created_at": fresh.second(0),
        "updated_at": fresh.second(0),
        "author_association": "MEMBER",
        "body": "It only happens when third-party cookies are blocked."
    });
    event(fresh, json!({ "action": "created", "issue": issue, "comment": comment }))
}

fn workflow_run_completed(fresh: &Fresh) -> Value {
    let id = 7_000_000_000_u64 + u64::from(fresh.number(90_000_000));
    let number = fresh.number(900);
    let sha = fresh.sha();
    let url = format!("https://api.github.com/repos/acme/web/actions/runs/{id}");
    let workflow = json!({
        "id": 161_335,
        "node_id": "W_kwDO161335",
        "name": "CI",
        "path": ".github/workflows/ci.yml",
        "state": "active",
        "created_at": "2024-03-01T09:00:00Z",
        "updated_at": "2026-01-12T08:30:00Z",
        "url": "https://api.github.com/repos/acme/web/actions/workflows/161335",
        "html_url": "https://github.com/acme/web/blob/main/.github/workflows/ci.yml",
        "badge_url": "https://github.com/acme/web/workflows/CI/badge.svg"
    });
    event(
        fresh,
        json!({
            "action": "completed",
            "workflow_run": {
                "id": id,
                "name": "CI",
                "node_id": format!("WFR_kwDO{id}"),
                "head_branch": "main",
                "head_sha": sha,
                "path": ".github/workflows/ci.yml",
                "display_title": "Send cookies with SameSite=Lax",
                "run_number": number,
                "event": "push",
                "status": "completed",
                "conclusion": "success",
                "workflow_id": 161_335,
                "check_suite_id": id + 1,
                "url": url,
                "html_url": format!("https://github.com/acme/web/actions/runs/{id}"),
                "pull_requests": [],
                "created_at": fresh.second(-190),
                "updated_at": fresh.second(0),
                "actor": ada(),
                "run_attempt": 1,
                "run_started_at": fresh.second(-190),
                "triggering_actor": ada(),
                "jobs_url": format!("{url}/jobs"),
                "logs_url": format!("{url}/logs"),
                "head_commit": {
                    "id": sha,
                    "tree_id": fresh.sha(),
                    "message": "Send cookies with SameSite=Lax",
                    "timestamp": fresh.second(-200),
                    "author": { "name": "Ada Lovelace", "email": "ada@example.com" },
                    "committer": { "name": "Ada Lovelace", "email": "ada@example.com" }
                },
                "repository": repository(fresh),
                "head_repository": repository(fresh)
            },
            "workflow": workflow
        }),
    )
}

fn ping(fresh: &Fresh) -> Value {
    event(
        fresh,
        json!({
            "zen": "Keep it logically awesome.",
            "hook_id": HOOK,
            "hook": {
                "type": "Repository",
                "id": HOOK,
                "name": "web",
                "active": true,
                "events": ["push", "pull_request", "issues"],
                "config": { "content_type": "json", "insecure_ssl": "0", "url": "https://postern.example/hooks/" },
                "updated_at": fresh.second(0),
                "created_at": fresh.second(0),
                "url": format!("https://api.github.com/repos/acme/web/hooks/{HOOK}"),
                "ping_url": format!("https://api.github.com/repos/acme/web/hooks/{HOOK}/pings"),
                "last_response": { "code": null, "status": "unused", "message": null }
            }
        }),
    )
}
