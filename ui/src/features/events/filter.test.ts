import { describe, expect, it } from "vitest";
import { formatRoute, parseRoute } from "../../state/router.svelte";
import { summary } from "../../transport/fake/events";
import { fromParams, matches, NO_FILTER, toParams, toQuery, type Filter } from "./filter";

describe("the filter in the address bar", () => {
  const filters: Filter[] = [
    NO_FILTER,
    { search: "a b&c=#/?", provider: "github", outcome: "failed", eventType: "Issue", source: "läuft" },
    { ...NO_FILTER, search: "%20" },
  ];
  it.each(filters)("survives %o", (filter) => {
    const hash = formatRoute({ page: "events", id: "evt_1.r2", params: toParams(filter) });
    const route = parseRoute(hash);
    expect(route.id).toBe("evt_1.r2");
    expect(fromParams(route.params)).toEqual(filter);
  });
  it("leaves out what it does not know", () => {
    expect(fromParams(new URLSearchParams("provider=toString&outcome=x&q=y"))).toEqual({
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
  expect(toQuery({ ...NO_FILTER, search: "  " }, null, 50)).toEqual({ limit: 50 });
  expect(toQuery({ ...NO_FILTER, search: " x ", outcome: "none" }, "c", 50)).toEqual({
    limit: 50,
    search: "x",
    outcome: "none",
    before: "c",
  });
});

it("knows what a row can tell, and what only the backend can", () => {
  const row = { ...summary(1, 0), provider: "linear" as const };
  expect(matches(NO_FILTER, row)).toBe(true);
  expect(matches({ ...NO_FILTER, provider: "github", search: "x" }, row)).toBe(false);
  expect(matches({ ...NO_FILTER, provider: "linear", search: "x" }, row)).toBeUndefined();
});
