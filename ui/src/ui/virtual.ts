// The arithmetic of a list whose rows all have one height.

/** The rows to draw: `from` included, `to` not. */
export interface Range {
  from: number;
  to: number;
}

/** No browser lays out more than about 33 million pixels. */
export const TALLEST = 31_000_000;

/**
 * How far the rows move for each pixel scrolled: 1, and more where all of them
 * are taller than any browser scrolls.
 */
export function stretch(count: number, row: number, height: number): number {
  const whole = count * row;
  return whole <= TALLEST ? 1 : (whole - height) / (TALLEST - height);
}

/** Which rows are on the screen, and `over` more on each side. */
export function range(top: number, height: number, count: number, row: number, over: number): Range {
  const from = Math.max(0, Math.floor(top / row) - over);
  const to = Math.min(count, Math.ceil((top + height) / row) + over);
  return { from: Math.min(from, Math.max(0, to)), to };
}

/** Where to scroll so that row `index` is wholly seen, moving as little as possible. */
export function reveal(index: number, top: number, height: number, row: number, margin = 0): number {
  const start = index * row;
  if (start - margin < top) return Math.max(0, start - margin);
  if (start + row + margin > top + height) return start + row + margin - height;
  return top;
}
