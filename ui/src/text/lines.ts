// Any text as lines of bounded length, so that a 5 MiB body on one line can
// be drawn row by row.

/** Where one line of a text lies, and whether the text's own line goes on. */
export interface Line {
  start: number;
  end: number;
  /** The number of the text's own line, from 1; absent on its continuations. */
  number: number | null;
}

/** The lines of a text, in two numbers each: a body may hold millions. */
export interface Lines {
  /** How many there are. */
  count: number;
  /** How many the text itself has. */
  own: number;
  at: (index: number) => Line;
}

/** Cuts at newlines, and after `width` characters where there is none. */
export function lines(text: string, width: number): Lines {
  // Of each line its start, and the number of the text's own line, 0 on continuations.
  let found = new Uint32Array(2048);
  let count = 0;
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
      const last = text.charCodeAt(to - 1);
      if (to < end && last >= 0xd800 && last < 0xdc00) to += 1;
      if (count * 2 === found.length) {
        const wider = new Uint32Array(count * 4);
        wider.set(found);
        found = wider;
      }
      found[count * 2] = from;
      found[count * 2 + 1] = from === start ? number : 0;
      count += 1;
      from = to;
    } while (from < end);
    number += 1;
    start = next;
  }
  const at = (index: number): Line => {
    const from = found[index * 2] ?? 0;
    const next = index + 1 < count ? (found[index * 2 + 2] ?? 0) : text.length + 1;
    let end = next;
    // The next one is the text's own: between them is the end of this one.
    if (index + 1 === count || found[index * 2 + 3] !== 0) {
      end -= 1;
      if (end > from && text[end - 1] === "\r") end -= 1;
    }
    return { start: from, end, number: found[index * 2 + 1] || null };
  };
  return { count, own: number - 1, at };
}
