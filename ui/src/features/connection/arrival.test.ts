import { describe, expect, it } from "vitest";
import { timeOfDay } from "../../text/time";
import type { Session } from "../../transport/generated/Session";
import type { Tunnel } from "../../transport/generated/Tunnel";
import { carriedBy, chosenWay, sentence, tunnelSentence } from "./arrival";

const NOW = 1_000_000;
const session = (arrival: Session["arrival"]): Session => ({
  proxyUrl: "https://hooks.acme.dev/base",
  workspace: { id: "w", name: "Acme" },
  workerId: null,
  arrival,
  tokenKeptIn: "keychain",
});
const through = (tunnel: Tunnel): Session =>
  session({ way: "tunnel", tunnel, reason: "since this machine has no HTTPS address of its own" });
const up: Tunnel = {
  state: "up",
  since: NOW - 60_000,
  carrier: "upgrade",
  roundTripMicros: 4_123,
  httpProxy: null,
};
const down: Tunnel = {
  state: "down",
  since: NOW - 61_000,
  problem: "the proxy cannot be reached",
  cure: null,
  retryAt: NOW + 5_000,
};

describe("the tunnel in one sentence", () => {
  const cases: [Tunnel, string | null][] = [
    [{ state: "idle" }, null],
    [{ state: "connecting", since: NOW }, "Opening a tunnel to hooks.acme.dev…"],
    [up, "Connected through a tunnel to hooks.acme.dev · 4.1 ms"],
    [{ ...up, roundTripMicros: null }, "Connected through a tunnel to hooks.acme.dev"],
    [down, `Tunnel down since ${timeOfDay(NOW - 61_000)}, next try in 5 s.`],
    [{ ...down, retryAt: null }, `Tunnel down since ${timeOfDay(NOW - 61_000)}, trying now.`],
    [{ ...down, retryAt: NOW - 1 }, `Tunnel down since ${timeOfDay(NOW - 61_000)}, trying now.`],
  ];
  it.each(cases)("%o", (tunnel, words) => {
    expect(tunnelSentence(through(tunnel), NOW)).toBe(words);
  });
  it("is silent where deliveries are posted to an address", () => {
    expect(tunnelSentence(session({ way: "address", url: "https://l.dev", reason: "" }), NOW)).toBeNull();
    expect(tunnelSentence(null, NOW)).toBeNull();
  });
});

it("says what carries the tunnel where that is out of the ordinary", () => {
  expect(carriedBy(up)).toBe("");
  expect(carriedBy({ ...up, carrier: "websocket" })).toBe("over a WebSocket");
  expect(carriedBy({ ...up, carrier: "websocket", httpProxy: "gate:3128" })).toBe(
    "over a WebSocket, by the HTTP proxy gate:3128",
  );
});

it("makes a sentence of a problem", () => {
  expect(sentence("the proxy cannot be reached")).toBe("The proxy cannot be reached.");
  expect(sentence("Done!")).toBe("Done!");
});

it("says which way was chosen, and why", () => {
  const reason = "since this machine has no HTTPS address of its own";
  expect(chosenWay({ way: "tunnel", tunnel: { state: "idle" }, reason })).toBe(
    "Events come through a tunnel, since this machine has no HTTPS address of its own.",
  );
  const address = { way: "address", url: "http://127.0.0.1:1/", reason: "as you set it" } as const;
  expect(chosenWay(address)).toBe("Events come to an address of this machine, as you set it.");
});
