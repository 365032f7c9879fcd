// Events that are days old, replayed: as they came the providers' own
// libraries refuse them, signed anew by the program's secret they accept them.
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { Webhooks } from "@octokit/webhooks";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { readAll, send, serve } from "./http.mjs";
import { startEdge, startProxy } from "./programs.mjs";

const DAYS = 3 * 86_400_000;
const THEN = Date.now() - DAYS;
const SECONDS = Math.floor(THEN / 1000);
const hmac = (secret, ...parts) => createHmac("sha256", secret).update(parts.join("")).digest("hex");

/** A program that answers by what `verify` does: throws for what it refuses. Keeps what came. */
async function program(t, verify) {
  const came = [];
  const url = await serve(t, async (request, response) => {
    const { headers } = request;
    const body = await readAll(request);
    let status = 200;
    try {
      await verify(body.toString(), headers);
    } catch {
      status = 401;
    }
    came.push({ headers, body: body.toString(), status });
    response.writeHead(status).end();
  });
  return { url, came };
}

/**
 * `post` is a provider's request of days ago, `secret` the provider's,
 * `local` the program's.
 */
async function replayed(t, { provider, source, local, post, verify }) {
  const target = await program(t, verify);
  const proxy = await startProxy(t);
  const { url, name } = await proxy.createSource(provider, source);
  const edge = await startEdge(t, proxy, target.url);
  equal((await send("POST", url, post.headers, post.body)).status, 200);
  let row;
  for (;;) {
    [row] = await edge.events();
    if (row && row.outcome.kind !== "running" && target.came.length > 0) break;
  }
  equal(target.came[0].status, 401, "as it came it is too old, or signed with another secret");
  equal(target.came[0].body, post.body);

  await rejects(edge, ["replay", row.id, "--resign"], /local secret/);
  await edge.command("local-secrets", "set", "--source", name, "--secret-stdin", { input: local });
  const run = await edge.command("replay", row.id, "--resign");
  equal(run.status, 200);
  deepEqual(run.altered, { resigned: true, edited: false });
  const [, anew] = target.came;
  for (const header of Object.keys(post.headers)) ok(anew.headers[header], `${header} is still there`);
  return { edge, row, anew, target, run };
}

async function rejects(edge, args, why) {
  const refused = await edge.command(...args).then(() => null, (error) => error);
  ok(refused && why.test(refused.message), String(refused));
}

test("Linear: only the timestamp's bytes change, and @linear/sdk accepts it", async (t) => {
  const local = "lin_whs_of_this_laptop";
  const body = `{"action":"update", "type":"Issue","organizationId":"o","data":{"webhookTimestamp":7,"n":1.50},"webhookTimestamp":${THEN},"webhookId":"w"}`;
  const source = "lin_whs_of_the_team";
  const client = new LinearWebhookClient(local);
  const { anew, edge, row, run } = await replayed(t, {
    provider: "linear",
    source,
    local,
    post: { body, headers: { "content-type": "application/json; charset=utf-8", "linear-delivery": "d1", "linear-event": "Issue", "linear-signature": hmac(source, body), "linear-timestamp": String(THEN) } },
    verify: (text, headers) => client.parseData(Buffer.from(text), headers["linear-signature"], JSON.parse(text).webhookTimestamp),
  });
  const { webhookTimestamp } = JSON.parse(anew.body);
  ok(Math.abs(webhookTimestamp - Date.now()) < 60_000);
  equal(anew.body, body.replace(`:${THEN},`, `:${webhookTimestamp},`));
  equal(anew.headers["linear-timestamp"], String(webhookTimestamp));
  // The history keeps the event as it came, and what was sent beside it.
  const shown = await edge.command("events", "show", row.id);
  equal(shown.body.text, body);
  equal(shown.runs.find(({ id }) => id === run.id).altered.resigned, true);
});

test("GitHub: @octokit/webhooks accepts it by the program's own secret", async (t) => {
  const [source, local] = ["the team's", "the laptop's"];
  const webhooks = new Webhooks({ secret: local });
  const body = `{"zen":"Keep it logically awesome.","hook_id":1}`;
  const { anew } = await replayed(t, {
    provider: "github",
    source,
    local,
    post: { body, headers: { "content-type": "application/json", "x-github-event": "ping", "x-github-delivery": "g1", "x-hub-signature-256": `sha256=${hmac(source, body)}` } },
    verify: async (text, headers) => {
      if (!(await webhooks.verify(text, headers["x-hub-signature-256"]))) throw new Error("refused");
    },
  });
  equal(anew.body, body);
});

test("Stripe: constructEvent accepts it", async (t) => {
  const secret = "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH";
  const stripe = new Stripe("sk_test_nothing_is_asked_of_stripe");
  const body = `{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"object":"invoice"}}}`;
  const { anew } = await replayed(t, {
    provider: "stripe",
    source: secret,
    local: secret,
    post: { body, headers: { "content-type": "application/json", "stripe-signature": `t=${SECONDS},v1=${hmac(secret, `${SECONDS}.`, body)}` } },
    verify: (text, headers) => stripe.webhooks.constructEvent(text, headers["stripe-signature"], secret),
  });
  equal(anew.body, body);
});

test("Standard Webhooks: the official verifier accepts it, under the id it had", async (t) => {
  const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
  const webhook = new Webhook(secret);
  const body = `{"type":"contact.created"}`;
  const { anew } = await replayed(t, {
    provider: "standard_webhooks",
    source: secret,
    local: secret,
    post: { body, headers: { "content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": String(SECONDS), "webhook-signature": webhook.sign("msg_1", new Date(THEN), body) } },
    verify: (text, headers) => webhook.verify(text, headers),
  });
  deepEqual([anew.body, anew.headers["webhook-id"]], [body, "msg_1"]);
  notEqual(anew.headers["webhook-timestamp"], String(SECONDS));
});

test("Slack: a verification written from its documentation accepts it", async (t) => {
  const secret = "8f742231b10e8888abcd99yyyzzz85a5";
  const sign = (at, text) => `v0=${hmac(secret, `v0:${at}:`, text)}`;
  const body = `{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}`;
  const { anew } = await replayed(t, {
    provider: "slack",
    source: secret,
    local: secret,
    post: { body, headers: { "content-type": "application/json", "x-slack-request-timestamp": String(SECONDS), "x-slack-signature": sign(SECONDS, body) } },
    verify: (text, headers) => {
      const at = headers["x-slack-request-timestamp"];
      ok(Math.abs(Date.now() / 1000 - Number(at)) < 300);
      equal(headers["x-slack-signature"], sign(at, text));
    },
  });
  equal(anew.body, body);
});

test("an edited body goes out signed anew, and the event stays as it came", async (t) => {
  const secret = "the laptop's";
  const webhooks = new Webhooks({ secret });
  const body = `{"zen":"Design for failure.","hook_id":1}`;
  const { edge, row, target } = await replayed(t, {
    provider: "github",
    source: "the team's",
    local: secret,
    post: { body, headers: { "content-type": "application/json", "x-github-event": "ping", "x-github-delivery": "g2", "x-hub-signature-256": `sha256=${hmac("the team's", body)}` } },
    verify: async (text, headers) => {
      if (!(await webhooks.verify(text, headers["x-hub-signature-256"]))) throw new Error("refused");
    },
  });
  const run = await edge.command("replay", row.id, "--resign", "--body", "-", { input: `{"zen":"edited"}` });
  deepEqual([run.status, run.altered], [200, { resigned: true, edited: true }]);
  equal(target.came.at(-1).body, `{"zen":"edited"}`);
  equal((await edge.command("events", "show", row.id)).body.text, body);
});
