// What differs between two documents: by structure, so that whitespace and the
// order of keys do not count. Items of lists are told by their `id` where they
// have one, and by their value otherwise. What is equal is one row, however
// much it holds, so that two documents of megabytes take a moment.

import { child, childrenOf, holds, keyOf, Kind, source, unquote, type Json } from "./parse";

/** One difference, or a stretch without any. */
export interface Difference {
  kind: "same" | "added" | "removed" | "changed";
  /** `data.labels[0].name`; `$` is the document itself. */
  path: string;
  /** As JSON, where there is one. */
  before: string | null;
  after: string | null;
}

/** Levels beyond which values are compared as a whole. */
const DEEPEST = 400;
/** Lists whose lengths multiplied exceed this are compared place by place. */
const MOST_CELLS = 4_000_000;
const PLAIN = /^[A-Za-z_$][\w$]*$/;

/** The differences in order of the first document, what was added last. */
export function diff(a: Json, b: Json): Difference[] {
  const found: Difference[] = [];
  const left = prints(a);
  const right = prints(b);
  const equal = (x: number, y: number) => left.one[x] === right.one[y] && left.two[x] === right.two[y];

  const say = (kind: Difference["kind"], path: string, x: number | null, y: number | null) => {
    found.push({
      kind,
      path: path === "" ? "$" : path,
      before: x === null ? null : source(a, x),
      after: y === null ? null : source(b, y),
    });
  };

  const compare = (x: number, y: number, path: string, depth: number): void => {
    if (equal(x, y)) say("same", path, x, y);
    else if (a.kind[x] !== b.kind[y] || !holds(a, x) || depth > DEEPEST) say("changed", path, x, y);
    else if (a.kind[x] === Kind.Object) members(x, y, path, depth);
    else items(x, y, path, depth);
  };

  const members = (x: number, y: number, path: string, depth: number): void => {
    const there = new Map<string, number>();
    for (const node of childrenOf(b, y)) there.set(keyOf(b, node) ?? "", node);
    const here = new Map<string, number>();
    for (const node of childrenOf(a, x)) here.set(keyOf(a, node) ?? "", node);
    for (const [key, node] of here) {
      const other = there.get(key);
      if (other === undefined) say("removed", member(path, key), node, null);
      else compare(node, other, member(path, key), depth + 1);
    }
    for (const [key, node] of there) if (!here.has(key)) say("added", member(path, key), null, node);
  };

  const items = (x: number, y: number, path: string, depth: number): void => {
    const before = [...childrenOf(a, x)];
    const after = [...childrenOf(b, y)];
    const pairs = aligned(
      before.map((node) => tokenOf(a, left, node)),
      after.map((node) => tokenOf(b, right, node)),
    );
    for (const [i, j] of pairs) {
      const [one, other] = [i === null ? undefined : before[i], j === null ? undefined : after[j]];
      const place = `${path}[${j ?? i ?? 0}]`;
      if (one !== undefined && other !== undefined) compare(one, other, place, depth + 1);
      else if (one !== undefined) say("removed", place, one, null);
      else if (other !== undefined) say("added", place, null, other);
    }
  };

  compare(0, 0, "", 0);
  return found;
}

const member = (path: string, key: string): string =>
  PLAIN.test(key) ? (path === "" ? key : `${path}.${key}`) : `${path}[${JSON.stringify(key)}]`;

/**
 * Which items belong together: those with the same token, in order, as many as
 * can be; between them the others, by their place.
 */
export function aligned(before: string[], after: string[]): [number | null, number | null][] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end += 1;
  const pairs: [number | null, number | null][] = [];
  for (let i = 0; i < start; i += 1) pairs.push([i, i]);
  let [i, j] = [start, start];
  const [n, m] = [before.length - end, after.length - end];
  // Those that stand between two that belong together.
  const between = (toI: number, toJ: number) => {
    while (i < toI || j < toJ) pairs.push([i < toI ? i++ : null, j < toJ ? j++ : null]);
  };
  for (const [x, y] of common(before, after, start, n, m)) {
    between(x, y);
    pairs.push([i++, j++]);
  }
  between(n, m);
  for (let k = 0; k < end; k += 1) pairs.push([n + k, m + k]);
  return pairs;
}

/** The longest common subsequence of the two from `start` up to `n` and `m`. */
function common(before: string[], after: string[], start: number, n: number, m: number): [number, number][] {
  const [rows, columns] = [n - start, m - start];
  if (rows <= 0 || columns <= 0 || rows * columns > MOST_CELLS) return [];
  const width = columns + 1;
  const lengths = new Uint32Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i -= 1) {
    for (let j = columns - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        before[start + i] === after[start + j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
    }
  }
  const pairs: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < rows && j < columns) {
    if (before[start + i] === after[start + j]) pairs.push([start + i++, start + j++]);
    else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i += 1;
    else j += 1;
  }
  return pairs;
}

/** What an item of a list is known by. */
function tokenOf(json: Json, of: Prints, node: number): string {
  const id = child(json, node, "id");
  return id !== undefined && !holds(json, id) ? `id ${source(json, id)}` : `${of.one[node]} ${of.two[node]}`;
}

/** 64 bits for each node, the same for equal values. */
interface Prints {
  one: Uint32Array;
  two: Uint32Array;
}

function prints(json: Json): Prints {
  const one = new Uint32Array(json.size);
  const two = new Uint32Array(json.size);
  const text = (from: string, seed: number): number => {
    let hash = seed;
    for (let i = 0; i < from.length; i += 1) hash = Math.imul(hash ^ from.charCodeAt(i), 0x01000193);
    return hash >>> 0;
  };
  const mix = (hash: number, value: number): number => {
    const mixed = Math.imul(hash ^ value, 0x9e3779b1);
    return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0;
  };
  // What a node holds comes after it: from the back, it is known already.
  for (let node = json.size - 1; node >= 0; node -= 1) {
    const kind = json.kind[node] ?? Kind.Literal;
    if (kind > Kind.Array) {
      const raw = source(json, node);
      const value = kind === Kind.String && raw.includes("\\") ? JSON.stringify(unquote(raw)) : raw;
      one[node] = text(value, 0x811c9dc5 + kind);
      two[node] = text(value, 0x2545f491 + kind);
      continue;
    }
    let [x, y] = [0x1000193 + kind, 0x5bd1e995 + kind];
    for (const inner of childrenOf(json, node)) {
      const key = keyOf(json, inner);
      if (key === null) {
        x = mix(x, one[inner] ?? 0);
        y = mix(y, two[inner] ?? 0);
      } else {
        // Members add up, so that their order does not count.
        x = (x + mix(text(key, 0x811c9dc5), one[inner] ?? 0)) >>> 0;
        y = (y + mix(text(key, 0x2545f491), two[inner] ?? 0)) >>> 0;
      }
    }
    one[node] = mix(x, json.children[node] ?? 0);
    two[node] = mix(y, json.children[node] ?? 0);
  }
  return { one, two };
}

/** The two texts around where they differ: long ones are cut to what tells. */
export function around(before: string, after: string, room = 160): [string, string] {
  if (before.length <= room * 2 && after.length <= room * 2) return [before, after];
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  const from = Math.max(0, start - room / 4);
  const cut = (text: string) =>
    `${from > 0 ? "…" : ""}${text.slice(from, from + room * 2)}${from + room * 2 < text.length ? "…" : ""}`;
  return [cut(before), cut(after)];
}
