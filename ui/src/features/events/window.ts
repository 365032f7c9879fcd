// The rows of the list as far as they are known: pages in order, newest
// first, each reachable again by the cursor that brought it. Pages far from
// the screen give up their rows and keep their count, so memory stays flat
// over any history. Pure: it asks for nothing and draws nothing.

import type { EventPage } from "../../transport/generated/EventPage";
import type { EventSummary } from "../../transport/generated/EventSummary";
import { dayOf } from "../../text/time";

/** A slot of the list. Every slot has the same height. */
export type Slot =
  | { kind: "day"; day: number; key: string }
  | { kind: "row"; row: EventSummary }
  /** A row that is known to be there and not loaded. */
  | { kind: "gap"; key: string }
  /** The end of what has been looked at; there may be more. */
  | { kind: "stopped"; at: number; key: string };

interface Page {
  /** The cursor that brings it; null: the newest page. */
  before: string | null;
  rows: EventSummary[] | null;
  count: number;
  /** Days that start in it: the row's offset and the day. */
  days: { offset: number; day: number }[];
  lastDay: number;
  /** Its oldest row, kept when the others are let go. */
  last: EventSummary | undefined;
  /** Slots before it. */
  offset: number;
  /** Rows before it. */
  first: number;
}

/** Rows asked for at a time. */
export const PAGE = 200;
/** Pages that keep their rows around the screen, each way. */
const KEPT = 10;
/** Rows drawn as placeholders after the last page that is known. */
export const TAIL = 40;
/** No browser scrolls further than about 33 million pixels. */
export const MOST_SLOTS = 900_000;

/** Where a row belongs: in order of storage here, as the backend's pages are; newest first. */
export function precedes(a: EventSummary, b: EventSummary): boolean {
  if (a.storedAt !== b.storedAt) return a.storedAt > b.storedAt;
  return a.receivedAt !== b.receivedAt ? a.receivedAt > b.receivedAt : a.id > b.id;
}

export class EventWindow {
  /** Where the page after the last known one starts; null: there is none. */
  next: string | null = null;
  /** How many rows the query has in all, or at least. */
  total = 0;
  /** Whether {@link total} is all there are. */
  exact = true;
  /** The backend stopped looking before a page was full: what was stored from then on has been seen. */
  stopped: number | null = null;
  #pages: Page[] = [];
  #known = new Map<string, Page>();

  /** Starts anew from the newest page. */
  reset(page: EventPage): void {
    this.#pages = [];
    this.total = 0;
    this.#known.clear();
    this.append(page, null);
  }

