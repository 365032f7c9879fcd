import { expect, live, open, row, test } from "./fixtures.js";

test("a worker killed and started again has lost nothing, and the interface goes on", async ({
  app,
  machine,
}) => {
  await machine.issueUpdate("ENG-1", "Before");
  await open(app, "ENG-1");
  await machine.killEdge();
  await expect(app.getByRole("link", { name: /^Postern does not answer/ })).toBeVisible();
  // What was there is still to be read.
  await expect(row(app, "ENG-1")).toBeVisible();
  await machine.issueUpdate("ENG-2", "Meanwhile");

  // The page goes on by itself, where it was.
  await machine.serve();
  await live(app);
  await expect(row(app, "ENG-2")).toBeVisible();
  await expect(row(app, "ENG-1")).toHaveCount(1);
  await machine.issueUpdate("ENG-3", "After");
  await expect(row(app, "ENG-3")).toBeVisible();
  expect(app.url()).not.toContain("token");
});

test("a page whose session ended says how to get a new one, and takes it", async ({ app, machine }) => {
  await machine.killEdge();
  await machine.forgetSessions();
  const link = await machine.serve();
  await expect(app.getByRole("heading", { name: "This page needs a new link" })).toBeVisible();
  await app.goto(link);
  await live(app);
});
