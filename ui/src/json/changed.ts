// Linear's `updatedFrom`: the old values of the fields an update changed. The
// new ones stand in `data` under the same names.

import { child, childrenOf, keyOf, source, type Json } from "./parse";

/** One field's change. */
export interface Change {
  field: string;
  /** As JSON; null: the field was not there. */
  before: string | null;
  after: string | null;
}

/** Fields that change with every update and say nothing by themselves. */
const NOISE = new Set(["updatedAt", "sortOrder", "prioritySortOrder", "subIssueSortOrder"]);

/** What an update changed, the telling fields first; empty when it does not say. */
export function changes(json: Json): Change[] {
  const from = child(json, 0, "updatedFrom");
  if (from === undefined) return [];
  const data = child(json, 0, "data");
  const there = new Map<string, number>();
  if (data !== undefined) for (const node of childrenOf(json, data)) there.set(keyOf(json, node) ?? "", node);
  const found: Change[] = [];
  for (const node of childrenOf(json, from)) {
    const field = keyOf(json, node) ?? "";
    const now = there.get(field);
    const before = source(json, node);
    const after = now === undefined ? null : source(json, now);
    if (after === null && NOISE.has(field)) continue;
    if (before !== after) found.push({ field, before, after });
  }
  return found.sort((a, b) => Number(NOISE.has(a.field)) - Number(NOISE.has(b.field)));
}
