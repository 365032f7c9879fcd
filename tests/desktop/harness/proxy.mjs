// A real proxy with a workspace, a token and a Linear source.
import { createHmac, randomUUID } from "node:crypto";
import { join } from "node:path";
import { program } from "./app.mjs";

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
  #data;
  #sources = new Map();

  /** Starts a proxy in `session`, with the workspace `Acme` and a token for it. */
  static async start(session) {
    const proxy = new Proxy();
    proxy.#session = session;
    proxy.#binary = await program("postern-proxy");
    proxy.#data = join(session.folder, "proxy");
    await proxy.#manage("workspace", "create", "Acme");
    proxy.token = (await proxy.#manage("token", "create", "--workspace", "Acme")).match(/pst_\S+/)[0];
    const serving = session.start(proxy.#binary, ["serve", "--data-dir", proxy.#data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    proxy.url = (await serving.says(/http:\/\/127\.0\.0\.1:\d+/))[0];
    return proxy;
  }

  /** Adds a source; `post` sends to it. */
  async addSource(provider, secret) {
    const said = await this.#manage("source", "create", "--workspace", "Acme", "--provider", provider, "--secret", secret, provider);
    this.#sources.set(provider, { secret, id: said.match(/src_\w+/)[0] });
  }

  /** Posts an event as its provider does: `body` byte for byte. */
  async post(provider, type, body) {
    const { secret, id } = this.#sources.get(provider);
    const headers = SIGNED[provider](secret, type, body);
    const answer = await fetch(`${this.url}/hooks/${id}`, { method: "POST", headers, body });
    if (answer.status !== 200) throw new Error(`${provider} ${type}: ${answer.status} ${await answer.text()}`);
  }

  async #manage(...args) {
    return this.#session.run(this.#binary, ...args, "--data-dir", this.#data);
  }
}
