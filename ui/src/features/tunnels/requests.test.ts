import { beforeEach, describe, expect, it, vi } from "vitest";
import { Backend } from "../../state/backend.svelte";
import type { TunnelRequest } from "../../transport/generated/TunnelRequest";
import type { TunnelRequestQuery } from "../../transport/generated/TunnelRequestQuery";
import { ApiError, type Transport } from "../../transport/types";
import { eventData, frameText, headerDifferences, readHeaders, statusWords, timing } from "./request";
import {
  fits,
  isFiltered,
  merged,
  NO_REQUEST_FILTER,
  readRequestFilter,
  Requests,
  writeRequestFilter,
} from "./requests.svelte";

const row = (id: number, more: Partial<TunnelRequest> = {}): TunnelRequest => ({
  id,
  tunnel: "app",
  at: 1_795_000_000_000 + id,
  method: "GET",
  path: "/a",
  replayOf: null,
  kind: "http",
  status: 200,
  open: false,
  connectMicros: null,
  firstByteMicros: 800,
  micros: 1000,
  requestBytes: 0,
  responseBytes: 2,
  error: null,
  ...more,
});
const ids = (rows: readonly TunnelRequest[]) => rows.map(({ id }) => id);

let kept: TunnelRequest[];
let asked: Partial<TunnelRequestQuery>[];
let broken: boolean;
let requests: Requests;

beforeEach(() => {
  vi.useFakeTimers();
  kept = [row(2), row(1)];
  asked = [];
  broken = false;
  const transport: Transport = {
    kind: "fake",
    call: ((_: string, args: Partial<TunnelRequestQuery>) => {
      asked.push(args);
      if (broken) return Promise.reject(new ApiError("store.unavailable", "no", true));
      return Promise.resolve({ rows: [...kept], next: null, dropped: 3 });
    }) as Transport["call"],
    live: () => () => undefined,
  };
  requests = new Requests(new Backend(transport), "app");
});

describe("what went through", () => {
  it("is loaded, and follows what comes for this tunnel", async () => {
    await requests.load();
    expect(ids(requests.rows)).toEqual([2, 1]);
    expect(requests.dropped).toBe(3);
    requests.take({ rows: [row(3), row(4, { tunnel: "other" })], missed: 0 });
    expect(ids(requests.rows)).toEqual([3, 2, 1]);
    requests.take({ rows: [row(3, { status: 500 })], missed: 0 });
    expect(requests.rows[0]?.status).toBe(500);
    expect(requests.rows).toHaveLength(3);
  });

  it("does not move what is read further down", async () => {
    await requests.load();
    requests.atTop = false;
    requests.take({ rows: [row(3)], missed: 0 });
    expect(ids(requests.rows)).toEqual([2, 1]);
    expect(ids(requests.held)).toEqual([3]);
    requests.atTop = true;
    expect(ids(requests.rows)).toEqual([3, 2, 1]);
    expect(requests.held).toEqual([]);
  });

  it("is filtered here where that can be told, and asked for otherwise", async () => {
    requests.setFilter({ ...NO_REQUEST_FILTER, method: "POST", status: "5xx" });
    await vi.runAllTimersAsync();
    expect(asked.at(-1)).toEqual({ tunnel: "app", method: "POST", status: "5xx", limit: 100 });
    requests.take({ rows: [row(5), row(6, { method: "POST", status: 502 })], missed: 0 });
    expect(ids(requests.rows)).toContain(6);
    expect(ids(requests.rows)).not.toContain(5);
    requests.setFilter({ ...NO_REQUEST_FILTER, search: "ENG" });
    await vi.runAllTimersAsync();
    const before = asked.length;
    requests.take({ rows: [row(7)], missed: 0 });
    expect(ids(requests.rows)).not.toContain(7);
    await vi.runAllTimersAsync();
    expect(asked.length).toBe(before + 1);
  });

  it("asks again when some were not told, and when the store is back", async () => {
    await requests.load();
    requests.take({ rows: [], missed: 40 });
    await vi.runAllTimersAsync();
    expect(asked).toHaveLength(2);
    broken = true;
    await requests.load();
    expect(requests.phase).toBe("failed");
    broken = false;
    await vi.runAllTimersAsync();
    expect(requests.phase).toBe("ready");
  });
});

