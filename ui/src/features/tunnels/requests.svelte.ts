// What went through a tunnel: what is loaded of the query, and what comes
// meanwhile. The backend finds; here only what comes is compared with the filter.

import type { Backend } from "../../state/backend.svelte";
import type { LiveRequests } from "../../transport/generated/LiveRequests";
import type { TunnelRequest } from "../../transport/generated/TunnelRequest";
import type { TunnelRequestQuery } from "../../transport/generated/TunnelRequestQuery";
import { ApiError } from "../../transport/types";

/** Which requests are shown; empty: all. */
export interface RequestFilter {
  search: string;
  method: string;
  path: string;
  status: string;
  /** A header's name, or `name: text`. */
  header: string;
  /** So many bytes of bodies, or more. */
  size: string;
  /** So many milliseconds, or more. */
  took: string;
}
export const NO_REQUEST_FILTER: RequestFilter = {
  search: "",
  method: "",
  path: "",
  status: "",
  header: "",
  size: "",
  took: "",
};
/** What each part is called in the address bar. */
const NAMES = {
  search: "q",
  method: "method",
  path: "path",
  status: "status",
  header: "header",
  size: "size",
  took: "took",
} as const satisfies Record<keyof RequestFilter, string>;
const PARTS = Object.keys(NAMES) as (keyof RequestFilter)[];

/** The filter that the address bar holds. */
export function readRequestFilter(params: URLSearchParams): RequestFilter {
  const filter = { ...NO_REQUEST_FILTER };
  for (const part of PARTS) filter[part] = params.get(NAMES[part]) ?? "";
  // Numbers, or the backend would refuse the whole question.
  if (!/^\d{1,15}$/.test(filter.size)) filter.size = "";
  if (!/^\d{1,9}$/.test(filter.took)) filter.took = "";
  if (!/^([1-5]xx|[1-5]\d\d|none)$/.test(filter.status)) filter.status = "";
  return filter;
}

/** The same, for the address bar. */
export function writeRequestFilter(filter: RequestFilter): URLSearchParams {
  const params = new URLSearchParams();
  for (const part of PARTS) if (filter[part] !== "") params.set(NAMES[part], filter[part]);
  return params;
}

export const isFiltered = (filter: RequestFilter): boolean => PARTS.some((part) => filter[part] !== "");

/** Whether both show the same. */
const same = (a: RequestFilter, b: RequestFilter): boolean => PARTS.every((part) => a[part] === b[part]);

/** Rows of a page. */
const PAGE = 100;
/** So many rows are kept; the backend has them all. */
const MOST = 5000;

/** Whether a request is among those of the filter; undefined: only the backend can tell. */
export function fits(filter: RequestFilter, row: TunnelRequest): boolean | undefined {
  const { status } = filter;
  if (filter.method !== "" && row.method !== filter.method) return false;
  if (!row.path.toLowerCase().includes(filter.path.trim().toLowerCase())) return false;
  if (row.requestBytes + row.responseBytes < Number(filter.size)) return false;
  if (row.micros < Number(filter.took) * 1000) return false;
  if (status === "none" && row.status !== null) return false;
  if (/^\dxx$/.test(status) && Math.floor((row.status ?? 0) / 100) !== Number(status[0])) return false;
  if (/^\d{3}$/.test(status) && row.status !== Number(status)) return false;
  return filter.search.trim() === "" && filter.header.trim() === "" ? true : undefined;
}

/** Rows with others among them: the newest first, each once, as it was told last. */
export function merged(rows: readonly TunnelRequest[], others: readonly TunnelRequest[]): TunnelRequest[] {
  const latest = new Map(others.map((row) => [row.id, row]));
  const kept = rows.map((row) => {
    const later = latest.get(row.id);
    latest.delete(row.id);
    return later ?? row;
  });
  return latest.size === 0 ? kept : [...kept, ...latest.values()].sort((a, b) => b.id - a.id);
}

