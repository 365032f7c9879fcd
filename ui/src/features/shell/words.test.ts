import { describe, expect, it } from "vitest";
import type { Connection } from "../../transport/generated/Connection";
import type { Status } from "../../transport/generated/Status";
import type { Tunnel } from "../../transport/generated/Tunnel";
import { connectionWords, hops, pausable, shortOutcome, waits } from "./words";

const NOW = 1_000_000;
const SINCE = new Date(new Date(NOW).setHours(14, 2)).getTime();
const OPEN = { state: "open" } as const;
const none = { count: 0, oldest: null, held: null };
const held = { count: 12, oldest: 1, newest: 2, entities: 4, newestPerEntity: 5 };
const live: Connection = {
  state: "live",
  provenAt: NOW - 12_000,
  unproven: null,
  renewedAt: NOW - 20_000,
  leasedUntil: NOW + 50_000,
  skewMs: 0,
  waiting: none,
};

const status = (connection: Connection, more: Partial<Status> = {}): Status => ({
  version: "0",
  name: "ada",
  profiles: [],
  session: {
    proxyUrl: "https://hooks.acme.dev/",
    workspace: { id: "w", name: "Acme" },
    workerId: null,
    arrival: { way: "address", url: "http://127.0.0.1:1/hook", reason: "as you set it" },
    tokenKeptIn: "keychain",
  },
  connection,
  targets: [],
  rulesVersion: 0,
  tunnels: [],
  settings: {
    notifications: true,
    catchUp: null,
    via: "auto",
    ordering: "none",
    capabilities: [],
    group: null,
    keep: { days: 90, gib: 10 },
    canaryMinutes: 5,
    port: null,
  },
  receiver: { port: 1, fixed: false },
  events: 0,
  rejected: 0,
  cursor: 0,
  now: NOW,
  ...more,
});

describe("the connection in words", () => {
  const cases: [Connection, string][] = [
    [live, "Live · proven 12 s ago"],
    [{ ...live, provenAt: null }, "Live · not proven yet"],
    [{ ...live, unproven: { since: SINCE, problem: "refused" } }, "Not proven since 14:02"],
    [{ ...live, waiting: { count: 38, oldest: 1, held: null } }, "Live · 38 catching up"],
    [{ ...live, leasedUntil: NOW - 1, waiting: { count: 38, oldest: 1, held: null } }, "Away · 38 held"],
    [{ ...live, waiting: { ...none, held } }, "Live · 12 held"],
    [{ ...live, waiting: { count: 3, oldest: 1, held } }, "Live · 3 catching up · 12 held"],
    [{ ...live, leasedUntil: NOW - 1, waiting: { count: 1, oldest: 1, held } }, "Away · 13 held"],
    [{ state: "paused", waiting: { count: 1284, oldest: 1, held: null } }, "Paused · 1,284 held"],
    [{ state: "reconnecting", problem: "no", retryAt: NOW + 4000 }, "Reconnecting in 4 s"],
    [{ state: "reconnecting", problem: "no", retryAt: NOW - 1 }, "Reconnecting now"],
    [{ state: "connecting", since: NOW - 3000, problem: null }, "Connecting · 3 s"],
    [{ state: "connecting", since: NOW, problem: "challenge failed" }, "Connecting · not reachable"],
    [{ state: "refused", problem: "revoked" }, "Signed out by the proxy"],
    [{ state: "signed_out" }, "Not signed in"],
  ];
  it.each(cases)("%o", (connection, words) => {
    expect(connectionWords(status(connection), OPEN, NOW).short).toBe(words);
  });
  it("says so when this page has lost Postern itself, whatever was known before", () => {
    const link = { state: "broken", retryAt: NOW + 2000, problem: "x" } as const;
    expect(connectionWords(status(live), link, NOW)).toMatchObject({
      tone: "bad",
      short: "Postern does not answer · trying in 2 s",
    });
  });
});

it("says how the tunnel stands, where deliveries come through one", () => {
  const through = (connection: Connection, tunnel: Tunnel): string => {
    const known = status(connection);
    if (known.session) known.session.arrival = { way: "tunnel", tunnel, reason: "as you set it" };
    return connectionWords(known, OPEN, NOW).long;
  };
  const up: Tunnel = { state: "up", since: 1, carrier: "upgrade", roundTripMicros: 4_123, httpProxy: null };
  expect(through(live, up)).toBe("Connected through a tunnel to hooks.acme.dev · 4.1 ms");
  const problem = "the proxy cannot be reached";
  const down: Tunnel = { state: "down", since: 1, problem, cure: "Check it.", retryAt: NOW + 5000 };
  const words = through({ state: "reconnecting", problem, retryAt: NOW + 5000 }, down);
  expect(words).toMatch(
    /^Tunnel down since .*, next try in 5 s. The proxy cannot be reached. Check it. Nothing is lost/,
  );
  expect(through({ state: "connecting", since: 1, problem: null }, { state: "idle" })).toBe(
    "Registering with the proxy.",
  );
});

it("offers to try again only while something waits for its next try", () => {
  expect(waits(status({ state: "reconnecting", problem: "no", retryAt: NOW }))).toBe(true);
  expect(waits(status(live))).toBe(false);
  expect(waits(null)).toBe(false);
});

it("offers a pause only where it can be had", () => {
  expect(pausable(status(live))).toBe("pause");
  expect(pausable(status({ state: "paused", waiting: none }))).toBe("resume");
  expect(pausable(status({ state: "signed_out" }))).toBeNull();
  expect(pausable(null)).toBeNull();
});

it("draws the path with the state of each hop", () => {
  const path = (connection: Connection, more: Partial<Status> = {}) =>
    hops(status(connection, more), OPEN, null, NOW).map(({ name, tone }) => `${name} ${tone}`);
  expect(path(live)).toEqual(["Providers idle", "hooks.acme.dev ok", "This machine ok", "No target idle"]);
  expect(path({ state: "reconnecting", problem: "no", retryAt: NOW })).toContain("hooks.acme.dev bad");
  const target = (port: number) => ({
    rule: port,
    name: "",
    url: `http://localhost:${port}/x`,
    all: true,
    last: null,
  });
  expect(path(live, { targets: [target(3000)] }).at(-1)).toBe("localhost:3000 idle");
  expect(path(live, { targets: [1, 2, 3].map(target) }).slice(3)).toEqual([
    "localhost:1 idle",
    "localhost:2 idle",
    "localhost:3 idle",
  ]);
  expect(path(live, { targets: [1, 2, 3, 4].map(target) }).slice(3)).toEqual(["4 targets idle"]);
});

it("shortens an outcome beside its target's name", () => {
  expect(shortOutcome("localhost:3000 refused", "localhost:3000")).toBe("refused");
  expect(shortOutcome("200 · 12 ms", "localhost:3000")).toBe("200");
});
