import { accessible, expect, forwardTo, go, live, test } from "./fixtures.js";

test("the whole path is tested, hop by hop, to the target", async ({ app, target }) => {
  await go(app, "Connection");
  // The first quiet canary has proven the path, and is no event.
  await expect(app.getByText(/Live · proven (just now|\d+ s ago)/).first()).toBeVisible();
  await expect(app.getByRole("term").filter({ hasText: "Last proof" })).toBeVisible();
  await app.getByRole("button", { name: "Test the whole path" }).click();
  await expect(app.getByText("The whole path works")).toBeVisible();
  const hops = app.getByRole("list", { name: "The hops of the test" }).getByRole("listitem");
  await expect(hops).toHaveCount(10);
  await expect(hops.filter({ hasText: "Committed" })).toContainText(/ms/);
  await expect(hops.last()).toContainText("no handler takes it");
  await accessible(app, "a tested path");

  target.status = 401;
  await go(app, "Handlers");
  await forwardTo(app, target.url("/"));
  // By the palette, from another page.
  await app.keyboard.press("Control+k");
  await app.keyboard.type("test the whole");
  await app.keyboard.press("Enter");
  await expect(hops.last()).toContainText("401");
  await expect(app.getByText("The whole path works")).toBeVisible();
  expect(target.received.at(-1)?.body).toContain('"type":"path.tested"');
  // It is an event like any other, and says what it is.
  await go(app, "Events");
  await expect(app.getByRole("option", { name: /Test of the whole path/ }).first()).toBeVisible();
});

test("rotating the secret asks first, and events go on arriving", async ({ app, machine }) => {
  await go(app, "Connection");
  await app.getByRole("button", { name: "Rotate the secret…" }).click();
  const dialog = app.getByRole("dialog", { name: /Rotate this worker/ });
  await accessible(app, "rotate the secret");
  await dialog.getByRole("button", { name: "Rotate" }).click();
  await expect(app.getByText("Deliveries are signed with a new secret.")).toBeVisible();
  await machine.issueUpdate("ENG-1", "After the rotation");
  await go(app, "Events");
  await expect(app.getByRole("option", { name: "ENG-1" })).toBeVisible();
  await live(app);
});
