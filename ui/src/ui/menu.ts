/** One line of a menu; `checked` makes the menu a choice of one. */
export interface MenuItem {
  label: string;
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
