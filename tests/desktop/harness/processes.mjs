// Child processes that end with their test.
import { spawn } from "node:child_process";
import { once } from "node:events";

/** How long anything may take before the test fails, in milliseconds. */
export const DEADLINE = 60_000;

/** What `look` gives once it is truthy; asks again until the deadline. */
export async function eventually(what, look, deadline = DEADLINE) {
  const end = Date.now() + deadline;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${deadline / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const alive = new Set();
// A test run that is stopped takes its programs along.
process.once("exit", () => alive.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** A running program and what it has said so far. */
export class Program {
  #child;
  #output = "";
  #ended;

  /** Starts `command` with exactly the environment `env`. */
  constructor(command, args, { env, input, extra = [] } = {}) {
    this.name = command.split("/").at(-1);
    this.#child = spawn(command, args, { env, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe", ...extra] });
    alive.add(this.#child);
    this.#child.once("close", () => alive.delete(this.#child));
    for (const stream of this.#child.stdio.slice(1)) {
      stream?.on("data", (chunk) => (this.#output += chunk));
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#output += `${error.message}\n`;
        resolve({ code: 127, signal: null });
      });
      this.#child.once("close", (code, signal) => resolve({ code, signal }));
    });
    if (input !== undefined) this.#child.stdin.end(input);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Everything it has written, to any stream. */
  get output() {
    return this.#output;
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The first match of `pattern` in its output. */
  async says(pattern) {
    return eventually(`${this.name} to say ${pattern}`, () => {
      const found = this.#output.match(pattern);
      if (!found && !this.running) throw new Error(`${this.name} ended:\n${this.#output}`);
      return found;
    }).catch((error) => {
      throw new Error(`${error.message}\nit said:\n${this.#output}`);
    });
  }

  /** How it ended. */
  async ended() {
    return this.#ended;
  }

  signal(name) {
    if (this.running) this.#child.kill(name);
  }

  /** Asks it to end, then makes it. */
  async stop() {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), 15_000);
    const end = await this.#ended;
    clearTimeout(timer);
    return end;
  }
}

/** What a program that ends by itself writes to stdout; its failure is ours. */
export async function run(command, args, { env } = {}) {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return stdout.trimEnd();
}
