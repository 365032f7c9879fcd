// Which rows of a JSON tree are on the screen: a container that is folded is
// one row, one that is open is its head, its values, and its end.

import { childrenOf, holds, type Json } from "./parse";

/** A row: a node's own line, or the closing bracket of an open one. */
export interface TreeRow {
  node: number;
  closes: boolean;
}

/** How much is open at first: whole levels, as long as they fit. */
export const FIRST_ROWS = 400;

/**
 * The containers open at first: level by level from the top, as long as the
 * tree stays under `budget` rows.
 */
export function opened(json: Json, budget = FIRST_ROWS): Set<number> {
  const open = new Set<number>();
  if (!holds(json, 0)) return open;
  let rows = 1;
  let level = [0];
  while (level.length > 0) {
    const next: number[] = [];
    for (const node of level) {
      const children = json.children[node] ?? 0;
      if (children === 0) continue;
      // The document itself is always open: its rows are only drawn when seen.
      if (node !== 0 && rows + children + 1 > budget) return open;
      rows += children + 1;
      open.add(node);
      for (const inner of childrenOf(json, node)) if (holds(json, inner)) next.push(inner);
    }
    level = next;
  }
  return open;
}

/** The rows in order. */
export function flatten(json: Json, open: ReadonlySet<number>): TreeRow[] {
  const rows: TreeRow[] = [];
  const ends: number[] = [];
  let node = 0;
  for (;;) {
    while (ends.length > 0 && node >= (json.after[ends[ends.length - 1] ?? 0] ?? 0)) {
      rows.push({ node: ends.pop() ?? 0, closes: true });
    }
    if (node >= json.size) return rows;
    rows.push({ node, closes: false });
    if (open.has(node) && (json.children[node] ?? 0) > 0) {
      ends.push(node);
      node += 1;
    } else {
      node = json.after[node] ?? json.size;
    }
  }
}

/** `node` and every container in it, as long as the rows stay under `budget`. */
export function openAll(json: Json, node: number, open: ReadonlySet<number>, budget = 200_000): Set<number> {
  const wider = new Set(open);
  const end = Math.min(json.after[node] ?? 0, node + budget);
  for (let at = node; at < end; at += 1) if (holds(json, at)) wider.add(at);
  return wider;
}
