import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Live } from "./generated/Live";
import type { Place, Saved } from "./desktop";
import type { Link } from "./types";

const ipc = vi.hoisted(() => ({
  invoke: vi.fn<(command: string, args?: object) => Promise<unknown>>(),
  listeners: new Map<string, (event: { payload: unknown }) => void>(),
}));
vi.mock("@tauri-apps/api/core", () => ({ invoke: ipc.invoke }));
vi.mock("@tauri-apps/api/event", () => ({
  listen: (name: string, heard: (event: { payload: unknown }) => void) => {
    ipc.listeners.set(name, heard);
    return Promise.resolve(() => ipc.listeners.delete(name));
  },
}));

import { tauriTransport } from "./tauri";

beforeEach(() => {
  vi.useFakeTimers();
  ipc.listeners.clear();
  ipc.invoke.mockReset();
});
afterEach(() => {
  vi.useRealTimers();
});

const changes = (cursor: number, more: boolean, reset = false) => ({ rows: [], cursor, more, reset });

describe("the transport over Tauri", () => {
  it("makes errors of what the command rejects with", async () => {
    ipc.invoke.mockRejectedValue({ code: "edge.no_target", message: "none set", retryable: false });
    await expect(tauriTransport().call("replay", { id: "evt_1" })).rejects.toMatchObject({
      name: "ApiError",
      code: "edge.no_target",
    });
    expect(ipc.invoke).toHaveBeenCalledWith("call", { op: "replay", args: { id: "evt_1" } });
  });

  it("fetches a batch when the one before is taken, goes on where it was after a failure, and stops", async () => {
    let answer: (batch: Live | null) => void = () => undefined;
    let fail: (error: Error) => void = () => undefined;
    const asked: unknown[] = [];
    ipc.invoke.mockImplementation((command, args) => {
      if (command === "edge_state") return Promise.resolve({ state: "own" });
      asked.push([command, args]);
      if (command === "live_open") return Promise.resolve(asked.length);
      return new Promise((resolve, reject) => ([answer, fail] = [resolve, reject]));
    });
    const batches: Live[] = [];
    const links: Link[] = [];
    const stop = tauriTransport().live(7, {
      live: (batch) => batches.push(batch),
      link: (link) => links.push(link),
    });
    const soon = () => vi.advanceTimersByTimeAsync(0);
    await soon();
    expect(asked).toEqual([
      ["live_open", { cursor: 7 }],
      ["live_next", { page: 1 }],
    ]);
    answer({ changes: changes(9, false), status: null });
    await soon();
    // Nothing for a while: asked again.
    answer({ changes: null, status: null });
    await soon();
    expect(batches.map((batch) => batch.changes?.cursor)).toEqual([9, undefined]);
    fail(new Error("the page was busy"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked.slice(2)).toEqual([
      ["live_next", { page: 1 }],
      ["live_next", { page: 1 }],
      ["live_open", { cursor: 9 }],
      ["live_next", { page: 5 }],
    ]);
    expect(links.map(({ state }) => state)).toEqual(["open", "broken", "open"]);
    stop();
    answer({ changes: changes(10, false), status: null });
    await soon();
    expect([batches.length, asked.length]).toEqual([2, 6]);
  });

  it("ends when another page fetches", async () => {
    ipc.invoke.mockImplementation((command) =>
      Promise.resolve(command === "live_open" ? 1 : command === "edge_state" ? { state: "own" } : null),
    );
    const batches: Live[] = [];
    tauriTransport().live(7, { live: (batch) => batches.push(batch), link: () => undefined });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(batches).toEqual([]);
    expect(ipc.invoke.mock.calls.filter(([command]) => command === "live_next")).toHaveLength(1);
  });

  it("says that its line is broken between two edges", async () => {
    ipc.invoke.mockImplementation((command) => {
      if (command === "edge_state")
        return Promise.resolve({ state: "attached", pid: 7, program: "postern serve" });
      return command === "live_open" ? Promise.resolve(1) : new Promise(() => undefined);
    });
    const links: Link[] = [];
    const stop = tauriTransport().live(7, { live: () => undefined, link: (link) => links.push(link) });
    await vi.advanceTimersByTimeAsync(0);
    const edge = (payload: unknown) => ipc.listeners.get("postern://edge")?.({ payload });
    edge({ state: "between", problem: null });
    edge({ state: "own" });
    expect(links.map(({ state }) => state)).toEqual(["open", "broken", "open"]);
    stop();
    edge({ state: "between", problem: null });
    expect(links).toHaveLength(3);
  });

  it("goes where the shell asks: at once, and later", async () => {
    const asked: Place[] = [{ event: "evt_1" }, { problem: "nowhere" }];
    ipc.invoke.mockImplementation(() => Promise.resolve(asked.shift() ?? null));
    const places: Place[] = [];
    const stop = tauriTransport().desktop?.places((place) => places.push(place));
    await vi.advanceTimersByTimeAsync(0);
    expect(places).toEqual([{ event: "evt_1" }]);
    ipc.listeners.get("postern://navigate")?.({ payload: null });
    ipc.listeners.get("postern://navigate")?.({ payload: null });
    await vi.advanceTimersByTimeAsync(0);
    expect(places).toEqual([{ event: "evt_1" }, { problem: "nowhere" }]);
    stop?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(ipc.listeners.has("postern://navigate")).toBe(false);
  });

  it("tells what became of files, until it is stopped", async () => {
    const heard: Saved[] = [];
    const stop = tauriTransport().desktop?.saved((saved) => heard.push(saved));
    await vi.advanceTimersByTimeAsync(0);
    const tell = ipc.listeners.get("postern://saved");
    tell?.({ payload: { path: "/home/ada/Downloads/a.json" } });
    tell?.({ payload: { problem: "The file could not be written." } });
    stop?.();
    tell?.({ payload: { path: "/late" } });
    expect(heard).toEqual([
      { path: "/home/ada/Downloads/a.json" },
      { problem: "The file could not be written." },
    ]);
    await vi.advanceTimersByTimeAsync(0);
    expect(ipc.listeners.has("postern://saved")).toBe(false);
  });
});
