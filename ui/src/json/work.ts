// The work on documents that takes its time when they are large. It is the
// same beside the page (`worker.ts`) and, for small ones, in it.

import { diff, type Difference } from "./diff";
import { NotJson, parse, type Json } from "./parse";

/** What is to be done. */
export type Job = { kind: "parse"; text: string } | { kind: "diff"; a: string; b: string };

/** What came of it: a {@link NotJson} crosses as its parts. */
export type Answer =
  | { kind: "parse"; json: Omit<Json, "text"> }
  | { kind: "diff"; rows: Difference[] }
  | { kind: "problem"; what: string; at: number };

const COLUMNS = ["kind", "start", "end", "key", "keyEnd", "parent", "after", "children", "depth"] as const;

/** Does a job; the second part moves over to whoever asked. */
export function work(job: Job): [Answer, Transferable[]] {
  try {
    if (job.kind === "diff") return [{ kind: "diff", rows: diff(parse(job.a), parse(job.b)) }, []];
    const { text: _, ...json } = parse(job.text);
    // The columns were made for more than came.
    const cut = Object.fromEntries(COLUMNS.map((name) => [name, json[name].slice(0, json.size)]));
    return [{ kind: "parse", json: { ...json, ...cut } }, Object.values(cut).map((column) => column.buffer)];
  } catch (thrown) {
    if (thrown instanceof NotJson) return [{ kind: "problem", what: thrown.what, at: thrown.at }, []];
    throw thrown;
  }
}
