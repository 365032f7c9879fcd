//! Workflows, checks, commit statuses and deployments.

use super::{at_place, entity, short};
use crate::line::payload::Json;
use crate::line::{Line, first, text};

/// How it ended, or how far it is: `success`, `in progress`.
fn outcome(thing: &Json) -> Option<String> {
    first(thing, &["conclusion", "status"]).map(text::words)
}

/// The branch, or the commit where there is none.
fn on(thing: &Json) -> Option<String> {
    let branch = thing.text("head_branch").map(str::to_owned);
    branch.or_else(|| thing.text("head_sha").map(short)).map(|place| format!("on {place}"))
}

pub(super) fn workflow_run(json: &Json) -> Line {
    let run = json.at("workflow_run");
    let name = first(json, &["workflow_run.name", "workflow.name"]);
    let number = run.text("run_number").map(|number| format!("run #{number}"));
    let again = run.text("run_attempt").filter(|n| *n != "1").map(|n| format!("attempt {n}"));
    Line::new(at_place(json, name))
        .about(entity(json, "workflow_run", run.text("id")))
        .say(outcome(run))
        .say([number, on(run)].into_iter().flatten().collect::<Vec<_>>().join(" "))
        .say(again)
}

pub(super) fn workflow_job(json: &Json) -> Line {
    let job = json.at("workflow_job");
    let name =
        [job.text("workflow_name"), job.text("name")].into_iter().flatten().collect::<Vec<_>>().join(" / ");
    Line::new(at_place(json, Some(&name)))
        .about(entity(json, "workflow_run", job.text("run_id")))
        .say(outcome(job))
        .say(on(job))
}

pub(super) fn check_run(json: &Json) -> Line {
    let run = json.at("check_run");
    let on = on(run.at("check_suite")).or_else(|| on(run));
    Line::new(at_place(json, run.text("name")))
        .about(entity(json, "check_run", run.text("id")))
        .say(outcome(run))
        .say(on)
        .say(run.text("output.title").and_then(text::quote))
}

pub(super) fn check_suite(json: &Json) -> Line {
    let suite = json.at("check_suite");
    let name = suite.text("app.name").map_or_else(|| "checks".to_owned(), |app| format!("{app} checks"));
    Line::new(at_place(json, Some(&name)))
        .about(entity(json, "check_suite", suite.text("id")))
        .say(outcome(suite))
        .say(on(suite))
}

pub(super) fn deployment(json: &Json) -> Line {
    let deployment = json.at("deployment");
    Line::new(at_place(json, deployment.text("environment")))
        .about(entity(json, "deployment", deployment.text("id")))
        .say("deployment created".to_owned())
        .say(deployment.text("ref").map(|reference| format!("of {reference}")))
}

pub(super) fn deployment_status(json: &Json) -> Line {
    let status = json.at("deployment_status");
    let environment = first(json, &["deployment_status.environment", "deployment.environment"]);
    Line::new(at_place(json, environment))
        .about(entity(json, "deployment", json.text("deployment.id")))
        .say(status.text("state").map(|state| format!("deployment {}", text::words(state))))
        .say(json.text("deployment.ref").map(|reference| format!("of {reference}")))
        .say(status.text("description").and_then(text::quote))
}

pub(super) fn status(json: &Json) -> Line {
    let sha = json.text("sha");
    Line::new(at_place(json, json.text("context")))
        .about(entity(json, "commit", sha))
        .say(json.text("state").map(text::words))
        .say(sha.map(|sha| format!("on {}", short(sha))))
        .say(json.text("description").and_then(text::quote))
}
