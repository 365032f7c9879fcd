// A body as the tabs show it.

import { NotJson, type Json } from "../../../json/parse";
import { read } from "../../../json/read";
import type { EventDetail } from "../../../transport/generated/EventDetail";

/** A header's value as text; bytes that are no text as base64, said so. */
export const headerText = (value: string | { base64: string }): string =>
  typeof value === "string" ? value : `base64:${value.base64}`;

/** The first value of a header. */
export function header(detail: EventDetail, name: string): string | null {
  const found = detail.headers.find(([key]) => key === name);
  return found ? headerText(found[1]) : null;
}

export type Payload =
  | { kind: "empty" }
  | { kind: "json"; json: Json; note: string | null }
  | { kind: "text"; problem: string }
  | { kind: "binary"; problem: string };

/**
 * Reads the body: a small one at once, a large one beside the page. A form's
 * `payload` field, GitHub's other way of sending, is read as JSON.
 */
export function payload(detail: EventDetail): Payload | Promise<Payload> {
  const { body } = detail;
  if (body.encoding === "base64") return { kind: "binary", problem: "The body is not text." };
  if (body.text.trim() === "") return { kind: "empty" };
  let text = body.text;
  let note: string | null = null;
  if (header(detail, "content-type")?.startsWith("application/x-www-form-urlencoded")) {
    const field = new URLSearchParams(text).get("payload");
    if (field !== null) {
      text = field;
      note = "From the form's field “payload”.";
    }
  }
  const is = (json: Json): Payload => ({ kind: "json", json, note });
  const isNot = (thrown: unknown): Payload => ({
    kind: "text",
    problem: thrown instanceof NotJson ? `Not JSON: ${thrown.message}.` : "It cannot be read.",
  });
  try {
    const json = read(text);
    return json instanceof Promise ? json.then(is, isNot) : is(json);
  } catch (thrown) {
    return isNot(thrown);
  }
}
