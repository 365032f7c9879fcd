// The backend inside the desktop app.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Desktop, EdgeState, Facts, Place, Saved } from "./desktop";
import type { Live } from "./generated/Live";
import { ApiError, type Answer, type Args, type LiveListener, type Op, type Transport } from "./types";

/** How long to wait before following is tried again, in milliseconds. */
const RETRY = 1000;

/** Runs one of the shell's commands. */
async function ask<T>(command: string, args?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (thrown) {
    throw ApiError.from(thrown);
  }
}

const call = <O extends Op>(op: O, args: Args<O>): Promise<Answer<O>> => ask<Answer<O>>("call", { op, args });

/** Listens first and then asks how it stands, so that no change falls between. */
function edge(heard: (edge: EdgeState) => void): () => void {
  let stopped = false;
  const unlisten = listen<EdgeState>("postern://edge", ({ payload }) => {
    if (!stopped) heard(payload);
  });
  void unlisten
    .then(() => invoke<EdgeState>("edge_state"))
    .then((state) => {
      if (!stopped) heard(state);
    });
  return () => {
    stopped = true;
    void unlisten.then((stop) => stop());
  };
}

/** Listens first and then asks, for what came before the page had loaded. */
function places(heard: (place: Place) => void): () => void {
  let stopped = false;
  const ask = async () => {
    const place = await invoke<Place | null>("next_place");
    if (place !== null && !stopped) heard(place);
  };
  const unlisten = listen("postern://navigate", () => void ask());
  void unlisten.then(ask);
  return () => {
    stopped = true;
    void unlisten.then((stop) => stop());
  };
}

function saved(heard: (saved: Saved) => void): () => void {
  let stopped = false;
  const unlisten = listen<Saved>("postern://saved", ({ payload }) => {
    if (!stopped) heard(payload);
  });
  return () => {
    stopped = true;
    void unlisten.then((stop) => stop());
  };
}

const desktop: Desktop = {
  edge,
  places,
  saved,
  facts: () => ask<Facts>("desktop_facts"),
  setStartAtLogin: (on) => ask<undefined>("set_start_at_login", { on }),
  openDataFolder: () => ask<undefined>("open_data_folder"),
};

/** Fetches a batch when the one before is taken: nothing piles up while the page is busy. */
function live(start: number, listener: LiveListener): () => void {
  let stopped = false;
  // Between two edges: the shell goes on at the change where the first ended.
  let between = false;
  let open = false;
  const stopEdge = edge((now) => {
    const was = between;
    between = now.state === "between";
    if (now.state === "between") {
      listener.link({ state: "broken", retryAt: Date.now() + RETRY, problem: now.problem ?? "" });
    } else if (was && open) {
      listener.link({ state: "open" });
    }
  });

  let cursor = start;
  const follow = async () => {
    const page = await ask<number>("live_open", { cursor });
    open = true;
    if (!between && !stopped) listener.link({ state: "open" });
    while (!stopped) {
      const batch = await ask<Live | null>("live_next", { page });
      // Another page reads, or the app ends.
      if (batch === null) return;
      cursor = batch.changes?.cursor ?? cursor;
      if (!stopped) listener.live(batch);
    }
  };
  void (async () => {
    while (!stopped) {
      try {
        await follow();
        return;
      } catch (thrown) {
        open = false;
        const problem = ApiError.from(thrown).message;
        if (!stopped) listener.link({ state: "broken", retryAt: Date.now() + RETRY, problem });
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
  })();

  return () => {
    stopped = true;
    stopEdge();
  };
}

/** The transport over Tauri's IPC. */
export function tauriTransport(): Transport {
  return { kind: "tauri", desktop, call, live };
}
