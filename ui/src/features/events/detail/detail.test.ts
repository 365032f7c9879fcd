import { describe, expect, it } from "vitest";
import { detail, summary } from "../../../transport/fake/events";
import type { EventDetail } from "../../../transport/generated/EventDetail";
import type { EventRecord } from "../../../transport/generated/EventRecord";
import { SMALL } from "../../../json/read";
import { payload } from "./body";
import { curl, providerHeaders, quote } from "./curl";
import { reasons, steps } from "./timeline";

const AT = 1_795_000_000_000;
const sample = (more: Partial<EventDetail> = {}): EventDetail => ({
  ...detail(2, summary(2, AT)),
  runs: [],
  ...more,
});

describe("payload", () => {
  const of = (text: string, type = "application/json") =>
    payload(sample({ headers: [["content-type", type]], body: { encoding: "utf8", text } }));
  it("is JSON, empty, or neither, at once where it is small", () => {
    expect(of('{"a":1}')).toMatchObject({ kind: "json" });
    expect(of(" ")).toEqual({ kind: "empty" });
    expect(of("{")).toEqual({ kind: "text", problem: "Not JSON: a key expected at character 2." });
    expect(payload(sample({ body: { encoding: "base64", base64: "/w==" } }))).toMatchObject({
      kind: "binary",
    });
  });
  it("is read out of GitHub's form", () => {
    const read = of(
      `payload=${encodeURIComponent('{"action":"opened"}')}`,
      "application/x-www-form-urlencoded",
    );
    expect(read).toMatchObject({ kind: "json", json: { text: '{"action":"opened"}' } });
  });
  it("is read later where it is large, and not again", async () => {
    const text = `[${"1,".repeat(SMALL)}1]`;
    const reading = of(text);
    expect(reading).toBeInstanceOf(Promise);
    const read = await reading;
    expect(read).toMatchObject({ kind: "json" });
    expect(of(text)).toEqual(read);
    expect(await of(`[${"1,".repeat(SMALL)}`)).toMatchObject({
      problem: `Not JSON: a value expected at character ${SMALL * 2 + 2}.`,
    });
  });
});

describe("curl", () => {
  it("sends what the provider sent, and nothing of ours", () => {
    const event = sample({
      headers: [
        ["content-type", "application/json"],
        ["host", "x"],
        ["content-length", "3"],
        ["webhook-id", "evt_1"],
        ["postern-event", "Issue.update"],
        ["postern-original-webhook-id", "msg_1"],
        ["x-two", "a"],
        ["x-two", "b"],
        ["x-bytes", { base64: "/w==" }],
      ],
      body: { encoding: "utf8", text: '{"it\'s": "$HOME `x`"}' },
    });
    expect(providerHeaders(event)).toEqual([
      ["content-type", "application/json"],
      ["webhook-id", "msg_1"],
      ["x-two", "a"],
      ["x-two", "b"],
    ]);
    expect(curl(event, "http://localhost:3000/a?b=1&c").split(" \\\n")).toEqual([
      "curl -X POST 'http://localhost:3000/a?b=1&c'",
      "  -H 'content-type: application/json'",
      "  -H 'webhook-id: msg_1'",
      "  -H 'x-two: a'",
      "  -H 'x-two: b'",
      "  --data-binary '{\"it'\\''s\": \"$HOME `x`\"}'",
    ]);
  });
  it("decodes a body that is no text on the way", () => {
    const event = sample({ headers: [], body: { encoding: "base64", base64: "/w==" } });
    expect(curl(event, "http://x/")).toBe(
      "printf %s '/w==' | base64 -d | curl -X POST 'http://x/' \\\n  --data-binary @-",
    );
  });
  it("quotes for the shell", () => {
    expect(quote("a'b")).toBe("'a'\\''b'");
  });
});

describe("timeline", () => {
  const record: EventRecord = {
    id: "evt_1",
    receivedAt: AT,
    commitMicros: 612,
    source: "linear",
    provider: "linear",
    name: "Issue.update",
    size: 10,
    synthetic: false,
    requestId: null,
    workers: [
      {
        workerId: "me",
        worker: "ada",
        code: "delivered",
        reason: "It was delivered.",
        terms: [],
        deliveryId: "d1",
      },
      {
        workerId: "you",
        worker: "grace",
        code: "away",
        reason: "The worker is away.",
        terms: [],
        deliveryId: "d2",
      },
      {
        workerId: "ci",
        worker: "ci",
        code: "filter_does_not_take",
        reason: "None of its capabilities takes the event: github:*.",
        terms: ["github:*"],
      },
    ],
    deliveries: [
      {
        id: "d1",
        workerId: "me",
        worker: "ada",
        state: "delivered",
        nextAttemptAt: null,
        skipped: null,
        ended: null,
        redriven: 0,
        replay: 0,
        reports: [],
        attempts: [
          {
            number: 1,
            at: AT + 2,
            micros: 1000,
            outcome: "connect",
            status: null,
            error: "connection refused",
            answer: null,
          },
          {
            number: 2,
            at: AT + 9,
            micros: 3000,
            outcome: "delivered",
            status: 200,
            error: null,
            answer: null,
          },
        ],
      },
      {
        id: "d2",
        workerId: "you",
        worker: "grace",
        state: "pending",
        nextAttemptAt: AT,
        skipped: null,
        ended: null,
        redriven: 0,
        replay: 0,
        attempts: [],
        reports: [],
      },
    ],
  };
  it("goes from the provider to the handler in order of time", () => {
    const full = detail(2, { ...summary(2, AT), outcome: { kind: "failed", label: "500 · 8 ms" } });
    const list = steps(full, record, "me");
    expect(list.map(({ title, tone }) => `${tone} ${title}`)).toEqual([
      expect.stringMatching(/^ok \w+ sent it$/),
      "ok The proxy verified and stored it",
      "bad Attempt 1 · no connection",
      "ok Attempt 2 · delivered · 200",
      "ok Stored on this machine",
      "bad Forwarded to http://localhost:3000/api/linear",
    ]);
    expect(list.map((step) => step.offset).slice(0, 4)).toEqual(["", "+ 0.6 ms", "+ 2 ms", "+ 9 ms"]);
  });
  it("still tells this machine's part without the proxy's record", () => {
    expect(steps(sample(), null, "me").map((step) => step.title)).toEqual([
      expect.stringMatching(/sent it$/),
      "Stored on this machine",
    ]);
  });
  it("says why each worker got it or did not", () => {
    const list = reasons(record, "me");
    expect(list.map(({ worker, tone, text }) => `${tone} ${worker}: ${text}`)).toEqual([
      "held grace: The worker is away.",
      "idle ci: None of its capabilities takes the event: github:*.",
    ]);
    expect(reasons(record, "you").map(({ worker, own, text }) => [worker, own, text])[0]).toEqual([
      "ada",
      false,
      "It was delivered. 2 attempts.",
    ]);
    expect(reasons(record, "you").find(({ own }) => own)?.worker).toBe("grace");
  });
});
