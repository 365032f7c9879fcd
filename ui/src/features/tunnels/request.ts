// One request in words, and what a replay of it differs in.

import type { Difference } from "../../json/diff";
import { differences, read } from "../../json/read";
import { bytes, counted, latency } from "../../text/time";
import type { Body } from "../../transport/generated/Body";
import type { TunnelFrame } from "../../transport/generated/TunnelFrame";
import type { TunnelRequest } from "../../transport/generated/TunnelRequest";
import type { TunnelRequestDetail } from "../../transport/generated/TunnelRequestDetail";
import type { PillTone } from "../../ui/tones";

type Headers = TunnelRequestDetail["requestHeaders"];

/** Its status as it is shown. */
export function statusWords({ status, open, error }: TunnelRequest): { tone: PillTone; words: string } {
  if (status === null) return open ? { tone: "dim", words: "…" } : { tone: "bad", words: "no answer" };
  const tone =
    status >= 500 || error !== null
      ? "bad"
      : status >= 400
        ? "warn"
        : status === 101
          ? "held"
          : status >= 300
            ? "dim"
            : "ok";
  return { tone, words: String(status) };
}

/** What else is to be known of it, in a line. */
export function noteOf(row: TunnelRequest): string {
  const parts: string[] = [];
  if (row.replayOf !== null) parts.push("replay");
  if (row.kind === "web_socket") parts.push("WebSocket");
  if (row.kind === "events") parts.push("event stream");
  if (row.error !== null) parts.push(row.error);
  return parts.join(" · ");
}

/** `1.9 kB → 2 B`. */
export const sizeWords = (row: TunnelRequest): string =>
  `${bytes(row.requestBytes)} → ${bytes(row.responseBytes)}`;

/** `12 ms`, or that it goes on. */
export const timeWords = (row: TunnelRequest): string => (row.open ? "live" : latency(row.micros / 1000));

export interface Part {
  label: string;
  /** Where it begins and how long it is, of 100. */
  from: number;
  size: number;
  micros: number;
}

/** Where the time went. */
export function timing({ connectMicros, firstByteMicros, micros }: TunnelRequest): Part[] {
  const whole = Math.max(micros, 1);
  const connected = Math.min(connectMicros ?? 0, whole);
  const answered = Math.max(connected, Math.min(firstByteMicros ?? whole, whole));
  const part = (label: string, from: number, to: number): Part => ({
    label,
    from: (from / whole) * 100,
    size: ((to - from) / whole) * 100,
    micros: to - from,
  });
  return [
    ...(connectMicros === null ? [] : [part("Connecting", 0, connected)]),
    part(
      firstByteMicros === null ? "Waiting, without an answer" : "Until the answer began",
      connected,
      answered,
    ),
    ...(firstByteMicros === null ? [] : [part("The answer", answered, whole)]),
  ];
}

export const headerText = (value: string | { base64: string }): string =>
  typeof value === "string" ? value : `base64:${value.base64}`;

/** Headers as lines to be edited. Those that are no text cannot be. */
export const headerLines = (headers: Headers): string =>
  headers.map(([name, value]) => `${name}: ${headerText(value)}`).join("\n");

/** Reads lines of headers; the number of the line that is none. */
export function readHeaders(text: string): { headers: [string, string][] } | { line: number } {
  const headers: [string, string][] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf(":");
    if (at < 1 || /[^!#$%&'*+.^_`|~\w-]/.test(line.slice(0, at).trim())) return { line: i + 1 };
    headers.push([line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]);
  }
  return { headers };
}

/** What two lists of headers differ in, by name; of one that comes again all values together. */
export function headerDifferences(a: Headers, b: Headers): Difference[] {
  const gathered = (headers: Headers) => {
    const values = new Map<string, string>();
    for (const [name, value] of headers) {
      const before = values.get(name);
      values.set(name, before === undefined ? headerText(value) : `${before}, ${headerText(value)}`);
    }
    return values;
  };
  const [here, there] = [gathered(a), gathered(b)];
  return [...new Set([...here.keys(), ...there.keys()])].flatMap((path): Difference[] => {
    const [before, after] = [here.get(path) ?? null, there.get(path) ?? null];
    if (before === after) return [];
    return [
      { kind: before === null ? "added" : after === null ? "removed" : "changed", path, before, after },
    ];
  });
}

const raw = (body: Body): string => (body.encoding === "utf8" ? body.text : body.base64);

/** What two bodies differ in: by structure where both are JSON, as a whole otherwise. */
export async function bodyDifferences(a: Body, b: Body): Promise<Difference[]> {
  const [before, after] = [raw(a), raw(b)];
  if (before === after && a.encoding === b.encoding) return [];
  try {
    const found = await differences(await read(before), await read(after));
    return found.filter(({ kind }) => kind !== "same");
  } catch {
    return [{ kind: "changed", path: "the body", before, after }];
  }
}

export interface Compared {
  title: string;
  rows: Difference[];
}

/** What a replay and its answer differ in from the request that came. */
export async function compared(a: TunnelRequestDetail, b: TunnelRequestDetail): Promise<Compared[]> {
  const line = (path: string, before: string, after: string): Difference[] =>
    before === after ? [] : [{ kind: "changed", path, before, after }];
  return [
    {
      title: "Request",
      rows: [
        ...line("method", a.request.method, b.request.method),
        ...line("path", a.request.path, b.request.path),
        ...headerDifferences(a.requestHeaders, b.requestHeaders),
        ...(await bodyDifferences(a.requestBody, b.requestBody)),
      ],
    },
    {
      title: "Answer",
      rows: [
        ...line("status", statusWords(a.request).words, statusWords(b.request).words),
        ...headerDifferences(a.responseHeaders, b.responseHeaders),
        ...(await bodyDifferences(a.responseBody, b.responseBody)),
      ],
    },
  ];
}

/** `214 frames`, `1,082 events`, with what was not kept. */
export const framesWords = ({ frames, moreFrames, request }: TunnelRequestDetail): string =>
  `${moreFrames ? "the first " : ""}${counted(frames.length, request.kind === "events" ? "event" : "frame")}`;

/** The data of an event as its reader gets it (HTML, section 9.2.6); of a frame: null. */
export function eventData({ kind, body }: TunnelFrame): string | null {
  if (kind !== "event" || body.encoding !== "utf8") return null;
  const lines = body.text.split(/\r\n|\r|\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(line.startsWith("data: ") ? 6 : 5)).join("\n");
}

/** A frame in a line: a close with its code, anything else as it came. */
export function frameText({ kind, body }: TunnelFrame): string {
  const shown = raw(body);
  if (kind !== "close" || shown === "") return shown;
  const bytes =
    body.encoding === "utf8"
      ? new TextEncoder().encode(body.text)
      : Uint8Array.from(atob(body.base64), (letter) => letter.charCodeAt(0));
  const [high, low, ...reason] = bytes;
  if (high === undefined || low === undefined) return shown;
  return `${high * 256 + low} ${new TextDecoder().decode(Uint8Array.from(reason))}`.trimEnd();
}
