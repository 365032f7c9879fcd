// The app as part of a desktop: tray, notifications, a second start, quitting.
import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { launch, start } from "./harness/app.mjs";
import { issueUpdate } from "./harness/linear.mjs";
import { live, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";
import { startTarget } from "./harness/target.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";

/** The tray's item with this label, once it is there. */
async function trayItem(session, label) {
  return eventually(`“${label}” in the tray's menu`, async () => (await session.trayMenu())?.find((item) => item.label === label));
}

/** A program that holds a database for itself, until it ends. */
async function writing(t, database) {
  const hold = "import sqlite3, sys\nopen = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\nopen.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()";
  const child = spawn("python3", ["-c", hold, database], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  const ended = once(child, "close");
  await once(child.stdout, "data");
  return {
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Puts the window aside: what comes now is not seen in it. */
async function behind(session, page) {
  await session.putAside("Postern");
  await eventually("the window behind", async () => !(await page.run("return document.hasFocus()")));
}

test("the tray tells how things stand, pauses, resumes and quits", async (t) => {
  const session = await Session.begin(t);
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await trayItem(session, "Signed out");
  await signIn(page, proxy);
  await trayItem(session, "Live");
  await (await trayItem(session, "Pause deliveries")).press();
  await trayItem(session, "Paused");
  await page.shows(/Paused · /);
  await proxy.post("linear", "Issue", issueUpdate("ENG-1", "Held"));
  await (await trayItem(session, "Resume deliveries")).press();
  await page.shows("ENG-1");
  await (await trayItem(session, "Quit")).press();
  await eventually("the end of the app", async () => (await session.trayMenu()) === undefined);
});

test("the tray lists the latest events and opens one", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  equal((await trayItem(session, "No events yet")).enabled, false);
  await signIn(page, proxy);
  await live(page);
  for (let n = 1; n <= 7; n += 1) {
    await proxy.post("linear", "Issue", issueUpdate(`ENG-${n}`, "This & that_s"));
    await page.shows(`ENG-${n}`);
  }
  const events = await eventually("the newest in the tray", async () => {
    const items = (await session.trayMenu()).filter(({ label }) => label.startsWith("ENG-"));
    return items[0]?.label.startsWith("ENG-7") && items;
  });
  deepEqual(events.map(({ label }) => label), [7, 6, 5, 4, 3].map((n) => `ENG-${n} This & that_s · Issue.update`));
  await behind(session, page);
  await events[2].press();
  const detail = await page.find('//section[@aria-label="Event"]');
  await eventually("the event in the window", async () => (await detail.text()).includes("ENG-5"));
  await eventually("the window in front", async () => page.run("return document.hasFocus()"));
  await page.close();
});

test("the tray switches tunnels and says how they stand", async (t) => {
  const session = await Session.begin(t);
  const target = await startTarget(t);
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  equal((await trayItem(session, "Tunnels")).enabled, false);
  await signIn(page, proxy);
  await live(page);
  const call = (op, args) => page.run("return window.__TAURI_INTERNALS__.invoke('call', { op: arguments[0], args: arguments[1] })", op, args);
  const settings = { target: new URL(target.url).origin };
  for (const name of ["web", "app"]) await call("add_tunnel", { name, settings, on: false });
  const visit = async () => (await fetch(`${proxy.url}/t/app/`)).status;

  const app = await trayItem(session, "app");
  deepEqual([app.enabled, app.checked, (await trayItem(session, "Tunnels")).enabled], [true, false, true]);
  await app.press();
  equal((await trayItem(session, "app · online")).checked, true);
  equal((await trayItem(session, "web")).checked, false);
  equal(await visit(), 200);
  await (await trayItem(session, "app · online")).press();
  equal((await trayItem(session, "app")).checked, false);
  await eventually("nobody to serve it", async () => (await visit()) === 502);

  // Switched elsewhere, and gone: the menu follows.
  await call("set_tunnel_on", { name: "web", on: true });
  equal((await trayItem(session, "web · online")).checked, true);
  for (const name of ["web", "app"]) await call("remove_tunnel", { name });
  await eventually("an empty menu", async () => !(await trayItem(session, "Tunnels")).enabled);
  await page.close();
});

test("a tunnel that cannot be switched is shown in the tray as it is", async (t) => {
  const session = await Session.begin(t);
  const target = await startTarget(t);
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  const add = { name: "app", settings: { target: new URL(target.url).origin }, on: false };
  await page.run("return window.__TAURI_INTERNALS__.invoke('call', { op: 'add_tunnel', args: arguments[0] })", add);
  const app = await trayItem(session, "app");
  equal(app.checked, false);

  // Nothing can be written for as long as another program writes.
  const writer = await writing(t, join(session.env.XDG_DATA_HOME, "dev.postern.app", "history.db"));
  await app.press();
  // The press itself checks the item.
  await eventually("the item checked", async () => (await trayItem(session, "app")).checked);
  const failed = ({ summary }) => summary === "Tunnel not switched on";
  await eventually("why not", async () => (await session.notifications()).some(failed));
  await eventually("the item as it was", async () => !(await trayItem(session, "app")).checked);
  await writer.end();
  await (await trayItem(session, "app")).press();
  equal((await trayItem(session, "app · online")).checked, true);
  await page.close();
});

test("events are told while the window is not in front, and opened from there", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);

  // In front: the window shows it, nothing else does.
  await eventually("the window in front", async () => page.run("return document.hasFocus()"));
  await proxy.post("linear", "Issue", issueUpdate("ENG-1", "Seen in the window"));
  await page.shows("ENG-1");
  equal(await session.notificationsShown(), 0);

  await behind(session, page);
  await proxy.post("linear", "Issue", issueUpdate("ENG-2", "Fix <b>login</b> & more"));
  await eventually("a notification", async () => (await session.notificationsShown()) === 1);
  await session.run("dunstctl", "action", "0");
  await eventually("the event in the window", async () => (await page.run("return location.hash")).startsWith("#/events/evt_"));
  match(await (await page.find('//section[@aria-label="Event"]')).text(), /ENG-2/);
  await eventually("the window in front", async () => page.run("return document.hasFocus()"));
  const [told] = await session.notifications();
  equal(told.summary, "ENG-2 Fix <b>login</b> & more");
  match(told.body, /Issue\.update · linear/);
  await page.close();
});

test("what strangers write stays text in a notification, on one short line", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await behind(session, page);
  const hostile = [
    "<img src=x onerror=alert(1)><a href='https://evil.example'>Pay now</a> &lt;b&gt;",
    "\u202egnp.exe\u2066\u200b %s $(reboot)",
    "\u001b[31mred\u001b]0;title\u0007\r\nSecond\tline",
  ].join(" ");
  await proxy.post("linear", "Issue", issueUpdate("ENG-66", hostile + "x".repeat(100_000)));
  await eventually("a notification", async () => (await session.notificationsShown()) === 1);
  const [told] = await session.notifications();
  const start = "ENG-66 <img src=x onerror=alert(1)><a href='https://evil.example'>Pay now</a> &lt;b&gt;";
  equal(told.summary.slice(0, start.length), start);
  ok([...told.summary].length <= 200, `${told.summary.length} characters`);
  for (const text of [told.summary, told.body]) {
    // What dunst keeps of a body is markup: ours alone, so none.
    doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\u200b\u202a-\u202e\u2066-\u2069]/u);
  }
  doesNotMatch(told.body, /[<>]/);
  match(told.body, /Issue\.update · linear$/);
  // It is still a notification like others.
  await proxy.post("linear", "Issue", issueUpdate("ENG-67", "</b></span> & <"));
  await eventually("another notification", async () => (await session.notificationsShown()) === 1);
  await session.run("dunstctl", "action", "0");
  await eventually("its event in the window", async () => (await page.run("return document.body.innerText")).includes("ENG-67"));
  await page.close();
});

