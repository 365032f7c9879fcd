// Which events of the list are chosen for work on several at once.

import type { EventSummary } from "../transport/generated/EventSummary";

export class Selection {
  /** In the order they were chosen. */
  rows = $state.raw<ReadonlyMap<string, EventSummary>>(new Map());
  /** All that the filter has, loaded or not. */
  all = $state(false);
  /** Where a stretch begins. */
  #anchor: string | null = null;

  get size(): number {
    return this.rows.size;
  }

  has(id: string): boolean {
    return this.all || this.rows.has(id);
  }

  /** Puts one in, or takes it out. */
  toggle(row: EventSummary): void {
    const next = new Map(this.all ? [] : this.rows);
    if (!next.delete(row.id)) next.set(row.id, row);
    this.all = false;
    this.rows = next;
    this.#anchor = row.id;
  }

  /** Adds the stretch from where the last one was chosen (or `from`) to here. `between` gives it. */
  extend(to: string, from: string | null, between: (a: string, b: string) => EventSummary[]): void {
    const next = new Map(this.all ? [] : this.rows);
    for (const row of between(this.#anchor ?? from ?? to, to)) next.set(row.id, row);
    this.#anchor ??= from ?? to;
    this.all = false;
    this.rows = next;
  }

  /** Everything the filter has. */
  everything(): void {
    this.all = true;
  }

  clear(): void {
    this.all = false;
    this.rows = new Map();
    this.#anchor = null;
  }
}
