// One worker on a data folder: whoever comes second, the app or a command,
// works with the first.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { launch, start } from "./harness/app.mjs";
import { program } from "./harness/programs.mjs";
import { issueUpdate } from "./harness/linear.mjs";
import { live, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";
import { startTarget } from "./harness/target.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";

/** The list's rows, as text, newest first. */
async function rows(page) {
  return page.run(`return [...document.querySelectorAll('[role="option"]')].map((row) => row.innerText)`);
}

test("beside `postern serve` the app attaches, and goes on when that is killed", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const postern = await program("postern");
  const login = session.start(postern, ["login", "--proxy", proxy.url, "--token-stdin"], { input: proxy.token });
  equal((await login.ended()).code, 0, login.output);
  const serve = session.start(postern, ["serve", "--ui-port", "0"]);
  await serve.says(/live, /);

  const page = await launch(session);
  await page.shows(`Attached to postern serve, process ${serve.pid}`);
  await live(page);
  await proxy.post("linear", "Issue", issueUpdate("ENG-1", "Through the other"));
  await page.shows("ENG-1");

  serve.signal("SIGKILL");
  await serve.ended();
  await proxy.post("linear", "Issue", issueUpdate("ENG-2", "In between"));
  await page.shows("postern serve has ended. This app receives the events now.");
  await page.shows("ENG-2");
  await live(page);
  await proxy.post("linear", "Issue", issueUpdate("ENG-3", "Through its own"));
  await page.shows("ENG-3");
  const subjects = (await rows(page)).map((row) => row.match(/ENG-\d/)[0]);
  deepEqual(subjects, ["ENG-3", "ENG-2", "ENG-1"], "each is there once");

  const second = session.start(postern, ["serve", "--ui-port", "0"]);
  equal((await second.ended()).code, 1);
  match(second.output, /already runs/);
  await page.close();
});

test("an app that is only attached leaves the other running", async (t) => {
  const session = await Session.begin(t, { keyring: "absent" });
  const postern = await program("postern");
  const serve = session.start(postern, ["serve", "--ui-port", "0"]);
  await serve.says(/is running/);
  const page = await launch(session);
  await page.shows(`Attached to postern serve, process ${serve.pid}`);
  await page.close();
  ok(serve.running);
});

test("the app of another session attaches to the first and takes over from it", async (t) => {
  const session = await Session.begin(t);
  const first = await start(session);
  await eventually("the first's tray", () => session.trayMenu());
  // Another login of the same user: the same folders, another session bus.
  const page = await launch(session, { DBUS_SESSION_BUS_ADDRESS: await session.anotherBus() });
  await page.shows(`Attached to the desktop app, process ${first.pid}`);
  first.signal("SIGTERM");
  equal((await first.ended()).code, 0, first.output);
  await page.shows("the desktop app has ended. This app receives the events now.");
  await page.byRole("textbox", "Workspace token");
  await page.close();
});

test("commands work with the app that runs", async (t) => {
  const session = await Session.begin(t);
  const target = await startTarget(t);
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  const postern = await program("postern");
  const status = JSON.parse(await session.run(postern, "--json", "status"));
  equal(status.running, true);
  await session.run(postern, "pause");
  await page.shows(/Paused · /);
  await session.run(postern, "resume");
  await live(page);

  const listen = session.start(postern, ["listen", "--forward-to", target.url]);
  await listen.says(/Listening/);
  const body = issueUpdate("ENG-5", "Forwarded by a command");
  await proxy.post("linear", "Issue", body);
  await listen.says(/ENG-5/);
  await page.shows("ENG-5");
  deepEqual(target.requests.map((request) => request.body), [body]);
  await page.close();
});
