// What only the desktop app has: the program around the page. The types follow
// `src-tauri/edge/state.rs`, `src-tauri/link.rs` and `src-tauri/commands.rs`.

/** Which edge works for the app. */
export type EdgeState =
  | { state: "own" }
  /** Another program's, which runs on the same data. */
  | { state: "attached"; pid: number; program: string }
  /** None: the other program has ended, and the app takes over. */
  | { state: "between"; problem: string | null };

/** Where the page shall go: to an event that is there or not, or nowhere, and why. */
export type Place = { event: string } | { problem: string };

/** What became of a file that the page saves: where it is, or why it is nowhere. */
export type Saved = { path: string } | { problem: string };

export interface Facts {
  /** Where history and settings are. */
  dataFolder: string;
  /** Null where the system does not say. */
  startsAtLogin: boolean | null;
}

export interface Desktop {
  /** Tells which edge works: at once, and whenever that changes. Returns what stops it. */
  edge(heard: (edge: EdgeState) => void): () => void;
  /** Tells where to go: what the app was started with, and whenever a link, a notification or the tray asks. */
  places(heard: (place: Place) => void): () => void;
  /** Tells of each file that the page has saved. Returns what stops it. */
  saved(heard: (saved: Saved) => void): () => void;
  /** All of these reject with an ApiError and nothing else. */
  facts(): Promise<Facts>;
  setStartAtLogin(on: boolean): Promise<void>;
  openDataFolder(): Promise<void>;
}
