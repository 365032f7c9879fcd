import { describe, expect, it } from "vitest";
import type { PublicTunnel } from "../../transport/generated/PublicTunnel";
import type { PublicTunnelState } from "../../transport/generated/PublicTunnelState";
import type { TunnelOptions } from "../../transport/generated/TunnelOptions";
import {
  accessWords,
  draftOf,
  NO_OPTIONS,
  randomToken,
  rate,
  rateWords,
  read,
  sparkline,
  standing,
  targetWords,
  type Draft,
} from "./tunnels";

const NOW = 1_795_348_800_000;
const settings = {
  target: "http://localhost:3000",
  keepHost: false,
  insecure: false,
  lan: false,
  inspect: true,
  timeoutSeconds: 120,
};
const tunnel = (state: PublicTunnelState, more: Partial<PublicTunnel> = {}): PublicTunnel => ({
  name: "app",
  url: "https://app.postern.dev",
  settings,
  on: true,
  held: false,
  state,
  ...more,
});
const draft = (more: Partial<Draft> = {}): Draft => ({ ...draftOf("", settings, NO_OPTIONS), ...more });
const wrong = (more: Partial<Draft>, before: TunnelOptions = NO_OPTIONS) => {
  const found = read(draft(more), before);
  return "wrong" in found ? found.wrong.field : null;
};

describe("how a tunnel stands", () => {
  it("is said in words", () => {
    expect(standing(tunnel({ state: "online" }), NOW)).toMatchObject({ tone: "ok", words: "Online" });
    expect(standing(tunnel({ state: "online" }, { on: false, held: true }), NOW).words).toContain("program");
    expect(standing(tunnel({ state: "off" }), NOW).words).toContain("reserved");
  });
  it("comes with what helps", () => {
    const worker = { id: "wrk_2", name: "grace" };
    expect(standing(tunnel({ state: "elsewhere", worker }), NOW)).toMatchObject({
      words: "Served by grace",
      cure: "take_over",
    });
    const refused = { state: "refused", code: "tunnel.not_reserved", message: "Not yours." } as const;
    expect(standing(tunnel(refused), NOW)).toMatchObject({
      code: "tunnel.not_reserved",
      cure: "add_again",
    });
    expect(standing(tunnel({ ...refused, code: "of.tomorrow" }), NOW)).toMatchObject({
      why: "Not yours.",
      cure: null,
    });
    const offline = { state: "offline", problem: "refused", retryAt: NOW + 4_000 } as const;
    expect(standing(tunnel(offline), NOW)).toMatchObject({
      words: "Offline · tries again in 4 s",
      cure: "retry",
    });
    expect(standing(tunnel(offline), NOW + 5_000).words).toBe("Offline · trying again");
  });
});

it("says who may come", () => {
  expect(accessWords(NO_OPTIONS)).toEqual([]);
  const access = { kind: "bearer" } as const;
  expect(accessWords({ ...NO_OPTIONS, access, allow: ["10.0.0.0/8"], onlySigned: "linear" })).toEqual([
    "token required",
    "only from 10.0.0.0/8",
    "only signed by linear",
  ]);
});

it("draws what went through", () => {
  expect(targetWords("http://localhost:3000/")).toBe("localhost:3000");
  expect(targetWords("https://localhost:8443")).toBe("https://localhost:8443");
  expect(rate([100, 0, 30, 30, 30], 10)).toBe(3);
  expect(rate([], 10)).toBe(0);
  expect([rateWords(13.6), rateWords(0.44), rateWords(2)]).toEqual(["14 req/s", "0.4 req/s", "2 req/s"]);
  expect(sparkline([0, 2, 4], 20, 10)).toBe("0.0,9.0 10.0,5.0 20.0,1.0");
  expect(sparkline([], 20, 10)).toBe("");
});

describe("the form", () => {
  it("gives what it was made of", () => {
    const options: TunnelOptions = {
      ...NO_OPTIONS,
      access: { kind: "basic", user: "ada" },
      allow: ["10.0.0.0/8", "fd00::/8"],
      onlySigned: "linear",
      requestHeaders: { remove: ["x-a"], set: { "x-b": "1" } },
      rate: 5,
    };
    expect(read(draftOf("app", settings, options), options)).toEqual({ settings, options });
  });
  it("says which part is wrong", () => {
    expect(wrong({})).toBeNull();
    expect(wrong({ target: " " })).toBe("target");
    expect(wrong({ target: "70000" })).toBe("target");
    expect(wrong({ timeout: "0" })).toBe("timeout");
    for (const name of ["ab", "App", "-app", "a--b", "a".repeat(41)]) expect(wrong({ name })).toBe("name");
    expect(wrong({ name: "my-app" })).toBeNull();
    expect(wrong({ access: "basic", user: "a:b", password: "12345678" })).toBe("user");
    expect(wrong({ access: "basic", user: "ada", password: "short" })).toBe("password");
    expect(wrong({ access: "bearer", token: "short" })).toBe("token");
  });
  it("keeps a secret that is not given anew, and only of the same kind", () => {
    const before: TunnelOptions = { ...NO_OPTIONS, access: { kind: "bearer" } };
    expect(read(draft({ access: "bearer" }), before)).toMatchObject({
      options: { access: { kind: "bearer" } },
    });
    expect(wrong({ access: "basic", user: "ada" }, before)).toBe("password");
  });
  it("makes tokens that are long enough, each another", () => {
    expect(randomToken()).toMatch(/^[\w-]{32}$/);
    expect(randomToken()).not.toBe(randomToken());
  });
});
