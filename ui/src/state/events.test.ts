import { beforeEach, describe, expect, it, vi } from "vitest";
import { NO_FILTER } from "../features/events/filter";
import { summary } from "../transport/fake/events";
import type { Changes } from "../transport/generated/Changes";
import type { EventQuery } from "../transport/generated/EventQuery";
import type { EventSummary } from "../transport/generated/EventSummary";
import { ApiError, type LiveListener, type Op, type Transport } from "../transport/types";
import { Backend } from "./backend.svelte";
import { Events } from "./events.svelte";

const NOW = 1_795_000_000_000;
const row = (n: number, more: Partial<EventSummary> = {}): EventSummary => ({
  ...summary(1, NOW + n),
  provider: "linear",
  id: `evt_${n}`,
  storedAt: NOW + n,
  seq: n,
  ...more,
});
const batch = (...rows: EventSummary[]): Changes => ({ rows, cursor: 0, more: false, reset: false });

let history: EventSummary[];
let asked: EventQuery[];
let broken: boolean;
let events: Events;

beforeEach(() => {
  vi.useFakeTimers();
  history = [row(2), row(1)];
  asked = [];
  broken = false;
  const transport: Transport = {
    kind: "fake",
    call: ((op: Op, args: EventQuery) => {
      if (op !== "events") return Promise.reject(new ApiError("not_found", op, false));
      asked.push(args);
      if (broken) return Promise.reject(new ApiError("store.unavailable", "no", true));
      return Promise.resolve({
        rows: [...history],
        next: null,
        total: history.length,
        searchedTo: null,
        cursor: 0,
      });
    }) as Transport["call"],
    live: (_: number, __: LiveListener) => () => undefined,
  };
  events = new Events(new Backend(transport));
});

const ids = () =>
  Array.from({ length: events.window.slots }, (_, i) => events.window.slot(i)).flatMap((slot) =>
    slot.kind === "row" ? [slot.row.id] : [],
  );

describe("arrivals", () => {
  it("come in at the top when the reader is there", async () => {
    await events.load();
    events.take(batch(row(3)));
    expect(ids()).toEqual(["evt_3", "evt_2", "evt_1"]);
    expect(events.fresh.has("evt_3")).toBe(true);
    expect(events.pending).toBe(0);
  });

  it("slide in one by one, not in a stream", async () => {
    await events.load();
    const slides = [];
    for (const [n, wait] of [
      [3, 1000],
      [4, 50],
      [5, 50],
      [6, 400],
    ] as const) {
      events.take(batch(row(n)));
      slides.push(events.fresh.has(`evt_${n}`));
      await vi.advanceTimersByTimeAsync(wait);
    }
    expect(slides).toEqual([true, true, false, false]);
  });

  it("stay when the page that was on its way is older than they are", async () => {
    const loading = events.load();
    events.take(batch(row(3), row(1, { seq: 9, detail: "changed" })));
    await loading;
    expect(ids()).toEqual(["evt_3", "evt_2", "evt_1"]);
    expect(events.window.get("evt_1")?.detail).toBe("changed");
  });

  it("wait, counted, while the reader is further down", async () => {
    await events.load();
    events.atTop = false;
    events.take(batch(row(3), row(4)));
    events.take(batch(row(4, { seq: 9, detail: "changed" })));
    expect(ids()).toEqual(["evt_2", "evt_1"]);
    expect(events.pending).toBe(2);
    events.atTop = true;
    expect(ids()).toEqual(["evt_4", "evt_3", "evt_2", "evt_1"]);
    expect(events.window.get("evt_4")?.detail).toBe("changed");
    expect(events.pending).toBe(0);
  });

  it("that do not fit the filter stay out, and rows that no longer do leave", async () => {
    events.setFilter({ ...NO_FILTER, outcome: "running" });
    await vi.advanceTimersByTimeAsync(0);
    const outcome = { kind: "running" as const, label: "running" };
    events.take(batch(row(3, { outcome }), row(4)));
    expect(ids()).toEqual(["evt_3", "evt_2", "evt_1"]);
    events.take(batch(row(3)));
    expect(ids()).toEqual(["evt_2", "evt_1"]);
  });

  it("under a search are asked for again, once for many", async () => {
    events.setFilter({ ...NO_FILTER, search: "login" });
    await vi.advanceTimersByTimeAsync(0);
    for (let n = 3; n < 50; n += 1) events.take(batch(row(n)));
    expect(asked).toHaveLength(1);
    history = [row(7), ...history];
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveLength(2);
    expect(ids()).toEqual(["evt_7", "evt_2", "evt_1"]);
  });

  it("after a reset are loaded afresh", async () => {
    await events.load();
    history = [row(9)];
    events.take({ ...batch(), reset: true });
    await vi.advanceTimersByTimeAsync(0);
    expect(ids()).toEqual(["evt_9"]);
  });

  it("in a flood are drawn once a frame", async () => {
    await events.load();
    const version = events.version;
    for (let n = 3; n < 203; n += 1) events.take(batch(row(n)));
    expect(events.version).toBe(version);
    await vi.advanceTimersByTimeAsync(20);
    expect(events.version).toBe(version + 1);
    expect(events.window.rows).toBe(202);
  });
});

