import type { Locator, Page } from "@playwright/test";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { accessible, expect, go, test as base } from "./fixtures.js";

/** A dev server: JSON, and a stream of three events. */
class Site {
  readonly got: { method: string; path: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  /** Where it is, and was. */
  port = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Site> {
    const server = createServer();
    const site = new Site(server);
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const [method, path] = [request.method ?? "", request.url ?? ""];
        site.got.push({
          method,
          path,
          headers: request.headers,
          body: Buffer.concat(chunks).toString("utf8"),
        });
        if (path.startsWith("/stream")) {
          response.writeHead(200, { "content-type": "text/event-stream" });
          for (const n of [1, 2, 3]) response.write(`event: tick\ndata: {"count":${n}}\n\n`);
          response.end();
          return;
        }
        const status = path.startsWith("/missing") ? 404 : 200;
        response.writeHead(status, { "content-type": "application/json", "set-cookie": "sid=1" });
        response.end(JSON.stringify({ path, served: site.got.length }));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    site.port = (server.address() as AddressInfo).port;
    return site;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

interface Fixtures {
  site: Site;
}

const test = base.extend<Fixtures>({
  site: async ({}, use) => {
    const site = await Site.start();
    await use(site);
    await site.stop();
  },
});

const card = (page: Page, name = "app"): Locator => page.getByRole("listitem").filter({ hasText: name });
const requests = (page: Page): Locator => page.getByRole("listbox", { name: "Requests" }).getByRole("option");
const pane = (page: Page): Locator => page.getByRole("region", { name: "Request", exact: true });

/** Has `app` lead to the site; the page of tunnels is shown. */
async function add(page: Page, site: Site): Promise<void> {
  await go(page, "Tunnels");
  await page.getByRole("button", { name: "Add a tunnel" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a tunnel" });
  await dialog.getByLabel("Where it leads to").fill(String(site.port));
  await dialog.getByLabel("Name").fill("app");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(card(page).getByText("Online", { exact: true })).toBeVisible();
}

/** Puts away what was said: it lies over the page for a while. */
async function dismiss(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const button of document.querySelectorAll<HTMLElement>("button[aria-label=Dismiss]")) button.click();
  });
}

/** Chooses in the menu of a tunnel. */
async function choose(page: Page, item: string): Promise<void> {
  await card(page).getByRole("button", { name: "More for app" }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

test("a tunnel is added, visited, looked into, and a request edited and replayed", async ({
  app,
  machine,
  site,
}) => {
  await add(app, site);
  const { port } = new URL(machine.proxyUrl);
  await expect(card(app).getByRole("link", { name: `http://app.localhost:${port}` })).toBeVisible();

  // By its host in a browser, and by its path.
  const visitor = await app.context().newPage();
  await visitor.goto(`http://app.localhost:${port}/hello?q=1`);
  await expect(visitor.getByText('"/hello?q=1"')).toBeVisible();
  await visitor.close();
  const public_ = `${machine.proxyUrl}/t/app`;
  const order = JSON.stringify({ order: 1, note: "plain" });
  const posted = await fetch(`${public_}/orders`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer t0p", "x-mark": "blue" },
    body: order,
  });
  expect(posted.status).toBe(200);
  expect((await fetch(`${public_}/missing`)).status).toBe(404);
  expect(await (await fetch(`${public_}/stream`)).text()).toContain('"count":3');

  await card(app).getByRole("link", { name: "app", exact: true }).click();
  await expect(requests(app).filter({ hasText: "/hello?q=1" })).toBeVisible();
  const first = requests(app).filter({ hasText: "/orders" });
  await first.click();
  await expect(pane(app).getByText("x-forwarded-prefix")).toBeVisible();
  await expect(pane(app).getByText("redacted")).toBeVisible();
  await expect(pane(app).getByRole("tree")).toContainText('"plain"');
  await pane(app).getByRole("button", { name: "More" }).click();
  await app.getByRole("menuitem", { name: "Show credentials" }).click();
  await expect(pane(app).getByText("Bearer t0p")).toBeVisible();
  await app.keyboard.press("2");
  await expect(pane(app).getByRole("tree")).toContainText('"/orders"');

  // Edited: another path, a header and the body; then byte by byte as it came.
  await app.keyboard.press("e");
  const edit = app.getByRole("dialog", { name: "Edit and replay" });
  await edit.getByLabel("Path and query").fill("/orders?again=1");
  await edit.getByLabel("Headers").fill((await edit.getByLabel("Headers").inputValue()) + "\nx-edited: yes");
  await edit.getByLabel("Body").fill('{"order":2}');
  await edit.getByRole("button", { name: "Replay" }).click();
  await expect(edit).toBeHidden();
  await expect(pane(app).getByRole("tab", { name: "Compare" })).toHaveAttribute("aria-selected", "true");
  const compared = pane(app).getByRole("group", { name: "Compared with the request that came" });
  await expect(compared).toContainText("/orders?again=1");
  await expect(compared).toContainText("x-edited");
  const edited = site.got.at(-1);
  expect(edited).toMatchObject({ path: "/orders?again=1", body: '{"order":2}' });
  expect(edited?.headers).toMatchObject({ "x-edited": "yes", authorization: "Bearer t0p" });
  await pane(app)
    .getByRole("button", { name: /^replay of / })
    .click();
  await dismiss(app);
  await app.keyboard.press("r");
  await expect(pane(app).getByText("As it came.")).toBeVisible();
  expect(site.got.at(-1)).toMatchObject({ path: "/orders", body: order });
  await expect(requests(app).filter({ hasText: "/orders" })).toHaveCount(3);

  // Events, one of them in full.
  await requests(app).filter({ hasText: "/stream" }).click();
  await pane(app).getByRole("tab", { name: "Events" }).click();
  const events = pane(app).getByRole("listbox", { name: "Events" });
  await expect(events.getByRole("option")).toHaveCount(3);
  await events.focus();
  await app.keyboard.press("End");
  const event = pane(app).getByRole("region", { name: "Event" });
  await expect(event.getByRole("tree")).toContainText('"count": 3');
  await event.getByRole("radio", { name: "Raw" }).check();
  await expect(event.getByText("event: tick")).toBeVisible();
});

test("requests are filtered, and the address holds the filter", async ({ app, machine, site }) => {
  await add(app, site);
  const public_ = `${machine.proxyUrl}/t/app`;
  await fetch(`${public_}/one`, { headers: { "x-mark": "blue" } });
  await fetch(`${public_}/two`, { method: "POST", body: "needle ".repeat(3_000) });
  await fetch(`${public_}/missing`);
  await card(app).getByRole("link", { name: "app", exact: true }).click();
  await expect(requests(app)).toHaveCount(3);
  await app.getByLabel("Header, or header: value").fill("X-Mark: BLUE");
  await expect(requests(app)).toHaveCount(1);
  await expect(requests(app)).toContainText("/one");
  await expect.poll(() => app.url()).toContain("header=X-Mark");
  await app.reload();
  await expect(app.getByLabel("Header, or header: value")).toHaveValue("X-Mark: BLUE");
  await expect(requests(app)).toHaveCount(1);
  // What does not match does not come in between; what does, comes at once.
  await fetch(`${public_}/three`);
  await fetch(`${public_}/four`, { headers: { "x-mark": "light blue" } });
  await expect(requests(app)).toHaveCount(2);
  await app.getByRole("button", { name: "Show all" }).click();
  await expect(requests(app)).toHaveCount(5);
  await app.getByLabel("Size").selectOption("≥ 10 kB");
  await expect(requests(app)).toHaveCount(1);
  await expect(requests(app)).toContainText("/two");
  await app.getByLabel("Status").selectOption("4xx");
  await expect(app.getByText("Nothing matches")).toBeVisible();
  await app.getByLabel("Size").selectOption("Any size");
  await expect(requests(app)).toContainText("/missing");
  await app.getByRole("button", { name: "Show all" }).click();
  await app.keyboard.press("/");
  await app.keyboard.type("NEEDLE");
  await expect(requests(app)).toHaveCount(1);
});

test("visitors are asked, told when nobody serves, and when nothing answers", async ({
  app,
  machine,
  site,
}) => {
  await add(app, site);
  const public_ = `${machine.proxyUrl}/t/app/`;
  await choose(app, "Change…");
  const dialog = app.getByRole("dialog", { name: "Change app" });
  await dialog.getByRole("radio", { name: "A password" }).check();
  await dialog.getByLabel("User").fill("ada");
  await dialog.getByLabel("Password", { exact: true }).fill("correct horse");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(card(app)).toContainText("password required");
  const shown = (secret: string) => ({ authorization: `Basic ${Buffer.from(secret).toString("base64")}` });
  expect((await fetch(public_)).status).toBe(401);
  expect((await fetch(public_, { headers: shown("ada:wrong") })).status).toBe(401);
  expect((await fetch(public_, { headers: shown("ada:correct horse") })).status).toBe(200);
  // What the tunnel asks for is not the local program's to see.
  expect(site.got.at(-1)?.headers.authorization).toBeUndefined();
  await choose(app, "Change…");
  await dialog.getByRole("radio", { name: "Nothing" }).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(card(app)).not.toContainText("password required");

  const visitor = await app.context().newPage();
  await site.stop();
  await visitor.goto(public_);
  await expect(visitor.getByRole("heading", { name: "Nothing answers behind this tunnel" })).toBeVisible();
  await expect(visitor.getByText(`Nothing listens on port ${site.port}`)).toBeVisible();
  const power = card(app).getByRole("switch", { name: "app" });
  await power.click();
  await expect(card(app)).toContainText("Off · the name stays reserved");
  await expect.poll(async () => (await fetch(public_)).headers.get("x-postern-error")).toBe("tunnel.offline");
  await visitor.reload();
  await expect(visitor.getByRole("heading", { name: "This tunnel is not online" })).toBeVisible();
  await power.click();
  await expect(card(app).getByText("Online", { exact: true })).toBeVisible();

  await dismiss(app);
  await choose(app, "Remove from this machine…");
  await app.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(app.getByText("No tunnels yet")).toBeVisible();
  await app.getByRole("button", { name: "More for app" }).click();
  await app.getByRole("menuitem", { name: "Release the name…" }).click();
  await app.getByRole("dialog").getByRole("button", { name: "Release" }).click();
  await expect(app.getByRole("button", { name: "More for app" })).toBeHidden();
  expect((await fetch(public_)).status).toBe(404);
});

for (const theme of ["light", "dark"] as const) {
  test.describe(`${theme} theme`, () => {
    test.use({ colorScheme: theme });

    test("tunnels, full, are accessible", async ({ app, machine, site }) => {
      // A score of pages, each looked at whole.
      test.slow();
      await add(app, site);
      await dismiss(app);
      const public_ = `${machine.proxyUrl}/t/app`;
      await fetch(`${public_}/orders`, { method: "POST", body: '{"order":1}' });
      await fetch(`${public_}/missing`);
      await fetch(`${public_}/stream`).then((response) => response.text());
      await accessible(app, "tunnels");
      await app.getByRole("button", { name: "QR code of app" }).click();
      await expect(app.getByRole("img", { name: /^QR code of http/ })).toBeVisible();
      await accessible(app, "QR code");
      await app.keyboard.press("Escape");
      await expect(app.getByRole("button", { name: "QR code of app" })).toBeFocused();
      await choose(app, "Change…");
      const dialog = app.getByRole("dialog", { name: "Change app" });
      for (const access of ["A token", "A password"]) {
        await dialog.getByRole("radio", { name: access }).check();
        await accessible(app, `change, ${access}`);
      }
      await app.keyboard.press("Escape");
      await choose(app, "Release the name…");
      await accessible(app, "release");
      await app.keyboard.press("Escape");

      await card(app).getByRole("link", { name: "app", exact: true }).click();
      await expect(requests(app)).toHaveCount(3);
      await accessible(app, "requests");
      await requests(app).filter({ hasText: "/orders" }).click();
      for (const tab of ["Request", "Answer", "Timing"]) {
        await pane(app).getByRole("tab", { name: tab }).click();
        await accessible(app, `a request, ${tab}`);
      }
      await pane(app).getByRole("button", { name: "Edit and replay…" }).click();
      await expect(app.getByRole("dialog", { name: "Edit and replay" })).toBeVisible();
      await accessible(app, "edit and replay");
      await app.keyboard.press("Escape");
      await pane(app).getByRole("button", { name: "Replay", exact: true }).click();
      await expect(pane(app).getByText("As it came.")).toBeVisible();
      await dismiss(app);
      await accessible(app, "compared");
      await requests(app).filter({ hasText: "/stream" }).click();
      await pane(app).getByRole("tab", { name: "Events" }).click();
      await pane(app).getByRole("option").first().click();
      await expect(pane(app).getByRole("region", { name: "Event" }).getByRole("tree")).toBeVisible();
      await accessible(app, "events");
      await app.getByRole("button", { name: "Requests" }).click();
      await app.getByRole("menuitem", { name: "Forget all of them…" }).click();
      await accessible(app, "forget");
      await app.getByRole("dialog").getByRole("button", { name: "Forget" }).click();
      await expect(app.getByText("Nothing went through yet")).toBeVisible();
      await accessible(app, "requests, none");

      await site.stop();
      const visitor = await app.context().newPage();
      await visitor.goto(`${public_}/`);
      await accessible(visitor, "what a visitor is told");
    });
  });
}
