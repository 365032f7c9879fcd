// What only the desktop app has: the program around the page. The types follow
// `src-tauri/edge/state.rs`.

/** Which edge works for the app. */
export type EdgeState =
  | { state: "own" }
  /** Another program's, which runs on the same data. */
  | { state: "attached"; pid: number; program: string }
  /** None: the other program has ended, and the app takes over. */
  | { state: "between"; problem: string | null };

export interface Desktop {
  /** Tells which edge works: at once, and whenever that changes. Returns what stops it. */
  edge(heard: (edge: EdgeState) => void): () => void;
}