describe("a flood", () => {
  it("does not make the list longer and longer, nor loses a row while it is loaded afresh", async () => {
    await events.load();
    asked = [];
    let n = 3;
    for (let frame = 0; frame < 100; frame += 1) {
      const rows = Array.from({ length: 50 }, () => row(n++));
      history = [...rows.toReversed(), ...history].slice(0, 200);
      events.take(batch(...rows));
      expect(events.window.head).toBeLessThanOrEqual(2050);
      await vi.advanceTimersByTimeAsync(17);
    }
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.length).toBeLessThan(5);
    expect(ids().slice(0, 60)).toEqual(Array.from({ length: 60 }, (_, i) => `evt_${n - 1 - i}`));
  });
});

describe("who waits for an event", () => {
  it("hears of it when it arrives, whatever the filter", async () => {
    events.setFilter({ ...NO_FILTER, provider: "github" });
    await vi.advanceTimersByTimeAsync(0);
    const seen = vi.fn();
    events.expect("evt_3", seen);
    events.take(batch(row(3)));
    events.take(batch(row(3)));
    expect(seen).toHaveBeenCalledTimes(1);
  });
  it("hears at once when it is here", async () => {
    await events.load();
    const seen = vi.fn();
    events.expect("evt_2", seen);
    expect(seen).toHaveBeenCalledOnce();
  });
});

describe("failures", () => {
  it("keep what is on the screen, and try again", async () => {
    await events.load();
    broken = true;
    await events.load();
    expect(events.error?.code).toBe("store.unavailable");
    expect(ids()).toEqual(["evt_2", "evt_1"]);
    broken = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect(events.phase).toBe("ready");
    expect(events.error).toBeNull();
  });
  it("of a query that is no longer asked are nobody's", async () => {
    broken = true;
    const first = events.load();
    broken = false;
    events.setFilter({ ...NO_FILTER, provider: "linear" });
    await first;
    await vi.advanceTimersByTimeAsync(0);
    expect(events.phase).toBe("ready");
  });
});

describe("a list that was left and is shown again", () => {
  it("draws what arrives, though a frame was due when it was left", async () => {
    const stop = events.start();
    await vi.advanceTimersByTimeAsync(0);
    events.take(batch(row(3)));
    stop();
    events.start();
    await vi.advanceTimersByTimeAsync(0);
    const before = events.version;
    events.take(batch(row(4)));
    await vi.advanceTimersByTimeAsync(100);
    expect(events.version).toBe(before + 1);
  });
});

describe("a failure", () => {
  it("stays in view while it is tried again", async () => {
    broken = true;
    await events.load();
    expect(events.phase).toBe("failed");
    const again = events.load();
    expect(events.phase).toBe("failed");
    broken = false;
    await again;
    await events.load();
    expect(events.phase).toBe("ready");
  });
});
