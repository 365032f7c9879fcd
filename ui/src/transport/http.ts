// The backend over HTTP: a headless edge that serves this page.

import { messages } from "./sse";
import type { Live } from "./generated/Live";
import {
  ApiError,
  LOCAL_CODES,
  type Answer,
  type Args,
  type LiveListener,
  type Op,
  type Transport,
} from "./types";

const BEARER = "postern.bearer";

/** What the transport needs of the browser; tests hand in their own. */
export interface Surroundings {
  fetch: typeof fetch;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** A number in [0, 1), for jitter. */
  random: () => number;
}

const browser = (): Surroundings => ({
  fetch: (input, init) => fetch(input, init),
  storage: sessionStorage,
  random: Math.random,
});

const noSession = () =>
  new ApiError(LOCAL_CODES.noSession, "This page is not signed in to the Postern that serves it.", false);

/**
 * Takes the one-time token out of the address bar, where it arrives in the
 * fragment, before anything else can see or store it. What may follow it is
 * the place to go to: `#token=…&at=/tunnels/app`.
 */
export function takeToken(location: Location, history: History): string | undefined {
  const match = /^#token=([^&]+)(?:&at=([^&]*))?$/.exec(location.hash);
  if (!match?.[1]) return undefined;
  const place = decodeURIComponent(match[2] ?? "/events");
  history.replaceState(null, "", `${location.pathname}${location.search}#${place}`);
  return decodeURIComponent(match[1]);
}

/** Exchanges the one-time token for the bearer of this tab. */
export async function openSession(token: string | undefined, around = browser()): Promise<void> {
  if (token === undefined) return;
  const response = await send(around, "/api/session", { token });
  if (response.status === 401) {
    // A link that was opened before, in a tab that still has its session.
    if (around.storage.getItem(BEARER) !== null) return;
    throw noSession();
  }
  const body: unknown = await readJson(response);
  if (typeof body !== "object" || body === null || !("bearer" in body) || typeof body.bearer !== "string") {
    throw new ApiError(LOCAL_CODES.badAnswer, "The session's answer carries no bearer.", false);
  }
  around.storage.setItem(BEARER, body.bearer);
}

/** Waits between tries: 0.25 s doubling to 8 s, less up to half of it. */
export function backoff(failures: number, random: () => number): number {
  const full = Math.min(8000, 250 * 2 ** Math.min(failures, 10));
  return full - (full / 2) * random();
}

/** The transport over HTTP. */
export function httpTransport(around = browser()): Transport {
  async function call<O extends Op>(op: O, args: Args<O>): Promise<Answer<O>> {
    const response = await send(around, `/api/${op}`, args, bearer(around));
    if (response.status === 401) {
      const error = await errorOf(response);
      // The proxy's refusal of a workspace token is passed on as 401 as well.
      // Whether it was this tab's bearer that was refused, `status` tells: it
      // asks nobody else.
      if (op === "status") throw noSession();
      await call("status", {});
      throw error;
    }
    if (!response.ok) throw await errorOf(response);
    return (await readJson(response)) as Answer<O>;
  }
  return { kind: "http", call, live: (cursor, listener) => follow(around, call, cursor, listener) };
}

function bearer(around: Surroundings): string {
  const value = around.storage.getItem(BEARER);
  if (value === null) throw noSession();
  return value;
}

async function send(around: Surroundings, url: string, body: unknown, auth?: string): Promise<Response> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (auth !== undefined) headers["authorization"] = `Bearer ${auth}`;
  try {
    return await around.fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw unreachable();
  }
}

const unreachable = () =>
  new ApiError(
    LOCAL_CODES.unreachable,
    "Postern on this machine does not answer. Nothing is lost: events wait at the proxy.",
    true,
  );

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new ApiError(LOCAL_CODES.badAnswer, `The answer (${response.status}) is not JSON.`, false);
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const error = ApiError.from(body);
  if (error.code !== LOCAL_CODES.badAnswer) return error;
  return new ApiError(LOCAL_CODES.badAnswer, `Postern answered ${response.status}.`, response.status >= 500);
}

type Call = Transport["call"];

/** Streams changes, and on a broken line: waits, catches up, streams again. */
function follow(around: Surroundings, call: Call, start: number, listener: LiveListener): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  let cursor = start;
  let failures = 0;

  const take = (batch: Live) => {
    if (batch.changes) cursor = batch.changes.cursor;
    listener.live(batch);
  };

  async function catchUp(): Promise<void> {
    let more = true;
    while (more && !signal.aborted) {
      const changes = await call("events_since", { cursor });
      more = changes.more && changes.cursor !== cursor;
      take({ changes, status: null });
    }
    const status = await call("status", {});
    if (!signal.aborted) listener.live({ changes: null, status });
  }

  async function stream(): Promise<void> {
    const response = await around
      .fetch(`/api/live?after=${cursor}`, {
        headers: { authorization: `Bearer ${bearer(around)}`, accept: "text/event-stream" },
        cache: "no-store",
        signal,
      })
      .catch(() => {
        throw unreachable();
      });
    if (response.status === 401) throw noSession();
    if (!response.ok || !response.body) throw await errorOf(response);
    failures = 0;
    listener.link({ state: "open" });
    for await (const data of messages(response.body)) {
      if (signal.aborted) return;
      take(JSON.parse(data) as Live);
    }
  }

  async function run(): Promise<void> {
    let broken = false;
    while (!signal.aborted) {
      try {
        if (broken) await catchUp();
        await stream();
        throw unreachable();
      } catch (thrown) {
        if (signal.aborted) return;
        const error = thrown instanceof ApiError ? thrown : unreachable();
        if (error.code === LOCAL_CODES.noSession) {
          listener.link({ state: "refused", problem: error.message });
          return;
        }
        broken = true;
        const wait = backoff(failures++, around.random);
        listener.link({ state: "broken", retryAt: Date.now() + wait, problem: error.message });
        await pause(wait, signal);
      }
    }
  }

  void run();
  return () => abort.abort();
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