export class Requests {
  filter = $state.raw<RequestFilter>(NO_REQUEST_FILTER);
  rows = $state.raw<TunnelRequest[]>([]);
  phase = $state<"loading" | "ready" | "failed">("loading");
  error = $state.raw<ApiError | null>(null);
  /** Not kept, since there was too much to do. */
  dropped = $state(0);
  /** New ones not shown yet, because the reader is further down. */
  held = $state.raw<TunnelRequest[]>([]);
  #next: number | null = null;
  #atTop = true;
  #query = 0;
  #more = false;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly backend: Backend,
    readonly tunnel: string,
  ) {}

  /** Loads the list and follows it; returns what stops it. */
  start(): () => void {
    const stop = this.backend.onRequests((requests) => this.take(requests));
    void this.load();
    return () => {
      stop();
      clearTimeout(this.#again);
      this.#again = undefined;
    };
  }

  /** The query as the backend takes it. */
  get query(): TunnelRequestQuery {
    const { size, took, ...texts } = this.filter;
    const given = Object.entries(texts).flatMap(([name, value]) =>
      value.trim() ? [[name, value.trim()]] : [],
    );
    return {
      tunnel: this.tunnel,
      ...(Object.fromEntries(given) as Partial<typeof texts>),
      ...(size !== "" && { leastBytes: Number(size) }),
      ...(took !== "" && { leastMicros: Number(took) * 1000 }),
    };
  }

  setFilter(filter: RequestFilter): void {
    if (same(filter, this.filter)) return;
    this.filter = filter;
    void this.load();
  }

  /** Loads the newest page; the old rows stay until it is there. */
  async load(): Promise<void> {
    const query = ++this.#query;
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#more = false;
    try {
      const page = await this.backend.call("tunnel_requests", { ...this.query, limit: PAGE });
      if (query !== this.#query) return;
      // What came while it was on its way is newer than it.
      const newest = page.rows[0]?.id ?? 0;
      const meanwhile = this.rows.filter((row) => row.id > newest && fits(this.filter, row) === true);
      this.rows = merged(page.rows, meanwhile);
      this.#next = page.next;
      this.dropped = page.dropped;
      this.held = [];
      this.error = null;
      this.phase = "ready";
    } catch (thrown) {
      if (query !== this.#query) return;
      this.error = ApiError.from(thrown);
      this.phase = "failed";
      if (this.error.retryable) this.#later(3000);
    }
  }

  /** Loads the next page when the last rows are in view. */
  async show(to: number): Promise<void> {
    if (this.#next === null || this.#more || to < this.rows.length - 20 || this.rows.length >= MOST) return;
    this.#more = true;
    const query = this.#query;
    try {
      const before = this.#next;
      const page = await this.backend.call("tunnel_requests", { ...this.query, before, limit: PAGE });
      if (query !== this.#query) return;
      this.rows = merged(this.rows, page.rows);
      this.#next = page.next;
      this.#more = false;
    } catch (thrown) {
      if (query !== this.#query) return;
      this.error = ApiError.from(thrown);
      // Not at once again: scrolling would ask with every frame.
      setTimeout(() => (this.#more = false), 2000);
    }
  }

  /** Tells whether the reader sees the newest row. */
  set atTop(value: boolean) {
    this.#atTop = value;
    if (value && this.held.length > 0) this.flush();
  }

  /** Shows what was held back. */
  flush(): void {
    this.rows = merged(this.rows, this.held).slice(0, MOST);
    this.held = [];
  }

  /** Takes what came live. */
  take({ rows, missed }: LiveRequests): void {
    const own = rows.filter((row) => row.tunnel === this.tunnel);
    if (missed > 0) this.#later(500);
    if (own.length === 0) return;
    const unknown = own.some((row) => fits(this.filter, row) === undefined);
    if (unknown) this.#later(400);
    const known = new Set(this.rows.map(({ id }) => id));
    const changed = own.filter((row) => known.has(row.id));
    const fresh = own.filter((row) => !known.has(row.id) && fits(this.filter, row) === true);
    if (changed.length > 0) this.rows = merged(this.rows, changed);
    if (fresh.length === 0) return;
    this.held = merged(this.held, fresh).slice(0, MOST);
    if (this.#atTop) this.flush();
  }

  #later(wait: number): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      // Who reads further down keeps the place.
      if (this.#atTop || this.phase === "failed") void this.load();
      else this.#later(1000);
    }, wait);
  }
}
