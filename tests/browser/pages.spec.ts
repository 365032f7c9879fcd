import type { Page } from "@playwright/test";
import { accessible, expect, forwardTo, go, open, row, test } from "./fixtures.js";

const THEMES = ["light", "dark"] as const;

/** Nothing sticks out to the side. */
const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

for (const theme of THEMES) {
  test.describe(`${theme} theme`, () => {
    test.use({ colorScheme: theme });

    test("every page is accessible", async ({ app, machine, target }) => {
      // A score of pages, each looked at whole.
      test.slow();
      await accessible(app, "events, empty");
      await machine.issueUpdate("ENG-1", "Login fails after SSO redirect");
      await machine.linear("Comment", { action: "create", data: { id: "c1", body: "Ship it" } });
      await expect(app.getByRole("option")).toHaveCount(2);
      await accessible(app, "events");
      const pane = await open(app, "ENG-1");
      for (const tab of ["Payload", "Headers", "Verification", "Timeline", "Raw"]) {
        await pane.getByRole("tab", { name: tab }).click();
        if (tab === "Timeline")
          await expect(pane.getByText("The proxy verified and stored it")).toBeVisible();
        await accessible(app, `events, ${tab}`);
      }
      await pane.getByRole("button", { name: "Replay with…" }).click();
      await accessible(app, "replay with");
      await app.keyboard.press("Escape");
      await pane.getByRole("button", { name: "More" }).click();
      await accessible(app, "menu");
      await app.keyboard.press("Escape");

      await go(app, "Tunnels");
      await expect(app.getByText("No tunnels yet")).toBeVisible();
      await accessible(app, "tunnels, empty");
      await app.getByRole("button", { name: "Add a tunnel" }).click();
      const tunnel = app.getByRole("dialog", { name: "Add a tunnel" });
      await tunnel.getByText("Networks, signatures").click();
      await tunnel.getByRole("radio", { name: "A token" }).check();
      await tunnel.getByRole("button", { name: "Add", exact: true }).click();
      await expect(tunnel.getByText("A port of this machine, or an address: 3000")).toBeVisible();
      await accessible(app, "a tunnel that leads nowhere");
      await app.keyboard.press("Escape");

      await go(app, "Handlers");
      await accessible(app, "handlers, empty");
      await app.getByRole("button", { name: "Forward to localhost:3000" }).click();
      const editor = app.getByRole("dialog", { name: "Add a rule" });
      await expect(editor.getByText("of the last 2 events")).toBeVisible();
      await accessible(app, "a rule");
      await editor.getByText("Timeout, retries, headers, host").click();
      await editor.getByLabel("Events", { exact: false }).first().fill("Issue.");
      await expect(editor.getByText("Line 1, character 7:")).toBeVisible();
      await accessible(app, "a rule that cannot be read");
      await app.keyboard.press("Escape");
      await forwardTo(app, target.url("/"));
      await machine.issueUpdate("ENG-2", "Forwarded");
      await expect(app.getByRole("listitem").filter({ hasText: "ENG-2" })).toContainText("200");
      await accessible(app, "handlers");
      await go(app, "Connection");
      await expect(app.getByText("Registered, leased and reachable")).toBeVisible();
      await accessible(app, "connection");
      // Another way for events to arrive: at once, and the next one does.
      await app.getByRole("radio", { name: "Tunnel" }).check();
      await expect(app.getByText("Connected through a tunnel to 127.0.0.1:")).toBeVisible();
      await accessible(app, "connection, tunnel");
      await machine.issueUpdate("ENG-3", "Through the tunnel");
      await go(app, "Events");
      await expect(app.getByRole("option", { name: "ENG-3" })).toBeVisible();
      await go(app, "Settings");
      await accessible(app, "settings");
      await app.getByRole("button", { name: "Sign out…" }).click();
      await accessible(app, "sign out");
      await app.keyboard.press("Escape");
      await app.keyboard.press("Control+k");
      await expect(app.getByRole("dialog").getByRole("option").first()).toBeVisible();
      await accessible(app, "commands");
      await app.keyboard.press("Escape");
      await app.keyboard.press("?");
      await accessible(app, "keyboard");
    });

    test("the sign-in is accessible", async ({ fresh }) => {
      await expect(fresh.getByRole("heading", { name: "Sign in to Postern" })).toBeVisible();
      await accessible(fresh, "sign-in");
    });
  });
}

test("the theme is chosen, kept, and follows the system otherwise", async ({ app }) => {
  const shown = () => app.evaluate(() => document.documentElement.dataset["theme"]);
  await app.emulateMedia({ colorScheme: "dark" });
  await expect.poll(shown).toBe("dark");
  await go(app, "Settings");
  await app.getByRole("radio", { name: "Light" }).check();
  expect(await shown()).toBe("light");
  await app.reload();
  await expect(app.getByRole("radio", { name: "Light" })).toBeChecked();
  expect(await shown()).toBe("light");
  await app.getByRole("radio", { name: "System" }).check();
  expect(await shown()).toBe("dark");
});

