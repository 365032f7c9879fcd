// Events as files: everything this machine knows of them as JSON, one event a
// line where there are several, and as a fixture for somebody's tests.

import type { EventDetail } from "../../../transport/generated/EventDetail";
import { providerHeaders } from "../detail/curl";

/** Headers whose values let somebody in. */
const SECRET =
  /^(authorization|proxy-authorization|cookie|set-cookie|x-api-key|x-gitlab-token|.*-token|.*-secret)$/;

const hidden = <T>(headers: [string, T][]): [string, T | string][] =>
  headers.map(([name, value]) => [name, SECRET.test(name) ? "(left out)" : value]);

/** One event as JSON, without what lets somebody in. */
export const exported = (detail: EventDetail, indent?: number): string =>
  JSON.stringify({ ...detail, headers: hidden(detail.headers) }, null, indent);

/**
 * What a test needs to play the provider: method, the provider's headers and
 * the body as it came. The signature stays, for whoever checks it; secrets and
 * tokens do not.
 */
export function fixture(detail: EventDetail): string {
  const { summary, body } = detail;
  const headers = Object.fromEntries(hidden(providerHeaders(detail)));
  return `${JSON.stringify(
    {
      description: `${summary.name}: ${summary.subject}`,
      provider: summary.provider,
      receivedAt: new Date(summary.receivedAt).toISOString(),
      request: {
        method: "POST",
        headers,
        ...(body.encoding === "utf8" ? { body: body.text } : { bodyBase64: body.base64 }),
      },
    },
    null,
    2,
  )}\n`;
}

/** A name for a file, whatever the event is called. */
export const fileName = (name: string, id: string, ending: string): string =>
  `${`${name}-${id}`.replace(/[^\w.-]+/g, "_").slice(0, 100)}.${ending}`;

/** Has the browser keep it as a file. */
export function download(parts: BlobPart[], type: string, name: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has to have begun before the address goes.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
