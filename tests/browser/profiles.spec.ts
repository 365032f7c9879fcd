import type { Page } from "@playwright/test";
import { accessible, expect, live, row, test } from "./fixtures.js";
import { Machine } from "./programs.js";

const menu = (page: Page) => page.getByRole("button", { name: /^Workspace/ });

test("two workspaces: both receive, one is shown, one click between them", async ({ app, machine }) => {
  // Only its proxy is used: another team's.
  const other = await Machine.start();
  try {
    await menu(app).click();
    await accessible(app, "the menu of workspaces");
    await app.getByRole("menuitem", { name: "Add a workspace…" }).click();
    await expect(app.getByRole("heading", { name: "Add a workspace" })).toBeVisible();
    await accessible(app, "add a workspace");
    await app.getByRole("button", { name: "Back to the events" }).click();
    await live(app);
    await menu(app).click();
    await app.getByRole("menuitem", { name: "Add a workspace…" }).click();
    await app.getByLabel("Proxy").fill(other.proxyUrl);
    await app.getByLabel("Workspace token").fill(other.token);
    await app.getByRole("button", { name: "Sign in" }).click();
    await live(app);
    await expect(app.getByRole("heading", { name: "No events yet" })).toBeVisible();
    await other.issueUpdate("HOME-1", "Of the other team");
    await expect(row(app, "HOME-1")).toBeVisible();
    // The first goes on receiving while the other is shown.
    await machine.issueUpdate("ENG-1", "Of the first team");
    await menu(app).click();
    const items = app.getByRole("menuitemradio");
    await expect(items).toHaveCount(2);
    await items.first().click();
    await expect(row(app, "ENG-1")).toBeVisible();
    await expect(row(app, "HOME-1")).toBeHidden();
    // By keys, and back.
    await app.keyboard.press("g");
    await app.keyboard.press("2");
    await expect(row(app, "HOME-1")).toBeVisible();

    await menu(app).click();
    await app.getByRole("menuitem", { name: "Rename…" }).click();
    await app.getByLabel("Name on this machine").fill("Home");
    await accessible(app, "rename");
    await app.getByRole("button", { name: "Rename", exact: true }).click();
    await expect(app.getByRole("button", { name: "Workspace: Home" })).toBeVisible();

    await menu(app).click();
    await app.getByRole("menuitem", { name: "Remove…" }).click();
    const dialog = app.getByRole("dialog", { name: "Remove Home?" });
    await expect(dialog).toContainText("1 event");
    await accessible(app, "remove");
    await dialog.getByRole("button", { name: "Remove" }).click();
    await expect(app.getByText("Home is removed from this machine.")).toBeVisible();
    await expect(row(app, "ENG-1")).toBeVisible();
    await live(app);
  } finally {
    await other.stop();
  }
});
