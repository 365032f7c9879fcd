// Search in a document, as the reader sees it: in its keys and values, not in
// its punctuation, whatever the case, and through the escapes of JSON, so that
// `ü` is found where `\u00fc` stands. The text itself is searched, so that no
// value has to be read; in slices, so that the page goes on meanwhile.

import { holds, Kind, type Json } from "./parse";

/** Nodes found at most. */
export const MOST = 10_000;
/** How long a slice may take, in milliseconds. */
const SLICE = 8;
/** Characters of a query that count. */
const LONGEST = 500;

/** What was found. */
export interface Hits {
  /** The nodes whose key or value holds the text, in order. */
  nodes: Uint32Array;
  /** Whether there are more than {@link MOST}. */
  more: boolean;
}

const NONE: Hits = { nodes: new Uint32Array(0), more: false };
const SHORT: Record<string, string> = {
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
  '"': '"',
  "\\": "\\",
  "/": "/",
};

/** Each character as it stands in a JSON text: itself or escaped. */
function pattern(query: string): RegExp {
  const one = (character: string): string => {
    const units = Array.from({ length: character.length }, (_, i) =>
      character.charCodeAt(i).toString(16).padStart(4, "0"),
    );
    const ways = [units.map((unit) => `\\\\u${unit}`).join("")];
    const short = SHORT[character];
    if (short !== undefined) ways.push(`\\\\${short === "\\" ? "\\\\" : short}`);
    // A quote ends the text, and control characters are always escaped.
    if (character !== '"' && character !== "\\" && character >= " ")
      ways.push(character.replace(/[.*+?^${}()|[\]/]/, "\\$&"));
    return `(?:${ways.join("|")})`;
  };
  return new RegExp([...query].map(one).join(""), "giu");
}

/** Whether `at` lies within an escape that begins before it and at or after `start`. */
function splits(text: string, at: number, start: number): boolean {
  for (let back = 1; back <= 5; back += 1) {
    const slash = at - back;
    if (slash < start || text.charCodeAt(slash) !== 0x5c) continue;
    let first = slash;
    while (first - 1 >= start && text.charCodeAt(first - 1) === 0x5c) first -= 1;
    // Of a run of backslashes each second one is a character, not an escape's start.
    if ((slash - first) % 2 === 1) continue;
    if (back === 1) return true;
    return text.charCodeAt(slash + 1) === 0x75;
  }
  return false;
}

const pause = (): Promise<void> =>
  new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });

/** Finds `query`. Null when `signal` was given up meanwhile. */
export async function find(json: Json, query: string, signal?: AbortSignal): Promise<Hits | null> {
  if (query === "") return NONE;
  const { text } = json;
  const wanted = pattern(query.slice(0, LONGEST));
  const found: number[] = [];
  let began = performance.now();
  // The last node that begins, with its key, at or before the match.
  let node = 0;
  const begins = (at: number) => ((json.keyEnd[at] ?? 0) > 0 ? (json.key[at] ?? 0) : (json.start[at] ?? 0));
  for (let matches = 1; ; matches += 1) {
    if (matches % 256 === 0 && performance.now() - began > SLICE) {
      await pause();
      if (signal?.aborted) return null;
      began = performance.now();
    }
    const match = wanted.exec(text);
    if (match === null) break;
    const { index } = match;
    const end = wanted.lastIndex;
    while (node + 1 < json.size && begins(node + 1) <= index) node += 1;
    const within = (start: number, to: number) => index >= start && end <= to && !splits(text, index, start);
    const keyEnd = json.keyEnd[node] ?? 0;
    const inKey = keyEnd > 0 && within((json.key[node] ?? 0) + 1, keyEnd - 1);
    const quote = json.kind[node] === Kind.String ? 1 : 0;
    const inValue =
      !holds(json, node) && within((json.start[node] ?? 0) + quote, (json.end[node] ?? 0) - quote);
    if (!inKey && !inValue) {
      // A whole character on: the pattern would step back within one.
      wanted.lastIndex = index + ((text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1);
      continue;
    }
    if (found.length === MOST) return { nodes: Uint32Array.from(found), more: true };
    found.push(node);
    // One row counts once.
    wanted.lastIndex = inValue ? (json.end[node] ?? end) : keyEnd;
    if (inKey && !holds(json, node)) wanted.lastIndex = json.end[node] ?? end;
  }
  return { nodes: Uint32Array.from(found), more: false };
}
