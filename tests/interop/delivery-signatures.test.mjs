// Postern's own signatures: a receiver written from the published
// specification alone registers as a worker, proves that it holds the secret,
// and the official Standard Webhooks verifiers for Node and Python judge the
// deliveries.
import { deepEqual, equal, match, notEqual, ok, throws } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Webhook } from "standardwebhooks";
import { call, eventually, readAll, send, serve } from "./http.mjs";
import { bodies } from "./linear-bodies.mjs";
import { startProxy } from "./programs.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A worker: its registration's answer and the deliveries it gets. */
async function worker(t, proxy, token, answerChallenge = (secret, challenge) => prove(secret, challenge)) {
  const registered = deferred();
  const deliveries = [];
  const challenges = [];
  const url = await serve(t, async (request, response) => {
    const delivery = { headers: request.headers, raw: request.rawHeaders, body: await readAll(request) };
    // The challenge may overtake the answer that carries the secret.
    const { secret } = await registered.promise;
    if (delivery.headers["postern-kind"] === "challenge") {
      challenges.push(delivery);
      const { challenge } = JSON.parse(delivery.body);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ answer: answerChallenge(secret, challenge) }));
    } else {
      deliveries.push(delivery);
      response.writeHead(200).end();
    }
  });
  const answer = await call("POST", `${proxy.url}/edge/register`, undefined, {
    webhookUrl: `${url}/hook`,
    token,
    name: "raw receiver",
    capabilities: [],
    protocolVersion: "1.0",
  });
  equal(answer.status, 200, answer.text);
  registered.resolve(answer.json);
  const lease = async () => (await call("POST", `${proxy.url}/edge/workers/${answer.json.workerId}/lease`, answer.json.credential, {})).json;
  return { ...answer.json, deliveries, challenges, lease };
}

function deferred() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

const prove = (secret, challenge) => new Webhook(secret).sign("challenge", new Date(0), challenge);

/** A Linear event, posted; its body. */
async function post(source, { type, delivery, body }, more = []) {
  const answer = await send("POST", source.url, [
    ["content-type", "application/json; charset=utf-8"],
    ["linear-delivery", delivery],
    ["linear-event", type],
    ["linear-signature", createHmac("sha256", SECRET).update(body).digest("hex")],
    ["user-agent", "Linear-Webhook"],
    ...more,
  ], body);
  equal(answer.status, 200, answer.text);
}

/** What PyPI's verifier says of each delivery: null is good. */
function python(secret, deliveries) {
  const asked = { secret, deliveries: deliveries.map(({ headers, body }) => ({ headers, body: body.toString("base64") })) };
  const run = spawnSync(here("../../target/venv/bin/python"), [here("standard_webhooks.py")], { input: JSON.stringify(asked) });
  equal(run.status, 0, run.error?.message ?? run.stderr.toString());
  return JSON.parse(run.stdout);
}

test("deliveries pass the official verifiers for Node and Python; altered ones do not", async (t) => {
  const proxy = await startProxy(t);
  const source = await proxy.createSource("linear", SECRET);
  const edge = await worker(t, proxy, proxy.token);
  match(edge.secret, /^whsec_/);
  await eventually("the worker to be active", async () => (await edge.lease()).state === "active");
  equal(edge.challenges.length, 1);

  const sent = bodies();
  for (const event of sent) await post(source, event);
  await eventually("all deliveries", () => edge.deliveries.length === sent.length);

  const verifier = new Webhook(edge.secret);
  for (const { headers, body } of [...edge.challenges, ...edge.deliveries]) verifier.verify(body.toString(), headers);
  deepEqual(python(edge.secret, [...edge.challenges, ...edge.deliveries]).filter(Boolean), []);
  equal(new Set(edge.deliveries.map(({ headers }) => headers["webhook-id"])).size, sent.length);

  const [{ headers, body }] = edge.deliveries;
  const altered = [
    { headers, body: Buffer.concat([body, Buffer.from(" ")]) },
    { headers: { ...headers, "webhook-id": `${headers["webhook-id"]}x` }, body },
    { headers: { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 1) }, body },
  ];
  for (const bad of altered) throws(() => verifier.verify(bad.body.toString(), bad.headers));
  ok(python(edge.secret, altered).every(Boolean), "PyPI's verifier let an altered delivery pass");
  const other = await worker(t, proxy, proxy.token);
  notEqual(other.secret, edge.secret);
  throws(() => new Webhook(other.secret).verify(body.toString(), headers));
});

test("a delivery is the provider's request: its bytes, its headers, no credentials", async (t) => {
  const proxy = await startProxy(t);
  const source = await proxy.createSource("linear", SECRET);
  const edge = await worker(t, proxy, proxy.token);
  await eventually("the worker to be active", async () => (await edge.lease()).state === "active");
  const [event] = bodies();
  await post(source, event, [
    ["authorization", "Bearer not-for-the-worker"],
    ["cookie", "session=not-for-the-worker"],
    ["x-repeated", "one"],
    ["x-repeated", "two"],
    ["webhook-id", "the provider's own"],
    ["te", "trailers"],
  ]);
  const [{ headers, raw, body }] = await eventually("the delivery", () => edge.deliveries.length && edge.deliveries);
  ok(body.equals(event.body));
  equal(headers["linear-delivery"], event.delivery);
  equal(headers["linear-event"], event.type);
  equal(headers["content-type"], "application/json; charset=utf-8");
  equal(headers["user-agent"], "Linear-Webhook");
  for (const name of ["authorization", "cookie", "te"]) equal(headers[name], undefined, name);
  deepEqual(raw.filter((_, n) => n % 2 && raw[n - 1].toLowerCase() === "x-repeated"), ["one", "two"]);
  equal(headers["postern-original-webhook-id"], "the provider's own");
  match(headers["webhook-id"], /^\S+$/);
  equal(headers["postern-event"], `${event.type}.${event.action}`);
  equal(headers["postern-provider"], "linear");
  equal(headers["postern-attempt"], "1");
  ok(Math.abs(Date.now() - Number(headers["postern-received-at"])) < 60_000);
});

test("a receiver that cannot prove it holds the secret gets nothing", async (t) => {
  const proxy = await startProxy(t);
  const source = await proxy.createSource("linear", SECRET);
  const impostor = await worker(t, proxy, proxy.token, (_, challenge) => prove(`whsec_${Buffer.alloc(24, randomUUID()).toString("base64")}`, challenge));
  const failed = await eventually("the challenge to fail", async () => {
    const lease = await impostor.lease();
    return lease.challengeError && lease;
  });
  equal(failed.state, "pending");
  const honest = await worker(t, proxy, proxy.token);
  await eventually("the honest worker to be active", async () => (await honest.lease()).state === "active");
  const [event] = bodies();
  await post(source, event);
  await eventually("the honest worker's delivery", () => honest.deliveries.length === 1);
  deepEqual(impostor.deliveries, []);
});

test("registering takes a good token", async (t) => {
  const proxy = await startProxy(t);
  for (const token of ["pst_nobody", `${proxy.token}x`, ""]) {
    const answer = await call("POST", `${proxy.url}/edge/register`, undefined, {
      webhookUrl: "http://127.0.0.1:9/hook",
      token,
      name: "stranger",
      protocolVersion: "1.0",
    });
    equal(answer.status, 401, answer.text);
    equal(answer.json.error.code, "auth.invalid");
    ok(!token || !answer.text.includes(token), "the answer repeats the token");
  }
});
