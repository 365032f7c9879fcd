// Any text as lines of bounded length, so that a 5 MiB body on one line can
// be drawn row by row.

/** Where one line of a text lies, and whether the text's own line goes on. */
export interface Line {
  start: number;
  end: number;
  /** The number of the text's own line, from 1; absent on its continuations. */
  number: number | null;
}

/** Cuts at newlines, and after `width` characters where there is none. */
export function lines(text: string, width: number): Line[] {
  const found: Line[] = [];
  let number = 1;
  let start = 0;
  while (start <= text.length) {
    let end = text.indexOf("\n", start);
    const next = end === -1 ? text.length + 1 : end + 1;
    if (end === -1) end = text.length;
    if (end > start && text[end - 1] === "\r") end -= 1;
    let from = start;
    do {
      let to = Math.min(end, from + width);
      // Not through a surrogate pair.
      if (to < end && /[\ud800-\udbff]/.test(text[to - 1] ?? "")) to += 1;
      found.push({ start: from, end: to, number: from === start ? number : null });
      from = to;
    } while (from < end);
    number += 1;
    start = next;
  }
  return found;
}
