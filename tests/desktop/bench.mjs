// What the app costs its user, measured on the built app under Xvfb with a real
// proxy: `make bench-ui`. The table goes to target/bench/ui.md as well.
//
//     EVENTS=100000    so many pour in, and are in the history when it is scrolled
//     RATE=5000        so many a second
//     POSTERN_BIN_DIR  another build than target/release
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { launch } from "./harness/app.mjs";
import { issueUpdate } from "./harness/linear.mjs";
import { live, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { ROOT, program } from "./harness/programs.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Scope } from "./harness/scope.mjs";
import { Session } from "./harness/session.mjs";

const EVENTS = Number(process.env.EVENTS ?? 100_000);
const RATE = Number(process.env.RATE ?? 5000);
const STARTS = 9;
const SEEN = 200;
/** Memory is looked at after so many events, as far as they go, and after all. */
const STEPS = [20_000, 100_000, 300_000];
/** How long the app may rest before its memory is looked at, in milliseconds. */
const REST = 5000;

const sorted = (figures) => [...figures].sort((a, b) => a - b);
const share = (figures, part) => sorted(figures)[Math.min(figures.length - 1, Math.floor(figures.length * part))] ?? NaN;
const mib = (figure) => `${figure.toFixed(0)} MiB`;
const ms = (figure) => `${figure.toFixed(figure < 10 ? 1 : 0)} ms`;
const pause = (length) => new Promise((done) => setTimeout(done, length));

/** From the process's start to the first pixels of content, in milliseconds. */
async function firstPaint(session, page) {
  const painted = await eventually("the first paint", () =>
    page.run(`const paint = performance.getEntriesByName("first-contentful-paint")[0];
      return paint ? performance.timeOrigin + paint.startTime : null`),
  );
  return painted - (await stat(page.pidFile)).birthtimeMs;
}

/** What the app and its web processes hold in memory, each page counted once, in MiB: `{app, web}`. */
async function memory(page) {
  const app = Number(await readFile(page.pidFile, "utf8"));
  const parents = new Map();
  for (const process of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const status = await readFile(`/proc/${process}/status`, "utf8").catch(() => "");
    parents.set(Number(process), Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
  }
  const within = (process) => process === app || (parents.has(process) && within(parents.get(process)));
  const held = { app: 0, web: 0 };
  for (const process of [...parents.keys()].filter(within)) {
    const rollup = await readFile(`/proc/${process}/smaps_rollup`, "utf8").catch(() => "");
    held[process === app ? "app" : "web"] += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
  }
  return held;
}

/** A proxy that does nothing but say yes and post signed deliveries, at the rate it is told. */
class Feed {
  token = "pst_measured";

  static async start(session) {
    const feed = new Feed();
    feed.url = (await session.start(await program("postern-bench"), ["feed"]).says(/^(http:\S+)\n/))[1];
    return feed;
  }

  /** Sends so many deliveries, so many a second; 0: as fast as they are taken. */
  async send(count, rate) {
    const answer = await fetch(`${this.url}/send/${count}/${rate}`, { method: "POST" });
    if (!answer.ok) throw new Error(`the feed: ${answer.status} ${await answer.text()}`);
  }
}

/** Begins to note the gaps between frames, and the first frame that each row is in. */
const WATCH = `
  window.gaps = []; window.seen = {};
  let last = performance.now();
  requestAnimationFrame(function frame(now) {
    window.gaps.push(now - last); last = now; requestAnimationFrame(frame);
  });
  new MutationObserver(() => {
    for (const row of document.querySelectorAll('[role="option"]')) {
      if (row.id in window.seen) continue;
      window.seen[row.id] = NaN;
      const received = Date.parse(row.querySelector("time").dateTime);
      requestAnimationFrame(() => setTimeout(() => (window.seen[row.id] = Date.now() - received)));
    }
  }).observe(document.body, { childList: true, subtree: true });`;
/** The gaps since the last look. */
const gaps = (page) => page.run("const gaps = window.gaps; window.gaps = []; return gaps");

/** How many events the page says there are. */
const shown = async (page) => Number(/([\d,]+)\s*events?\b/.exec(await page.text())?.[1].replaceAll(",", "") ?? 0);

/** Waits until the page says that there are so many events. */
async function events(page, wanted) {
  await eventually(`${wanted} events in the page`, async () => (await shown(page)) >= wanted, 1_200_000).catch(async (error) => {
    throw new Error(`${error.message}; it says ${await shown(page)}`);
  });
}

/** The scripts that the page loads before anything is opened, in kB, compressed. */
async function initialScripts() {
  const dist = join(ROOT, "ui/dist");
  const page = await readFile(join(dist, "index.html"), "utf8");
  const names = [...page.matchAll(/(?:src|href)="\/?([^"]+\.js)"/g)].map(([, name]) => name);
  const sizes = await Promise.all(names.map(async (name) => gzipSync(await readFile(join(dist, name)), { level: 9 }).length));
  return sizes.reduce((sum, size) => sum + size, 0) / 1000;
}

const scope = new Scope();
const rows = [["what", "median", "95th percentile", "worst", "wanted"]];
const row = (what, figures, wanted) => {
  rows.push([what, ms(share(figures, 0.5)), ms(share(figures, 0.95)), ms(Math.max(...figures)), wanted]);
  console.log(`bench-ui: ${rows.at(-1).join(", ")}`);
};
try {
  const session = await Session.begin(scope, { notifications: false, windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", "lin_whs_2vqZ7nq0F3mYk1x9");
  let page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  console.log("bench-ui: signed in");

  const starts = [];
  for (let n = 0; n < STARTS; n += 1) {
    await page.close();
    page = await launch(session);
    starts.push(await firstPaint(session, page));
    await live(page);
    console.log(`bench-ui: start ${n + 1} of ${STARTS}`);
  }
  row("start to first paint", starts, "500 ms");

  await page.run(WATCH);
  for (let n = 1; n <= SEEN; n += 1) {
    await proxy.post("linear", "Issue", issueUpdate(`ENG-${n}`, `Seen ${n}`));
    await pause(50);
  }
  await events(page, SEEN);
  const seen = await eventually("each row in a frame", async () => {
    const times = await page.run("return Object.values(window.seen)");
    return times.length === SEEN && !times.includes(null) && times;
  });
  row("receipt at the proxy to the frame with its row", seen, "50 ms at p95");
  console.log(`bench-ui: ${SEEN} events seen`);
  await page.close();

  // Signed deliveries straight to the receiver: what a real proxy does besides would
  // take the processors from the app.
  const apart = await Session.begin(scope, { notifications: false, windowManager: true });
  const feed = await Feed.start(apart);
  page = await launch(apart);
  await signIn(page, feed);
  await page.byRole("button", /^Pause/);
  await feed.send(1, 0);
  await events(page, 1);
  await page.run(WATCH);
  let sent = 1;
  const held = async () => {
    await pause(REST);
    const { app, web } = await memory(page);
    rows.push([`memory with ${sent.toLocaleString("en")} events: app, web processes`, mib(app + web), "", `${mib(app)}, ${mib(web)}`, "flat"]);
    console.log(`bench-ui: ${rows.at(-1).join(", ")}`);
  };
  await held();
  await gaps(page);
  const waits = [];
  let took = 0;
  for (const step of [...STEPS.filter((step) => step < EVENTS), EVENTS]) {
    const count = step - sent;
    const began = performance.now();
    await feed.send(count, RATE);
    sent = step;
    await events(page, sent);
    took += (performance.now() - began) / 1000;
    waits.push(...(await gaps(page)));
    await held();
    await gaps(page);
  }
  row(`frames while ${Math.round((sent - 1) / took)} events/s arrive`, waits, "100 ms at worst");

  // A screen a frame, down through the list and back up.
  await page.run(`
    const list = document.querySelector('[role="listbox"]');
    let n = 0;
    window.scrolled = false;
    window.gaps = [];
    requestAnimationFrame(function step() {
      list.scrollTop += n < 150 ? list.clientHeight : -list.clientHeight;
      if (++n < 300) requestAnimationFrame(step); else window.scrolled = true;
    });`);
  await eventually("the end of the list and its beginning", () => page.run("return window.scrolled"));
  row(`frames while ${sent.toLocaleString("en")} events are scrolled`, await gaps(page), "smooth: 17 ms");
  rows.push(["scripts loaded at first, compressed", `${(await initialScripts()).toFixed(0)} kB`, "", "", "90 kB"]);
  await page.close();
} finally {
  await scope.end();
}
const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
const table = [line(rows[0]), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)].join("\n");
console.log(`\n${table}`);
await mkdir(join(ROOT, "target/bench"), { recursive: true });
await writeFile(join(ROOT, "target/bench/ui.md"), `${table}\n`);
