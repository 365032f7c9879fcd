// The backend inside the desktop app.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Live } from "./generated/Live";
import { ApiError, type Answer, type Args, type LiveListener, type Op, type Transport } from "./types";

async function call<O extends Op>(op: O, args: Args<O>): Promise<Answer<O>> {
  try {
    return await invoke<Answer<O>>("call", { op, args });
  } catch (thrown) {
    throw ApiError.from(thrown);
  }
}

/** Listens first and then asks what happened before, so that nothing falls between. */
function live(start: number, listener: LiveListener): () => void {
  let stopped = false;
  let unlisten: (() => void) | undefined;

  void (async () => {
    const stop = await listen<Live>("postern://live", ({ payload }) => {
      if (!stopped) listener.live(payload);
    });
    if (stopped) return stop();
    unlisten = stop;
    let cursor = start;
    for (let more = true; more && !stopped;) {
      const changes = await call("events_since", { cursor });
      more = changes.more && changes.cursor !== cursor;
      cursor = changes.cursor;
      if (changes.rows.length > 0 || changes.reset) listener.live({ changes, status: null });
    }
    listener.live({ changes: null, status: await call("status", {}) });
    listener.link({ state: "open" });
  })().catch((thrown: unknown) => {
    listener.link({ state: "refused", problem: ApiError.from(thrown).message });
  });

  return () => {
    stopped = true;
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
  return { kind: "tauri", call, live };
}
