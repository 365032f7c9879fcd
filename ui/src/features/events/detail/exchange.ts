// What a run sent, beside what came: headers by name, the body by what was
// changed in it.

import { around, type Difference } from "../../../json/diff";
import { differences, read } from "../../../json/read";
import type { EventDetail } from "../../../transport/generated/EventDetail";
import type { RunRequest } from "../../../transport/generated/RunRequest";
import { headerText } from "./body";
import { providerHeaders } from "./curl";

/** A header of the request, or one that was not sent on. */
export interface SentHeader {
  name: string;
  value: string;
  /** How it stands to what the provider sent. */
  kind: "same" | "added" | "changed" | "removed";
  /** The provider's value, of one that was changed. */
  before: string | null;
}

/** The request's headers in order, then those of the provider's that were not sent on. */
export function sentHeaders(detail: EventDetail, request: RunRequest): SentHeader[] {
  const came = new Map<string, string[]>();
  for (const [name, value] of providerHeaders(detail)) came.set(name, [...(came.get(name) ?? []), value]);
  const rows = request.headers.map(([name, raw]): SentHeader => {
    const value = headerText(raw);
    const values = came.get(name);
    if (!values) return { name, value, kind: "added", before: null };
    const at = values.indexOf(value);
    const before = at === -1 ? values.shift() : values.splice(at, 1)[0];
    if (before === undefined) return { name, value, kind: "added", before: null };
    return {
      name,
      value,
      kind: before === value ? "same" : "changed",
      before: before === value ? null : before,
    };
  });
  for (const [name, values] of came)
    for (const value of values) rows.push({ name, value, kind: "removed", before: null });
  return rows;
}

/** What the body sent differs in from the one that came. */
export type BodyChange =
  | { kind: "same" }
  | { kind: "json"; rows: { path: string; before: string | null; after: string | null }[]; more: number }
  | { kind: "text"; text: string; more: number };

/** Differences shown, and characters of a body that is no JSON. */
const ROWS = 50;
const SHOWN = 8000;

export async function bodyChange(detail: EventDetail, request: RunRequest): Promise<BodyChange> {
  if (request.altered === null) return { kind: "same" };
  const [came, sent] = [detail.body, request.body];
  if (came.encoding !== "utf8" || sent.encoding !== "utf8") {
    const text = sent.encoding === "utf8" ? sent.text : sent.base64;
    return { kind: "text", text: text.slice(0, SHOWN), more: Math.max(0, text.length - SHOWN) };
  }
  if (came.text === sent.text) return { kind: "same" };
  try {
    const [a, b] = [await read(came.text), await read(sent.text)];
    const found = (await differences(a, b)).filter(({ kind }) => kind !== "same");
    return { kind: "json", rows: found.slice(0, ROWS).map(cut), more: Math.max(0, found.length - ROWS) };
  } catch {
    return { kind: "text", text: sent.text.slice(0, SHOWN), more: Math.max(0, sent.text.length - SHOWN) };
  }
}

function cut({ path, before, after }: Difference): {
  path: string;
  before: string | null;
  after: string | null;
} {
  const [one, other] = around(before ?? "", after ?? "");
  return {
    path: path.slice(0, 300),
    before: before === null ? null : one,
    after: after === null ? null : other,
  };
}
