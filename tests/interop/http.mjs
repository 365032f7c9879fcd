// Small pieces of HTTP for the tests: a server on a free port, a POST of raw
// bytes, and waiting for what is seen to happen.
import { once } from "node:events";
import { createServer, request } from "node:http";

/** How long anything may take before the test fails, in milliseconds. */
export const DEADLINE = 60_000;

/** An HTTP server on a free loopback port, closed when the test ends. */
export async function serve(t, handler) {
  const server = createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** The whole body of a request or an answer. */
export async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Sends exactly these bytes and headers ([name, value] pairs or an object). */
export async function send(method, url, headers, body = "") {
  const outgoing = request(url, { method, agent: false });
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  for (const name of new Set(pairs.map(([name]) => name))) {
    const values = pairs.filter(([other]) => other === name).map(([, value]) => value);
    outgoing.setHeader(name, values.length === 1 ? values[0] : values);
  }
  outgoing.setHeader("content-length", Buffer.byteLength(body));
  outgoing.end(body);
  const [answer] = await once(outgoing, "response");
  const bytes = await readAll(answer);
  return { status: answer.statusCode, body: bytes, text: bytes.toString() };
}

/** As `send`, JSON both ways. */
export async function call(method, url, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await send(method, url, headers, body === undefined ? "" : JSON.stringify(body));
  return { ...answer, json: answer.text ? JSON.parse(answer.text) : undefined };
}

/** What `look` returns once it is truthy; asks again until the deadline. */
export async function eventually(what, look) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${DEADLINE / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs `work` over all items, at most `width` at a time. */
export async function inParallel(items, width, work) {
  const rest = items.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
