// Linear: bodies as Linear signs them go in by a source's own URL and by an
// OAuth app's URL that serves many workspaces; the local target is the
// handler of Linear's SDK, and it must be content.
import { deepEqual, equal, ok } from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { inParallel, send, serve } from "./http.mjs";
import { ORGANIZATION, bodies } from "./linear-bodies.mjs";
import { startEdge, startProxy } from "./programs.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";

const sign = (body, secret = SECRET) => createHmac("sha256", secret).update(body).digest("hex");

/** Linear's headers for a body. */
function headers({ type, delivery, body }) {
  return {
    accept: "*/*",
    "content-type": "application/json; charset=utf-8",
    "linear-delivery": delivery,
    "linear-event": type,
    "linear-signature": sign(body),
    "linear-timestamp": String(JSON.parse(body).webhookTimestamp),
    "user-agent": "Linear-Webhook",
  };
}

/** A local target that runs the SDK's handler; keeps its answers. */
async function target(t) {
  const handler = new LinearWebhookClient(SECRET).createHandler();
  const events = [];
  handler.on("*", (payload) => void events.push(payload));
  const answers = [];
  const url = await serve(t, async (request, response) => {
    await handler(request, response);
    answers.push({ status: response.statusCode, delivery: request.headers["linear-delivery"] });
  });
  return { url, events, answers };
}

async function passes(t, makeUrl, command) {
  const local = await target(t);
  const proxy = await startProxy(t);
  const url = await makeUrl(proxy);
  const edge = await startEdge(t, proxy, local.url, command);
  const sent = bodies();
  ok(sent.length > 50);
  await inParallel(sent, 8, async (event) => {
    const answer = await send("POST", url, headers(event), event.body);
    equal(answer.status, 200, `${event.type}.${event.action}: ${answer.text}`);
  });
  await edge.settled(sent.length);
  const what = new Map(sent.map((event) => [event.delivery, `${event.type}.${event.action}`]));
  deepEqual(
    local.answers.filter((answer) => answer.status !== 200).map((answer) => what.get(answer.delivery)),
    [],
    "the SDK's handler refused",
  );
  deepEqual(local.answers.map((answer) => answer.delivery).sort(), [...what.keys()].sort());
  deepEqual(local.events.map((event) => `${event.type}.${event.action}`).sort(), [...what.values()].sort());
}

test("every type, by the source's URL, satisfies LinearWebhookClient", (t) =>
  passes(t, async (proxy) => (await proxy.createSource("linear", SECRET)).url));

test("every type, by an OAuth app's URL and `postern listen`, satisfies LinearWebhookClient", (t) =>
  passes(t, (proxy) => proxy.createLinearApp("postern-test", SECRET, ORGANIZATION), "listen"));

test("an organisation nobody has linked is answered 200 and goes nowhere", async (t) => {
  const local = await target(t);
  const proxy = await startProxy(t);
  const url = await proxy.createLinearApp("postern-test", SECRET, ORGANIZATION);
  const edge = await startEdge(t, proxy, local.url);
  const [stranger] = bodies("00000000-0000-4000-8000-000000000000");
  equal((await send("POST", url, headers(stranger), stranger.body)).status, 200);
  const [known] = bodies();
  equal((await send("POST", url, headers(known), known.body)).status, 200);
  await edge.settled(1);
  deepEqual(local.answers, [{ status: 200, delivery: known.delivery }]);
});

test("a wrong signature and an altered body are refused and go nowhere", async (t) => {
  const local = await target(t);
  const proxy = await startProxy(t);
  const source = await proxy.createSource("linear", SECRET);
  const app = await proxy.createLinearApp("postern-test", SECRET, ORGANIZATION);
  const edge = await startEdge(t, proxy, local.url);
  const [event, last] = bodies();
  const good = headers(event);
  const without = { ...good };
  delete without["linear-signature"];
  for (const url of [source.url, app]) {
    for (const [what, head, body, code] of [
      ["another secret", { ...good, "linear-signature": sign(event.body, "lin_whs_other") }, event.body, "signature.mismatch"],
      ["an altered body", good, Buffer.concat([event.body, Buffer.from(" ")]), "signature.mismatch"],
      ["no signature", without, event.body, "signature.missing"],
      ["a short signature", { ...good, "linear-signature": "abc123" }, event.body, "signature.malformed"],
    ]) {
      const answer = await send("POST", url, head, body);
      equal(answer.status, 401, `${what}: ${answer.text}`);
      equal(JSON.parse(answer.text).error.code, code, what);
    }
  }
  equal((await send("POST", source.url, headers(last), last.body)).status, 200);
  await edge.settled(1);
  deepEqual(local.answers.map((answer) => answer.delivery), [last.delivery]);
});

test("Linear's retry of a delivery it thinks lost is not delivered again", async (t) => {
  const local = await target(t);
  const proxy = await startProxy(t);
  const source = await proxy.createSource("linear", SECRET);
  const edge = await startEdge(t, proxy, local.url);
  const [event, last] = bodies();
  // A retry carries the same id and may carry a fresh time, so a new signature.
  const stamp = JSON.parse(event.body).webhookTimestamp;
  const retry = { ...event, body: Buffer.from(event.body.toString().replace(String(stamp), String(stamp + 5))) };
  for (const copy of [event, event, retry]) {
    equal((await send("POST", source.url, headers(copy), copy.body)).status, 200);
  }
  equal((await send("POST", source.url, headers(last), last.body)).status, 200);
  await edge.settled(2);
  deepEqual(local.answers.map((answer) => answer.delivery).sort(), [event.delivery, last.delivery].sort());
});
