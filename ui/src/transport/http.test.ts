import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Live } from "./generated/Live";
import { backoff, httpTransport, openSession, takeToken, type Surroundings } from "./http";
import { messages } from "./sse";
import type { ApiError, Link } from "./types";

type Answer = { status?: number; body?: unknown } | ReadableStream<Uint8Array> | Error;

/** A server made of a function; remembers what it was asked. */
function around(answer: (path: string, body: unknown) => Answer) {
  const asked: { path: string; body: unknown; auth: string | null }[] = [];
  const kept = new Map<string, string>([["postern.bearer", "b-1"]]);
  const surroundings: Surroundings = {
    fetch: (input, init) => {
      const path = String(input);
      const body: unknown = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
      asked.push({ path, body, auth: new Headers(init?.headers).get("authorization") });
      const found = answer(path, body);
      if (found instanceof Error) return Promise.reject(found);
      if (found instanceof ReadableStream) {
        init?.signal?.addEventListener("abort", () => void found.cancel().catch(() => undefined));
        return Promise.resolve(new Response(found));
      }
      return Promise.resolve(new Response(JSON.stringify(found.body ?? {}), { status: found.status ?? 200 }));
    },
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    },
    random: () => 0,
  };
  return { surroundings, asked, kept };
}

const changes = (cursor: number, more = false) => ({ rows: [], cursor, more, reset: false });
const event = (live: Live) => `data: ${JSON.stringify(live)}\n\n`;

/** A stream that says `texts` and ends. */
const stream = (...texts: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
/** One that says `text` and stays open. */
const open = (text = "") =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`: warm\n\n${text}`));
    },
  });

describe("the one-time token", () => {
  it("leaves the address bar and is exchanged for a bearer", async () => {
    history.replaceState(null, "", "/#token=a%2Bb");
    const token = takeToken(location, history);
    expect(token).toBe("a+b");
    expect(location.hash).toBe("#/events");
    const { surroundings, asked, kept } = around(() => ({ body: { bearer: "b-2" } }));
    await openSession(token, surroundings);
    expect(asked).toEqual([{ path: "/api/session", body: { token: "a+b" }, auth: null }]);
    expect(kept.get("postern.bearer")).toBe("b-2");
  });
  it("leads to the place that the link names", () => {
    history.replaceState(null, "", "/#token=t&at=/tunnels/app?request=12");
    expect(takeToken(location, history)).toBe("t");
    expect(location.hash).toBe("#/tunnels/app?request=12");
  });
  it("is not asked for without one", async () => {
    history.replaceState(null, "", "/#/events/x");
    expect(takeToken(location, history)).toBeUndefined();
    const { surroundings, asked } = around(() => ({}));
    await openSession(undefined, surroundings);
    expect(asked).toEqual([]);
  });
  it("that was used before leaves a session that is there, and fails otherwise", async () => {
    const { surroundings, kept } = around(() => ({ status: 401, body: { code: "auth.invalid" } }));
    await openSession("old", surroundings);
    expect(kept.get("postern.bearer")).toBe("b-1");
    kept.clear();
    await expect(openSession("old", surroundings)).rejects.toMatchObject({ code: "ui.no_session" });
  });
});

describe("call", () => {
  it("posts the arguments with the bearer", async () => {
    const { surroundings, asked } = around(() => ({ body: { eventId: "evt_1" } }));
    const answer = await httpTransport(surroundings).call("trigger", {
      provider: "linear",
      name: "Issue.create",
    });
    expect(answer).toEqual({ eventId: "evt_1" });
    expect(asked).toEqual([
      { path: "/api/trigger", body: { provider: "linear", name: "Issue.create" }, auth: "Bearer b-1" },
    ]);
  });

  const failure = async (answer: (path: string) => Answer): Promise<ApiError> => {
    const { surroundings } = around(answer);
    return httpTransport(surroundings)
      .call("sign_in", { proxyUrl: "", token: "", name: null })
      .then(
        () => expect.unreachable(),
        (error: ApiError) => error,
      );
  };

  it("passes errors on, bare or wrapped", async () => {
    const body = { code: "proxy.unreachable", message: "no", retryable: true };
    expect(await failure(() => ({ status: 502, body }))).toMatchObject(body);
    expect(
      await failure(() => ({ status: 502, body: { error: { code: "proxy.unreachable", message: "no" } } })),
    ).toMatchObject(body);
  });
  it("tells the proxy's refusal of a token from that of this tab's bearer", async () => {
    const refused = { status: 401, body: { code: "auth.invalid", message: "unknown token" } };
    expect((await failure((path) => (path === "/api/status" ? {} : refused))).code).toBe("auth.invalid");
    expect((await failure(() => refused)).code).toBe("ui.no_session");
  });
  it("says when nothing answers", async () => {
    expect(await failure(() => new TypeError("fetch failed"))).toMatchObject({
      code: "ui.unreachable",
      retryable: true,
    });
  });
});

