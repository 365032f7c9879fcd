// The backend inside the desktop app.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
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

/** Listens first and then asks what happened before, so that nothing falls between. */
function live(start: number, listener: LiveListener): () => void {
  let stopped = false;
  let unlisten: (() => void) | undefined;

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
        listener.link({ state: "open" });
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
