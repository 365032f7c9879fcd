// An event as a command for a terminal: the provider's headers and the body
// as they came, without what belongs to the way here.

import type { EventDetail } from "../../../transport/generated/EventDetail";

const ORIGINAL = "postern-original-";
const HOP = new Set([
  "host",
  "content-length",
  "connection",
  "transfer-encoding",
  "accept-encoding",
  "te",
  "trailer",
  "upgrade",
  "keep-alive",
  "expect",
]);

/** In single quotes for a POSIX shell. */
export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The headers a handler gets: the provider's own, under their own names. */
export function providerHeaders(detail: EventDetail): [string, string][] {
  const found: [string, string][] = [];
  for (const [name, value] of detail.headers) {
    if (typeof value !== "string") continue;
    if (name.startsWith(ORIGINAL)) found.push([name.slice(ORIGINAL.length), value]);
    else if (!name.startsWith("postern-") && !name.startsWith("webhook-") && !HOP.has(name))
      found.push([name, value]);
  }
  return found;
}

/** The command. */
export function curl(detail: EventDetail, target: string): string {
  const { body } = detail;
  const lines = [`curl -X POST ${quote(target)}`];
  for (const [name, value] of providerHeaders(detail)) lines.push(`  -H ${quote(`${name}: ${value}`)}`);
  lines.push(`  --data-binary ${body.encoding === "utf8" ? quote(body.text) : "@-"}`);
  const command = lines.join(" \\\n");
  return body.encoding === "utf8" ? command : `printf %s ${quote(body.base64)} | base64 -d | ${command}`;
}