describe("live", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function follow(answer: (path: string, body: unknown) => Answer, cursor = 7) {
    const server = around(answer);
    const batches: Live[] = [];
    const links: Link[] = [];
    const stop = httpTransport(server.surroundings).live(cursor, {
      live: (batch) => batches.push(batch),
      link: (link) => links.push(link),
    });
    return { ...server, batches, links, stop };
  }

  it("streams from the cursor", async () => {
    const batch = { changes: changes(9), status: null };
    const { asked, batches, links, stop } = follow(() => open(event(batch)));
    await vi.advanceTimersByTimeAsync(0);
    expect(asked[0]).toMatchObject({ path: "/api/live?after=7", auth: "Bearer b-1" });
    expect(batches).toEqual([batch]);
    expect(links).toEqual([{ state: "open" }]);
    stop();
  });

  it("after a broken line waits, catches up from its cursor, and streams on", async () => {
    let streams = 0;
    const { asked, batches, links, stop } = follow((path, body) => {
      if (path.startsWith("/api/live")) {
        streams += 1;
        if (streams === 2) return new TypeError("refused");
        return streams === 1 ? stream(event({ changes: changes(9), status: null })) : open();
      }
      if (path === "/api/status") return { body: { version: "x" } };
      const { cursor } = body as { cursor: number };
      return { body: changes(cursor + 1, cursor < 10) };
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(links.at(-1)).toEqual({
      state: "broken",
      retryAt: 250,
      problem: expect.stringContaining("does not answer") as string,
    });
    await vi.advanceTimersByTimeAsync(250);
    expect(links.at(-1)).toMatchObject({ state: "broken" });
    await vi.advanceTimersByTimeAsync(500);
    expect(links.at(-1)).toEqual({ state: "open" });
    const paths = asked.map(({ path, body }) =>
      path === "/api/events_since" ? (body as { cursor: number }).cursor : path,
    );
    expect(paths).toEqual([
      "/api/live?after=7",
      9,
      10,
      "/api/status",
      "/api/live?after=11",
      11,
      "/api/status",
      "/api/live?after=12",
    ]);
    expect(batches.map((batch) => batch.changes?.cursor ?? "status")).toEqual([
      9,
      10,
      11,
      "status",
      12,
      "status",
    ]);
    stop();
  });

  it("ends when the bearer is refused", async () => {
    const { asked, links } = follow(() => ({ status: 401 }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(links).toEqual([{ state: "refused", problem: expect.any(String) as string }]);
    expect(asked).toHaveLength(1);
  });

  it("stops at once when told to, also while waiting", async () => {
    const { asked, links, stop } = follow(() => new TypeError("refused"));
    await vi.advanceTimersByTimeAsync(0);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
    expect(links).toHaveLength(1);
  });
});

it("waits longer each time, with jitter, up to eight seconds", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 50].map((n) => backoff(n, () => 0))).toEqual([
    250, 500, 1000, 2000, 4000, 8000, 8000, 8000,
  ]);
  expect(backoff(5, () => 0.999)).toBeGreaterThan(4000);
});

describe("messages", () => {
  const read = async (...chunks: string[]) => {
    const found: string[] = [];
    for await (const data of messages(stream(...chunks))) found.push(data);
    return found;
  };
  it("joins what comes in pieces, also within a character or a line's end", async () => {
    expect(await read("da", 'ta: {"a":', "1}\r", "\n\r\n:x\n\ndata:b\n", "data: c\n\n")).toEqual([
      '{"a":1}',
      "b\nc",
    ]);
  });
  it("drops a message that is not whole", async () => {
    expect(await read("data: a\n\ndata: b\n")).toEqual(["a"]);
  });
});
