// The interface in WebKitGTK's own browser, served by a headless worker: the
// main ways through it, as tests/browser takes them in Chromium.
import { equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { access } from "node:fs/promises";
import { issueUpdate } from "./harness/linear.mjs";
import { forwardTo, go, live, openEvent, signIn } from "./harness/pages.mjs";
import { eventually, run } from "./harness/processes.mjs";
import { program } from "./harness/programs.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";
import { startTarget } from "./harness/target.mjs";
import { Page } from "./harness/webdriver.mjs";

/** WebKitGTK's small browser, beside its library. */
async function browser() {
  const libraries = await run("pkg-config", ["--variable=libdir", "webkit2gtk-4.1"], { env: process.env });
  const path = `${libraries}/webkit2gtk-4.1/MiniBrowser`;
  await access(path);
  return path;
}

const rows = (page) => page.run(`return [...document.querySelectorAll('[role="option"]')].map((row) => row.innerText)`);
const click = async (page, role, name) => (await page.byRole(role, name)).click();
const tab = async (page, name) => (await page.find(`//*[@role="tab"][normalize-space()="${name}"]`)).click();

test("the interface works in WebKitGTK, from the sign-in to a replayed and compared event", async (t) => {
  const session = await Session.begin(t, { notifications: false, windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", "lin_whs_2vqZ7nq0F3mYk1x9");
  await proxy.addSource("github", "It's a Secret to Everybody");
  const target = await startTarget(t);
  const serve = session.start(await program("postern"), ["--json", "serve", "--ui-port", "0"]);
  const { url } = JSON.parse((await serve.says(/^(\{.*\})\n/m))[1]);
  const page = await Page.open(session, await browser(), {}, ["--automation"]);
  const problems = () => page.run("return window.problems ?? []");
  await page.visit(url);
  await page.run("window.problems = []; addEventListener('error', (event) => window.problems.push(event.message))");

  await signIn(page, proxy);
  await live(page);
  await page.shows("No events yet");
  await click(page, "button", "Send a test event");
  await page.shows("test event");
  await page.shows("verified");

  // Events arrive, are forwarded, and the answer is shown.
  await forwardTo(page, target.url);
  await go(page, "Events");
  await proxy.post("linear", "Issue", issueUpdate("ENG-7", "Sign-in is lost"));
  await eventually("the event at the target", () => target.requests.some(({ body }) => body.includes("ENG-7")));
  await eventually("its answer", async () => (await rows(page)).some((row) => row.includes("ENG-7") && row.includes("200")));
  await openEvent(page, "ENG-7");
  await tab(page, "Timeline");
  await page.shows("The proxy verified and stored it");
  await (await page.find('//summary[contains(., "Request and answer")]')).click();
  await page.shows(`POST ${target.url}`);
  await page.shows("as it came.");
  await page.shows("thanks");

  // Replayed, and compared with another.
  await click(page, "button", /^Replay$/);
  await page.shows(/Replayed to .*: 200/);
  equal(target.requests.filter(({ body }) => body.includes("ENG-7")).length, 2);
  await proxy.post("linear", "Issue", issueUpdate("ENG-8", "Another"));
  await page.shows("ENG-8");
  await click(page, "button", "Compare");
  await openEvent(page, "ENG-8");
  await click(page, "button", "Compare");
  await page.shows(/\d+ differences/);
  await click(page, "button", "Close the comparison");

  // A large payload is read beside the page, and searched.
  const elements = Array.from({ length: 100_000 }, (_, i) => `element number ${i} of many`);
  await proxy.post("github", "large_array", JSON.stringify({ elements }));
  await page.shows("large_array");
  await openEvent(page, "large_array");
  await tab(page, "Payload");
  await page.shows("100,000 items");
  ok(await page.run(`return performance.getEntriesByType("resource").some(({ name }) => /worker-.*\\.js$/.test(name))`), "by a worker");
  await page.press("Control", "f");
  await (await page.byRole("textbox", "Search in the payload")).fill("number 77777 of");
  await page.shows("1 of 1");
  const chosen = await page.find('//*[@role="treeitem"][@aria-selected="true"]');
  match(await chosen.text(), /element number 77777/);
  await page.press("Escape");

  // Searched in the history, and the address holds it.
  await (await page.byRole("textbox", "Search every payload")).fill("Another");
  await eventually("the hit alone", async () => {
    const found = await rows(page);
    return found.length === 1 && found[0].includes("ENG-8");
  });
  ok((await page.run("return location.hash")).includes("q=Another"));

  await go(page, "Connection");
  await page.shows("Registration");
  await go(page, "Settings");
  await (await page.find('//*[@role="radiogroup"]//label[contains(., "Dark")]')).click();
  await eventually("the dark theme", async () => (await page.run("return document.documentElement.dataset.theme")) === "dark");
  equal(JSON.stringify(await problems()), "[]");
  await page.close();
});
