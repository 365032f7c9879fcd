import type { DotTone } from "./tones";

/** One line of a menu; with `checked` it is one of a choice. */
export interface MenuItem {
  label: string;
  /** Where several have one label. */
  key?: string;
  /** How what it names stands. */
  tone?: DotTone;
  /** A line before it. */
  apart?: boolean;
  hint?: string;
  checked?: boolean;
  run: () => void;
}

/** The item that begins with `text`, looking on from `from` and around. */
export function startingWith(items: readonly MenuItem[], text: string, from: number): number {
  for (let step = 1; step <= items.length; step += 1) {
    const at = (from + step) % items.length;
    if (items[at]?.label.toLowerCase().startsWith(text.toLowerCase())) return at;
  }
  return -1;
}
