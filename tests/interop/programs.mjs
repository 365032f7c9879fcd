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
  return { child, said, ended, name };
}

/** Runs a program to its end; the JSON it printed. */
async function ask(name, args, home, env = {}, input = "") {
  const { child, said, ended } = open(name, ["--json", ...args], home, env);
  // A program that refuses its arguments does not read.
  child.stdin.on("error", () => {}).end(input || undefined);
  const { code } = await ended;
  if (code !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${code}: ${said.err}${said.out}`);
  return JSON.parse(said.out);
}

/** The first line a program prints, as JSON. */
async function firstLine({ child, said, ended, name }) {
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"),
    ended.then(({ code }) => Promise.reject(new Error(`${name} ended with ${code}: ${said.err}`))),
  ]);
  return JSON.parse(line);
}

/** Asks a program to stop; it must do so in time and without an error. */
async function stop({ child, said, ended, name }) {
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), DEADLINE);
  const { code, signal } = await ended;
  clearTimeout(late);
  if (code !== 0) throw new Error(`${name} ended with ${code ?? signal}:\n${said.err}`);
}

/**
 * A home for a program: `run` starts the one that serves in it. When the test
 * ends the program is stopped, then the home goes.
 */
async function homeOf(t) {
  const path = await mkdtemp(join(tmpdir(), "postern-interop-"));
  const running = [];
  t.after(async () => {
    try {
      for (const program of running) await stop(program);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
  const run = (name, args, env) => {
    running.push(open(name, ["--json", ...args], path, env));
    return running.at(-1);
  };
  return { path, run };
}

/** A proxy with a workspace and a token for it; `settings` are further lines of its configuration. */
export async function startProxy(t, settings = []) {
  const name = "postern-proxy";
  const home = await homeOf(t);
  const file = join(home.path, "proxy.toml");
  await writeFile(file, ["[registration]", "allow_loopback = true", ...settings].join("\n"));
  const common = ["--config", file, "--data-dir", join(home.path, "data")];
  const admin = (args, input) => ask(name, [...common, ...args], home.path, {}, input);
  await admin(["workspace", "create", "Interop"]);
  const { token } = await admin(["token", "create", "interop"]);
  const serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const { proxyUrl: url } = await firstLine(home.run(name, [...common, ...serve]));
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

/** Makes the settings of a proxy that speaks HTTPS, and the file that whoever trusts it needs. */
export async function certificate(t) {
  const folder = await mkdtemp(join(tmpdir(), "postern-interop-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const names = "subjectAltName=DNS:localhost,DNS:app.localhost,IP:127.0.0.1";
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7"];
  args.push("-subj", "/CN=localhost", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE");
  const openssl = spawn("openssl", [...args, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const [code] = await once(openssl, "close");
  if (code !== 0) throw new Error(`openssl ended with ${code}`);
  return { cert, settings: ["[tls]", `cert_file = "${cert}"`, `key_file = "${key}"`] };
}

/** What a proxy needs for tunnels at `{name}.localhost`, without a limit on requests. */
export const TUNNELS = ["[tunnel]", 'domain = "localhost"', "rate = 0"];

/** `postern tunnel`, which leads `app` of `proxy` to a local `port` until the test ends. */
export async function startTunnel(t, proxy, port, env = {}) {
  const home = await homeOf(t);
  const signedIn = { POSTERN_TOKEN: proxy.token, POSTERN_PROXY: proxy.url, ...env };
  const args = ["tunnel", String(port), "--name", "app"];
  const program = home.run("postern", args, { POSTERN_DATA_DIR: join(home.path, "data"), ...signedIn });
  const { said, child } = program;
  const states = () => said.out.split("\n").slice(0, -1).map((line) => JSON.parse(line).tunnel?.state.state);
  await eventually("the tunnel to be online", () => {
    if (child.exitCode !== null) throw new Error(`postern tunnel ended: ${said.err}`);
    return states().includes("online");
  });
  const { host } = new URL(proxy.url);
  return { url: proxy.url.replace(/\/\/[^:]*/, "//app.localhost"), path: `${proxy.url}/t/app`, host };
}

/**
 * An edge signed in at `proxy` that forwards everything to `target`: by
 * `postern serve` with a forward target set, or by `postern listen`.
 */
export async function startEdge(t, proxy, target, command = "serve") {
  const name = "postern";
  const home = await homeOf(t);
  const env = { POSTERN_DATA_DIR: join(home.path, "data"), POSTERN_TOKEN: proxy.token, POSTERN_PROXY: proxy.url };
  // An object after the arguments has what the program reads.
  const edge = (...args) => {
    const { input } = typeof args.at(-1) === "object" ? args.pop() : {};
    return ask(name, args, home.path, env, input);
  };
  if (command === "serve") {
    await firstLine(home.run(name, ["serve", "--ui-port", "0"], env));
  } else {
    // It prints nothing until an event comes, but says on standard error that it listens.
    const { said } = home.run(name, ["listen", "--forward-to", target], env);
    await eventually("listen to listen", () => said.err.includes("Listening"));
  }
  // `status` fails while the edge is not signed in yet.
  const live = (status) => status.connection.state === "live";
  await eventually("the edge to be live", () => edge("status").then(live, () => false));
  if (command === "serve") await edge("forward", "set", target);
  const events = async (...filter) => edge("events", "list", "--limit", "500", ...filter);
  return {
    /** Runs a command of the edge's command line; the JSON it printed. */
    command: edge,
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
