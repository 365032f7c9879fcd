// Does one job beside the page.

import { work, type Job } from "./work";

addEventListener("message", ({ data }: MessageEvent<Job>) => {
  const [answer, moved] = work(data);
  postMessage(answer, { transfer: moved });
});
