// What a small team's tools send in a morning.
import { randomUUID } from "node:crypto";

const ada = { id: randomUUID(), name: "Ada Lovelace", type: "user" };
const grace = { id: randomUUID(), name: "Grace Hopper", type: "user" };
const team = { id: randomUUID(), key: "ENG", name: "Engineering" };
const repository = { id: 1296269, name: "web", full_name: "acme/web", html_url: "https://github.com/acme/web", owner: { login: "acme" } };
const organization = { login: "acme", id: 9919 };

function linear(type, action, actor, data, row, more = {}) {
  const body = {
    action,
    actor,
    createdAt: new Date().toISOString(),
    data,
    type,
    organizationId: "9e3d8c1a-6f0b-4a57-8d0e-0a3f6e1c2b4d",
    webhookId: "1f0b9d5e-2c57-4b6f-9a43-8d1c0e7a5b90",
    webhookTimestamp: Date.now(),
    ...more,
  };
  return { provider: "linear", type, body: JSON.stringify(body), row };
}

function github(type, login, payload, row) {
  const body = { ...payload, repository, organization, sender: { login, id: 583231, type: "User" } };
  return { provider: "github", type, body: JSON.stringify(body), row };
}

const STATES = { Todo: randomUUID(), "In Progress": randomUUID() };

const issue = (number, title, state = "Todo") => ({
  id: randomUUID(),
  number,
  identifier: `ENG-${number}`,
  title,
  priority: 2,
  priorityLabel: "High",
  stateId: STATES[state],
  state: { id: STATES[state], name: state, type: state === "Todo" ? "unstarted" : "started", color: "#f2c94c" },
  team,
  labels: [{ id: randomUUID(), name: "bug", color: "#eb5757" }],
});

const pull = (number, title, merged = false) => ({
  number,
  title,
  state: merged ? "closed" : "open",
  merged,
  user: { login: "ada" },
  html_url: `https://github.com/acme/web/pull/${number}`,
  head: { ref: "fix-login", sha: "6dcb09b5b57875f334f61aebed695e2e4193db5e" },
  base: { ref: "main" },
});

/** A dozen events, oldest first; `row` is what the list shows of each. */
export function teamsMorning() {
  return [
    linear("Issue", "create", grace, issue(40, "Export takes minutes for large workspaces"), "ENG-40"),
    github("push", "grace", { ref: "refs/heads/main", before: "a".repeat(40), after: "b".repeat(40), pusher: { name: "grace" }, commits: [{ id: "b".repeat(40), message: "Stream the export" }], head_commit: { id: "b".repeat(40), message: "Stream the export" } }, "push"),
    linear("Comment", "create", ada, { id: randomUUID(), body: "Reproduced on staging: the second page times out.", issue: { id: randomUUID(), identifier: "ENG-40", title: "Export takes minutes for large workspaces" }, user: ada }, "Comment.create"),
    github("pull_request", "ada", { action: "opened", number: 318, pull_request: pull(318, "Keep the session over a restart") }, "#318"),
    github("check_run", "github-actions[bot]", { action: "completed", check_run: { id: 4, name: "test", status: "completed", conclusion: "success", head_sha: "6dcb09b5b57875f334f61aebed695e2e4193db5e" } }, "check_run"),
    github("pull_request_review", "grace", { action: "submitted", review: { id: 80, state: "approved", body: "Nice.", user: { login: "grace" } }, pull_request: pull(318, "Keep the session over a restart") }, "pull_request_review"),
    linear("Project", "update", grace, { id: randomUUID(), name: "Self-hosting", state: "started", progress: 0.4 }, "Self-hosting", { updatedFrom: { progress: 0.35 } }),
    github("issues", "ada", { action: "opened", issue: { number: 77, title: "Dark mode: the diff is hard to read", state: "open", user: { login: "ada" }, html_url: "https://github.com/acme/web/issues/77" } }, "#77"),
    linear("IssueLabel", "create", ada, { id: randomUUID(), name: "accessibility", color: "#26b5ce", teamId: team.id }, "accessibility"),
    linear("Cycle", "update", grace, { id: randomUUID(), number: 12, name: null, startsAt: "2026-11-23T00:00:00.000Z", teamId: team.id }, "Cycle.update", { updatedFrom: { startsAt: "2026-11-16T00:00:00.000Z" } }),
    linear("Issue", "update", ada, issue(42, "Sign-in is lost when the laptop wakes", "In Progress"), "ENG-42", { updatedFrom: { stateId: STATES.Todo, state: { name: "Todo" }, priority: 3, priorityLabel: "Medium" }, url: "https://linear.app/acme/issue/ENG-42" }),
    github("pull_request", "ada", { action: "closed", number: 318, pull_request: pull(318, "Keep the session over a restart", true) }, "pull_request.closed"),
    github("release", "grace", { action: "published", release: { tag_name: "v1.8.0", name: "1.8.0", draft: false, prerelease: false, html_url: "https://github.com/acme/web/releases/tag/v1.8.0" } }, "v1.8.0"),
  ];
}
