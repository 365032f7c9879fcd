// k6 with a hundred virtual users, for five minutes (K6_DURATION): how long they
// wait, how many get nothing or the wrong thing, and what is left behind. Run by
// `make soak`, which installs k6 in target/venv.
import { equal, ok } from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually, readAll } from "../interop/http.mjs";
import { TUNNELS, startProxy, startTunnel } from "../interop/programs.mjs";

const K6 = process.env.K6 ?? fileURLToPath(new URL("../../target/venv/bin/k6", import.meta.url));
const DURATION = process.env.K6_DURATION ?? "5m";
const USERS = 100;

// Each user sends something of its own, and wants exactly that back.
const SCRIPT = `
import http from "k6/http";
import { check, sleep } from "k6";
import exec from "k6/execution";
export const options = {
  vus: ${USERS}, duration: "${DURATION}",
  summaryTrendStats: ["avg", "p(50)", "p(99)", "max"],
};
export default function () {
  const { idInTest } = exec.vu;
  const id = idInTest + "-" + exec.vu.iterationInScenario;
  const answer = http.post(__ENV.URL + "/echo", id + "x".repeat(idInTest * 20), { headers: { "x-id": id } });
  check(answer, { "its own comes back": ({ status, body }) => status === 200 && body.startsWith(id + "x") });
  sleep(0.1);
}
export const handleSummary = (data) => ({ [__ENV.SUMMARY]: JSON.stringify(data) });
`;

test("a hundred users for a while", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-soak-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const seen = new Map();
  const open = new Set();
  const server = createServer(async (request, response) => {
    const id = request.headers["x-id"];
    seen.set(id, (seen.get(id) ?? 0) + 1);
    response.end(await readAll(request));
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const proxy = await startProxy(t, [...TUNNELS, "concurrency = 1000"]);
  const { path } = await startTunnel(t, proxy, server.address().port);
  const [script, summary] = [join(folder, "script.js"), join(folder, "summary.json")];
  await writeFile(script, SCRIPT);
  const env = { PATH: process.env.PATH, HOME: folder, URL: path, SUMMARY: summary };
  await promisify(execFile)(K6, ["run", "--quiet", "--no-usage-report", script], { env, maxBuffer: 1 << 28 });
  const { metrics } = JSON.parse(await readFile(summary, "utf8"));
  const { count } = metrics.http_reqs.values;
  const { avg, max, ...percentiles } = metrics.http_req_duration.values;
  const { passes, fails } = metrics.checks.values;
  const seenTwice = [...seen.values()].filter((times) => times !== 1).length;
  // Idle connections to the local server are given up after a moment.
  await eventually("no connection left behind", () => open.size === 0);
  t.diagnostic(
    `${count} requests of ${USERS} users in ${DURATION}: average ${avg.toFixed(1)} ms, ` +
      `p50 ${percentiles["p(50)"].toFixed(1)} ms, p99 ${percentiles["p(99)"].toFixed(1)} ms, ` +
      `longest ${max.toFixed(0)} ms, ${fails} errors, ${open.size} orphans`,
  );
  equal(fails, 0);
  equal(passes, count);
  equal(seen.size, count, "what was sent was seen");
  equal(seenTwice, 0, "once each");
  ok(avg < 200 && percentiles["p(99)"] < 500, `${avg} ms, ${percentiles["p(99)"]} ms`);
});
