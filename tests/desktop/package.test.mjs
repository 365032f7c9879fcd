// The .deb: what is in it, and what the system learns from it.
import { match, ok } from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PACKAGE, binary } from "./harness/app.mjs";
import { ROOT } from "./harness/programs.mjs";
import { eventually, run } from "./harness/processes.mjs";
import { Session } from "./harness/session.mjs";

const env = { PATH: process.env.PATH };

test("it holds the app and the command, and names what they need", async () => {
  await binary();
  const folder = join(ROOT, "target/debug/bundle/deb");
  const [file] = (await readdir(folder)).filter((name) => name.endsWith(".deb"));
  const depends = await run("dpkg-deb", ["--field", join(folder, file), "Depends"], { env });
  match(depends, /libwebkit2gtk-4\.1-0/);
  match(depends, /libayatana-appindicator3-1/);
  match(await run(join(PACKAGE, "usr/bin/postern"), ["--version"], { env }), /^postern \d/);
  ok((await readdir(join(PACKAGE, "usr/share/doc/postern"))).includes("LICENSE-MIT"));
});

test("links open the app that it installs", async (t) => {
  await binary();
  const desktop = await readFile(join(PACKAGE, "usr/share/applications/Postern.desktop"), "utf8");
  match(desktop, /^MimeType=x-scheme-handler\/postern;?$/m);
  match(desktop, /^Exec=postern-desktop %u$/mi);
  const session = await Session.begin(t, { keyring: "absent", notifications: false });
  session.env.PATH = `${join(PACKAGE, "usr/bin")}:${session.env.PATH}`;
  session.env.XDG_DATA_DIRS = `${join(PACKAGE, "usr/share")}:/usr/local/share:/usr/share`;
  // What dpkg's trigger of desktop-file-utils does on a real system.
  await session.run("xdg-mime", "default", "Postern.desktop", "x-scheme-handler/postern");
  // The app outlives the command, and has its streams.
  await session.run("sh", "-c", "exec gio open postern://event/evt_1 >/dev/null 2>&1");
  await eventually("the window", async () => (await session.windows("Postern")).length === 1);
  await eventually("the tray", () => session.trayMenu());
  await (await session.trayMenu()).find(({ label }) => label === "Quit").press();
  await eventually("the end of the app", async () => (await session.windows("Postern")).length === 0);
});
