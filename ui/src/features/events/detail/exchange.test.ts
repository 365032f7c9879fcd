import { describe, expect, it } from "vitest";
import { detail, summary } from "../../../transport/fake/events";
import type { EventDetail } from "../../../transport/generated/EventDetail";
import type { RunRequest } from "../../../transport/generated/RunRequest";
import { bodyChange, sentHeaders } from "./exchange";

const came = (headers: [string, string][], text: string): EventDetail => ({
  ...detail(2, summary(2, 1_795_000_000_000)),
  headers,
  body: { encoding: "utf8", text },
});
const sent = (headers: [string, string][], text: string, more: Partial<RunRequest> = {}): RunRequest => ({
  target: "http://localhost:3000/",
  headers,
  body: { encoding: "utf8", text },
  altered: { edited: true, resigned: false },
  ...more,
});

it("says of each header how it stands to the one that came", () => {
  const event = came(
    [
      ["content-type", "application/json"],
      ["x-two", "a"],
      ["x-two", "b"],
      ["linear-signature", "old"],
      ["postern-event", "Issue"],
      ["x-gone", "1"],
    ],
    "{}",
  );
  const request = sent(
    [
      ["content-type", "application/json"],
      ["x-two", "b"],
      ["x-two", "a"],
      ["linear-signature", "new"],
      ["postern-event-id", "evt_1"],
    ],
    "{}",
  );
  expect(sentHeaders(event, request).map(({ name, kind, before }) => [name, kind, before])).toEqual([
    ["content-type", "same", null],
    ["x-two", "same", null],
    ["x-two", "same", null],
    ["linear-signature", "changed", "old"],
    ["postern-event-id", "added", null],
    ["x-gone", "removed", null],
  ]);
});

describe("the body", () => {
  const event = came([], '{"a":1,"b":[1,2],"at":1000}');
  it("is as it came, or differs in values", async () => {
    expect(await bodyChange(event, sent([], "other", { altered: null }))).toEqual({ kind: "same" });
    expect(await bodyChange(event, sent([], '{"a":1,"b":[1,2],"at":1000}'))).toEqual({ kind: "same" });
    expect(await bodyChange(event, sent([], '{"a":1,"b":[1],"at":2000}'))).toEqual({
      kind: "json",
      rows: [
        { path: "b[1]", before: "2", after: null },
        { path: "at", before: "1000", after: "2000" },
      ],
      more: 0,
    });
  });
  it("is shown where it is no JSON any more, as far as fits", async () => {
    expect(await bodyChange(event, sent([], "x".repeat(8001)))).toEqual({
      kind: "text",
      text: "x".repeat(8000),
      more: 1,
    });
    const binary = sent([], "", { body: { encoding: "base64", base64: "/w==" } });
    expect(await bodyChange(event, binary)).toEqual({ kind: "text", text: "/w==", more: 0 });
  });
});
