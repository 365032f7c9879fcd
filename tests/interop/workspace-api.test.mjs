// schemathesis calls the workspace API as its OpenAPI document describes it,
// with data that fit the document and data that do not, and holds every answer
// against it. The live tail never ends, which is nothing for a tool that waits
// for answers; crates/proxy/tests/serving/live.rs has it.
import { equal } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serve } from "./http.mjs";
import { startEdge, startProxy } from "./programs.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The path under which the command line of schemathesis is installed. */
const SCHEMATHESIS = here("../../target/venv/bin/schemathesis");

test("schemathesis finds nothing in the workspace API", async (t) => {
  const url = await serve(t, (request, response) => void request.resume().on("end", () => response.end()));
  const proxy = await startProxy(t);
  await proxy.createSource("github", "a secret");
  const edge = await startEdge(t, proxy, url);
  for (const name of ["Issue.create", "Issue.update", "Comment.create"])
    await edge.command("trigger", "linear", name);
  await edge.settled(3);

  // It leaves notes of what it found where it runs.
  const cwd = await mkdtemp(join(tmpdir(), "postern-schemathesis-"));
  t.after(() => rm(cwd, { recursive: true, force: true }));
  const args = [
    ...[
      "--config-file",
      here("schemathesis.toml"),
      "run",
      `${proxy.url}/v1/openapi.json`,
      "--header",
      `Authorization: Bearer ${proxy.token}`,
    ],
    ...["--mode", "all", "--exclude-path", "/v1/live"],
    ...["--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--generation-deterministic"],
    ...["--request-timeout", "10", "--continue-on-failure", "--no-color"],
  ];
  const child = spawn(SCHEMATHESIS, args, { cwd });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  equal(code, 0, said.replaceAll(proxy.token, "…"));
});
