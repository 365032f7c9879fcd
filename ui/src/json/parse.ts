// JSON as a flat table of nodes in order of appearance, read without
// recursion: 5 MiB and any depth take one pass and a few arrays. Numbers and
// strings stay as they are in the text, so nothing is rounded or lost.

/** What a node is. */
export const Kind = { Object: 0, Array: 1, String: 2, Number: 3, Literal: 4 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** The table: one entry per value, each array indexed by node. */
export interface Json {
  text: string;
  /** How many nodes there are; node 0 is the document. */
  size: number;
  kind: Uint8Array;
  /** Where the value starts and ends in the text. */
  start: Uint32Array;
  end: Uint32Array;
  /** Where its key starts in the text (at the quote); 0 is none: the document starts there. */
  key: Uint32Array;
  keyEnd: Uint32Array;
  /** The node it lies in; the document's own is 0. */
  parent: Uint32Array;
  /** The first node after it and all it holds. */
  after: Uint32Array;
  /** How many values it holds. */
  children: Uint32Array;
  depth: Uint16Array;
}

/** Why a text is not JSON, and where. */
export class NotJson extends Error {
  constructor(
    readonly what: string,
    readonly at: number,
  ) {
    super(`${what} at character ${at + 1}`);
  }
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;

/** Reads a document. Throws {@link NotJson}. */
export function parse(text: string): Json {
  let room = Math.max(64, Math.ceil(text.length / 12));
  const make = (n: number): Json => ({
    text,
    size: 0,
    kind: new Uint8Array(n),
    start: new Uint32Array(n),
    end: new Uint32Array(n),
    key: new Uint32Array(n),
    keyEnd: new Uint32Array(n),
    parent: new Uint32Array(n),
    after: new Uint32Array(n),
    children: new Uint32Array(n),
    depth: new Uint16Array(n),
  });
  let json = make(room);
  let at = 0;
  let open = -1;
  let depth = 0;
  let key = 0;
  let keyEnd = 0;

  const skip = () => {
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) at += 1;
      else return c;
    }
  };
  const scan = (pattern: RegExp, what: string): number => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) throw new NotJson(`${what} expected`, at);
    return pattern.lastIndex;
  };
  const add = (kind: Kind, end: number): number => {
    if (json.size === room) {
      room *= 2;
      const wider = make(room);
      for (const column of [
        "kind",
        "start",
        "end",
        "key",
        "keyEnd",
        "parent",
        "after",
        "children",
        "depth",
      ] as const)
        wider[column].set(json[column]);
      wider.size = json.size;
      json = wider;
    }
    const node = json.size++;
    json.kind[node] = kind;
    json.start[node] = at;
    json.end[node] = end;
    json.key[node] = key;
    json.keyEnd[node] = keyEnd;
    json.parent[node] = Math.max(open, 0);
    json.after[node] = node + 1;
    json.depth[node] = Math.min(depth, 65535);
    if (open >= 0) json.children[open] = (json.children[open] ?? 0) + 1;
    key = keyEnd = 0;
    return node;
  };
  const readKey = () => {
    if (skip() !== 0x22) throw new NotJson("a key expected", at);
    key = at;
    at = keyEnd = scanString();
    if (skip() !== 0x3a) throw new NotJson("':' expected", at);
    at += 1;
  };
  // The pattern would exhaust the regex stack of some engines on strings of
  // megabytes, so long ones are walked.
  const scanString = (): number => {
    for (let i = at + 1; i < text.length; i += 1) {
      const c = text.charCodeAt(i);
      if (c === 0x22) {
        if (i - at < 4096 && !checks(i + 1)) break;
        return i + 1;
      }
      if (c === 0x5c) i += 1;
      else if (c < 0x20) throw new NotJson("a control character in a string", i);
    }
    throw new NotJson("a string that ends expected", at);
  };
  const checks = (end: number): boolean => {
    STRING.lastIndex = at;
    return STRING.test(text) && STRING.lastIndex === end;
  };

  for (;;) {
    // One value.
    const c = skip();
    let opened = false;
    if (c === 0x7b || c === 0x5b) {
      const node = add(c === 0x7b ? Kind.Object : Kind.Array, at + 1);
      at += 1;
      open = node;
      depth += 1;
      const closer = c === 0x7b ? 0x7d : 0x5d;
      if (skip() !== closer) {
        opened = true;
        if (closer === 0x7d) readKey();
      }
    } else {
      const kind =
        c === 0x22 ? Kind.String : c === 0x2d || (c >= 0x30 && c <= 0x39) ? Kind.Number : Kind.Literal;
      const end =
        kind === Kind.String
          ? scanString()
          : kind === Kind.Number
            ? scan(NUMBER, "a number")
            : scan(LITERAL, "a value");
      add(kind, end);
      at = end;
    }
    if (opened) continue;

    // Whatever ends here.
    for (;;) {
      const next = skip();
      if (open < 0) {
        if (at < text.length) throw new NotJson("nothing more expected", at);
        return json;
      }
      const inObject = json.kind[open] === Kind.Object;
      if (next === (inObject ? 0x7d : 0x5d)) {
        at += 1;
        json.end[open] = at;
        json.after[open] = json.size;
        depth -= 1;
        open = open === 0 ? -1 : (json.parent[open] ?? -1);
        continue;
      }
      if (next !== 0x2c) throw new NotJson("',' or the end expected", at);
      at += 1;
      if (inObject) readKey();
      break;
    }
  }
}

/** Whether a node holds others. */
export const holds = (json: Json, node: number): boolean => (json.kind[node] ?? 4) <= Kind.Array;

/** A node's text as it stands in the document. */
export const source = (json: Json, node: number): string => json.text.slice(json.start[node], json.end[node]);

/** A node's key, unescaped; null in arrays and for the document. */
export function keyOf(json: Json, node: number): string | null {
  const end = json.keyEnd[node] ?? 0;
  return end === 0 ? null : unquote(json.text.slice(json.key[node], end));
}

/** A string literal's text. One that JSON.parse refuses (a lone escape) stays as written. */
export function unquote(literal: string): string {
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === "string" ? value : literal;
  } catch {
    return literal;
  }
}

/** The child of `node` with this key. */
export function child(json: Json, node: number, key: string): number | undefined {
  if (json.kind[node] !== Kind.Object) return undefined;
  for (let at = node + 1; at < (json.after[node] ?? 0); at = json.after[at] ?? Infinity) {
    if (keyOf(json, at) === key) return at;
  }
  return undefined;
}

/** The children of `node`, in order. */
export function* childrenOf(json: Json, node: number): Generator<number> {
  if (!holds(json, node)) return;
  for (let at = node + 1; at < (json.after[node] ?? 0); at = json.after[at] ?? Infinity) yield at;
}

const PLAIN = /^[A-Za-z_$][\w$]*$/;

/** `data.labels[0].name`; `$` is the document itself. */
export function path(json: Json, node: number): string {
  const steps: string[] = [];
  for (let at = node; at !== 0; at = json.parent[at] ?? 0) {
    const key = keyOf(json, at);
    if (key === null) {
      let index = 0;
      for (const sibling of childrenOf(json, json.parent[at] ?? 0)) {
        if (sibling === at) break;
        index += 1;
      }
      steps.push(`[${index}]`);
    } else {
      steps.push(PLAIN.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
    }
  }
  return steps.reverse().join("").replace(/^\./, "") || "$";
}
