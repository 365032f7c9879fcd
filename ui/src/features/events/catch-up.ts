// What was held during an absence, in words, and what can be done with it.

import { count, counted, dayOf, timeOfDay } from "../../text/time";
import type { CatchUpChoice } from "../../transport/generated/CatchUpChoice";
import type { CaughtUp } from "../../transport/generated/CaughtUp";
import type { Connection } from "../../transport/generated/Connection";
import type { Held } from "../../transport/generated/Held";

/** What the proxy holds until someone chooses. */
export const heldBy = (connection: Connection | undefined): Held | null =>
  connection && "waiting" in connection ? connection.waiting.held : null;

const when = (at: number, now: number): string =>
  dayOf(at) === dayOf(now)
    ? timeOfDay(at).slice(0, 5)
    : `${new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" })} ${timeOfDay(at).slice(0, 5)}`;

/** `38 events while you were away` and `14:02 – 14:40, 12 issues`. */
export function heldWords(held: Held, now: number): { title: string; detail: string } {
  const from = when(held.oldest, now);
  const to = when(held.newest, now);
  const range = from === to ? from : `${from} – ${to}`;
  const issues = held.entities > 0 ? `, ${counted(held.entities, "issue")}` : "";
  return { title: `${counted(held.count, "event")} while you were away`, detail: `${range}${issues}` };
}

export interface Choice {
  choice: Extract<CatchUpChoice, string>;
  label: string;
  kind: "primary" | "plain" | "ghost";
}

/** The buttons: the newest alone is offered where it differs from all. */
export function choices(held: Held): Choice[] {
  const list: Choice[] = [{ choice: "all", label: "Deliver all", kind: "primary" }];
  if (held.newestPerEntity < held.count) {
    const label = `Newest per issue · ${count(held.newestPerEntity)}`;
    list.push({ choice: "newest_per_entity", label, kind: "plain" });
  }
  list.push({ choice: "none", label: "Skip", kind: "ghost" });
  return list;
}

/** So many events may be named at once. */
const MOST_NAMED = 1000;

/** Ids in parts that may be named at once. */
export function parts(ids: string[]): string[][] {
  const parts = [];
  for (let at = 0; at < ids.length; at += MOST_NAMED) parts.push(ids.slice(at, at + MOST_NAMED));
  return parts;
}

/** What came of it. */
export function caughtUpWords({ delivering, skipped, held }: CaughtUp): string {
  const words = [];
  if (delivering > 0) words.push(`${counted(delivering, "event")} on the way`);
  if (skipped > 0) words.push(`${count(skipped)} skipped`);
  if (held > 0) words.push(`${count(held)} still held`);
  return words.length === 0 ? "Nothing was held any more." : `${words.join(", ")}.`;
}
