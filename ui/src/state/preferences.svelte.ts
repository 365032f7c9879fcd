const KEY = "postern.preferences";

export type Theme = "system" | "light" | "dark";

interface Stored {
  theme: Theme;
  singleKeys: boolean;
}

function read(): Stored {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (typeof stored === "object" && stored !== null) {
      const theme =
        "theme" in stored && (stored.theme === "light" || stored.theme === "dark") ? stored.theme : "system";
      const singleKeys = !("singleKeys" in stored && stored.singleKeys === false);
      return { theme, singleKeys };
    }
  } catch {
    // Not ours or not readable: the defaults are right.
  }
  return { theme: "system", singleKeys: true };
}

/** What belongs to this screen and not to the backend. `public/theme.js` reads the theme before the first paint. */
export class Preferences {
  #stored = $state.raw(read());
  #dark = $state(matchMedia("(prefers-color-scheme: dark)").matches);

  get theme(): Theme {
    return this.#stored.theme;
  }
  set theme(theme: Theme) {
    this.#write({ ...this.#stored, theme });
  }

  /** Whether single letters act outside of text fields (WCAG 2.1.4 wants a way to turn them off). */
  get singleKeys(): boolean {
    return this.#stored.singleKeys;
  }
  set singleKeys(singleKeys: boolean) {
    this.#write({ ...this.#stored, singleKeys });
  }

  /** The theme on the screen. */
  get shown(): "light" | "dark" {
    return this.theme === "system" ? (this.#dark ? "dark" : "light") : this.theme;
  }

  /** Follows the system's theme; returns what stops it. */
  start(): () => void {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const change = () => {
      this.#dark = media.matches;
      this.#apply();
    };
    media.addEventListener("change", change);
    this.#apply();
    return () => media.removeEventListener("change", change);
  }

  #write(stored: Stored): void {
    this.#stored = stored;
    try {
      localStorage.setItem(KEY, JSON.stringify(stored));
    } catch {
      // A full or forbidden storage: it holds until the page is closed.
    }
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset["theme"] = this.shown;
  }
}
