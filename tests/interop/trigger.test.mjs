// Every template of `postern trigger`: what it makes takes the whole path, and
// the provider's own library accepts it at the local target.
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { Webhooks } from "@octokit/webhooks";
import { inParallel, readAll, serve } from "./http.mjs";
import { startEdge, startProxy } from "./programs.mjs";

/** Triggers every template of a provider; their names. */
async function all(edge, provider) {
  const { templates } = await edge.command("trigger", "--list", provider);
  const names = templates.map(({ name }) => name);
  await inParallel(names, 4, (name) => edge.command("trigger", provider, name));
  await edge.settled(names.length);
  return names.sort();
}

test("every GitHub template passes @octokit/webhooks", async (t) => {
  const SECRET = "It's a Secret to Everybody";
  const webhooks = new Webhooks({ secret: SECRET });
  const received = [];
  webhooks.onAny(({ name, payload }) => void received.push(payload.action ? `${name}.${payload.action}` : name));
  const url = await serve(t, async (request, response) => {
    const { headers } = request;
    const payload = (await readAll(request)).toString();
    const [id, name] = [headers["x-github-delivery"], headers["x-github-event"]];
    const accept = webhooks.verifyAndReceive({ id, name, payload, signature: headers["x-hub-signature-256"] });
    const status = await accept.then(() => 200, () => 400);
    response.writeHead(status).end();
  });
  const proxy = await startProxy(t);
  await proxy.createSource("github", SECRET);
  const names = await all(await startEdge(t, proxy, url), "github");
  equal(new Set(names.map((name) => name.split(".")[0])).size, 58);
  deepEqual(received.sort(), names);
});

test("every Linear template passes LinearWebhookClient", async (t) => {
  const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";
  const handler = new LinearWebhookClient(SECRET).createHandler();
  const received = [];
  handler.on("*", ({ type, action }) => void received.push(`${type}.${action}`));
  const url = await serve(t, (request, response) => handler(request, response));
  const proxy = await startProxy(t);
  await proxy.createSource("linear", SECRET);
  const names = await all(await startEdge(t, proxy, url), "linear");
  equal(new Set(names.map((name) => name.split(".")[0])).size, 23);
  deepEqual(received.sort(), names);
});
