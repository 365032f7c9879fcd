import { describe, expect, it } from "vitest";
import { formatRoute, parseRoute } from "../../state/router.svelte";
import { summary } from "../../transport/fake/events";
import { fromParams, matches, NO_FILTER, toParams, toQuery, type Filter } from "./filter";

describe("the filter in the address bar", () => {
  const filters: Filter[] = [
    NO_FILTER,
    {
      search: "a b&c=#/?",
      provider: "github",
      outcome: "failed",
      eventType: "Issue",
      action: "update",
      source: "läuft",
      status: "5xx",
      rule: 7,
      time: { kind: "last", hours: 24 },
      payload: 'data.team.key == "E&G" && data.n != 1',
    },
    { ...NO_FILTER, status: "none", time: { kind: "between", since: 5, until: 1_795_000_000_000 } },
    { ...NO_FILTER, time: { kind: "between", since: null, until: 7 } },
    { ...NO_FILTER, search: "%20" },
  ];
  it.each(filters)("survives %o", (filter) => {
    const hash = formatRoute({ page: "events", id: "evt_1.r2", params: toParams(filter) });
    const route = parseRoute(hash);
    expect(route.id).toBe("evt_1.r2");
    expect(fromParams(route.params)).toEqual(filter);
  });
  it("leaves out what it does not know", () => {
    expect(
      fromParams(new URLSearchParams("provider=toString&outcome=x&q=y&status=9xx&time=..&action=&rule=x")),
    ).toEqual({
      ...NO_FILTER,
      search: "y",
    });
  });
  it("is nothing when empty", () => {
    expect(formatRoute({ page: "events", id: null, params: toParams(NO_FILTER) })).toBe("#/events");
  });
});

describe("routes", () => {
  it.each([
    ["", "events", null],
    ["#/", "events", null],
    ["#/nowhere/x", "events", "x"],
    ["#/handlers/x", "handlers", null],
    ["#/events/%E0%A4%A", "events", "%E0%A4%A"],
  ])("%j", (hash, page, id) => {
    expect(parseRoute(hash)).toMatchObject({ page, id });
  });
});

it("asks for no more than is set", () => {
  expect(toQuery({ ...NO_FILTER, search: "  " }, null, 50, 0)).toEqual({ limit: 50 });
  expect(toQuery({ ...NO_FILTER, search: " x ", outcome: "none" }, "c", 50, 0)).toEqual({
    limit: 50,
    search: "x",
    outcome: "none",
    before: "c",
  });
});

it("knows what a row can tell, and what only the backend can", () => {
  const row = { ...summary(1, 0), provider: "linear" as const };
  const at = (filter: Partial<Filter>, now = 0) => matches({ ...NO_FILTER, ...filter }, row, now);
  expect(at({})).toBe(true);
  expect(at({ provider: "github", search: "x" })).toBe(false);
  expect(at({ provider: "linear", search: "x" })).toBeUndefined();
  expect(at({ payload: "exists(data)" })).toBeUndefined();
  expect(at({ status: "2xx" })).toBeUndefined();
  expect(at({ action: "nothing" })).toBe(false);
  const lastHour = { kind: "last", hours: 1 } as const;
  expect(at({ time: lastHour }, 3_600_000)).toBe(true);
  expect(at({ time: lastHour }, 3_600_001)).toBe(false);
  expect(at({ time: { kind: "between", since: null, until: 0 } })).toBe(false);
});

it("turns a span into a moment when it asks", () => {
  expect(toQuery({ ...NO_FILTER, time: { kind: "last", hours: 2 } }, null, 50, 7_200_005)).toEqual({
    limit: 50,
    since: 5,
  });
});
