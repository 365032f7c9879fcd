// Rules as the page edits them: a form for each, and what is said of them.

import type { Action } from "../../transport/generated/Action";
import type { DryRunRow } from "../../transport/generated/DryRunRow";
import type { Rule } from "../../transport/generated/Rule";
import type { RuleProblem } from "../../transport/generated/RuleProblem";
import { counted, latency } from "../../text/time";

/** A rule's form: everything as it is typed. */
export interface Draft {
  id: number;
  enabled: boolean;
  kind: Action["type"];
  name: string;
  url: string;
  /** One term to a line. */
  filter: string;
  /** Seconds. */
  timeout: string;
  /** One `Name: value` to a line. */
  headers: string;
  host: "rewrite" | "keep";
  retries: string;
  /** Seconds before the first. */
  wait: string;
  stop: boolean;
}

/** The form of a new rule. */
export const blank = (url = ""): Draft => ({
  id: 0,
  enabled: true,
  kind: "forward",
  name: "",
  url,
  filter: "",
  timeout: "30",
  headers: "",
  host: "rewrite",
  retries: "0",
  wait: "1",
  stop: false,
});

export function draftOf(rule: Rule): Draft {
  const common = {
    id: rule.id,
    enabled: rule.enabled,
    // One that was named after its target goes on being so.
    name: rule.action.type === "forward" && rule.name === authority(rule.action.url) ? "" : rule.name,
    filter: rule.filter.join("\n"),
    stop: rule.stop,
  };
  if (rule.action.type === "notify") return { ...blank(), ...common, kind: "notify" };
  const { url, timeoutMs, headers, host, retry } = rule.action;
  return {
    ...common,
    kind: "forward",
    url,
    timeout: String((timeoutMs ?? 30_000) / 1000),
    headers: headers.map(([name, value]) => `${name}: ${value}`).join("\n"),
    host,
    retries: String(retry.count),
    wait: String(retry.waitMs / 1000),
  };
}

/** Host and port: `localhost:3000`. */
export function authority(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

/** The rule of a form, or the part of it that cannot be read. */
export function ruleOf(draft: Draft): Rule | { part: RuleProblem["part"]; message: string } {
  const common = {
    id: draft.id,
    name: draft.name.trim(),
    enabled: draft.enabled,
    filter: terms(draft.filter).map(({ text }) => text),
    stop: draft.stop,
  };
  if (draft.kind === "notify") return { ...common, action: { type: "notify" } };
  if (draft.url.trim() === "") return { part: "url", message: "The address is missing." };
  const timeoutMs = millis(draft.timeout);
  if (timeoutMs === null) return { part: "timeout", message: "Write it in seconds: 0.1 to 300." };
  const waitMs = millis(draft.wait);
  if (waitMs === null) return { part: "retry", message: "Write the wait in seconds: 0.01 to 60." };
  const headers: [string, string][] = [];
  for (const line of draft.headers.split("\n").filter((line) => line.trim() !== "")) {
    const colon = line.indexOf(":");
    if (colon < 1) return { part: "headers", message: "Write each on a line, as Name: value." };
    headers.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return {
    ...common,
    action: {
      type: "forward",
      url: draft.url.trim(),
      ...(timeoutMs !== 30_000 && { timeoutMs }),
      headers,
      host: draft.host,
      retry: { count: Number(draft.retries), waitMs },
    },
  };
}

function millis(seconds: string): number | null {
  const value = Number(seconds.replace(",", "."));
  return seconds.trim() === "" || !Number.isFinite(value) || value < 0 || value > 4_000_000
    ? null
    : Math.round(value * 1000);
}

/** The terms of a filter as typed, each with its line, from 1. */
export function terms(filter: string): { text: string; line: number }[] {
  return filter
    .split("\n")
    .map((text, i) => ({ text: text.trim(), line: i + 1 }))
    .filter(({ text }) => text !== "");
}

/** The characters around the place of an error, with the place among them. */
export function pointer(term: string, at: number): { text: string; at: number } {
  const letters = [...term];
  const from = Math.max(0, at - 1 - 28);
  const text = letters.slice(from, from + 56).join("");
  const cut = from > 0 ? "…" : "";
  return { text: cut + text, at: at - 1 - from + cut.length };
}

/** `every event`, or the terms. */
export const filterWords = (rule: Rule): string =>
  rule.filter.length === 0 ? "every event" : rule.filter.join("  ");

/** What a forward does beside posting: `within 5 s`, `2 retries`, … */
export function extras(rule: Rule): string[] {
  if (rule.action.type === "notify") return [];
  const { timeoutMs, retry, host, headers } = rule.action;
  return [
    ...(timeoutMs === undefined ? [] : [`within ${latency(timeoutMs)}`]),
    ...(retry.count === 0 ? [] : [counted(retry.count, "retry", "retries")]),
    ...(host === "keep" ? ["host kept"] : []),
    ...(headers.length === 0 ? [] : [counted(headers.length, "header")]),
  ];
}

/** The list with the rule at `from` moved to `to`. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const next = [...list];
  const [one] = next.splice(from, 1);
  if (one !== undefined) next.splice(to, 0, one);
  return next;
}

/** Terms that the newest events suggest: the most frequent types first. */
export function suggestions(rows: readonly DryRunRow[], most = 6): string[] {
  const counts = new Map<string, number>();
  for (const { event } of rows) {
    for (const term of new Set([event.eventType, event.name])) counts.set(term, (counts.get(term) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || a.localeCompare(b))
    .slice(0, most)
    .map(([term]) => term);
}
