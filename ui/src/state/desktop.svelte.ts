// The desktop app around the page, where there is one.

import type { Desktop as Shell, EdgeState, Place, Saved } from "../transport/desktop";

export class Desktop {
  /** Which edge works for the app; null in a browser, and before it is known. */
  edge = $state.raw<EdgeState | null>(null);
  /** The other program that worked for the app and has ended; null once that is dismissed. */
  ended = $state.raw<string | null>(null);

  constructor(
    readonly shell: Shell | undefined,
    private readonly go: (place: Place) => void,
    private readonly saved: (saved: Saved) => void,
  ) {}

  /** Follows the shell; returns what stops it. */
  start(): () => void {
    if (!this.shell) return () => undefined;
    const stops = [
      this.shell.edge((edge) => this.#take(edge)),
      this.shell.places(this.go),
      this.shell.saved(this.saved),
    ];
    return () => stops.forEach((stop) => stop());
  }

  #take(edge: EdgeState): void {
    if (this.edge?.state === "attached" && edge.state !== "attached") this.ended = this.edge.program;
    if (edge.state === "attached") this.ended = null;
    this.edge = edge;
  }
}
