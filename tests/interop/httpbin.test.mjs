// httpbin behind a public tunnel: each of its answers is the one that it gives
// directly, but for what says where and when it was asked.
import { deepEqual, equal, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { readAll } from "./http.mjs";
import { TUNNELS, startProxy, startTunnel } from "./programs.mjs";

const PYTHON = process.env.POSTERN_PYTHON ?? fileURLToPath(new URL("../../target/venv/bin/python", import.meta.url));
const SERVER = `
import logging
logging.disable(logging.WARNING)
from httpbin import app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
`;

async function httpbin(t) {
  const child = spawn(PYTHON, ["-c", SERVER], { stdio: ["ignore", "pipe", "inherit"], env: { PATH: process.env.PATH } });
  t.after(async () => {
    child.kill("SIGKILL");
    await once(child, "close");
  });
  const ended = once(child, "close").then(() => Promise.reject(new Error("httpbin did not start")));
  ended.catch(() => {});
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), ended]);
  return Number(line);
}

/** One request; headers as they come, in order. */
async function visit(port, host, { method = "GET", path, headers = {}, body = "" }) {
  const sent = { host, connection: "close", ...headers };
  if (body || !["GET", "HEAD"].includes(method)) sent["content-length"] = Buffer.byteLength(body);
  const outgoing = request({ host: "127.0.0.1", port, method, path, headers: sent, agent: false });
  outgoing.end(body);
  const [answer] = await once(outgoing, "response");
  const bytes = await readAll(answer);
  const pairs = [];
  for (let n = 0; n < answer.rawHeaders.length; n += 2) {
    pairs.push([answer.rawHeaders[n].toLowerCase(), answer.rawHeaders[n + 1]]);
  }
  return { status: answer.statusCode, pairs, bytes };
}

/** An answer without what differs by its nature: the time, how it is framed, what was added to the request. */
function comparable({ status, pairs, bytes }) {
  const own = ["date", "connection", "transfer-encoding", "keep-alive"];
  // Of different names the order means nothing, of the same it stays.
  const sorted = pairs.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  const headers = sorted.filter(([name]) => !own.includes(name)).map(([name, value]) => `${name}: ${value}`);
  let text = bytes.toString("latin1");
  const kind = pairs.find(([name]) => name === "content-type")?.[1] ?? "";
  if (kind.startsWith("application/json") && text.trim().startsWith("{") && bytes[0] !== 0x1f) {
    const json = JSON.parse(text);
    for (const name of Object.keys(json.headers ?? {})) {
      if (/^(Via|Host|Connection|X-Forwarded-.*|X-Postern-.*)$/i.test(name)) delete json.headers[name];
    }
    // Its length goes with what was added.
    if (json.headers) headers.splice(0, headers.length, ...headers.filter((line) => !line.startsWith("content-length")));
    for (const name of ["origin", "url"]) delete json[name];
    text = JSON.stringify(json);
  }
  return { status, headers, text };
}

const SAME = [
  ...["DELETE", "GET", "PATCH", "POST", "PUT"].map((method) => ({
    method,
    path: `/${method.toLowerCase()}?q=%2F&q=2&empty=`,
    body: method === "GET" ? "" : JSON.stringify({ "ü": [1, 2] }),
    headers: { "content-type": "application/json", "x-mine": "1" },
  })),
  { method: "POST", path: "/post", body: "a=1&b=%20", headers: { "content-type": "application/x-www-form-urlencoded" } },
  { method: "POST", path: "/post", body: "x".repeat(300_000), headers: { "content-type": "application/octet-stream" } },
  ...["GET", "OPTIONS", "POST", "PUT", "DELETE", "TRACE"].map((method) => ({ method, path: "/anything/a%20b/c" })),
  ...[200, 201, 204, 226, 301, 304, 307, 400, 401, 402, 404, 406, 407, 418, 429, 500, 503].map((status) => ({
    path: `/status/${status}`,
  })),
  { path: "/basic-auth/ada/secret" },
  { path: "/basic-auth/ada/secret", headers: { authorization: `Basic ${btoa("ada:secret")}` } },
  { path: "/bearer", headers: { authorization: "Bearer x" } },
  { path: "/hidden-basic-auth/ada/secret" },
  { path: "/headers", headers: { "x-twice": "1, 2", accept: "a/b" } },
  { path: "/user-agent", headers: { "user-agent": "mine/1" } },
  { path: "/cache", headers: { "if-none-match": "x" } },
  { path: "/cache/60" },
  { path: "/etag/one", headers: { "if-none-match": '"one"' } },
  { path: "/etag/one", headers: { "if-match": '"two"' } },
  { path: "/response-headers?set-cookie=a%3D1&set-cookie=b%3D2&x-one=1" },
  { path: "/encoding/utf8" },
  { path: "/html" },
  { method: "HEAD", path: "/html" },
  { path: "/json" },
  { path: "/xml" },
  { path: "/robots.txt" },
  { path: "/deny" },
  { path: "/base64/SFRUUEJJTiBpcyBhd2Vzb21l" },
  { path: "/bytes/10000?seed=1" },
  { path: "/stream-bytes/100000?seed=1&chunk_size=1000" },
  { path: "/links/5/2" },
  { path: "/range/1000?chunk_size=100", headers: { range: "bytes=100-299" } },
  { path: "/range/1000", headers: { range: "bytes=5000-" } },
  { path: "/cookies", headers: { cookie: "a=1; b=2" } },
  { path: "/cookies/set?a=1" },
  { path: "/cookies/delete?a" },
  { path: "/image/png" },
  { path: "/image", headers: { accept: "image/webp" } },
  { path: "/absolute-redirect/1" },
  { path: "/relative-redirect/2" },
  { path: "/redirect-to?url=http%3A%2F%2Fexample.com%2Fx%3Fy&status_code=308" },
  { path: "/drip?duration=0&numbytes=1000&code=202" },
];

test("each of httpbin's answers is the one it gives directly", async (t) => {
  const proxy = await startProxy(t, TUNNELS);
  const port = await httpbin(t);
  await startTunnel(t, proxy, port);
  const through = Number(new URL(proxy.url).port);
  for (const asked of SAME) {
    const what = `${asked.method ?? "GET"} ${asked.path}`;
    const direct = comparable(await visit(port, `localhost:${port}`, asked));
    const came = comparable(await visit(through, "app.localhost", asked));
    deepEqual(came, direct, what);
  }
  // What differs each time, by what it promises.
  const zipped = await visit(through, "app.localhost", { path: "/gzip" });
  ok(JSON.parse(gunzipSync(zipped.bytes)).gzipped);
  const lines = (await visit(through, "app.localhost", { path: "/stream/100" })).bytes.toString().trim().split("\n");
  deepEqual(lines.map((line) => JSON.parse(line).id), Array.from({ length: 100 }, (_, n) => n));
  const seen = JSON.parse((await visit(through, "app.localhost", { path: "/get" })).bytes);
  equal(seen.headers["Host"], `localhost:${port}`);
  equal(seen.headers["X-Forwarded-Host"], "app.localhost");
});
