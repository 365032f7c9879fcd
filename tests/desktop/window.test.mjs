// The app as a user meets it: sign in, see an event arrive, open it, forward
// it, replay it, come back later.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { launch } from "./harness/app.mjs";
import { issueUpdate } from "./harness/linear.mjs";
import { forwardTo, go, live, openEvent, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";
import { startTarget } from "./harness/target.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";

test("a webhook arrives, is opened, forwarded and replayed", async (t) => {
  const session = await Session.begin(t);
  const target = await startTarget(t);
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);

  const first = issueUpdate("ENG-42", "Fix login — “café” mode 🚪");
  await proxy.post("linear", "Issue", first);
  await openEvent(page, "ENG-42");
  const detail = await page.find('//section[@aria-label="Event"]');
  await eventually("the detail", async () => /Todo/.test(await detail.text()));
  match(await detail.text(), /In Progress/);
  deepEqual(target.requests, [], "nothing is forwarded before a target is set");

  await forwardTo(page, target.url);
  await go(page, "Events");
  await openEvent(page, "ENG-42");
  await (await page.byRole("button", "Replay")).click();
  const [replayed] = await eventually("the replay at the target", () => target.requests.length > 0 && target.requests);
  equal(replayed.body, first, "the body is the provider's, byte for byte");
  equal(replayed.headers["linear-event"], "Issue");
  ok(replayed.headers["linear-signature"]);
  await page.shows(/200 · /);

  const second = issueUpdate("ENG-43", "Second");
  await proxy.post("linear", "Issue", second);
  await eventually("the second event at the target", () => target.requests.length === 2);
  equal(target.requests[1].body, second);
  await page.close();
});

test("a sign-in is kept in the keychain and outlasts a restart", async (t) => {
  const session = await Session.begin(t);
  const proxy = await Proxy.start(session);
  const before = await launch(session);
  await signIn(before, proxy);
  await live(before);
  ok((await session.keyringItems()).includes(proxy.token), "the keyring holds the token");
  await before.close();

  const after = await launch(session);
  await live(after);
  ok(!(await after.text()).includes("Workspace token"));
  await go(after, "Settings");
  await after.shows("In this machine's keychain.");

  await (await after.byRole("button", "Sign out")).click();
  await (await after.find('//*[self::dialog or contains(@role, "dialog")]//button[contains(., "Sign out")]')).click();
  await after.byRole("textbox", "Workspace token");
  ok(!(await session.keyringItems()).includes(proxy.token), "the keyring has forgotten the token");
  await after.close();
});

test("a token the proxy does not know is refused at its field", async (t) => {
  const session = await Session.begin(t);
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  await signIn(page, proxy, "pst_not_a_token_of_this_proxy");
  const field = await page.byRole("textbox", "Workspace token");
  await eventually("the field's error", async () => (await field.attribute("aria-invalid")) === "true");
  equal(await session.keyringItems(), "");
  await page.close();
});

test("without a keychain the app works, and says how long the sign-in lasts", async (t) => {
  const session = await Session.begin(t, { keyring: "absent" });
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await go(page, "Settings");
  await page.shows("In memory only: after a restart you sign in again.");
  await page.close();
});

test("a locked keychain is an error that shows, not a wait without end", async (t) => {
  const session = await Session.begin(t, { keyring: "locked" });
  const proxy = await Proxy.start(session);
  const page = await launch(session);
  await signIn(page, proxy);
  await page.shows("keychain.locked");
  await page.close();
});

test("a large payload is read beside the page, which goes on meanwhile", async (t) => {
  const session = await Session.begin(t);
  const proxy = await Proxy.start(session);
  await proxy.addSource("github", "It's a Secret to Everybody");
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  // Told of every worker that is made, and of what it answers.
  await page.run(`
    window.workers = [];
    const Real = Worker;
    window.Worker = class extends Real {
      constructor(url, options) {
        super(url, options);
        const made = { url: String(url), answers: 0, errors: 0 };
        this.addEventListener("message", () => (made.answers += 1));
        this.addEventListener("error", () => (made.errors += 1));
        window.workers.push(made);
      }
    };`);
  const elements = Array.from({ length: 100_000 }, (_, i) => `element number ${i} of many`);
  await proxy.post("github", "large_array", JSON.stringify({ elements }));
  await page.shows("large_array");
  await openEvent(page, "large_array");
  await page.shows("100,000 items");
  const [worker, ...more] = await page.run("return window.workers");
  match(worker.url, /^tauri:.*\/worker-[^/]*\.js$/);
  deepEqual([worker.answers, worker.errors, more.length], [1, 0, 0]);
  await page.close();
});

test("the page may load nothing from elsewhere", async (t) => {
  const session = await Session.begin(t, { keyring: "absent" });
  const page = await launch(session);
  await page.byRole("textbox", "Workspace token");
  const target = await startTarget(t);
  const blocked = await page.run(
    `const [url] = arguments;
     return Promise.allSettled([
       fetch(url, { mode: "no-cors" }),
       new Promise((yes, no) => Object.assign(new Image(), { onload: yes, onerror: no, src: url })),
     ]).then((outcomes) => outcomes.map((outcome) => outcome.status));`,
    target.url,
  );
  deepEqual(blocked, ["rejected", "rejected"]);
  await page.run("location.href = arguments[0]", target.url);
  match(await page.run("return location.href"), /^tauri:/);
  deepEqual(target.requests, []);
  await page.close();
});
