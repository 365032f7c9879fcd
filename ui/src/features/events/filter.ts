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
  source: string | null;
}

export const NO_FILTER: Filter = { search: "", provider: null, outcome: null, eventType: null, source: null };

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

const isProvider = (text: string | null): text is Provider => text !== null && Object.hasOwn(PROVIDERS, text);
const isOutcome = (text: string | null): text is OutcomeKind =>
  text !== null && Object.hasOwn(OUTCOMES, text);

/** Reads `q=…&provider=…&outcome=…&type=…&source=…`; what it does not know, it leaves out. */
export function fromParams(params: URLSearchParams): Filter {
  const provider = params.get("provider");
  const outcome = params.get("outcome");
  return {
    search: params.get("q") ?? "",
    provider: isProvider(provider) ? provider : null,
    outcome: isOutcome(outcome) ? outcome : null,
    eventType: params.get("type") || null,
    source: params.get("source") || null,
  };
}

/** The other way; an empty filter is no parameters at all. */
export function toParams(filter: Filter): URLSearchParams {
  const params = new URLSearchParams();
  if (filter.search !== "") params.set("q", filter.search);
  if (filter.provider) params.set("provider", filter.provider);
  if (filter.outcome) params.set("outcome", filter.outcome);
  if (filter.eventType) params.set("type", filter.eventType);
  if (filter.source) params.set("source", filter.source);
  return params;
}

/** The query for a page of it. */
export function toQuery(filter: Filter, before: string | null, limit: number): EventQuery {
  const query: EventQuery = { limit };
  if (filter.search.trim() !== "") query.search = filter.search.trim();
  if (filter.provider) query.provider = filter.provider;
  if (filter.outcome) query.outcome = filter.outcome;
  if (filter.eventType) query.eventType = filter.eventType;
  if (filter.source) query.source = filter.source;
  if (before !== null) query.before = before;
  return query;
}

export const isEmpty = (filter: Filter): boolean => toParams(filter).size === 0;

export const same = (a: Filter, b: Filter): boolean => toParams(a).toString() === toParams(b).toString();

/** Whether a row belongs to it; `undefined` where only the backend can tell (full text). */
export function matches(filter: Filter, row: EventSummary): boolean | undefined {
  if (filter.provider && row.provider !== filter.provider) return false;
  if (filter.outcome && row.outcome.kind !== filter.outcome) return false;
  if (filter.eventType && row.eventType !== filter.eventType) return false;
  if (filter.source && row.source !== filter.source) return false;
  return filter.search.trim() === "" ? true : undefined;
}
