// Events as they come in real life, made up from a seed so that every run and
// every screenshot shows the same.

import type { EventDetail } from "../generated/EventDetail";
import type { EventSummary } from "../generated/EventSummary";
import type { HandlerRun } from "../generated/HandlerRun";
import type { Outcome } from "../generated/Outcome";
import type { Provider } from "../generated/Provider";

const PEOPLE = ["Ada", "Grace", "Alan", "Lin", "Edsger", "Barbara"];
const TITLES = [
  "Login fails after SSO redirect",
  "Rate limit page is blank",
  "Export as CSV",
  "Feature flags for checkout",
  "Keyboard focus is lost when the dialog closes",
  "Crash when a webhook has no body",
  "Migrate sessions to the new store",
  "Dark mode: charts unreadable",
];
const STATES = ["Backlog", "Todo", "In Progress", "In Review", "Done"];

/** A small generator with a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Shape {
  provider: Provider;
  source: string;
  eventType: string;
  action: string | null;
  subject: string;
  detail: string;
  data: object;
}

function shape(n: number): Shape {
  const chance = random(n * 7919 + 13);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)] as T;
  const key = `ENG-${300 + Math.floor(chance() * 150)}`;
  const title = pick(TITLES);
  const who = pick(PEOPLE);
  const linear = { provider: "linear" as const, source: "linear" };
  const github = { provider: "github" as const, source: "github-acme" };
  const issue = {
    id: `5f0c0c8e-${String(n).padStart(4, "0").slice(-4)}-4d6e-9a55-0d2a3f7c8b11`,
    identifier: key,
    number: 418,
    title,
    priority: Math.floor(chance() * 5),
    estimate: null,
    team: { id: "72b2a2dc-6f4f-4423-9d34-24b5bd10634a", key: "ENG", name: "Engineering" },
    assignee: { id: "b2f1e7a0-6b9e-4f2e-8a3e-8d6a2b6d9f10", name: who },
    labels: [{ id: "a1", name: "Bug", color: "#eb5757" }],
    description: `Steps to reproduce:\n\n1. Open the page\n2. ${title}\n\nSeen by ${who}.`,
    url: `https://linear.app/acme/issue/${key}`,
  };
  const envelope = (action: string, type: string, more: object) => ({
    action,
    type,
    actor: { id: "b5ea5f1f-8adc-4f52-b4bd-ab4e84cf51ba", type: "user", name: who },
    createdAt: "2026-11-22T15:07:38.102Z",
    organizationId: "63d5e2a4-1d1c-4f2d-8e39-2a4a6f0f4b7b",
    url: issue.url,
    ...more,
    webhookTimestamp: 1795360058190,
    webhookId: "000042e3-d123-4980-b49f-8e140eef9329",
  });
  switch (Math.floor(chance() * 9)) {
    case 0:
      return {
        ...linear,
        eventType: "Issue",
        action: "create",
        subject: `${key} ${title}`,
        detail: `Bug · Urgent · by ${who}`,
        data: envelope("create", "Issue", { data: { ...issue, state: { name: "Todo" } } }),
      };
    case 1:
      return {
        ...linear,
        eventType: "Comment",
        action: "create",
        subject: key,
        detail: `“Can we ship behind a flag?” · by ${who}`,
        data: envelope("create", "Comment", {
          data: { id: "c1", body: "Can we ship behind a flag?", issue },
        }),
      };
    case 2:
      return {
        ...github,
        eventType: "pull_request",
        action: "opened",
        subject: `#${1000 + (n % 400)} Fix redirect loop`,
        detail: `acme/web · by ${who.toLowerCase()}`,
        data: {
          action: "opened",
          number: 1204,
          pull_request: { title: "Fix redirect loop", draft: false, commits: 3 },
        },
      };
    case 3:
      return {
        ...github,
        eventType: "push",
        action: null,
        subject: "main",
        detail: `3 commits · acme/web · by ${who.toLowerCase()}`,
        data: {
          ref: "refs/heads/main",
          before: "6113728f27ae",
          commits: [{ id: "a" }, { id: "b" }, { id: "c" }],
        },
      };
    case 4:
      return {
        provider: "standard_webhooks",
        source: "billing",
        eventType: "invoice.paid",
        action: null,
        subject: "invoice.paid",
        detail: "in_1QaX · 49.00 EUR",
        data: { type: "invoice.paid", data: { id: "in_1QaX", amount: 4900, currency: "eur" } },
      };
    case 5:
      return {
        ...linear,
        eventType: "Project",
        action: "update",
        subject: "Checkout v2",
        detail: `target date → 12 Dec · by ${who}`,
        data: envelope("update", "Project", {
          data: { id: "p1", name: "Checkout v2", targetDate: "2026-12-12" },
          updatedFrom: { targetDate: null, updatedAt: "2026-11-20T10:00:00.000Z" },
        }),
      };
    default: {
      const from = Math.floor(chance() * 4);
      return {
        ...linear,
        eventType: "Issue",
        action: "update",
        subject: `${key} ${title}`,
        detail: `status ${STATES[from]} → ${STATES[from + 1]} · by ${who}`,
        data: envelope("update", "Issue", {
          data: {
            ...issue,
            stateId: "e1a1f0c2-in-progress",
            state: { id: "e1a1f0c2-in-progress", name: STATES[from + 1], type: "started" },
            startedAt: "2026-11-22T15:07:38.102Z",
            updatedAt: "2026-11-22T15:07:38.102Z",
          },
          updatedFrom: {
            updatedAt: "2026-11-22T14:58:01.550Z",
            stateId: "7c9c2a4e-todo",
            startedAt: null,
          },
        }),
      };
    }
  }
}

const OUTCOMES: Outcome[] = [
  { kind: "succeeded", label: "200 · 12 ms" },
  { kind: "succeeded", label: "200 · 9 ms" },
  { kind: "succeeded", label: "204 · 31 ms" },
  { kind: "failed", label: "localhost:3000 refused" },
  { kind: "failed", label: "500 · 8 ms" },
  { kind: "none", label: "no handler" },
];

export function idOf(n: number): string {
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const chance = random(n + 77);
  let tail = "";
  for (let i = 0; i < 16; i += 1) tail += digits[Math.floor(chance() * 32)];
  return `evt_01KAN${String(n).padStart(5, "0")}${tail}`;
}

/** The `n`th event of the history, received at `at`. */
export function summary(n: number, at: number): EventSummary {
  const made = shape(n);
  const chance = random(n * 31 + 5);
  const latencyMs = 14 + Math.floor(chance() * 22);
  const outcome = OUTCOMES[
    chance() < 0.78 ? Math.floor(chance() * 3) : 3 + Math.floor(chance() * 3)
  ] as Outcome;
  return {
    id: idOf(n),
    receivedAt: at,
    storedAt: at + latencyMs,
    source: made.source,
    provider: made.provider,
    eventType: made.eventType,
    action: made.action,
    name: made.action === null ? made.eventType : `${made.eventType}.${made.action}`,
    subject: n === 7 ? "ENG-666 <script>alert(1)</script> \u202egnp.exe\u001b[31m red" : made.subject,
    detail: made.detail,
    size: JSON.stringify(made.data).length,
    synthetic: n % 97 === 3,
    outcome,
    latencyMs,
    seq: n,
    notify: null,
  };
}

