// The event list: what is loaded of the query, and what arrives meanwhile.

import { EventWindow, PAGE } from "../features/events/window";
import { matches, NO_FILTER, same, toQuery, type Filter } from "../features/events/filter";
import type { Changes } from "../transport/generated/Changes";
import type { EventPage } from "../transport/generated/EventPage";
import type { EventSummary } from "../transport/generated/EventSummary";
import { ApiError } from "../transport/types";
import type { Backend } from "./backend.svelte";
import { Selection } from "./selection.svelte";

/** New rows held back while the reader is further down; beyond it only their number is kept. */
const MOST_PENDING = 2000;
/** The newest page is loaded afresh when arrivals have made it this long. */
const MOST_HEAD = 2000;
/** So many at a time slide in; a burst just stands there. */
const MOST_FRESH = 8;
/** As do rows that follow each other faster than this, in milliseconds: to move the list all the time costs more than it tells. */
const CALM = 300;
/** So many rows more are found before looking further ends by itself. */
const ENOUGH = 20;

export class Events {
  filter = $state.raw<Filter>(NO_FILTER);
  /** Counts up whenever the rows change: what reads {@link window} reads it first. */
  version = $state(0);
  phase = $state<"loading" | "ready" | "failed">("loading");
  error = $state.raw<ApiError | null>(null);
  /** The newest events, whatever the filter: for the frame. */
  latest = $state.raw<EventSummary | null>(null);
  /** Arrivals not shown yet, because the reader is further down. */
  pending = $state(0);
  /** Older rows are being looked for because the reader asked. */
  looking = $state(false);
  /** The rows may lack some that only the backend can find (full text). */
  stale = $state(false);
  readonly window = new EventWindow();
  /** What is chosen for work on several. */
  readonly selection = new Selection();
  /** Rows that came live a moment ago, and slide in. */
  readonly fresh = new Set<string>();

  #held = new Map<string, EventSummary>();
  /** What came live while the newest page is being loaded, which may be older. */
  #meanwhile: EventSummary[] | undefined;
  #atTop = true;
  /** When the newest came live. */
  #arrived = -Infinity;
  #query = 0;
  #loading = new Set<string>();
  #frame = 0;
  /** As {@link phase} says, for those who must not follow it. */
  #failed = false;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  #expected = new Map<string, (row: EventSummary) => void>();
  #watched: { id: string; seen: (row: EventSummary) => void } | undefined;

  constructor(readonly backend: Backend) {}