test("many events are told as one", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await behind(session, page);
  const events = Array.from({ length: 30 }, (_, n) => issueUpdate(`ENG-${n + 1}`, "One of many"));
  await Promise.all(events.map((event) => proxy.post("linear", "Issue", event)));
  const told = await eventually("all of them told", async () => {
    const shown = await session.notifications();
    const counted = shown.map(({ summary }) => Number(summary.match(/^(\d+) events$/)?.[1] ?? 1));
    return counted.reduce((sum, n) => sum + n, 0) === 30 && shown;
  });
  ok(told.length <= 4, `told ${told.length} times`);
  match(told[0].body, /and \d+ more$/);
  await page.close();
});

test("replay on a notification sends the event to the target", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const target = await startTarget(t);
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await behind(session, page);
  const body = issueUpdate("ENG-7", "Again, please");
  await proxy.post("linear", "Issue", body);
  await eventually("a notification", async () => (await session.notificationsShown()) === 1);
  await page.run("return window.__TAURI_INTERNALS__.invoke('call', { op: 'set_forward', args: { url: arguments[0] } }).then(() => true)", target.url);
  await session.pressNotification("Replay");
  const [request] = await eventually("the replay", () => target.requests.length > 0 && target.requests);
  equal(request.body, body);
  await page.close();
});

test("a second start shows the first and ends", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const page = await launch(session);
  await page.byRole("textbox", "Workspace token");
  await behind(session, page);
  const second = await (await start(session)).ended();
  equal(second.code, 0);
  await eventually("the window in front", async () => page.run("return document.hasFocus()"));
  await page.close();
});

test("started again while it is still quitting, it waits its turn", async (t) => {
  const session = await Session.begin(t);
  const first = await start(session);
  await trayItem(session, "Signed out");
  first.signal("SIGTERM");
  const second = await start(session);
  equal((await first.ended()).code, 0);
  await eventually("the second's tray", async () => session.forgetTray().trayMenu());
  ok(second.running);
  second.signal("SIGTERM");
  equal((await second.ended()).code, 0, second.output);
});

test("closing the window quits where no tray shows the icon", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const app = await start(session);
  await trayItem(session, "Signed out");
  await session.closeWindow("Postern");
  equal((await app.ended()).code, 0, app.output);
});

test("why it cannot start is said in a window and on stderr", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false, windowManager: true });
  const app = await start(session, { POSTERN_DATA_DIR: "/dev/null/postern" });
  await app.says(/could not start: Cannot use the data folder \/dev\/null\/postern/);
  await eventually("its window", async () => (await session.windows("Postern")).length === 1);
  app.signal("SIGTERM");
  equal((await app.ended()).code, 1);
});

test("without a display a sentence says what to do instead", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false });
  const app = await start(session, { DISPLAY: "" });
  equal((await app.ended()).code, 1);
  match(app.output, /no display .*postern serve/s);
});
