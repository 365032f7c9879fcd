// Pictures of every page, light and dark, narrow and wide, empty, full and in
// error, into docs/images/pages: by the interface's stand-in for a backend, at
// a fixed time, so that a picture changes only with what it shows.
//
//     scripts/screenshots pages [NAME...]
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "@playwright/test";
import { createServer } from "vite";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "docs/images/pages");
const run = promisify(execFile);
/** A Sunday afternoon. */
const NOW = new Date("2026-11-22T15:07:40");
const WIDE = { width: 1360, height: 820 };
/** How each is looked at. */
const LOOKS = {
  light: { colorScheme: "light", viewport: WIDE },
  dark: { colorScheme: "dark", viewport: WIDE },
  narrow: { colorScheme: "light", viewport: { width: 900, height: 700 } },
};

const row = (page, n) => page.getByRole("option").nth(n);
const tab = (page, name) => page.getByRole("tab", { name, exact: true });
const opened = async (page, name = "Payload") => {
  await row(page, 0).click();
  await tab(page, name).click();
};
const press = (name) => (page) => page.getByRole("button", { name, exact: true }).first().click();

/** Each picture: the address, what the stand-in is told, and what is done then. */
const PICTURES = {
  events: ["events"],
  "events-empty": ["events", "rows=0"],
  "events-no-match": ["events?q=nowhere"],
  "events-error": ["events", "rows=200&fail=events"],
  "events-away": ["events", "held=38"],
  "events-choose": [
    "events",
    "held=38",
    async (page) => {
      await page.getByRole("button", { name: "Choose…" }).click();
      await page.getByRole("checkbox").nth(2).check();
      await page.getByRole("checkbox").nth(3).check();
    },
  ],
  "events-reconnecting": ["events", "state=reconnecting"],
  "events-chosen": [
    "events",
    "",
    async (page) => {
      await row(page, 1).click({ modifiers: ["ControlOrMeta"] });
      await row(page, 4).click({ modifiers: ["Shift"] });
    },
  ],
  "events-filter": ["events?provider=linear&outcome=failed", "", press("Filter by")],
  payload: ["events", "", opened],
  "payload-search": [
    "events",
    "",
    async (page) => {
      await opened(page);
      await page.keyboard.press("Control+f");
      await page.keyboard.type("id");
    },
  ],
  headers: ["events", "", (page) => opened(page, "Headers")],
  verification: ["events", "", (page) => opened(page, "Verification")],
  timeline: [
    "events",
    "forward=ok",
    async (page) => {
      await opened(page, "Timeline");
      await page.getByText("Request and answer").first().click();
    },
  ],
  raw: ["events", "", (page) => opened(page, "Raw")],
  "detail-error": ["events", "fail=event", (page) => row(page, 0).click()],
  compare: [
    "events",
    "",
    async (page) => {
      await row(page, 0).click();
      await page.getByRole("button", { name: "Compare" }).click();
      await row(page, 3).click();
      await page.getByRole("button", { name: "Compare" }).click();
    },
  ],
  replay: [
    "events",
    "forward=ok",
    async (page) => {
      await row(page, 0).click();
      await page.getByRole("button", { name: "Replay with…" }).click();
    },
  ],
  tunnels: ["tunnels"],
  "tunnels-states": ["tunnels", "tunnels=states"],
  "tunnels-empty": ["tunnels", "tunnels=none"],
  "tunnels-error": ["tunnels", "fail=tunnels,reserved_tunnels"],
  inspector: ["tunnels/web-acme", "dropped=12", (page) => page.locator(".row").first().click()],
  "inspector-filter": ["tunnels/web-acme?took=100&header=content-type%3A+json"],
  "inspector-frames": [
    "tunnels/web-acme",
    "",
    async (page) => {
      await page.locator(".row").nth(1).click();
      await tab(page, "Frames").click();
      await page.locator(".frame").nth(3).click();
    },
  ],
  "inspector-compare": [
    "tunnels/web-acme",
    "",
    async (page) => {
      await page.locator(".row").first().click();
      await press("Replay")(page);
      await pass(page);
      await tab(page, "Compare").click();
    },
  ],
  "inspector-empty": ["tunnels/web-acme", "requests=0"],
  "inspector-error": ["tunnels/web-acme", "fail=tunnel_requests"],
  tunnel: ["tunnels", "tunnels=none", press("Add a tunnel")],
  "tunnel-qr": ["tunnels", "", press("QR code of web-acme")],
  handlers: ["handlers", "forward=ok&rules=many"],
  "handlers-empty": ["handlers", "forward=none"],
  "handlers-error": ["handlers", "forward=ok&fail=rules,runs"],
  rule: ["handlers", "forward=none", press("Add a rule")],
  connection: ["connection", "tunnel"],
  "connection-tested": ["connection", "forward=ok", press("Test the whole path")],
  "connection-refused": ["connection", "state=refused"],
  "connection-error": ["connection", "state=reconnecting&fail=sources,rejected"],
  settings: ["settings"],
  "settings-port": [
    "settings",
    "",
    async (page) => {
      await page.getByRole("button", { name: "Change the port" }).click();
      await page.getByRole("textbox", { name: "Port" }).fill("4000");
      await page.getByRole("button", { name: "Change", exact: true }).click();
      await page.getByText("taken by node").waitFor();
    },
  ],
  signin: ["", "state=signed_out"],
  "signin-error": [
    "",
    "state=signed_out",
    async (page) => {
      await page.getByLabel("Proxy").fill("hooks");
      await page.getByRole("button", { name: "Sign in" }).click();
    },
  ],
  commands: ["events", "", (page) => page.keyboard.press("Control+k")],
  keyboard: ["events", "", (page) => page.keyboard.press("?")],
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in PICTURES));
if (unknown.length > 0) throw new Error(`no such picture: ${unknown.join(", ")}`);
const names = wanted.length > 0 ? wanted : Object.keys(PICTURES);

