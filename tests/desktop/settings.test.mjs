// What belongs to the desktop: starting at login, the data folder, the window
// as it was left.
import { deepEqual, equal, match } from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { launch, start } from "./harness/app.mjs";
import { go, live, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";

const exists = (file) => access(file).then(
  () => true,
  () => false,
);

test("settings: start at login, and the data folder in the file manager", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false });
  const opened = join(session.folder, "opened");
  await session.program("xdg-open", `printf '%s' "$1" >'${opened}'`);
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await go(page, "Settings");

  const entry = join(session.env.HOME, ".config/autostart/Postern.desktop");
  equal(await exists(entry), false, "it is not asked for");
  const login = await page.find('//*[@role="switch"][@aria-labelledby="login"]');
  await login.click();
  await eventually("the entry", () => exists(entry));
  match(await readFile(entry, "utf8"), /^Exec=\/.*postern-desktop --background$/m);
  await eventually("the switch on", async () => (await login.attribute("aria-checked")) === "true");
  await login.click();
  await eventually("no entry", async () => !(await exists(entry)));

  await (await page.byRole("button", "Open folder")).click();
  await eventually("the file manager", () => exists(opened));
  equal(await readFile(opened, "utf8"), join(session.env.XDG_DATA_HOME, "dev.postern.app"));
  await page.close();
});

test("started at login, it stays in the tray", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false, trayHost: true, windowManager: true });
  const app = await start(session, {}, ["--background"]);
  const open = await eventually("the tray", async () => (await session.trayMenu())?.find(({ label }) => label === "Open Postern"));
  equal((await session.windows("Postern")).length, 0);
  // The system starts it again, as some do: that is no wish to see it.
  equal((await (await start(session, {}, ["--background"])).ended()).code, 0);
  equal((await session.windows("Postern")).length, 0);
  await open.press();
  await eventually("the window", async () => (await session.windows("Postern")).length === 1);
  await session.closeWindow("Postern");
  await eventually("no window", async () => (await session.windows("Postern")).length === 0);
  match((await session.trayMenu())[0].label, /Signed out/, "closing leaves it in the tray");
  await (await session.trayMenu()).find(({ label }) => label === "Quit").press();
  equal((await app.ended()).code, 0, app.output);
});

test("started at login without a tray, the window opens after all", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false });
  const app = await start(session, {}, ["--background"]);
  await eventually("the tray", () => session.trayMenu());
  equal((await session.windows("Postern")).length, 0, "not at once: the tray may come up yet");
  await eventually("the window", async () => (await session.windows("Postern")).length === 1);
  app.signal("SIGTERM");
  equal((await app.ended()).code, 0, app.output);
});

test("the window comes back where it was, as large as it was", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false, windowManager: true });
  const before = await launch(session);
  await before.byRole("textbox", "Workspace token");
  const [window] = await session.windows("Postern");
  await session.run("xdotool", "windowsize", "--sync", window, "1000", "640");
  await session.run("xdotool", "windowmove", "--sync", window, "120", "90");
  const left = await session.geometry("Postern");
  equal(left.width, 1000);
  await before.close();

  const after = await launch(session);
  await after.byRole("textbox", "Workspace token");
  await eventually("the window's place", async () => {
    const now = await session.geometry("Postern");
    return now.width === left.width && now.height === left.height && now.x === left.x && now.y === left.y;
  }, 10_000).catch(async () => deepEqual(await session.geometry("Postern"), left));
  await after.close();
});
