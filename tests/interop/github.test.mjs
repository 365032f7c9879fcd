// GitHub: real payloads, signed by GitHub's own library, go in at the proxy;
// what comes out at the local target is verified by the library that GitHub
// Apps run on. Nothing on either end is ours.
import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Webhooks } from "@octokit/webhooks";
import { sign, verify } from "@octokit/webhooks-methods";
import { inParallel, readAll, send, serve } from "./http.mjs";
import { startEdge, startProxy } from "./programs.mjs";

const examples = createRequire(import.meta.url)("@octokit/webhooks-examples");
const SECRET = "It's a Secret to Everybody";

/** GitHub's headers for a body. */
async function headers(name, body, more = {}) {
  return {
    accept: "*/*",
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/a1b2c3d",
    "x-github-delivery": randomUUID(),
    "x-github-event": name,
    "x-github-hook-id": "292430182",
    "x-github-hook-installation-target-id": "79929171",
    "x-github-hook-installation-target-type": "repository",
    "x-hub-signature-256": await sign(SECRET, body),
    ...more,
  };
}

/** A local target that records what it gets by delivery id. */
async function target(t) {
  const got = new Map();
  const url = await serve(t, async (request, response) => {
    const body = await readAll(request);
    const id = request.headers["x-github-delivery"];
    got.set(id, [...(got.get(id) ?? []), { headers: request.headers, body }]);
    response.writeHead(200).end();
  });
  return { url, got, count: () => [...got.values()].flat().length };
}

test("every example payload arrives once, byte for byte, and passes @octokit/webhooks", async (t) => {
  const local = await target(t);
  const proxy = await startProxy(t);
  const source = await proxy.createSource("github", SECRET);
  const edge = await startEdge(t, proxy, local.url);

  // One spelling as GitHub sends it, one that a parse and rewrite would change.
  const sent = new Map();
  const payloads = examples.flatMap(({ name, examples }) => examples.map((payload) => ({ name, payload })));
  ok(payloads.length >= 300, `only ${payloads.length} examples`);
  for (const [n, { name, payload }] of payloads.entries()) {
    const body = JSON.stringify(payload, null, n % 2 ? 2 : 0);
    const head = await headers(name, body);
    sent.set(head["x-github-delivery"], { name, body, head });
  }
  await inParallel([...sent.values()], 16, async ({ name, body, head }) => {
    const answer = await send("POST", source.url, head, body);
    equal(answer.status, 200, `${name}: ${answer.text}`);
  });
  await edge.settled(sent.size);

  const webhooks = new Webhooks({ secret: SECRET });
  const received = new Map();
  webhooks.onAny(({ id, name, payload }) => void received.set(id, { name, payload }));
  for (const [id, { name, body, head }] of sent) {
    const copies = local.got.get(id) ?? [];
    equal(copies.length, 1, `${name} ${id} arrived ${copies.length} times`);
    const [{ headers, body: bytes }] = copies;
    ok(bytes.equals(Buffer.from(body)), `${name} ${id}: the body differs`);
    for (const header of Object.keys(head)) equal(headers[header], head[header], `${name}: ${header}`);
    await webhooks.verifyAndReceive({
      id: headers["x-github-delivery"],
      name: headers["x-github-event"],
      payload: bytes.toString(),
      signature: headers["x-hub-signature-256"],
    });
    deepEqual(received.get(id), { name, payload: JSON.parse(body) });
  }
  equal(local.count(), sent.size);
});

test("a form-encoded delivery keeps its bytes and its signature", async (t) => {
  const local = await target(t);
  const proxy = await startProxy(t);
  const source = await proxy.createSource("github", SECRET);
  const edge = await startEdge(t, proxy, local.url);
  const [{ name, examples: [payload] }] = examples;
  const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
  const head = await headers(name, body, { "content-type": "application/x-www-form-urlencoded" });
  equal((await send("POST", source.url, head, body)).status, 200);
  await edge.settled(1);
  const [{ headers: came, body: bytes }] = local.got.get(head["x-github-delivery"]);
  equal(came["content-type"], "application/x-www-form-urlencoded");
  ok(await verify(SECRET, bytes.toString(), came["x-hub-signature-256"]));
});

test("what is not signed with the source's secret is refused and goes nowhere", async (t) => {
  const local = await target(t);
  const proxy = await startProxy(t);
  const source = await proxy.createSource("github", SECRET);
  const edge = await startEdge(t, proxy, local.url);
  const body = JSON.stringify(examples[0].examples[0]);
  const name = examples[0].name;

  const good = await headers(name, body);
  const wrong = { ...(await headers(name, body)), "x-hub-signature-256": await sign("another secret", body) };
  const without = await headers(name, body);
  delete without["x-hub-signature-256"];
  const sha1 = { ...without, "x-hub-signature": "sha1=ba1f1d4e0d0e0bd2b5a3b1d1cbbd7a5a0a3d0d11" };
  const garbage = { ...good, "x-hub-signature-256": "sha256=not hex" };
  for (const [what, head, bytes, code] of [
    ["another secret", wrong, body, "signature.mismatch"],
    ["an altered body", good, body.replace("{", "{ "), "signature.mismatch"],
    ["no signature", without, body, "signature.missing"],
    ["the legacy SHA-1 alone", sha1, body, "signature.missing"],
    ["a signature that is none", garbage, body, "signature.malformed"],
  ]) {
    const answer = await send("POST", source.url, head, bytes);
    equal(answer.status, 401, `${what}: ${answer.text}`);
    equal(JSON.parse(answer.text).error.code, code, what);
  }
  // One good event after them: had anything passed, it would be there too.
  const last = await headers(name, body);
  equal((await send("POST", source.url, last, body)).status, 200);
  await edge.settled(1);
  deepEqual([...local.got.keys()], [last["x-github-delivery"]]);
  equal((await edge.events()).length, 1);
});
