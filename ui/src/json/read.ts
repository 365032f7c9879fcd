// Documents read and compared without holding up the page: small ones at
// once, large ones beside it, by a worker of their own that is loaded with the
// first of them and ends with its job.

import type { Difference } from "./diff";
import { NotJson, parse, type Json } from "./parse";
import type { Answer, Job } from "./work";

/** Texts up to this length, in characters, are read at once. */
export const SMALL = 100_000;
/** Documents kept, the newest last: what is shown again is not read again. */
const KEPT = 2;

const kept: Json[] = [];

/** Reads a document. Throws, or rejects with, {@link NotJson}. */
export function read(text: string): Json | Promise<Json> {
  const known = kept.find((json) => json.text === text);
  if (known) return known;
  if (text.length <= SMALL) return keep(parse(text));
  return beside({ kind: "parse", text }).then((answer) => {
    if (answer.kind !== "parse") throw new Error("the worker answered something else");
    return keep({ text, ...answer.json });
  });
}

/** What differs between two documents that have been read. */
export async function differences(a: Json, b: Json): Promise<Difference[]> {
  if (a.text.length + b.text.length <= SMALL) return (await import("./diff")).diff(a, b);
  const answer = await beside({ kind: "diff", a: a.text, b: b.text });
  if (answer.kind !== "diff") throw new Error("the worker answered something else");
  return answer.rows;
}

function keep(json: Json): Json {
  kept.push(json);
  if (kept.length > KEPT) kept.shift();
  return json;
}

/** Has a worker do it; the page does it where there can be none. */
async function beside(job: Job): Promise<Answer> {
  const answer = await asked(job).catch(async () => (await import("./work")).work(job)[0]);
  if (answer.kind === "problem") throw new NotJson(answer.what, answer.at);
  return answer;
}

function asked(job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const end = (then: () => void) => {
      worker.terminate();
      then();
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => end(() => resolve(data));
    worker.onerror = (event) => end(() => reject(new Error(event.message || "it cannot be loaded")));
    worker.postMessage(job);
  });
}
