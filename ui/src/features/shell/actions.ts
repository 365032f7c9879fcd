// Actions that more than one place offers: bar, palette, keys, detail.

import type { App } from "../../state/app.svelte";
import { ApiError, LOCAL_CODES } from "../../transport/types";
import type { Altered } from "../../transport/generated/Altered";
import type { Provider } from "../../transport/generated/Provider";
import type { Replay } from "../../transport/generated/Replay";
import type { Settings } from "../../transport/generated/Settings";
import { caughtUpWords, type Choice } from "../events/catch-up";
import { pausable } from "./words";

/** Says what went wrong where it was asked for. */
export function fail(app: App, thrown: unknown): void {
  const error = ApiError.from(thrown);
  if (error.code === LOCAL_CODES.noSession) return;
  const action =
    error.code === "edge.no_target"
      ? { label: "Set a target", run: () => app.router.go({ page: "handlers" }) }
      : undefined;
  app.toasts.show("bad", error.message, { code: error.code, ...(action && { action }) });
}

/** Pauses or resumes, whichever applies. */
export async function togglePause(app: App): Promise<void> {
  const which = pausable(app.backend.status);
  if (which === null) return;
  try {
    await app.backend.change("set_paused", { paused: which === "pause" });
    app.toasts.show(
      "ok",
      which === "pause" ? "Paused. The proxy holds what arrives." : "Resumed. What was held is on its way.",
    );
  } catch (thrown) {
    fail(app, thrown);
  }
}

/** Does with what was held during an absence what was chosen. */
export async function catchUp(app: App, choice: Choice["choice"]): Promise<void> {
  try {
    app.toasts.show("ok", caughtUpWords(await app.backend.call("catch_up", { choice })));
  } catch (thrown) {
    fail(app, thrown);
  }
}

/** Changes some of the edge's settings; the others stay. */
export async function changeSettings(app: App, some: Partial<Settings>): Promise<void> {
  const settings = app.backend.status?.settings;
  if (!settings) return;
  try {
    await app.backend.change("set_settings", { ...settings, ...some });
  } catch (thrown) {
    fail(app, thrown);
  }
}

/** Has whatever waits to reach the proxy again try at once. */
export async function reconnect(app: App): Promise<void> {
  try {
    await app.backend.change("reconnect", {});
  } catch (thrown) {
    fail(app, thrown);
  }
}

/** How long a test event may take before its absence is worth a word, in milliseconds. */
const TRIGGER_PATIENCE = 8000;

/** Asks for a test event and opens it when it arrives. */
export async function trigger(app: App, provider: Provider, name: string): Promise<void> {
  try {
    const { eventId } = await app.backend.call("trigger", { provider, name });
    const timer = setTimeout(() => {
      app.toasts.show("info", "The test event is at the proxy and has not arrived here yet.", {
        action: { label: "Connection", run: () => app.router.go({ page: "connection" }) },
      });
    }, TRIGGER_PATIENCE);
    app.events.expect(eventId, (row) => {
      clearTimeout(timer);
      app.router.go({ page: "events", id: row.id });
    });
  } catch (thrown) {
    fail(app, thrown);
  }
}

/** How a replay differs from sending the event as it came, as the first rule does. */
export type Replayed = Omit<Replay, "id">;

/** Replays an event and says what came of it. */
export async function replay(app: App, id: string, how: Replayed = {}): Promise<void> {
  try {
    const run = await app.backend.call("replay", { id, ...how });
    const text = run.error
      ? `Replay failed: ${run.error}`
      : `Replayed to ${run.target}: ${run.outcome.label}${alteredWords(run.altered)}`;
    app.toasts.show(run.outcome.kind === "failed" ? "bad" : "ok", text);
  } catch (thrown) {
    if (ApiError.from(thrown).code === "edge.no_target") app.overlay = "replay";
    else fail(app, thrown);
  }
}

/** ` · edited, signed anew`, as it applies. */
export function alteredWords(altered: Altered | null): string {
  const words = [altered?.edited && "edited", altered?.resigned && "signed anew"].filter(Boolean);
  return words.length === 0 ? "" : ` · ${words.join(", ")}`;
}

/** Copies text and says so. */
export async function copy(app: App, text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    app.toasts.show("ok", `${what} copied`);
  } catch {
    app.toasts.show("bad", `${what} could not be copied: the clipboard is not allowed here.`);
  }
}
