import { accessible, detail, expect, live, row, signIn, test } from "./fixtures.js";

test("the link opens the interface once, and leaves no token behind", async ({ fresh, machine, browser }) => {
  await expect(fresh.getByRole("heading", { name: "Sign in to Postern" })).toBeVisible();
  expect(fresh.url()).toBe(`${machine.apiUrl.replace(/\/$/, "")}/#/events`);
  // Another browser without a link of its own sees nothing.
  const context = await browser.newContext();
  const other = await context.newPage();
  await other.goto(machine.apiUrl);
  await expect(other.getByRole("heading", { name: "This page needs a new link" })).toBeVisible();
  await other.goto(`${machine.apiUrl}/#token=0000`);
  // A link pasted into an open page is taken up too.
  await expect.poll(() => other.url()).not.toContain("token");
  await expect(other.getByText("postern open")).toBeVisible();
  await accessible(other, "without a session");
  await context.close();
  // This one still does, after a reload too.
  await fresh.reload();
  await expect(fresh.getByRole("heading", { name: "Sign in to Postern" })).toBeVisible();
});

test("what is wrong with a sign-in stands at its field", async ({ fresh, machine }) => {
  const url = fresh.getByLabel("Proxy");
  const token = fresh.getByLabel("Workspace token");
  await url.fill("hooks");
  await fresh.getByRole("button", { name: "Sign in" }).click();
  await expect(url).toHaveAccessibleDescription(/not an address/);
  await expect(url).toBeFocused();
  await expect(token).toHaveAccessibleDescription(/missing/);
  // A well-formed token that the proxy does not know.
  await signIn(fresh, machine, `pst_${"A".repeat(43)}`);
  await expect(token).toHaveAttribute("aria-invalid", "true");
  await expect(token).toBeFocused();
  // A proxy that is not there.
  await url.fill("http://127.0.0.1:9");
  await token.fill(machine.token);
  await fresh.getByRole("button", { name: "Sign in" }).click();
  await expect(url).toHaveAttribute("aria-invalid", "true");
  await accessible(fresh, "the form with an error");
});

test("from sign-in to the first event in view", async ({ fresh, machine }) => {
  await signIn(fresh, machine);
  await live(fresh);
  await expect(fresh.getByRole("heading", { name: "No events yet" })).toBeVisible();
  await fresh.getByRole("button", { name: "Send a test event" }).click();
  // It arrives, and opens by itself.
  await expect(row(fresh, "Issue.create")).toBeVisible();
  const pane = detail(fresh);
  await expect(pane.getByText("verified", { exact: true })).toBeVisible();
  await expect(pane.getByText("test event", { exact: true })).toBeVisible();
  await expect(pane.getByRole("tree", { name: "Payload" })).toBeVisible();
  expect(fresh.url()).toMatch(/#\/events\/evt_/);
});

test("whoever has no proxy runs one here: to the first event, and again after a restart", async ({
  fresh,
  machine,
}) => {
  await accessible(fresh, "the form");
  await fresh.getByRole("button", { name: "Run one here" }).focus();
  await fresh.keyboard.press("Enter");
  await live(fresh);
  await fresh.getByRole("button", { name: "Send a test event" }).click();
  await expect(detail(fresh).getByText("verified", { exact: true })).toBeVisible();
  // It belongs to the worker: it ends with it, and comes back where it was.
  await machine.killEdge();
  await machine.serve();
  await live(fresh);
  await fresh.keyboard.press("Escape");
  await expect(row(fresh, "Issue.create")).toBeVisible();
});

test("signing out asks first, and leads back to the sign-in", async ({ app, machine }) => {
  await app.getByRole("navigation").getByRole("link", { name: "Settings" }).click();
  await app.getByRole("button", { name: "Sign out…" }).click();
  const dialog = app.getByRole("dialog", { name: "Sign out" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toBeHidden();
  await live(app);
  await app.getByRole("button", { name: "Sign out…" }).click();
  await dialog.getByRole("button", { name: "Sign out" }).click();
  await expect(app.getByRole("heading", { name: "Sign in to Postern" })).toBeVisible();
  await signIn(app, machine);
  await live(app);
});
