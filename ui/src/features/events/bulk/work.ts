// Work on many events, one after the other or a few at a time, so that it can
// be watched and stopped. What is done stays done.

export interface Progress {
  done: number;
  failed: number;
  /** Absent while it is not known. */
  total: number | null;
  /** Why the last failure failed. */
  problem: string | null;
}

/** Runs `work` on each, at most `width` at a time, until all are done or `stop` is aborted. */
export async function each<T>(
  items: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
  stop: AbortSignal,
  report: (done: number, failed: number, problem: string | null) => void,
): Promise<void> {
  let done = 0;
  let failed = 0;
  let problem: string | null = null;
  const running = new Set<Promise<void>>();
  for await (const item of items) {
    if (stop.aborted) break;
    const one: Promise<void> = work(item)
      .catch((thrown: unknown) => {
        failed += 1;
        problem = thrown instanceof Error ? thrown.message : String(thrown);
      })
      .finally(() => {
        done += 1;
        running.delete(one);
        report(done, failed, problem);
      });
    running.add(one);
    if (running.size >= width) await Promise.race(running);
  }
  await Promise.all(running);
}
