// Pictures of the real app for the README: the built app, under Xvfb, with a
// real proxy and a dozen events as a team has them. `scripts/screenshots`.
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { join, relative } from "node:path";
import { launch } from "./harness/app.mjs";
import { ROOT } from "./harness/programs.mjs";
import { teamsMorning } from "./harness/morning.mjs";
import { forwardTo, go, live, openEvent, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Scope } from "./harness/scope.mjs";
import { Session } from "./harness/session.mjs";

const FOLDER = join(ROOT, "docs/images");

/** A local server as a developer has it: one kind of event is not handled yet. */
async function localServer(scope) {
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      const handled = request.headers["x-github-event"] !== "check_run";
      response.writeHead(handled ? 200 : 404).end(handled ? "ok" : "no handler for check_run");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.after(() => server.close());
  return `http://localhost:${server.address().port}/webhooks`;
}

async function photograph(session, page, theme) {
  await go(page, "Settings");
  await (await page.find(`//*[@role="radiogroup"]//label[contains(., "${theme}")]`)).click();
  await eventually(`the ${theme} theme`, async () => (await page.run("return document.documentElement.dataset.theme")) === theme.toLowerCase());
  await go(page, "Events");
  await openEvent(page, "ENG-42");
  const detail = await page.find('//section[@aria-label="Event"]');
  await eventually("the payload", async () => (await detail.text()).includes("What changed"));
  await eventually("a still page", async () =>
    page.run("return document.getAnimations().length === 0 && document.querySelector('.toast') === null"),
  );
  const file = join(FOLDER, `app-${theme.toLowerCase()}.png`);
  await eventually("a still picture", async () => {
    const before = await picture(session, page, file);
    return before.equals(await picture(session, page, file));
  });
  console.log(relative(ROOT, file));
}

/** The screen a few frames later: painting lags behind the page. */
async function picture(session, page, file) {
  await page.run("return new Promise((next) => { let n = 30; requestAnimationFrame(function frame() { --n ? requestAnimationFrame(frame) : next(true); }); })");
  await session.photograph(file);
  return readFile(file);
}

const scope = new Scope();
try {
  await mkdir(FOLDER, { recursive: true });
  const session = await Session.begin(scope, { size: "1360x820", notifications: false });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", "lin_whs_2vqZ7nq0F3mYk1x9");
  await proxy.addSource("github", "It's a Secret to Everybody");
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  await forwardTo(page, await localServer(scope));
  await go(page, "Events");
  for (const { provider, type, body, row } of teamsMorning()) {
    await proxy.post(provider, type, body);
    await page.shows(row);
  }
  await photograph(session, page, "Light");
  await photograph(session, page, "Dark");
  await page.close();
} finally {
  await scope.end();
}
