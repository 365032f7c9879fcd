// The last test of the path: kept while the app runs, also when another page is shown.

import type { App } from "../../state/app.svelte";
import type { PathTest } from "../../transport/generated/PathTest";

export class PathTestRun {
  busy = $state(false);
  result = $state.raw<PathTest | null>(null);
  failure = $state.raw<unknown>(null);

  #number = 0;

  constructor(readonly app: App) {}

  /** Forgets the last one: it was another profile's. */
  clear(): void {
    this.result = null;
    this.failure = null;
    this.#number += 1;
  }

  /** Tests the path, unless a test is under way. */
  async start(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    const number = ++this.#number;
    try {
      const result = await this.app.backend.call("test_path", {});
      if (number === this.#number) this.result = result;
      this.failure = null;
    } catch (thrown) {
      if (number === this.#number) this.failure = thrown;
    }
    this.busy = false;
  }
}

const runs = new WeakMap<App, PathTestRun>();

/** The app's one test. */
export function testPath(app: App): PathTestRun {
  const run = runs.get(app) ?? new PathTestRun(app);
  runs.set(app, run);
  return run;
}
