// Every template of `postern trigger`: what it makes takes the whole path, and
// the provider's own library accepts it at the local target.
import { deepEqual, equal } from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { Webhooks } from "@octokit/webhooks";
import Stripe from "stripe";
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

test("every Stripe template passes Stripe.webhooks.constructEvent", async (t) => {
  const SECRET = "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH";
  const stripe = new Stripe("sk_test_nothing_is_asked_of_stripe");
  const received = [];
  const url = await serve(t, async (request, response) => {
    const payload = await readAll(request);
    try {
      const event = stripe.webhooks.constructEvent(payload, request.headers["stripe-signature"], SECRET);
      received.push(event.type);
      equal(event.data.object.object.length > 0, true);
      response.writeHead(200).end();
    } catch {
      response.writeHead(400).end();
    }
  });
  const proxy = await startProxy(t);
  await proxy.createSource("stripe", SECRET);
  const names = await all(await startEdge(t, proxy, url), "stripe");
  deepEqual(received.sort(), names);
});

test("every Slack template is signed and written as Slack does", async (t) => {
  const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
  const received = [];
  const url = await serve(t, async (request, response) => {
    const payload = (await readAll(request)).toString();
    const { "x-slack-request-timestamp": time, "x-slack-signature": signature, "content-type": type } = request.headers;
    // docs.slack.dev/authentication/verifying-requests-from-slack
    const expected = `v0=${createHmac("sha256", SECRET).update(`v0:${time}:${payload}`).digest("hex")}`;
    const form = type === "application/json" ? null : new URLSearchParams(payload);
    const body = form?.has("command") ? { type: "slash_command" } : JSON.parse(form?.get("payload") ?? payload);
    received.push(body.type === "event_callback" ? body.event.type : body.type);
    response.writeHead(signature === expected ? 200 : 400).end();
  });
  const proxy = await startProxy(t);
  await proxy.createSource("slack", SECRET);
  const names = await all(await startEdge(t, proxy, url), "slack");
  deepEqual(received.sort(), names.map((name) => name.split(".")[0]).sort());
});
