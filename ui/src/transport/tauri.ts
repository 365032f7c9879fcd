// The backend inside the desktop app.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Desktop, EdgeState } from "./desktop";
import type { Live } from "./generated/Live";
import { ApiError, type Answer, type Args, type LiveListener, type Op, type Transport } from "./types";

/** How long to wait before catching up is tried again, in milliseconds. */
const RETRY = 1000;

async function call<O extends Op>(op: O, args: Args<O>): Promise<Answer<O>> {
  try {
    return await invoke<Answer<O>>("call", { op, args });
  } catch (thrown) {
    throw ApiError.from(thrown);
  }
}

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

const desktop: Desktop = { edge };

/** Listens first and then asks what happened before, so that nothing falls between. */
function live(start: number, listener: LiveListener): () => void {
  let stopped = false;
  let unlisten: (() => void) | undefined;
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
  const catchUp = async () => {
    for (let more = true; more && !stopped;) {
      const changes = await call("events_since", { cursor });
      more = changes.more && changes.cursor !== cursor;
      cursor = changes.cursor;
      if (changes.rows.length > 0 || changes.reset) listener.live({ changes, status: null });
    }
    listener.live({ changes: null, status: await call("status", {}) });
  };

  void (async () => {
    while (!stopped) {
      try {
        unlisten ??= await listen<Live>("postern://live", ({ payload }) => {
          if (!stopped) listener.live(payload);
        });
        await catchUp();
        open = true;
        if (!between) listener.link({ state: "open" });
        break;
      } catch (thrown) {
        listener.link({
          state: "broken",
          retryAt: Date.now() + RETRY,
          problem: ApiError.from(thrown).message,
        });
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    if (stopped) unlisten?.();
  })();

  return () => {
    stopped = true;
    stopEdge();
    unlisten?.();
  };
}

/** The shell asks for an event to be shown (a notification's "Open"): the router follows the fragment. */
function followShell(): void {
  void listen<{ id: string }>("postern://navigate", ({ payload }) => {
    location.hash = `#/events/${encodeURIComponent(payload.id)}`;
  });
}

/** The transport over Tauri's IPC. */
export function tauriTransport(): Transport {
  followShell();
  return { kind: "tauri", desktop, call, live };
}
