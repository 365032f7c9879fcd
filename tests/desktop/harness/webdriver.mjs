// The part of W3C WebDriver that the tests need, spoken to WebKitGTK's own
// driver (https://www.w3.org/TR/webdriver2/).
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { DEADLINE, eventually } from "./processes.mjs";

/** Keys without a letter, by their names. */
const KEYS = { Control: "\uE009", Enter: "\uE007", Escape: "\uE00C" };

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** A port that was free a moment ago, for a program that cannot say which it took. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A page, driven. */
export class Page {
  #base;
  #driver;
  #log;
  #pid;

  /** Starts `binary` under a driver of its own, in `session`. */
  static async open(session, binary, env = {}, args = []) {
    const page = new Page();
    const port = await freePort();
    // The driver swallows what the app writes: a script in between keeps it.
    page.#log = join(session.folder, `app-${port}.log`);
    const script = join(session.folder, `app-${port}`);
    page.#pid = join(session.folder, `app-${port}.pid`);
    await writeFile(script, `#!/bin/sh\necho $$ >'${page.#pid}'\nexec '${binary}' "$@" >>'${page.#log}' 2>&1\n`, { mode: 0o755 });
    page.#driver = session.start("WebKitWebDriver", ["--host=127.0.0.1", `--port=${port}`], {
      // By this the app lets itself be driven.
      env: { ...env, TAURI_WEBVIEW_AUTOMATION: "true" },
    });
    page.#base = `http://127.0.0.1:${port}`;
    await eventually("the driver", () => page.#request("GET", "/status").then(() => true, () => false));
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": { binary: script, args } } };
    const { sessionId } = await page.#request("POST", "/session", { capabilities }).catch(async (error) => {
      throw new Error(`${error.message}; the app said:\n${await page.log()}`);
    });
    page.#base += `/session/${sessionId}`;
    return page;
  }

  /** The file with the app's process id, made as it is started. */
  get pidFile() {
    return this.#pid;
  }

  /** What the app has written to stdout and stderr. */
  async log() {
    return readFile(this.#log, "utf8").catch(() => "");
  }

  /** Ends the app as logging out does, and waits until it has drained. */
  async close() {
    const pid = Number(await readFile(this.#pid, "utf8"));
    const signal = (name) => {
      try {
        return process.kill(pid, name);
      } catch {
        return false;
      }
    };
    signal("SIGTERM");
    await eventually("the end of the app", () => !signal(0));
    await this.#driver.stop();
  }

  /** Goes to an address; not in the app, which has one page. */
  async visit(url) {
    await this.#request("POST", "/url", { url });
  }

  /** Presses keys together, as their names in KEYS or as they are. */
  async press(...keys) {
    const values = keys.map((key) => KEYS[key] ?? key);
    const actions = [
      ...values.map((value) => ({ type: "keyDown", value })),
      ...values.toReversed().map((value) => ({ type: "keyUp", value })),
    ];
    await this.#request("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  /** Runs JavaScript in the page and gives its value. */
  async run(script, ...args) {
    return this.#request("POST", "/execute/sync", { script, args });
  }

  /** The first visible element that matches an XPath, once there is one. */
  async find(xpath, deadline) {
    return eventually(
      `${xpath} in the page`,
      async () => {
        const found = await this.#request("POST", "/elements", { using: "xpath", value: xpath });
        for (const element of found) {
          const id = element[ELEMENT];
          if (await this.#request("GET", `/element/${id}/displayed`).catch(() => false)) return new Element(this, id);
        }
        return undefined;
      },
      deadline,
    ).catch(async (error) => {
      throw new Error(`${error.message}; the page shows:\n${await this.text().catch(() => "nothing")}`);
    });
  }

  /** The element with this role and name, as assistive technology knows it. */
  async byRole(role, name) {
    return eventually(`${role} “${name}” in the page`, async () => {
      const found = await this.#request("POST", "/elements", { using: "css selector", value: SELECTORS[role] ?? `[role=${role}]` });
      for (const element of found) {
        const candidate = new Element(this, element[ELEMENT]);
        const label = await candidate.label().catch(() => undefined);
        if (label !== undefined && matches(label, name) && (await candidate.displayed().catch(() => false))) return candidate;
      }
      return undefined;
    }).catch(async (error) => {
      throw new Error(`${error.message}; the page shows:\n${await this.text().catch(() => "nothing")}`);
    });
  }

  /** Waits until the page shows a text. */
  async shows(text) {
    await eventually(`“${text}” in the page`, async () => matches(await this.text(), text)).catch(async (error) => {
      throw new Error(`${error.message}; it shows:\n${await this.text()}`);
    });
  }

  /** All the text the page shows. */
  async text() {
    return this.run("return document.body.innerText");
  }

  async element(method, id, path, body) {
    return this.#request(method, `/element/${id}${path}`, body);
  }

  async #request(method, path, body) {
    const answer = await fetch(this.#base + path, {
      method,
      signal: AbortSignal.timeout(DEADLINE),
      ...(method === "POST" && { body: JSON.stringify(body ?? {}), headers: { "content-type": "application/json" } }),
    });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }
}

/** Where elements of a role may be found without saying `role=`. */
const SELECTORS = {
  button: "button, [role=button]",
  textbox: "input, textarea, [role=textbox], [role=combobox]",
  link: "a[href]",
};

function matches(text, wanted) {
  return wanted instanceof RegExp ? wanted.test(text) : text.includes(wanted);
}

class Element {
  constructor(page, id) {
    this.page = page;
    this.id = id;
  }

  async click() {
    await this.page.element("POST", this.id, "/click");
  }

  /** Replaces what is in the field. */
  async fill(text) {
    await this.page.element("POST", this.id, "/clear");
    await this.page.element("POST", this.id, "/value", { text });
  }

  async text() {
    return this.page.element("GET", this.id, "/text");
  }

  /** Its accessible name. */
  async label() {
    return this.page.element("GET", this.id, "/computedlabel");
  }

  async displayed() {
    return this.page.element("GET", this.id, "/displayed");
  }

  async attribute(name) {
    return this.page.element("GET", this.id, `/attribute/${name}`);
  }
}