await mkdir(FOLDER, { recursive: true });
if (wanted.length === 0) for (const file of await readdir(FOLDER)) await rm(join(FOLDER, file));
const server = await createServer({
  configFile: join(ROOT, "ui/vite.config.ts"),
  server: { port: 0, strictPort: false, watch: null, hmr: false },
  logLevel: "error",
});
await server.listen();
const { port } = server.httpServer.address();
const installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = process.env.CHROMIUM ?? installed.find(existsSync);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const failed = [];
try {
  for (const name of names) {
    const [address, told = "", act] = PICTURES[name];
    for (const [look, settings] of Object.entries(LOOKS)) {
      const file = `${name}-${look}`;
      try {
        await picture(`http://127.0.0.1:${port}/?fake&rate=0&${told}#/${address}`, act, settings, file);
        console.log(relative(ROOT, join(FOLDER, `${file}.webp`)));
      } catch (error) {
        failed.push(`${file}: ${error.message.split("\n")[0]}`);
      }
    }
  }
} finally {
  await browser.close();
  await server.close();
}
if (failed.length > 0) throw new Error(failed.join("\n"));

async function picture(url, act, settings, name) {
  const context = await browser.newContext({
    ...settings,
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "UTC",
  });
  context.setDefaultTimeout(60_000);
  try {
    const page = await context.newPage();
    await page.clock.install({ time: NOW });
    await page.goto(url);
    // The stand-in takes its time; the page's clock is ours.
    await pass(page);
    if (act) await act(page);
    await pass(page);
    await page.evaluate(() => document.fonts.ready);
    const png = join(FOLDER, `${name}.png`);
    await page.screenshot({ path: png, animations: "disabled", caret: "hide" });
    await run("convert", [
      png,
      "-strip",
      "-define",
      "webp:lossless=true",
      "-define",
      "webp:method=6",
      png.replace(".png", ".webp"),
    ]);
    await rm(png);
  } finally {
    await context.close();
  }
}

/** Two seconds go by, in steps: what is answered in one asks in the next. */
async function pass(page) {
  for (let step = 0; step < 10; step += 1) await page.clock.runFor(200);
}
