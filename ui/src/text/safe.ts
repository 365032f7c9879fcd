// Text from the world outside, made harmless to the eye: control characters,
// escape sequences and bidirectional overrides become visible marks, so that
// a payload cannot reorder, hide or colour what the reader sees. Markup needs
// nothing: text is only ever set as text.

/** A stretch of text, or one character shown by its name. */
export interface Part {
  text: string;
  mark: boolean;
}

// C0 and C1 without tab and newline; bidi marks, embeddings, overrides and
// isolates; invisible separators; interlinear annotation; tag characters.
// ZWJ and ZWNJ stay: emoji and several scripts need them.
const ONE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const EACH = new RegExp(ONE.source, "g");

/** Whether `text` holds anything that has to be shown as a mark. */
export const hasHidden = (text: string): boolean => ONE.test(text);

/** `ESC`, `U+202E`. */
export function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0x1b) return "ESC";
  if (code === 0) return "NUL";
  if (code === 0x0d) return "CR";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Splits `text` so that marks can be drawn apart. */
export function parts(text: string): Part[] {
  if (!hasHidden(text)) return text === "" ? [] : [{ text, mark: false }];
  const found: Part[] = [];
  let last = 0;
  for (const match of text.matchAll(EACH)) {
    if (match.index > last) found.push({ text: text.slice(last, match.index), mark: false });
    found.push({ text: nameOf(match[0]), mark: true });
    last = match.index + match[0].length;
  }
  if (last < text.length) found.push({ text: text.slice(last), mark: false });
  return found;
}

/** The same as one string, for titles and labels: `[U+202E]`. */
export const flat = (text: string): string =>
  hasHidden(text)
    ? parts(text)
        .map((part) => (part.mark ? `[${part.text}]` : part.text))
        .join("")
    : text;
