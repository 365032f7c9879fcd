// The filter of the event list, as the address bar holds it.

import type { EventQuery } from "../../transport/generated/EventQuery";
import type { EventSummary } from "../../transport/generated/EventSummary";
import type { OutcomeKind } from "../../transport/generated/OutcomeKind";
import type { Provider } from "../../transport/generated/Provider";

/** What the list shows. */
export interface Filter {
  search: string;
  provider: Provider | null;
  outcome: OutcomeKind | null;
  eventType: string | null;
  action: string | null;
  source: string | null;
  /** The target's newest answer: `2xx` … `5xx`, `503`, `none`. */
  status: string | null;
  /** The number of a rule that acted on it. */
  rule: number | null;
  time: TimeRange | null;
  /** A condition on the payload. */
  payload: string | null;
}

/** When the proxy received it: of late, or between two moments. */
export type TimeRange =
  { kind: "last"; hours: number } | { kind: "between"; since: number | null; until: number | null };

export const NO_FILTER: Filter = {
  search: "",
  provider: null,
  outcome: null,
  eventType: null,
  action: null,
  source: null,
  status: null,
  rule: null,
  time: null,
  payload: null,
};

export const PROVIDERS: Record<Provider, string> = {
  linear: "Linear",
  github: "GitHub",
  standard_webhooks: "Standard Webhooks",
  stripe: "Stripe",
  slack: "Slack",
  hmac: "HMAC",
  timestamped: "Timestamped",
  none: "Unsigned",
  postern: "Postern",
};

export const OUTCOMES: Record<OutcomeKind, string> = {
  succeeded: "Succeeded",
  failed: "Failed",
  running: "Running",
  none: "No handler",
};

export const STATUSES: Record<string, string> = {
  "2xx": "2xx, taken",
  "3xx": "3xx, redirected",
  "4xx": "4xx, refused",
  "5xx": "5xx, broken",
  none: "No answer",
};

/** The spans the menu offers, in hours. */
export const SPANS: Record<number, string> = {
  1: "Last hour",
  24: "Last 24 hours",
  168: "Last 7 days",
  720: "Last 30 days",
};

const HOUR = 3_600_000;
const isProvider = (text: string | null): text is Provider => text !== null && Object.hasOwn(PROVIDERS, text);
const isOutcome = (text: string | null): text is OutcomeKind =>
  text !== null && Object.hasOwn(OUTCOMES, text);
const isStatus = (text: string | null): text is string =>
  text !== null && /^([1-5]xx|[1-5]\d\d|none)$/.test(text);

const ruleFrom = (text: string | null): number | null =>
  /^[1-9]\d{0,14}$/.test(text ?? "") ? Number(text) : null;

/** Reads `24h`, or `from..to` in milliseconds, either of which may be absent. */
function timeFrom(text: string | null): TimeRange | null {
  const hours = /^(\d{1,5})h$/.exec(text ?? "")?.[1];
  if (hours !== undefined) return Number(hours) > 0 ? { kind: "last", hours: Number(hours) } : null;
  const ends = /^(\d{1,15})?\.\.(\d{1,15})?$/.exec(text ?? "");
  if (!ends || (ends[1] === undefined && ends[2] === undefined)) return null;
  const end = (part: string | undefined) => (part === undefined ? null : Number(part));
  return { kind: "between", since: end(ends[1]), until: end(ends[2]) };
}

const timeTo = (time: TimeRange): string =>
  time.kind === "last" ? `${time.hours}h` : `${time.since ?? ""}..${time.until ?? ""}`;

/** Reads `q=…&provider=…&type=…` and the others; what it does not know, it leaves out. */
export function fromParams(params: URLSearchParams): Filter {
  const provider = params.get("provider");
  const outcome = params.get("outcome");
  const status = params.get("status");
  return {
    search: params.get("q") ?? "",
    provider: isProvider(provider) ? provider : null,
    outcome: isOutcome(outcome) ? outcome : null,
    eventType: params.get("type") || null,
    action: params.get("action") || null,
    source: params.get("source") || null,
    status: isStatus(status) ? status : null,
    rule: ruleFrom(params.get("rule")),
    time: timeFrom(params.get("time")),
    payload: params.get("where") || null,
  };
}

/** The other way; an empty filter is no parameters at all. */
export function toParams(filter: Filter): URLSearchParams {
  const params = new URLSearchParams();
  if (filter.search !== "") params.set("q", filter.search);
  if (filter.provider) params.set("provider", filter.provider);
  if (filter.outcome) params.set("outcome", filter.outcome);
  if (filter.eventType) params.set("type", filter.eventType);
  if (filter.action) params.set("action", filter.action);
  if (filter.source) params.set("source", filter.source);
  if (filter.status) params.set("status", filter.status);
  if (filter.rule !== null) params.set("rule", String(filter.rule));
  if (filter.time) params.set("time", timeTo(filter.time));
  if (filter.payload) params.set("where", filter.payload);
  return params;
}

/** The query for a page of it, asked at `now`. */
export function toQuery(filter: Filter, before: string | null, limit: number, now: number): EventQuery {
  const query: EventQuery = { limit };
  if (filter.search.trim() !== "") query.search = filter.search.trim();
  if (filter.provider) query.provider = filter.provider;
  if (filter.outcome) query.outcome = filter.outcome;
  if (filter.eventType) query.eventType = filter.eventType;
  if (filter.action) query.action = filter.action;
  if (filter.source) query.source = filter.source;
  if (filter.status) query.status = filter.status;
  if (filter.rule !== null) query.rule = filter.rule;
  if (filter.payload) query.payload = filter.payload;
  const since = filter.time?.kind === "last" ? now - filter.time.hours * HOUR : filter.time?.since;
  if (since != null) query.since = since;
  if (filter.time?.kind === "between" && filter.time.until !== null) query.until = filter.time.until;
  if (before !== null) query.before = before;
  return query;
}

export const isEmpty = (filter: Filter): boolean => toParams(filter).size === 0;

export const same = (a: Filter, b: Filter): boolean => toParams(a).toString() === toParams(b).toString();

/** Whether a row belongs to it; `undefined` where only the backend can tell (full text, payload, answer, rule). */
export function matches(filter: Filter, row: EventSummary, now: number): boolean | undefined {
  if (filter.provider && row.provider !== filter.provider) return false;
  if (filter.outcome && row.outcome.kind !== filter.outcome) return false;
  if (filter.eventType && row.eventType !== filter.eventType) return false;
  if (filter.action && row.action !== filter.action) return false;
  if (filter.source && row.source !== filter.source) return false;
  const { since, until } = toQuery(filter, null, 1, now);
  if (since !== undefined && row.receivedAt < since) return false;
  if (until !== undefined && row.receivedAt >= until) return false;
  return filter.search.trim() === "" && !filter.payload && !filter.status && filter.rule === null
    ? true
    : undefined;
}
