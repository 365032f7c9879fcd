import { expect, it } from "vitest";
import type { WorkerInfo } from "../../transport/generated/WorkerInfo";
import { asksFor, workerWords } from "./workers";

const NOW = 1_795_348_800_000;
const worker = (some: Partial<WorkerInfo>): WorkerInfo => ({
  id: "wrk_1",
  name: "ada",
  state: "active",
  capabilities: [],
  ordering: "none",
  catchUp: "ask",
  waiting: { count: 0, oldest: null, held: null },
  leasedUntil: NOW - 120_000,
  createdAt: NOW,
  challengeError: null,
  transportFailures: 0,
  transportError: null,
  policy: {},
  ...some,
});

it("says how a worker stands", () => {
  expect(workerWords(worker({}), NOW)).toEqual({ tone: "ok", words: "Active" });
  expect(workerWords(worker({ state: "away" }), NOW).words).toBe("Away for 2 min");
  const waiting = { count: 3, oldest: null, held: null };
  expect(workerWords(worker({ state: "paused", waiting, ordering: "entity" }), NOW)).toEqual({
    tone: "held",
    words: "Paused · 3 events waiting · in order",
  });
  const circuit = {
    state: "open",
    since: NOW,
    until: null,
    trips: 1,
    cause: "failing",
    error: null,
  } as const;
  expect(workerWords(worker({ circuit }), NOW)).toEqual({
    tone: "bad",
    words: "Active · left alone, since it fails",
  });
  expect(workerWords(worker({ state: "pending", challengeError: "refused" }), NOW).tone).toBe("bad");
});

it("says what a worker asks for", () => {
  expect(asksFor([])).toBe("all events");
  expect(asksFor(["Issue", "Comment.create"])).toBe("Issue, Comment.create");
});