  /** Loads the list and follows it; returns what stops it. */
  start(): () => void {
    const stop = this.backend.onChanges((changes) => this.take(changes));
    void this.load();
    return () => {
      stop();
      cancelAnimationFrame(this.#frame);
      clearTimeout(this.#refresh);
      // Nothing is due any more: the next start asks anew.
      this.#frame = 0;
      this.#refresh = undefined;
    };
  }

  /** Another profile is shown: what is here is not its. */
  forget(): void {
    this.latest = null;
    this.filter = NO_FILTER;
    void this.load();
  }

  /** Shows another query. */
  setFilter(filter: Filter): void {
    if (same(filter, this.filter)) {
      this.filter = filter;
      return;
    }
    this.filter = filter;
    this.selection.clear();
    void this.load();
  }

  /** Loads the newest page; the old rows stay until it is there. */
  async load(): Promise<void> {
    const query = ++this.#query;
    this.looking = false;
    this.#loading.clear();
    this.#meanwhile = [];
    // A failure stays in view until it is over: it is tried again every few seconds.
    if (this.window.slots === 0 && !this.#failed) this.phase = "loading";
    try {
      const page = await this.backend.call("events", toQuery(this.filter, null, PAGE, Date.now()));
      if (query !== this.#query) return;
      this.window.reset(page);
      this.#drop();
      this.error = null;
      this.phase = "ready";
      this.#failed = false;
      this.#note(page.rows);
      const newer = this.#meanwhile?.filter((row) => row.seq > page.cursor) ?? [];
      this.#meanwhile = undefined;
      this.#merge(newer);
      this.version += 1;
    } catch (thrown) {
      if (query !== this.#query) return;
      this.#meanwhile = undefined;
      this.error = ApiError.from(thrown);
      this.phase = "failed";
      this.#failed = true;
      if (this.error.retryable) this.#later(2000);
    }
  }

  /** Loads what the slots from `from` to `to` lack. */
  show(from: number, to: number): void {
    const wanted = this.window.wanted(from, to);
    for (const { before, count } of wanted.refill) {
      const limit = Math.min(500, Math.max(1, count));
      void this.#page(before, limit, (page) => this.window.refill(before, page), true);
    }
    const next = this.window.next;
    if (wanted.next && next !== null) void this.#page(next, PAGE, (page) => this.window.append(page, next));
    this.window.forget(from);
  }

  async #page(before: string, limit: number, put: (page: EventPage) => void, whole = false): Promise<void> {
    if (this.#loading.has(before)) return;
    this.#loading.add(before);
    const query = this.#query;
    try {
      const page = await this.backend.call("events", toQuery(this.filter, before, limit, Date.now()));
      // A page that gets its rows back needs all of them, however long it takes.
      while (whole && page.rows.length < limit && page.next !== null && query === this.#query) {
        const left = limit - page.rows.length;
        const rest = await this.backend.call("events", toQuery(this.filter, page.next, left, Date.now()));
        page.rows.push(...rest.rows);
        page.next = rest.next;
      }
      if (query !== this.#query) return;
      put(page);
      this.error = null;
      this.version += 1;
      this.#loading.delete(before);
    } catch (thrown) {
      if (query !== this.#query) return;
      this.error = ApiError.from(thrown);
      // Not at once again: scrolling would ask with every frame.
      setTimeout(() => this.#loading.delete(before), 2000);
    }
  }

  /** Goes on where the backend stopped looking, until something is found, all is seen, or {@link stopLooking}. */
  async lookFurther(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const query = this.#query;
    const enough = this.window.rows + ENOUGH;
    while (this.looking && query === this.#query && this.window.stopped !== null) {
      const next = this.window.next;
      if (next === null) break;
      await this.#page(next, PAGE, (page) => this.window.append(page, next));
      if (this.error !== null || this.window.rows >= enough) break;
    }
    this.looking = false;
  }

  stopLooking(): void {
    this.looking = false;
  }

  /** Tells whether the reader sees the newest row. */
  set atTop(value: boolean) {
    this.#atTop = value;
    if (value && (this.pending > 0 || this.stale)) this.flush();
  }

  /** Shows the arrivals held back. */
  flush(): void {
    if (this.stale || this.pending > MOST_PENDING || this.window.head > MOST_HEAD) {
      void this.load();
      return;
    }
    this.#insert([...this.#held.values()]);
    this.#drop();
    this.version += 1;
  }

  /** Calls back when the event `id` is here, at once if it is. */
  expect(id: string, arrived: (row: EventSummary) => void): () => void {
    const row = this.window.get(id);
    if (row) arrived(row);
    else this.#expected.set(id, arrived);
    return () => this.#expected.delete(id);
  }

  /** Calls back whenever the row `id` changes: the detail that is open. */
  watch(id: string, seen: (row: EventSummary) => void): () => void {
    const watched = { id, seen };
    this.#watched = watched;
    return () => {
      if (this.#watched === watched) this.#watched = undefined;
    };
  }

  /** Takes a batch of changes. */
  take(changes: Changes): void {
    if (changes.reset) {
      void this.load();
      return;
    }
    this.#meanwhile?.push(...changes.rows);
    this.#merge(changes.rows);
    this.#draw();
  }

  #merge(rows: EventSummary[]): void {
    const arrived: EventSummary[] = [];
    const now = Date.now();
    for (const row of rows) {
      if (this.#watched?.id === row.id) this.#watched.seen(row);
      const expected = this.#expected.get(row.id);
      if (expected) {
        this.#expected.delete(row.id);
        expected(row);
      }
      const fits = matches(this.filter, row, now);
      if (this.window.has(row.id)) {
        if (fits === false) this.window.remove(row.id);
        else this.window.replace(row);
      } else if (this.#held.has(row.id)) {
        if (fits === false) this.#held.delete(row.id);
        else this.#held.set(row.id, row);
      } else if (fits === undefined) {
        this.#later(400);
      } else if (fits && this.window.accepts(row)) {
        arrived.push(row);
      }
    }
    this.#note(rows);
    if (arrived.length > 0) {
      if (this.#atTop) this.#insert(arrived, true);
      else this.#hold(arrived);
    }
  }

  #insert(rows: EventSummary[], live = false): void {
    const taken = this.window.insert(rows);
    if (!live) return;
    const now = performance.now();
    const calm = taken.length <= MOST_FRESH && now - this.#arrived >= CALM;
    this.#arrived = now;
    for (const row of calm ? taken : []) {
      this.fresh.add(row.id);
      setTimeout(() => this.fresh.delete(row.id), 400);
    }
    // The reader is at the top: what was loaded further down is loaded again when it is wanted.
    if (this.window.head > MOST_HEAD && this.#meanwhile === undefined) void this.load();
  }

  #hold(rows: EventSummary[]): void {
    for (const row of rows) if (this.#held.size < MOST_PENDING) this.#held.set(row.id, row);
    this.pending += rows.length;
  }

  #drop(): void {
    this.#held.clear();
    this.pending = 0;
    this.stale = false;
  }

  #note(rows: EventSummary[]): void {
    let latest = this.latest;
    for (const row of rows) if (!latest || row.receivedAt >= latest.receivedAt) latest = row;
    this.latest = latest;
  }

  /** Loads afresh in a while, once, however often it is asked: a search whose answer may have changed. */
  #later(wait: number): void {
    if (this.#refresh !== undefined) return;
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined;
      // What was looked for further down is not thrown away.
      const first = this.#atTop && this.window.pages <= 1;
      if (first || this.phase === "failed") void this.load();
      else this.stale = true;
    }, wait);
  }

  /** One redraw per frame, however many batches come. */
  #draw(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.version += 1;
    });
  }
}
