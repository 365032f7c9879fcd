// Files that the window saves, and what Settings changes at the proxy.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { launch } from "./harness/app.mjs";
import { issueUpdate } from "./harness/linear.mjs";
import { dismiss, go, live, openEvent, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";

test("files are saved in the folder for downloads, and the window says where", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  const downloads = join(session.env.HOME, "Downloads");
  const files = async () => (await readdir(downloads).catch(() => [])).toSorted();
  const saved = (name) => eventually(name, async () => {
    const text = await readFile(join(downloads, name), "utf8").catch(() => "");
    return text.endsWith("}\n") && JSON.parse(text);
  }); // prettier-ignore

  await go(page, "Settings");
  for (const name of ["postern-settings.json", "postern-settings (2).json"]) {
    await (await page.byRole("button", "Export…")).click();
    await page.shows(/"postern-settings"/);
    await (await page.byRole("button", "Save as a file")).click();
    equal((await saved(name)).format, "postern-settings");
    await page.shows(join(downloads, name));
    await dismiss(page);
  }
  await (await page.byRole("button", "Show…")).click();
  await page.shows(/"postern-diagnostics"/);
  await (await page.byRole("button", "Save as a file")).click();
  await page.shows(join(downloads, "postern-diagnostics.json"));
  await dismiss(page);
  const diagnostics = await readFile(join(downloads, "postern-diagnostics.json"), "utf8");
  equal(JSON.parse(diagnostics).program, "the desktop app");
  ok(!diagnostics.includes(proxy.token));

  await go(page, "Events");
  const body = issueUpdate("ENG-42", "Fix login");
  await proxy.post("linear", "Issue", body);
  await openEvent(page, "ENG-42");
  await (await page.byRole("button", /^More$/)).click();
  await (await page.byRole("menuitem", /^Save as a test fixture/)).click();
  const fixture = await eventually("the fixture", async () => (await files()).find((name) => name.endsWith(".fixture.json")));
  match(await readFile(join(downloads, fixture), "utf8"), /Fix login/);
  deepEqual((await files()).filter((name) => name.includes("(3)")), []);
  await page.close();
});

test("the machine is renamed without signing out", async (t) => {
  const session = await Session.begin(t, { keyring: "absent", notifications: false });
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await go(page, "Settings");
  await (await page.byRole("button", "Rename…")).click();
  await (await page.byRole("textbox", "Name")).fill("ada-laptop");
  await (await page.byRole("button", /^Rename$/)).click();
  await page.shows("This machine is called ada-laptop.");
  await eventually("the proxy to know", async () => {
    const headers = { authorization: `Bearer ${proxy.token}` };
    const { workers } = await (await fetch(`${proxy.url}/v1/workers`, { headers })).json();
    return workers.length === 1 && workers[0].name === "ada-laptop" && workers[0].state === "active";
  });
  await live(page);
  await page.close();
});