it("knows which requests a filter takes", () => {
  const filter = NO_REQUEST_FILTER;
  expect(fits(filter, row(1))).toBe(true);
  expect(fits({ ...filter, path: "/B" }, row(1, { path: "/a/b" }))).toBe(true);
  expect(fits({ ...filter, status: "none" }, row(1, { status: null }))).toBe(true);
  expect(fits({ ...filter, status: "404" }, row(1))).toBe(false);
  expect(fits({ ...filter, search: "x" }, row(1))).toBeUndefined();
  expect(fits({ ...filter, search: "x", method: "PUT" }, row(1))).toBe(false);
  expect(fits({ ...filter, header: "x-a" }, row(1))).toBeUndefined();
  expect(fits({ ...filter, took: "100" }, row(1, { micros: 99_999 }))).toBe(false);
  expect(fits({ ...filter, took: "100" }, row(1, { micros: 100_000 }))).toBe(true);
  expect(fits({ ...filter, size: "10" }, row(1, { requestBytes: 8, responseBytes: 2 }))).toBe(true);
  expect(fits({ ...filter, size: "11" }, row(1, { requestBytes: 8, responseBytes: 2 }))).toBe(false);
  expect(ids(merged([row(9), row(3)], [row(5), row(3)]))).toEqual([9, 5, 3]);
});

it("keeps the filter in the address bar, and asks with it", async () => {
  const filter = { ...NO_REQUEST_FILTER, search: " ENG-1 ", header: "X-A: b&c", took: "100", size: "10000" };
  const params = new URLSearchParams(writeRequestFilter(filter).toString());
  expect(readRequestFilter(params)).toEqual(filter);
  requests.setFilter(filter);
  await vi.runAllTimersAsync();
  expect(asked.at(-1)).toEqual({
    tunnel: "app",
    search: "ENG-1",
    header: "X-A: b&c",
    leastBytes: 10_000,
    leastMicros: 100_000,
    limit: 100,
  });
  // What nobody can mean is left out, or the backend would refuse the question.
  const wrong = new URLSearchParams("size=much&took=-1&status=9xx&request=4");
  expect(isFiltered(readRequestFilter(wrong))).toBe(false);
});

it("tells what frames and events say", () => {
  const frame = { fromVisitor: true, micros: 1, kind: "close", size: 2, truncated: false };
  const base64 = (bytes: number[]) => ({
    encoding: "base64" as const,
    base64: btoa(String.fromCharCode(...bytes)),
  });
  expect(frameText({ ...frame, body: base64([3, 0xe8]) })).toBe("1000");
  expect(frameText({ ...frame, body: base64([3, 0xe9, 0x62, 0x79, 0x65]) })).toBe("1001 bye");
  expect(frameText({ ...frame, size: 0, body: { encoding: "utf8", text: "" } })).toBe("");
  const text = (text: string) => ({ encoding: "utf8" as const, text });
  expect(frameText({ ...frame, kind: "text", body: text("hi") })).toBe("hi");
  expect(eventData({ ...frame, kind: "event", body: text('event: a\ndata: {"b":\ndata:1}\nid: 7') })).toBe(
    '{"b":\n1}',
  );
  expect(eventData({ ...frame, kind: "text", body: text("data: 1") })).toBeNull();
});

it("says how a request ended, and where its time went", () => {
  expect(statusWords(row(1))).toEqual({ tone: "ok", words: "200" });
  expect(statusWords(row(1, { error: "cut off" })).tone).toBe("bad");
  expect(statusWords(row(1, { status: null })).words).toBe("no answer");
  const parts = timing(row(1, { connectMicros: 200 }));
  expect(parts.map(({ micros }) => micros)).toEqual([200, 600, 200]);
  expect(parts.reduce((sum, { size }) => sum + size, 0)).toBeCloseTo(100);
  expect(timing(row(1, { firstByteMicros: null, micros: 0 })).map(({ micros }) => micros)).toEqual([1]);
});

it("reads headers, and what two lists of them differ in", () => {
  expect(readHeaders("Host: a\n\nx-a:  b: c ")).toEqual({
    headers: [
      ["host", "a"],
      ["x-a", "b: c"],
    ],
  });
  expect(readHeaders("host: a\nnothing")).toEqual({ line: 2 });
  expect(readHeaders("a b: c")).toEqual({ line: 1 });
  const found = headerDifferences(
    [
      ["a", "1"],
      ["b", "2"],
      ["b", "3"],
    ],
    [
      ["b", "2"],
      ["c", "4"],
    ],
  );
  expect(found.map(({ kind, path }) => [kind, path])).toEqual([
    ["removed", "a"],
    ["changed", "b"],
    ["added", "c"],
  ]);
});
