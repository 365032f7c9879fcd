// Chooses the way to the backend, once, at start.

import { httpTransport, openSession, takeToken } from "./http";
import { tauriTransport } from "./tauri";
import type { Transport } from "./types";

/** Opens the transport this page was loaded for. */
export async function openTransport(): Promise<Transport> {
  if (import.meta.env.DEV && new URLSearchParams(location.search).has("fake")) {
    const { fakeTransport } = await import("./fake/index");
    return fakeTransport(new URLSearchParams(location.search));
  }
  if ("__TAURI_INTERNALS__" in window) {
    return tauriTransport();
  }
  await openSession(takeToken(location, history));
  return httpTransport();
}
