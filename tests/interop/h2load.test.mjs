// nghttp2's load generator, in short runs: as many requests as it sends are
// answered, and seen by the local server, over HTTP/1.1 and HTTP/2, in clear and
// under TLS.
import { equal, match } from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { readAll, serve } from "./http.mjs";
import { TUNNELS, certificate, startProxy, startTunnel } from "./programs.mjs";

const REQUESTS = 2000;

/** A server that counts, and answers with `size` bytes. */
async function counting(t) {
  const seen = { requests: 0, bytes: 0 };
  const url = await serve(t, async (request, response) => {
    const body = await readAll(request);
    seen.requests += 1;
    seen.bytes += body.length;
    response.end("x".repeat(1000));
  });
  return { seen, port: new URL(url).port };
}

async function load(args, url) {
  const { stdout } = await promisify(execFile)("h2load", ["-n", String(REQUESTS), "-c", "10", ...args, url]);
  const total = `requests: ${REQUESTS} total, ${REQUESTS} started, ${REQUESTS} done, ${REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout`;
  equal(stdout.split("\n").find((line) => line.startsWith("requests:")), total, stdout);
  match(stdout, new RegExp(`status codes: ${REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx`));
  return stdout;
}

test("as many as h2load sends are answered and seen, in clear", async (t) => {
  const proxy = await startProxy(t, TUNNELS);
  const { seen, port } = await counting(t);
  const { path } = await startTunnel(t, proxy, port);
  await load(["-m", "20"], `${path}/`);
  equal(seen.requests, REQUESTS);
  await load(["--h1"], `${path}/`);
  equal(seen.requests, 2 * REQUESTS);
});

test("and under TLS, where the handshake says which protocol it is", async (t) => {
  const { cert, settings } = await certificate(t);
  const proxy = await startProxy(t, [...TUNNELS, ...settings]);
  const { seen, port } = await counting(t);
  const { path } = await startTunnel(t, proxy, port, { SSL_CERT_FILE: cert });
  match(await load(["-m", "20"], `${path}/`), /Application protocol: h2\n/);
  match(await load(["--npn-list=http/1.1"], `${path}/`), /Application protocol: http\/1.1\n/);
  equal(seen.requests, 2 * REQUESTS);
});
