import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Live } from "./generated/Live";
import type { Place, Saved } from "./desktop";
import type { Link } from "./types";

const ipc = vi.hoisted(() => ({
  invoke: vi.fn<(command: string, args?: { op: string; args: unknown }) => Promise<unknown>>(),
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

  it("listens before it catches up, tries again when that fails, and stops", async () => {
    let failing = true;
    ipc.invoke.mockImplementation((command, asked) => {
      if (command === "edge_state" || asked === undefined) return Promise.resolve({ state: "own" });
      const { op, args } = asked;
      expect(ipc.listeners.has("postern://live")).toBe(true);
      if (failing) return Promise.reject(new Error("starting"));
      if (op === "status") return Promise.resolve({ version: "x" });
      return Promise.resolve(changes((args as { cursor: number }).cursor + 1, false, true));
    });
    const batches: Live[] = [];
    const links: Link[] = [];
    const stop = tauriTransport().live(7, {
      live: (batch) => batches.push(batch),
      link: (link) => links.push(link),
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(links.map(({ state }) => state)).toEqual(["broken"]);
    failing = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(links.map(({ state }) => state)).toEqual(["broken", "open"]);
    expect(batches.map((batch) => batch.changes?.cursor ?? "status")).toEqual([8, "status"]);
    ipc.listeners.get("postern://live")?.({ payload: { changes: changes(9, false), status: null } });
    expect(batches).toHaveLength(3);
    stop();
    expect(ipc.listeners.has("postern://live")).toBe(false);
  });

  it("says that its line is broken between two edges", async () => {
    ipc.invoke.mockImplementation((command, asked) => {
      if (command === "edge_state")
        return Promise.resolve({ state: "attached", pid: 7, program: "postern serve" });
      return Promise.resolve(asked?.op === "status" ? { version: "x" } : changes(8, false));
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