  /** Adds the page that `before` brought, which must be {@link next}. */
  append(page: EventPage, before: string | null): void {
    const rows = page.rows.filter((row) => !this.#known.has(row.id));
    const added: Page = {
      before,
      rows,
      count: rows.length,
      days: [],
      lastDay: 0,
      last: undefined,
      offset: 0,
      first: 0,
    };
    this.#pages.push(added);
    for (const row of rows) this.#known.set(row.id, added);
    this.next = page.next;
    this.stopped = page.next === null ? null : page.searchedTo;
    if (before === null || page.next === null) this.exact = page.next === null || page.total !== null;
    this.total = page.next === null ? this.rows : Math.max(page.total ?? this.total, this.rows);
    this.#measure(this.#pages.length - 1);
  }

  /** Gives a page its rows back. */
  refill(before: string, page: EventPage): void {
    const at = this.#pages.findIndex((p) => p.before === before);
    const found = this.#pages[at];
    if (!found || found.rows) return;
    found.rows = page.rows;
    found.count = page.rows.length;
    for (const row of page.rows) this.#known.set(row.id, found);
    this.#measure(at);
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  get(id: string): EventSummary | undefined {
    return this.#known.get(id)?.rows?.find((row) => row.id === id);
  }

  /** Puts a row's newer state in its place. False: the row is not here. */
  replace(row: EventSummary): boolean {
    const page = this.#known.get(row.id);
    const at = page?.rows?.findIndex((old) => old.id === row.id) ?? -1;
    const old = page?.rows?.[at];
    if (!page?.rows || !old) return false;
    if (row.seq >= old.seq) page.rows[at] = row;
    return true;
  }

  /** Takes a row out, which no longer belongs to the query. */
  remove(id: string): void {
    const page = this.#known.get(id);
    if (!page?.rows) return;
    page.rows = page.rows.filter((row) => row.id !== id);
    page.count = page.rows.length;
    this.#known.delete(id);
    this.total -= 1;
    this.#measure(this.#pages.indexOf(page));
  }

  /** Whether a row that is not here would stand among those that are. */
  reaches(row: EventSummary): boolean {
    if (this.next === null) return true;
    const last = this.#pages.at(-1)?.last;
    return last !== undefined && precedes(row, last);
  }

  /** Whether a row that is not here would be taken by {@link insert}. */
  accepts(row: EventSummary): boolean {
    return !this.#known.has(row.id) && this.reaches(row) && this.#pages[this.#pageFor(row)]?.rows != null;
  }

  /** Puts new rows where they belong. Returns those it took. */
  insert(rows: EventSummary[]): EventSummary[] {
    const taken: EventSummary[] = [];
    let first = Infinity;
    for (const row of rows) {
      if (!this.accepts(row)) continue;
      const at = this.#pageFor(row);
      const page = this.#pages[at];
      if (!page?.rows) continue;
      const offset = page.rows.findIndex((other) => precedes(row, other));
      page.rows.splice(offset === -1 ? page.rows.length : offset, 0, row);
      page.count += 1;
      this.#known.set(row.id, page);
      this.total += 1;
      first = Math.min(first, at);
      taken.push(row);
    }
    if (first !== Infinity) this.#measure(first);
    return taken;
  }

  #pageFor(row: EventSummary): number {
    for (let at = 0; at < this.#pages.length - 1; at += 1) {
      const last = this.#pages[at]?.last;
      if (last && precedes(row, last)) return at;
    }
    return this.#pages.length - 1;
  }

  /** Rows at hand, the newest first, at most so many. */
  loaded(most: number): EventSummary[] {
    return this.#pages.flatMap((page) => page.rows ?? []).slice(0, most);
  }

  /** The rows at hand from one to another, both included. */
  between(a: string, b: string): EventSummary[] {
    const [i, j] = [this.indexOf(a), this.indexOf(b)];
    if (i === undefined || j === undefined) return [a, b].flatMap((id) => this.get(id) ?? []);
    const rows: EventSummary[] = [];
    for (let at = Math.min(i, j); at <= Math.max(i, j); at += 1) {
      const slot = this.slot(at);
      if (slot.kind === "row") rows.push(slot.row);
    }
    return rows;
  }

  /** How many pages are known. */
  get pages(): number {
    return this.#pages.length;
  }

  /** Rows known, loaded or not. */
  get rows(): number {
    return this.#pages.reduce((sum, page) => sum + page.count, 0);
  }

  /** Slots to scroll through: rows, days, and placeholders for what comes next. */
  get slots(): number {
    const last = this.#pages.at(-1);
    if (!last) return 0;
    const known = last.offset + last.count + last.days.length;
    const unknown = this.exact ? Math.max(1, this.total - this.rows) : TAIL;
    const more = this.next === null ? 0 : this.stopped === null ? Math.min(TAIL, unknown) : 1;
    return Math.min(MOST_SLOTS, known + more);
  }

  /** The slot at `index`. */
  slot(index: number): Slot {
    const page = this.#pageAt(index);
    if (!page && this.stopped !== null) return { kind: "stopped", at: this.stopped, key: "stopped" };
    if (!page) return { kind: "gap", key: `tail-${index}` };
    let offset = index - page.offset;
    for (const start of page.days) {
      if (offset === start.offset)
        return { kind: "day", day: start.day, key: `${page.before ?? "first"}-${start.offset}` };
      if (offset < start.offset) break;
      offset -= 1;
    }
    // `days` holds offsets in rows; those passed were taken off above.
    const row = page.rows?.[offset];
    return row ? { kind: "row", row } : { kind: "gap", key: `${page.before ?? "first"}-${offset}` };
  }

  #pageAt(index: number): Page | undefined {
    let low = 0;
    let high = this.#pages.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const page = this.#pages[middle];
      if (!page) return undefined;
      if (index < page.offset) high = middle - 1;
      else if (index >= page.offset + page.count + page.days.length) low = middle + 1;
      else return page;
    }
    return undefined;
  }

  /** The slot a row stands in. */
  indexOf(id: string): number | undefined {
    const page = this.#known.get(id);
    const at = page?.rows?.findIndex((row) => row.id === id) ?? -1;
    if (!page || at < 0) return undefined;
    return page.offset + at + page.days.filter((start) => start.offset <= at).length;
  }

  /** How many rows stand before slot `index`: days are none. */
  rowsBefore(index: number): number {
    const page = this.#pageAt(index);
    if (!page) return this.rows;
    const within = index - page.offset;
    return page.first + within - page.days.filter((start, n) => start.offset + n < within).length;
  }

  /** The row `steps` rows after (before, where negative) slot `index`, which may be a day's. */
  neighbour(index: number, steps: 1 | -1): { index: number; row: EventSummary } | undefined {
    for (let at = index + steps; at >= 0 && at < this.slots; at += steps) {
      const slot = this.slot(at);
      if (slot.kind === "row") return { index: at, row: slot.row };
      if (slot.kind === "gap" || slot.kind === "stopped") return undefined;
    }
    return undefined;
  }

  /**
   * What has to be loaded to show the slots from `from` to `to`: pages that
   * gave up their rows, by cursor and count, and whether the next one is due.
   */
  wanted(from: number, to: number): { refill: { before: string; count: number }[]; next: boolean } {
    const refill: { before: string; count: number }[] = [];
    for (const page of this.#pages) {
      if (page.rows || page.before === null) continue;
      if (page.offset < to && page.offset + page.count + page.days.length > from)
        refill.push({ before: page.before, count: page.count });
    }
    const last = this.#pages.at(-1);
    const end = last ? last.offset + last.count + last.days.length : 0;
    const more = this.next !== null && this.stopped === null;
    return { refill, next: more && to >= end - PAGE / 4 && end < MOST_SLOTS };
  }

  /** Lets go of rows far from `index`. */
  forget(index: number): void {
    const here = this.#pageAt(index);
    const at = here ? this.#pages.indexOf(here) : this.#pages.length - 1;
    this.#pages.forEach((page, i) => {
      // The newest page takes what arrives, so it stays whole.
      if (i === 0 || i === this.#pages.length - 1 || Math.abs(i - at) <= KEPT || !page.rows) return;
      for (const row of page.rows) this.#known.delete(row.id);
      page.rows = null;
    });
  }

  /** How many rows the newest page has grown to. */
  get head(): number {
    return this.#pages[0]?.count ?? 0;
  }

  /** Finds the days anew from page `from` on. */
  #measure(from: number): void {
    let day = this.#pages[from - 1]?.lastDay ?? 0;
    let offset = 0;
    const previous = this.#pages[from - 1];
    if (previous) offset = previous.offset + previous.count + previous.days.length;
    let first = previous ? previous.first + previous.count : 0;
    for (const page of this.#pages.slice(from)) {
      page.offset = offset;
      page.first = first;
      first += page.count;
      if (page.rows) {
        page.days = [];
        page.rows.forEach((row, at) => {
          const own = dayOf(row.receivedAt);
          if (own !== day) page.days.push({ offset: at, day: own });
          day = own;
        });
        page.lastDay = day;
        page.last = page.rows.at(-1);
      } else {
        day = page.lastDay;
      }
      offset += page.count + page.days.length;
    }
  }
}
