import { describe, expect, it } from "vitest";
import { ago, bytes, counted, dayName, dayOf, latency, span } from "./time";

it("sizes spans", () => {
  expect([0, 59_999, 60_000, 3_600_000, 47 * 3_600_000, 48 * 3_600_000].map(span)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "1 h",
    "47 h",
    "2 days",
  ]);
  expect(ago(1000, 1500)).toBe("just now");
  expect(ago(1000, 13_000)).toBe("12 s ago");
});
it("sizes latencies of either sign", () => {
  expect([0.02, 0.6, 9.94, 24.4, 999, 1500, -42, 90_000].map(latency)).toEqual([
    "0 ms",
    "0.6 ms",
    "9.9 ms",
    "24 ms",
    "999 ms",
    "1.5 s",
    "−42 ms",
    "1 min",
  ]);
});
it("sizes bytes and counts", () => {
  expect([0, 999, 1942, 999_949, 5_242_880].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.9 kB",
    "999.9 kB",
    "5.2 MB",
  ]);
  expect([counted(1, "event"), counted(1284, "event")]).toEqual(["1 event", "1,284 events"]);
});
it("tells days apart at midnight, from either side", () => {
  const midnight = new Date(2026, 10, 22).getTime();
  expect([midnight, midnight - 1, midnight, midnight + 86_399_999, midnight + 86_400_000].map(dayOf)).toEqual(
    [20261122, 20261121, 20261122, 20261122, 20261123],
  );
});
describe("dayName", () => {
  const now = new Date(2026, 10, 22, 9).getTime();
  it.each([
    [new Date(2026, 10, 22, 0, 1), "Today"],
    [new Date(2026, 10, 21, 23, 59), "Yesterday"],
    [new Date(2026, 10, 20, 12), "Friday 20 November"],
    [new Date(2025, 11, 31, 12), "Wednesday, 31 December 2025"],
  ])("%s is %s", (date, name) => {
    expect(dayName(dayOf(date.getTime()), now).replace(",", "")).toBe(name.replace(",", ""));
  });
});

describe("a size", () => {
  it("has the unit that keeps it short", () => {
    expect([0, 999, 1942, 999_949, 999_950, 5_200_000, 1_000_000_000].map(bytes)).toEqual([
      "0 B",
      "999 B",
      "1.9 kB",
      "999.9 kB",
      "1 MB",
      "5.2 MB",
      "1 GB",
    ]);
  });
});
