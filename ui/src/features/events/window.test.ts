import { beforeEach, describe, expect, it } from "vitest";
import type { EventSummary } from "../../transport/generated/EventSummary";
import { summary } from "../../transport/fake/events";
import { EventWindow, PAGE } from "./window";

const DAY = 86_400_000;
const NOON = new Date(2026, 10, 22, 12).getTime();

/** Row `n`: the larger, the older, a minute each. */
const row = (n: number, at = NOON - n * 60_000): EventSummary => ({
  ...summary(1, at),
  id: `evt_${String(100_000 - n)}`,
  receivedAt: at,
  storedAt: at + 20,
  seq: 1,
});
const page = (from: number, to: number, total: number) => ({
  rows: Array.from({ length: to - from }, (_, i) => row(from + i)),
  next: to < total ? `c${to}` : null,
  total,
  searchedTo: null,
  cursor: 0,
});
const ids = (window: EventWindow) =>
  Array.from({ length: window.slots }, (_, i) => window.slot(i)).flatMap((slot) =>
    slot.kind === "row" ? [slot.row.id] : [],
  );

let window: EventWindow;
beforeEach(() => {
  window = new EventWindow();
});

describe("pages", () => {
  it("follow each other, with a place for what comes next", () => {
    window.reset(page(0, 200, 450));
    expect(window.slot(0)).toMatchObject({ kind: "day" });
    expect(window.slot(1)).toMatchObject({ kind: "row", row: { id: row(0).id } });
    expect(window.slots).toBe(1 + 200 + 40);
    expect(window.wanted(0, 50)).toEqual({ refill: [], next: false });
    expect(window.wanted(150, 190).next).toBe(true);
    window.append(page(200, 400, 450), "c200");
    window.append(page(400, 450, 450), "c400");
    expect(window.slots).toBe(1 + 450);
    expect(window.wanted(400, 451).next).toBe(false);
    expect(new Set(ids(window)).size).toBe(450);
  });

  it("know how many rows stand before a slot, days left out", () => {
    const days = (from: number, to: number) => ({
      ...page(from, to, 9),
      rows: Array.from({ length: to - from }, (_, i) => row(from + i, NOON - (from + i) * DAY * 0.6)),
    });
    window.reset(days(0, 5));
    window.append(days(5, 9), "c5");
    const slots = Array.from({ length: window.slots }, (_, i) => window.slot(i));
    const places = slots.flatMap((slot, i) => (slot.kind === "row" ? [window.rowsBefore(i)] : []));
    expect(slots.filter(({ kind }) => kind === "day").length).toBeGreaterThan(3);
    expect(places).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("do not repeat a row that is known", () => {
    window.reset(page(0, 200, 300));
    window.append(page(190, 300, 300), "c200");
    expect(window.rows).toBe(300);
  });

  it("far from the screen let go of their rows and get them back by their cursor", () => {
    const total = 40 * PAGE;
    window.reset(page(0, PAGE, total));
    for (let at = PAGE; at < total; at += PAGE) window.append(page(at, at + PAGE, total), `c${at}`);
    const slots = window.slots;
    window.forget(39 * PAGE);
    expect(window.slots).toBe(slots);
    expect(window.rows).toBe(total);
    expect(window.slot(5 * PAGE)).toMatchObject({ kind: "gap" });
    expect(window.slot(10)).toMatchObject({ kind: "row" });
    const { refill } = window.wanted(5 * PAGE + 20, 5 * PAGE + 50);
    expect(refill).toEqual([{ before: `c${5 * PAGE}`, count: PAGE }]);
    window.refill(`c${5 * PAGE}`, page(5 * PAGE, 6 * PAGE, total));
    const back = window.indexOf(row(5 * PAGE).id) ?? -1;
    expect(window.slot(back)).toMatchObject({ kind: "row", row: { id: row(5 * PAGE).id } });
  });
});

describe("a search that takes long", () => {
  it("stops where the backend stopped, says so, and goes on from there", () => {
    window.reset({ ...page(0, 3, 450), total: null, searchedTo: 77 });
    expect(window.slots).toBe(1 + 3 + 1);
    expect(window.slot(4)).toMatchObject({ kind: "stopped", at: 77 });
    expect([window.total, window.exact]).toEqual([3, false]);
    // Scrolling does not go on by itself.
    expect(window.wanted(0, 5).next).toBe(false);
    expect(window.neighbour(3, 1)).toBeUndefined();
    window.append({ ...page(3, 5, 5), total: null }, "c3");
    expect([window.total, window.exact, window.slots]).toEqual([5, true, 6]);
  });
  it("may not know how many there are", () => {
    window.reset({ ...page(0, 200, 450), total: null });
    expect([window.total, window.exact, window.slots]).toEqual([200, false, 1 + 200 + 40]);
    expect(window.wanted(150, 190).next).toBe(true);
  });
});

describe("days", () => {
  it("stand before their first row, and move with insertions", () => {
    const rows = [row(0, NOON), row(1, NOON - DAY), row(2, NOON - DAY - 1), row(3, NOON - 3 * DAY)];
    window.reset({ rows, next: null, total: 4, searchedTo: null, cursor: 0 });
    const kinds = () => Array.from({ length: window.slots }, (_, i) => window.slot(i).kind);
    expect(kinds()).toEqual(["day", "row", "day", "row", "row", "day", "row"]);
    expect(window.indexOf(row(3).id)).toBe(6);
    window.insert([row(-1, NOON + DAY)]);
    expect(kinds().slice(0, 4)).toEqual(["day", "row", "day", "row"]);
    const keys = Array.from({ length: window.slots }, (_, i) => window.slot(i)).map((slot) =>
      slot.kind === "row" ? slot.row.id : slot.key,
    );
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("live rows", () => {
  beforeEach(() => window.reset(page(0, 200, 450)));

  it("come at the top, once", () => {
    expect(window.insert([row(-1), row(-2), row(-1)])).toHaveLength(2);
    expect(ids(window).slice(0, 3)).toEqual([row(-2).id, row(-1).id, row(0).id]);
    expect(window.total).toBe(452);
  });
  it("that are late take their place", () => {
    const late = row(999, NOON - 5.5 * 60_000);
    window.insert([late]);
    expect(ids(window)[6]).toBe(late.id);
  });
  it("older than what is loaded stay away", () => {
    expect(window.accepts(row(300))).toBe(false);
    expect(window.insert([row(300)])).toEqual([]);
  });
  it("change in place, never back to an older state", () => {
    const newer = { ...row(3), seq: 5, detail: "new" };
    expect(window.replace(newer)).toBe(true);
    window.replace({ ...row(3), seq: 4, detail: "old" });
    expect(window.get(row(3).id)?.detail).toBe("new");
    expect(window.replace(row(300))).toBe(false);
  });
  it("can leave", () => {
    window.remove(row(0).id);
    expect(ids(window)[0]).toBe(row(1).id);
    expect(window.total).toBe(449);
  });
});

it("gives the stretch between two rows, either way", () => {
  window.reset(page(0, 10, 10));
  const stretch = (a: number, b: number) => window.between(row(a).id, row(b).id).map(({ id }) => id);
  expect(stretch(2, 4)).toEqual([2, 3, 4].map((n) => row(n).id));
  expect(stretch(4, 2)).toEqual([2, 3, 4].map((n) => row(n).id));
  expect(stretch(3, 3)).toEqual([row(3).id]);
  expect(stretch(3, 99)).toEqual([row(3).id]);
});

it("moves from row to row across days", () => {
  window.reset({
    rows: [row(0, NOON), row(1, NOON - DAY)],
    next: null,
    total: 2,
    searchedTo: null,
    cursor: 0,
  });
  expect(window.neighbour(-1, 1)?.row.id).toBe(row(0).id);
  expect(window.neighbour(1, 1)).toMatchObject({ index: 3 });
  expect(window.neighbour(3, 1)).toBeUndefined();
  expect(window.neighbour(3, -1)).toMatchObject({ index: 1 });
});
