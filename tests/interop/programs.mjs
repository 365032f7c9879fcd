// The real programs, each on free ports and in a folder of its own: the proxy
// (`postern-proxy serve`) and an edge (`postern serve` or `postern listen`).
// POSTERN_BIN_DIR names another build than target/debug.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DEADLINE, eventually } from "./http.mjs";

const binaries = process.env.POSTERN_BIN_DIR ?? fileURLToPath(new URL("../../target/debug", import.meta.url));

/** A program with a home of its own; nothing of this user's settings reaches it. */
function open(name, args, home, env) {
  const child = spawn(join(binaries, name), args, {
    cwd: home,
    env: { PATH: process.env.PATH, HOME: home, NO_COLOR: "1", ...env },
  });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (said.out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (said.err += text));
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal }));
  return { child, said, ended, home };
}

/** Runs a program to its end; the JSON it printed. */
async function ask(name, args, home, env = {}, input = "") {
  const { child, said, ended } = open(name, ["--json", ...args], home, env);
  child.stdin.end(input);
  const { code } = await ended;
  if (code !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${code}: ${said.err}${said.out}`);
  return JSON.parse(said.out);
}

/** Starts a program that serves; gives the first line it prints, as JSON. */
async function start(name, args, home, env = {}) {
  const program = open(name, ["--json", ...args], home, env);
  const [line] = await Promise.race([
    once(createInterface(program.child.stdout), "line"),
    program.ended.then(({ code }) => Promise.reject(new Error(`${name} ended with ${code}: ${program.said.err}`))),
  ]);
  return { ...program, name, first: JSON.parse(line) };
}

/** Asks a program to stop; it must do so in time and without an error. */
async function stop({ name, child, said, ended }) {
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), DEADLINE);
  const { code, signal } = await ended;
  clearTimeout(late);
  if (code !== 0) throw new Error(`${name} ended with ${code ?? signal}:\n${said.err}`);
}

/** A folder that goes when the test ends, after what runs in it has stopped. */
async function homeOf(t, program) {
  const home = await mkdtemp(join(tmpdir(), "postern-interop-"));
  const running = {};
  t.after(async () => {
    try {
      if (running.program) await stop(running.program);
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });
  running.program = await program(home);
  return running.program;
}

/** A proxy with a workspace and a token for it. */
export async function startProxy(t) {
  const name = "postern-proxy";
  const config = ["[registration]", "allow_loopback = true"].join("\n");
  let admin;
  let token;
  const { first } = await homeOf(t, async (home) => {
    await writeFile(join(home, "proxy.toml"), config);
    const common = ["--config", join(home, "proxy.toml"), "--data-dir", join(home, "data")];
    admin = (args, input) => ask(name, [...common, ...args], home, {}, input);
    await admin(["workspace", "create", "Interop"]);
    ({ token } = await admin(["token", "create", "interop"]));
    return start(name, [...common, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], home);
  });
  const url = first.proxyUrl;
  const createSource = async (provider, secret) => {
    const source = await admin(["source", "create", provider, "--provider", provider, "--secret-stdin"], secret);
    return { ...source, url: `${url}/hooks/${source.id}` };
  };
  return {
    url,
    token,
    /** A source; what it posts to. */
    createSource,
    /** A Linear OAuth app with one organisation linked; what it posts to. */
    async createLinearApp(slug, secret, organization) {
      // The app's secret verifies; the source's own is another.
      const source = await admin(["source", "create", `${slug}-source`, "--provider", "linear"]);
      await admin(["linear-app", "put", slug, "--secret-stdin"], secret);
      await admin(["linear-app", "link", slug, "--organization", organization, "--source", source.id]);
      return `${url}/webhooks/linear/${slug}`;
    },
  };
}

/**
 * An edge signed in at `proxy` that forwards everything to `target`: by
 * `postern serve` with a forward target set, or by `postern listen`.
 */
export async function startEdge(t, proxy, target, command = "serve") {
  const name = "postern";
  let edge;
  await homeOf(t, async (home) => {
    const env = { POSTERN_DATA_DIR: join(home, "data"), POSTERN_TOKEN: proxy.token, POSTERN_PROXY: proxy.url };
    edge = (...args) => ask(name, args, home, env);
    if (command === "serve") return start(name, ["serve", "--ui-port", "0"], home, env);
    const program = { ...open(name, ["--json", "listen", "--forward-to", target], home, env), name };
    // It prints nothing until an event comes, but says on standard error that it listens.
    await eventually("listen to listen", () => program.said.err.includes(target));
    return program;
  });
  if (command === "serve") await edge("forward", "set", target);
  await eventually("the edge to be live", async () => (await edge("status")).connection.state === "live");
  const events = async (...filter) => edge("events", "list", "--limit", "500", ...filter);
  return {
    /** Every event in the edge's history. */
    events: async () => (await events()).rows,
    /** Waits until the history has `count` events, each with its handler's success. */
    async settled(count) {
      await eventually(`${count} events forwarded`, async () => {
        const { total } = await events("--outcome", "succeeded");
        return total >= count;
      });
      const { total } = await events();
      if (total !== count) throw new Error(`the history has ${total} events instead of ${count}`);
    },
  };
}