test("the connection says where things are, and who was refused", async ({ app, machine }) => {
  await go(app, "Connection");
  const facts = app.getByRole("region", { name: "Registration" });
  await expect(facts).toContainText(machine.proxyUrl);
  const arrives = await facts
    .getByText(/^http:\/\/127\.0\.0\.1:\d+\//)
    .last()
    .textContent();
  await expect(app.getByRole("region", { name: "Sources" })).toContainText("linear");
  await expect(app.getByText("None: everything that came was signed by the proxy.")).toBeVisible();
  const forged = await fetch(String(arrives).trim(), {
    method: "POST",
    body: "{}",
    headers: {
      "content-type": "application/json",
      "webhook-id": "evt_01KAN8Q7Z3M6V1T9XJ2D5R4C0B",
      "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
      "webhook-signature": `v1,${Buffer.alloc(32).toString("base64")}`,
    },
  });
  expect(forged.status).toBe(401);
  await expect(app.getByRole("region", { name: "Refused requests" }).getByRole("listitem")).toContainText(
    "Signed with another secret",
  );
});

test("what the world sends is shown as text, whatever it holds", async ({ app, machine }) => {
  const title = "</script><img src=x onerror=\"document.title='owned'\">\u202egnp.exe\u001b[31m";
  await machine.issueUpdate("ENG-9", title);
  await expect(row(app, "ENG-9")).toContainText("<img src=x");
  expect(await row(app, "ENG-9").textContent()).not.toMatch(/[\u001b\u202e]/);
  const pane = await open(app, "ENG-9");
  await expect(pane.getByRole("tree")).toContainText("U+202E");
  await pane.getByRole("tab", { name: "Raw" }).click();
  await expect(pane.getByRole("region", { name: "Body as it came" })).toContainText("U+202E");
  expect(await pane.textContent()).not.toMatch(/[\u001b\u202e]/);
  await expect(app).toHaveTitle("Events · Postern");
  expect(await app.locator("img").count()).toBe(0);
});

test("a payload of five megabytes, and one two hundred levels deep, open at once", async ({
  app,
  machine,
}) => {
  const items = Array.from({ length: 30_000 }, (_, i) => ({
    i,
    name: "x".repeat(60),
    tags: ["a", "b"],
    deep: { yes: true },
  }));
  const large = await machine.issueUpdate("ENG-10", "Large", { items });
  expect(large.length).toBeGreaterThan(3_500_000);
  await machine.linear("Issue", {
    action: "update",
    data: JSON.parse("[".repeat(200) + "]".repeat(200)) as unknown,
  });
  await expect(app.getByRole("option")).toHaveCount(2);

  await app.evaluate(() => {
    const stalls = ((window as unknown as { stalls: number[] }).stalls = [] as number[]);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) stalls.push(entry.duration);
    }).observe({ type: "longtask" });
  });
  await row(app, "ENG-10").click();
  const tree = app.getByRole("tree", { name: "Payload" });
  await expect(tree.getByText("30,000 items")).toBeVisible();
  // Everything open: still only the rows that are seen are drawn.
  await tree.getByRole("treeitem").filter({ hasText: "30,000 items" }).click();
  await tree.press("*");
  await tree.press("End");
  expect(await tree.getByRole("treeitem").count()).toBeLessThan(120);
  await app.getByRole("tab", { name: "Raw" }).click();
  await expect(app.getByRole("region", { name: "Body as it came" })).toBeVisible();
  const longest = await app.evaluate(() =>
    Math.max(0, ...(window as unknown as { stalls: number[] }).stalls),
  );
  expect(longest).toBeLessThan(1500);

  await app.getByRole("tab", { name: "Payload" }).click();
  await app.getByRole("option").filter({ hasNotText: "ENG-10" }).click();
  await expect(tree.getByRole("treeitem").first()).toBeVisible();
  await tree.press("End");
  expect(await tree.getByRole("treeitem").count()).toBeLessThan(120);
});

for (const [width, height] of [
  [900, 700],
  [680, 410], // a laptop's screen at 200 %
  [600, 800],
] as const) {
  test(`it works at ${width} by ${height}`, async ({ app, machine }) => {
    await app.setViewportSize({ width, height });
    await machine.issueUpdate(
      "ENG-1",
      "A title that is long enough to be cut where there is little room for it",
    );
    await expect(row(app, "ENG-1")).toBeVisible();
    expect(await fits(app)).toBe(true);
    const pane = await open(app, "ENG-1");
    await expect(pane.getByRole("button", { name: "Replay", exact: true })).toBeInViewport();
    expect(await fits(app)).toBe(true);
    await pane.getByRole("button", { name: "Close" }).click();
    await expect(row(app, "ENG-1")).toBeInViewport();
    for (const name of ["Tunnels", "Handlers", "Connection", "Settings"]) {
      await go(app, name);
      expect(await fits(app)).toBe(true);
    }
  });
}
