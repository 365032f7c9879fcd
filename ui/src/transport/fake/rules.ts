// The rules of the fake backend: filters by type and action alone.

import type { DryRun } from "../generated/DryRun";
import type { EventSummary } from "../generated/EventSummary";
import type { Forward } from "../generated/Forward";
import type { HandlerRun } from "../generated/HandlerRun";
import type { Rule } from "../generated/Rule";
import type { RuleList } from "../generated/RuleList";
import type { RuleProblem } from "../generated/RuleProblem";
import { ApiError } from "../types";

const forward = (id: number, name: string, url: string, more: Partial<Rule> = {}): Rule => ({
  id,
  name,
  enabled: true,
  filter: [],
  action: { type: "forward", url, headers: [], host: "rewrite", retry: { count: 0, waitMs: 1000 } },
  stop: false,
  ...more,
});

/** `none`, one target, or with `rules=many` a page full of them. */
export function firstRules(mode: string, many: boolean): Rule[] {
  if (mode === "none") return [];
  const app = forward(1, "localhost:3000", "http://localhost:3000/api/linear");
  if (!many) return [app];
  return [
    { ...forward(2, "Urgent issues", ""), filter: ["Issue[data.priority == 1]"], action: { type: "notify" } },
    forward(3, "Preview of the new importer", "http://localhost:4100/webhooks/linear?from=postern", {
      filter: ["Issue.create", "Issue.update", '!Issue[data.team.key == "OPS"]'],
      action: {
        type: "forward",
        url: "http://localhost:4100/webhooks/linear?from=postern",
        timeoutMs: 5000,
        headers: [["X-Token", "abc"]],
        host: "keep",
        retry: { count: 3, waitMs: 500 },
      },
      stop: true,
    }),
    app,
    forward(4, "Old app", "http://localhost:3999/", { enabled: false, filter: ["github:push"] }),
  ];
}

export function takes(rule: Rule, event: EventSummary): boolean {
  if (!rule.enabled) return false;
  const names = (term: string) => {
    const bare = (term.split("[")[0] ?? "").replace(/^!/, "").replace(/^[a-z_]+:/, "");
    return bare === "*" || bare === event.eventType || bare === event.name;
  };
  const positive = rule.filter.filter((term) => !term.startsWith("!"));
  return (
    !rule.filter.some((term) => term.startsWith("!") && !term.includes("[") && names(term)) &&
    (positive.length === 0 || positive.some(names))
  );
}

function problemOf(rules: readonly Rule[]): RuleProblem | null {
  for (const [at, rule] of rules.entries()) {
    const item = rule.filter.findIndex((term) => /\.$|\[[^\]]*$|^\s*$/.test(term));
    const term = rule.filter[item];
    if (term !== undefined) {
      const place = term.length + 1;
      const message = `the filter \`${term}\`, character ${place}: expected the action of an event, or \`*\``;
      return { rule: at, part: "filter", item, at: place, message };
    }
    if (rule.action.type === "forward" && /^[a-z]+:\/\/$|\s/.test(rule.action.url))
      return { rule: at, part: "url", item: null, at: null, message: "the forward target is not a URL" };
  }
  return null;
}

export function dryRun(rules: readonly Rule[], events: readonly EventSummary[]): DryRun {
  const problem = problemOf(rules);
  if (problem) return { problem, rows: [] };
  const rows = events.slice(0, 100).map((event) => {
    const takers: number[] = [];
    for (const [at, rule] of rules.entries()) {
      if (!takes(rule, event)) continue;
      takers.push(at);
      if (rule.stop) break;
    }
    return { event, rules: takers };
  });
  return { problem: null, rows };
}

export function setRules(list: RuleList, args: RuleList): RuleList {
  if (args.version !== list.version)
    throw new ApiError("edge.rules_changed", "The rules have been changed elsewhere meanwhile.", false);
  const problem = problemOf(args.rules);
  if (problem) throw new ApiError("request.malformed", problem.message, false);
  let last = Math.max(0, ...list.rules.map(({ id }) => id));
  const rules = args.rules.map((rule) => {
    const id = rule.id === 0 ? ++last : rule.id;
    const { action } = rule;
    if (action.type === "notify") return { ...rule, id, name: rule.name || "Notify" };
    const whole = /^\d+/.test(action.url) ? `http://localhost:${action.url}` : action.url;
    return { ...rule, id, name: rule.name || new URL(whole).host, action: { ...action, url: whole } };
  });
  return { version: list.version + 1, rules };
}

export const targetsOf = (rules: readonly Rule[], last: (rule: Rule) => HandlerRun | null): Forward[] =>
  rules.flatMap((rule) =>
    rule.enabled && rule.action.type === "forward"
      ? [
          {
            rule: rule.id,
            name: rule.name,
            url: rule.action.url,
            all: rule.filter.length === 0,
            last: last(rule),
          },
        ]
      : [],
  );
