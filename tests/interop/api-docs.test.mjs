// The examples of docs/api.md, run as they stand there.
import { equal, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { eventually, serve } from "./http.mjs";
import { startEdge, startProxy } from "./programs.mjs";

/** Runs a script of the page; what it printed. */
async function run(script, env) {
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], { env: { PATH: process.env.PATH, ...env } });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  const [code] = await once(child, "close");
  equal(code, 0, `${script}\n${err}${out}`);
  return out;
}

test("the examples of docs/api.md do what they say", async (t) => {
  const page = await readFile(new URL("../../docs/api.md", import.meta.url), "utf8");
  const examples = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, script]) => script);
  ok(examples.length >= 5);

  const url = await serve(t, (request, response) => void request.resume().on("end", () => response.end()));
  const proxy = await startProxy(t);
  const edge = await startEdge(t, proxy, url);
  await edge.command("trigger", "linear", "Issue.create");
  await edge.settled(1);
  const headers = { authorization: `Bearer ${proxy.token}` };
  const ask = async (path) => (await fetch(`${proxy.url}/v1/${path}`, { headers })).json();
  const [delivery] = await eventually("the delivery to be on record", async () => {
    const { deliveries } = await ask("deliveries?state=delivered");
    return deliveries.length === 1 && deliveries;
  });
  const env = { PROXY: proxy.url, TOKEN: proxy.token };
  Object.assign(env, { EVENT: delivery.eventId, DELIVERY: delivery.id, WORKER: delivery.workerId });
  const said = [];
  for (const script of examples) said.push(await run(script, env));
  ok(said.every((answer) => answer.startsWith("{")), said.join("\n"));
  // Two replays of the event, each an event of its own at the edge.
  await edge.settled(3);
});
