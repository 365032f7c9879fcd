// The real programs, each on free ports of loopback in a folder of its own:
// `postern-proxy dev` and `postern serve`. POSTERN_BIN_DIR names another build
// than target/debug.

import { spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARIES =
  process.env["POSTERN_BIN_DIR"] ?? fileURLToPath(new URL("../../target/debug", import.meta.url));
/** How long a program may take to come up, in milliseconds. */
const PATIENCE = 20_000;

/** A program that runs; what it prints on standard output is read line by line. */
class Program {
  readonly #child: ChildProcess;
  readonly #first: Promise<string>;
  readonly #lines: string[] = [];
  #log = "";

  constructor(name: string, args: string[], home: string, env: Record<string, string> = {}) {
    this.#child = spawn(join(BINARIES, name), args, {
      cwd: home,
      // Nothing of this user's settings, and no keychain.
      env: { PATH: process.env["PATH"] ?? "", HOME: home, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    this.#first = new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${name} ${why}:\n${this.#log}`));
      const timer = setTimeout(() => fail(`said nothing for ${PATIENCE / 1000} s`), PATIENCE);
      if (this.#child.stdout) {
        createInterface({ input: this.#child.stdout }).on("line", (line) => {
          clearTimeout(timer);
          this.#lines.push(line);
          resolve(line);
        });
      }
      this.#child.once("error", (error) => fail(error.message));
      this.#child.once("close", (code, signal) => fail(`ended (${code ?? signal})`));
    });
  }

  /** The first line it prints, as JSON. */
  async first<T>(): Promise<T> {
    return JSON.parse(await this.#first) as T;
  }

  /** Waits until it has printed what `found` looks for, as JSON. */
  async says(what: string, found: (line: unknown) => boolean): Promise<void> {
    await eventually(what, () => this.#lines.map((line) => JSON.parse(line) as unknown).find(found));
  }

  /** Ends it: SIGTERM lets it finish, SIGKILL is a power cut. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE);
    await closed;
    clearTimeout(late);
  }
}

interface Source {
  name: string;
  provider: string;
  url: string;
  secret: string;
}

interface ProxyStarted {
  proxyUrl: string;
  tokenFile: string;
  sources: Source[];
}

interface EdgeStarted {
  url: string;
  apiUrl: string;
}

/** Waits until `look` finds something. */
async function eventually<T>(what: string, look: () => T | undefined): Promise<T> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited ${PATIENCE / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A developer's local server: keeps what it gets, answers what it is told. */
export class Target {
  readonly received: Received[] = [];
  status = 200;
  answer = "OK";
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Target> {
    const server = createServer();
    const target = new Target(server);
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        target.received.push({
          path: request.url ?? "",
          headers: request.headers,
          body: Buffer.concat(chunks).toString("utf8"),
        });
        response.writeHead(target.status, { "content-type": "text/plain" }).end(target.answer);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return target;
  }

  /** `http://127.0.0.1:port` and the path. */
  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** The first request whose body holds `text`, when it is there. */
  async got(text: string): Promise<Received> {
    return eventually(`a request with ${text}`, () => this.received.find(({ body }) => body.includes(text)));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** One machine: a proxy, a worker beside it, and what they keep. */
export class Machine {
  proxyUrl = "";
  token = "";
  /** Where the interface is; the same after a restart. */
  apiUrl = "";
  readonly #home: string;
  #sources: Source[] = [];
  #proxy: Program | undefined;
  #edge: Program | undefined;
  #tunnel: Program | undefined;

  private constructor(home: string) {
    this.#home = home;
  }

  /** Starts the proxy. Nobody is signed in. */
  static async start(leaseSeconds = 60): Promise<Machine> {
    const machine = new Machine(await mkdtemp(join(tmpdir(), "postern-browser-")));
    // No keychain here: an empty file is how a user says that a file will do.
    await mkdir(machine.#data, { mode: 0o700 });
    await writeFile(join(machine.#data, "secrets.json"), "{}", { mode: 0o600 });
    machine.#proxy = new Program(
      "postern-proxy",
      ["--json", "dev", "--dir", join(machine.#home, "proxy"), "--listen", "127.0.0.1:0"],
      machine.#home,
      { POSTERN_REGISTRATION__LEASE_SECONDS: String(leaseSeconds) },
    );
    const started = await machine.#proxy.first<ProxyStarted>();
    machine.proxyUrl = started.proxyUrl;
    machine.#sources = started.sources;
    machine.token = (await readFile(started.tokenFile, "utf8")).trim();
    return machine;
  }

  get #data(): string {
    return join(this.#home, "data");
  }

  /** Starts the worker, on the same port as before; gives the link that opens its interface once. */
  async serve(): Promise<string> {
    const port = this.apiUrl === "" ? "0" : new URL(this.apiUrl).port;
    const edge = new Program("postern", ["--json", "-v", "serve", "--ui-port", port], this.#home, {
      POSTERN_DATA_DIR: this.#data,
    });
    this.#edge = edge;
    const started = await edge.first<EdgeStarted>();
    this.apiUrl = started.apiUrl;
    return started.url;
  }

  /** Has `postern tunnel` lead to a local port; where visitors find that. */
  async tunnel(port: number): Promise<string> {
    this.#tunnel = new Program("postern", ["--json", "tunnel", String(port), "--name", "app"], this.#home, {
      POSTERN_DATA_DIR: this.#data,
      POSTERN_PROXY: this.proxyUrl,
      POSTERN_TOKEN: this.token,
    });
    await this.#tunnel.says("the tunnel to be online", (line) => {
      return (line as { tunnel?: { state: { state: string } } }).tunnel?.state.state === "online";
    });
    return this.proxyUrl.replace("//127.0.0.1", "//app.localhost");
  }

  /** Ends the worker as a power cut would. */
  async killEdge(): Promise<void> {
    await this.#edge?.end("SIGKILL");
  }

  /** Waits until the worker's lease has run out. */
  async away(): Promise<void> {
    const headers = { authorization: `Bearer ${this.token}` };
    const end = Date.now() + PATIENCE;
    for (;;) {
      const response = await fetch(`${this.proxyUrl}/v1/workers`, { headers });
      const { workers } = (await response.json()) as { workers: { state: string }[] };
      if (workers.every(({ state }) => state === "away")) return;
      if (Date.now() > end) throw new Error(`waited ${PATIENCE / 1000} s for the lease to run out`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The worker will know no browser when it starts again. */
  async forgetSessions(): Promise<void> {
    await rm(join(this.#data, "sessions"));
  }

  #source(wanted: string): Source {
    const source = this.#sources.find(({ provider }) => provider === wanted);
    if (!source) throw new Error(`the proxy has no source for ${wanted}`);
    return source;
  }

  async #post(url: string, headers: Record<string, string>, body: BodyInit): Promise<void> {
    const response = await fetch(url, { method: "POST", headers, body });
    if (response.status !== 200)
      throw new Error(`the proxy answered ${response.status}: ${await response.text()}`);
  }

  /** Posts a Linear webhook as Linear does; the proxy has answered 200. */
  async linear(type: string, payload: Record<string, unknown>): Promise<string> {
    const { url, secret } = this.#source("linear");
    const body = JSON.stringify({ ...payload, type, webhookTimestamp: Date.now() });
    const headers = {
      "content-type": "application/json; charset=utf-8",
      "linear-event": type,
      "linear-delivery": randomUUID(),
      "linear-signature": createHmac("sha256", secret).update(body).digest("hex"),
      "user-agent": "Linear-Webhook",
    };
    await this.#post(url, headers, body);
    return body;
  }

  /** Posts any bytes as GitHub does, whose signature asks nothing of them; the proxy has answered 200. */
  async github(event: string, body: string | Buffer, more: Record<string, string> = {}): Promise<void> {
    const { url, secret } = this.#source("github");
    const bytes = Buffer.from(body);
    const headers = {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": randomUUID(),
      "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(bytes).digest("hex")}`,
      "user-agent": "GitHub-Hookshot/1",
      ...more,
    };
    await this.#post(url, headers, new Uint8Array(bytes));
  }

  /** An issue's update, as Linear sends it. */
  issueUpdate(identifier: string, title: string, more: Record<string, unknown> = {}): Promise<string> {
    return this.linear("Issue", {
      action: "update",
      actor: { id: "b5ea5f1f-8adc-4f52-b4bd-ab4e84cf51ba", type: "user", name: "Ada" },
      createdAt: "2026-11-22T15:07:38.102Z",
      data: {
        id: randomUUID(),
        identifier,
        title,
        priority: 1,
        state: { id: "s2", name: "In Progress", type: "started" },
        stateId: "s2",
        team: { id: "t1", key: "ENG", name: "Engineering" },
        ...more,
      },
      updatedFrom: { stateId: "s1", updatedAt: "2026-11-22T14:58:01.550Z" },
      url: `https://linear.app/acme/issue/${identifier}`,
      organizationId: "63d5e2a4-1d1c-4f2d-8e39-2a4a6f0f4b7b",
      webhookId: "000042e3-d123-4980-b49f-8e140eef9329",
    });
  }

  async stop(): Promise<void> {
    await Promise.all([
      this.#edge?.end("SIGTERM"),
      this.#tunnel?.end("SIGTERM"),
      this.#proxy?.end("SIGTERM"),
    ]);
    await rm(this.#home, { recursive: true, force: true });
  }
}
