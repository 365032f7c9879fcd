import { expect, go, live, row, test } from "./fixtures.js";

// So that an absence does not take a minute.
test.use({ leaseSeconds: 2 });

test("what came during an absence is held until it is chosen, and new events flow meanwhile", async ({
  app,
  machine,
}) => {
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
