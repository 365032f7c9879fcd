// The last test of the path: kept while the app runs, also when another page is shown.

import type { App } from "../../state/app.svelte";
import type { PathTest } from "../../transport/generated/PathTest";

export class PathTestRun {
  busy = $state(false);
  result = $state.raw<PathTest | null>(null);
  failure = $state.raw<unknown>(null);

  constructor(readonly app: App) {}

  /** Tests the path, unless a test is under way. */
  async start(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      this.result = await this.app.backend.call("test_path", {});
      this.failure = null;
    } catch (thrown) {
      this.failure = thrown;
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
