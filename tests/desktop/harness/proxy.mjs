// A real proxy with a workspace, a token and a Linear source.
import { createHmac, randomUUID } from "node:crypto";
import { join } from "node:path";
import { program } from "./programs.mjs";
import { run } from "./processes.mjs";

/** Linear's headers for a body, signed as Linear signs it. */
function linearHeaders(secret, type, body) {
  return {
    "content-type": "application/json; charset=utf-8",
    "linear-delivery": randomUUID(),
    "linear-event": type,
    "linear-signature": createHmac("sha256", secret).update(body).digest("hex"),
    "user-agent": "Linear-Webhook",
  };
}

/** GitHub's headers for a body, signed as GitHub signs it. */
function githubHeaders(secret, type, body) {
  return {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/a1b2c3d",
    "x-github-delivery": randomUUID(),
    "x-github-event": type,
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  };
}

const SIGNED = { linear: linearHeaders, github: githubHeaders };

export class Proxy {
  #session;
  #binary;
  #common;
  #sources = new Map();

  /** Starts a proxy in `session`, with the workspace `Acme` and a token for it; `settings` are environment variables. */
  static async start(session, settings = {}) {
    const proxy = new Proxy();
    proxy.#session = session;
    proxy.#binary = await program("postern-proxy");
    proxy.#common = ["--json", "--data-dir", join(session.folder, "proxy")];
    await proxy.#manage("workspace", "create", "Acme");
    proxy.token = (await proxy.#manage("token", "create", "laptops")).token;
    const serving = session.start(
      proxy.#binary,
      [...proxy.#common, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
      // The workers are on the proxy's machine.
      { env: { POSTERN_REGISTRATION__ALLOW_LOOPBACK: "true", ...settings } },
    );
    proxy.url = (await serving.says(/"proxyUrl":\s*"([^"]+)"/))[1];
    return proxy;
  }

  /** Adds a source of this provider, under its name. */
  async addSource(provider, secret) {
    const { id } = await this.#manage({ SOURCE_SECRET: secret }, "source", "create", provider, "--provider", provider, "--secret-env", "SOURCE_SECRET");
    this.#sources.set(provider, { secret, id });
  }

  /** Posts an event as its provider does: `body` byte for byte. */
  async post(provider, type, body) {
    const { secret, id } = this.#sources.get(provider);
    const headers = SIGNED[provider](secret, type, body);
    const answer = await fetch(`${this.url}/hooks/${id}`, { method: "POST", headers, body });
    if (answer.status !== 200) throw new Error(`${provider} ${type}: ${answer.status} ${await answer.text()}`);
  }

  async #manage(...args) {
    const env = typeof args[0] === "object" ? args.shift() : {};
    return JSON.parse(await run(this.#binary, [...this.#common, ...args], { env: { ...this.#session.env, ...env } }));
  }
}
