import type { Page } from "@playwright/test";
import { expect, go, live, row, test } from "./fixtures.js";
import type { Machine } from "./programs.js";

// So that an absence does not take a minute.
test.use({ leaseSeconds: 2 });

/** Three events of two issues come while the machine is away; the banner that says so. */
async function absence(app: Page, machine: Machine) {
  await go(app, "Settings");
  await app.getByLabel("After an absence").selectOption({ label: "Ask" });
  await go(app, "Events");
  await machine.killEdge();
  await machine.away();
  const issue = { id: "4f1f6a8e-5d0b-4c8e-9a51-6f0f2f2f7c11" };
  await machine.issueUpdate("ENG-1", "First", issue);
  await machine.issueUpdate("ENG-1", "Second", issue);
  await machine.issueUpdate("ENG-2", "Other");
  await machine.serve();
  await live(app);
  const banner = app.getByRole("region", { name: "Events held while you were away" });
  await expect(banner).toContainText("3 events while you were away");
  return banner;
}

test("what came during an absence is held until it is chosen, and new events flow meanwhile", async ({
  app,
  machine,
}) => {
  const banner = await absence(app, machine);
  await expect(banner).toContainText("2 issues");
  await machine.issueUpdate("ENG-9", "New");
  await expect(row(app, "ENG-9")).toBeVisible();
  await expect(row(app, "ENG-1")).toHaveCount(0);

  await banner.getByRole("button", { name: "Newest per issue · 2" }).click();
  await expect(row(app, "Second")).toBeVisible();
  await expect(row(app, "ENG-2")).toBeVisible();
  await expect(banner).toHaveCount(0);
  await expect(row(app, "First")).toHaveCount(0);
});

test("some of what was held is chosen by name, and the rest stays held", async ({ app, machine }) => {
  const banner = await absence(app, machine);
  const choose = banner.getByRole("button", { name: "Choose…" });
  await choose.click();
  const dialog = app.getByRole("dialog", { name: "Choose what is delivered" });
  await expect(dialog.getByRole("listitem")).toHaveCount(3);
  await expect(dialog.getByRole("button", { name: "Deliver", exact: true })).toBeDisabled();
  await dialog.getByRole("checkbox", { name: "All" }).check();
  await expect(dialog.getByRole("status")).toHaveText("3 of 3 events chosen");
  await dialog.getByRole("checkbox", { name: /Second/ }).uncheck();
  await dialog.getByRole("checkbox", { name: /First/ }).uncheck();
  await app.keyboard.press("Enter");
  await expect(row(app, "ENG-2")).toBeVisible();
  await expect(dialog).toHaveCount(0);
  await expect(banner).toContainText("2 events while you were away");
  await expect(row(app, "ENG-1")).toHaveCount(0);

  await choose.click();
  await app.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(choose).toBeFocused();
  await banner.getByRole("button", { name: "Skip" }).click();
  await expect(banner).toHaveCount(0);
});
