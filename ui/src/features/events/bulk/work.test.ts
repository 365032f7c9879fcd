import { expect, it } from "vitest";
import { each } from "./work";

async function* numbers(to: number) {
  for (let n = 0; n < to; n += 1) yield n;
}

it("works on a few at a time, and counts what failed", async () => {
  let running = 0;
  let most = 0;
  let last: [number, number, string | null] = [0, 0, null];
  await each(
    numbers(20),
    3,
    async (n) => {
      most = Math.max(most, (running += 1));
      await new Promise((turn) => setTimeout(turn));
      running -= 1;
      if (n % 5 === 0) throw new Error(`not ${n}`);
    },
    new AbortController().signal,
    (...now) => (last = now),
  );
  expect(most).toBe(3);
  expect(last).toEqual([20, 4, "not 15"]);
});

it("stops when it is told to, after what has begun", async () => {
  const stop = new AbortController();
  const done: number[] = [];
  await each(
    numbers(1000),
    2,
    async (n) => {
      await Promise.resolve();
      done.push(n);
      if (n === 4) stop.abort();
    },
    stop.signal,
    () => undefined,
  );
  expect(done.length).toBeGreaterThanOrEqual(5);
  expect(done.length).toBeLessThan(10);
});
