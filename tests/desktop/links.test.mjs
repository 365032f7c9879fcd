// Links into the app, from elsewhere on the desktop.
import { equal, match } from "node:assert/strict";
import { test } from "node:test";
import { launch, start } from "./harness/app.mjs";
import { issueUpdate } from "./harness/linear.mjs";
import { live, openEvent, signIn } from "./harness/pages.mjs";
import { eventually } from "./harness/processes.mjs";
import { Proxy } from "./harness/proxy.mjs";
import { Session } from "./harness/session.mjs";

const SECRET = "lin_whs_2vqZ7nq0F3mYk1x9";

/** Waits until the detail shows the event with this text. */
async function detailOf(page, text) {
  const detail = await page.find('//section[@aria-label="Event"]');
  await eventually(`${text} in the detail`, async () => (await detail.text()).includes(text));
}

test("a link opens its event, in the app that runs or in a new one", async (t) => {
  const session = await Session.begin(t, { windowManager: true });
  const proxy = await Proxy.start(session);
  await proxy.addSource("linear", SECRET);
  const page = await launch(session);
  await signIn(page, proxy);
  await live(page);
  for (const issue of ["ENG-1", "ENG-2"]) {
    await proxy.post("linear", "Issue", issueUpdate(issue, "Linked to"));
    await page.shows(issue);
  }
  await openEvent(page, "ENG-1");
  const link = (await page.run("return location.hash")).replace("#/events/", "postern://event/");
  match(link, /^postern:\/\/event\/evt_/);
  await openEvent(page, "ENG-2");
  await detailOf(page, "ENG-2");

  await session.putAside("Postern");
  await eventually("the window behind", async () => !(await page.run("return document.hasFocus()")));
  const second = await (await start(session, {}, [link])).ended();
  equal(second.code, 0, "it hands the link on and ends");
  await detailOf(page, "ENG-1");
  await eventually("the window in front", async () => page.run("return document.hasFocus()"));

  await (await start(session, {}, ["postern://event/evt_unknown"])).ended();
  await page.shows("This event is not here");
  await (await start(session, {}, ["postern://elsewhere"])).ended();
  await page.shows("The link postern://elsewhere leads nowhere in Postern");
  await page.close();

  const fresh = await launch(session, {}, [link]);
  await detailOf(fresh, "ENG-1");
  await fresh.close();
});
