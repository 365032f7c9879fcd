// Which rows of a JSON tree are on the screen: a container that is folded is
// one row, one that is open is its head, its values, and its end.

import { childrenOf, holds, type Json } from "./parse";

/**
 * The rows, one number each, so that millions fit: a node's own line is the
 * node, the closing bracket of an open one its complement.
 */
export type TreeRows = Int32Array;

/** The node a row belongs to. */
export const nodeOf = (row: number): number => (row < 0 ? ~row : row);

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
export function flatten(json: Json, open: ReadonlySet<number>): TreeRows {
  let rows = new Int32Array(1024);
  let count = 0;
  const add = (row: number) => {
    if (count === rows.length) {
      const wider = new Int32Array(count * 2);
      wider.set(rows);
      rows = wider;
    }
    rows[count++] = row;
  };
  const ends: number[] = [];
  let end = Infinity;
  let node = 0;
  for (;;) {
    while (node >= end) {
      add(~(ends.pop() ?? 0));
      end = ends.length === 0 ? Infinity : (json.after[ends[ends.length - 1] ?? 0] ?? 0);
    }
    if (node >= json.size) return rows.subarray(0, count);
    add(node);
    if ((json.children[node] ?? 0) > 0 && open.has(node)) {
      ends.push(node);
      end = json.after[node] ?? 0;
      node += 1;
    } else {
      node = json.after[node] ?? json.size;
    }
  }
}

/** Also open what a node lies in, so that its row is there. */
export function openTo(json: Json, node: number, open: ReadonlySet<number>): ReadonlySet<number> {
  const wider = new Set(open);
  for (let at = node; at !== 0;) wider.add((at = json.parent[at] ?? 0));
  return wider.size === open.size ? open : wider;
}

/** `node` and every container in it, as long as the rows stay under `budget`. */
export function openAll(json: Json, node: number, open: ReadonlySet<number>, budget = 200_000): Set<number> {
  const wider = new Set(open);
  const end = Math.min(json.after[node] ?? 0, node + budget);
  for (let at = node; at < end; at += 1) if (holds(json, at)) wider.add(at);
  return wider;
}
