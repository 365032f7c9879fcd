// The workspace's workers in words.

import { counted, span } from "../../text/time";
import type { WorkerInfo } from "../../transport/generated/WorkerInfo";
import type { DotTone } from "../../ui/tones";

const STATES: Record<WorkerInfo["state"], { word: string; tone: DotTone }> = {
  active: { word: "Active", tone: "ok" },
  pending: { word: "Not reached yet", tone: "warn" },
  away: { word: "Away", tone: "held" },
  paused: { word: "Paused", tone: "held" },
  gone: { word: "Gone", tone: "idle" },
};

/** How a worker stands: its state, then what keeps events from it or waits for it. */
export function workerWords(worker: WorkerInfo, now: number): { tone: DotTone; words: string } {
  const { word, tone } = STATES[worker.state];
  const since = worker.state === "away" ? ` for ${span(Math.max(0, now - worker.leasedUntil))}` : "";
  const broken =
    worker.circuit?.state === "open"
      ? worker.circuit.cause === "failing"
        ? "left alone, since it fails"
        : "out of reach"
      : worker.challengeError;
  const parts = [
    `${word}${since}`,
    broken,
    worker.waiting.count > 0 && `${counted(worker.waiting.count, "event")} waiting`,
    worker.ordering === "entity" && "in order",
  ].filter(Boolean);
  return { tone: broken ? "bad" : tone, words: parts.join(" · ") };
}

/** What it asks for. */
export const asksFor = (terms: readonly string[]): string =>
  terms.length === 0 ? "all events" : terms.join(", ");