/** What the detail shows of it. */
export function detail(n: number, row: EventSummary): EventDetail {
  let text = JSON.stringify(shape(n).data);
  if (n === 8) text = "[".repeat(200) + "1" + "]".repeat(200);
  if (n === 9) {
    const item = { id: 12345678901234567890, name: "x".repeat(40), tags: ["a", "b"], nested: { deep: true } };
    text = JSON.stringify({ items: Array.from({ length: 38_000 }, (_, i) => ({ ...item, i })) });
  }
  if (n === 7)
    text = JSON.stringify({
      html: "<script>alert(1)</script>",
      bidi: "\u202egnp.exe",
      ansi: "\u001b[31mred",
    });
  if (n === 10) text = '{"type":"Issue", broken';
  const forwarded = row.outcome.kind === "none" ? [] : [run(n, row)];
  return {
    summary: { ...row, size: text.length },
    headers: [
      ["content-type", "application/json; charset=utf-8"],
      ["user-agent", row.provider === "github" ? "GitHub-Hookshot/044aadd" : "Linear-Webhook"],
      ...(row.provider === "linear"
        ? ([
            ["linear-delivery", "234d1a4e-b617-4388-90fe-adc3633d6b72"],
            ["linear-event", row.eventType],
            ["linear-signature", "766e1d90a96e2f5ecec342a99c5552999dd95d49250171b902d703fd674f5086"],
          ] as [string, string][])
        : ([
            ["x-github-event", row.eventType],
            ["x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"],
          ] as [string, string][])),
      ["webhook-id", row.id],
      ["webhook-timestamp", String(Math.floor(row.receivedAt / 1000))],
      ["webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="],
      ["postern-event", row.name],
      ["postern-source", row.source],
      ["postern-provider", row.provider],
      ["postern-attempt", "2"],
      ["postern-received-at", String(row.receivedAt)],
      ["x-odd", { base64: "/+7d" }],
    ],
    body: { encoding: "utf8", text },
    verification: {
      checks: [
        {
          name: "The proxy's signature",
          passed: true,
          reason: "made with this worker's secret over the body as it came",
        },
        { name: "Timestamp", passed: true, reason: "signed 0.2 s before it arrived; 300 s are allowed" },
        {
          name: "The provider's signature",
          passed: true,
          reason: "checked by the proxy before it was stored",
        },
        {
          name: "Seen before",
          passed: n % 11 === 4 ? null : true,
          reason: n % 11 === 4 ? "a replay, delivered on purpose" : "first delivery of this id",
        },
      ],
    },
    local:
      n % 2 === 0
        ? null
        : {
            source: null,
            provider: row.provider,
            checks: [
              {
                name: "Signature header",
                passed: true,
                reason: "`linear-signature` is there, in the right form",
              },
              { name: "Signature", passed: true, reason: "made with this secret over these bytes" },
              {
                name: "Signed time",
                passed: false,
                reason:
                  "signed 3 days ago, 60 s are allowed: it would pass replayed with a new signature, or within that time",
              },
            ],
          },
    attempt: 2,
    runs: forwarded,
  };
}

/** A handler run that fits the row's outcome. */
export function run(n: number, row: EventSummary, replay = false): HandlerRun {
  const ok = row.outcome.kind === "succeeded";
  const refused = row.outcome.label.endsWith("refused");
  return {
    id: n,
    target: "http://localhost:3000/api/linear",
    replay,
    startedAt: row.storedAt + 1,
    micros: refused ? 600 : 12_140,
    outcome: row.outcome,
    status: refused ? null : ok ? 200 : 500,
    responseHeaders: refused ? [] : [["content-type", "text/plain"]],
    responseBody: refused
      ? null
      : ok
        ? "OK"
        : "TypeError: cannot read properties of undefined (reading 'state')",
    error: refused ? "connection refused — nothing listens on 3000" : null,
    rule: { id: 1, name: "localhost:3000" },
    attempt: n % 9 === 4 ? 2 : 1,
    altered: null,
    warning:
      n % 13 === 6 ? "the signature's time is 3 h old; the app's own verification may refuse it" : null,
  };
}
