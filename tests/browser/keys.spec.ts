import { expect, go, row, settled, test } from "./fixtures.js";

test("a key that follows Escape at once finds the window closed", async ({ app }) => {
  const press = async (...keys: string[]) => {
    // As fast as a keyboard can: nothing waits for the page in between.
    await Promise.all(keys.map((key) => app.keyboard.press(key)));
  };
  const commands = app.getByRole("dialog", { name: "Commands" });
  await press("Control+k");
  await expect(commands).toBeVisible();
  await press("Escape", "?");
  await expect(app.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  await press("Escape", "Control+k");
  await expect(commands.getByRole("option").first()).toBeVisible();
  await press("Escape", "Control+k");
  await expect(commands.getByRole("option").first()).toBeVisible();
  await press("Escape", "g", "s");
  await expect(app.getByRole("heading", { level: 1, name: "Settings" })).toBeVisible();
  await expect(commands).toBeHidden();
});

test("single letters are the page's only while no window is open", async ({ app }) => {
  await go(app, "Handlers");
  await app.getByRole("button", { name: "Forward to localhost:3000" }).click();
  const editor = app.getByRole("dialog", { name: "Add a rule" });
  await expect(editor.getByLabel("Address")).toBeFocused();
  await editor.getByRole("button", { name: "Cancel" }).focus();
  await app.keyboard.press("p");
  await app.keyboard.press("g");
  await app.keyboard.press("e");
  await app.keyboard.press("?");
  await expect(editor).toBeVisible();
  await app.keyboard.press("Escape");
  await expect(editor).toBeHidden();
  await expect(app.getByRole("heading", { level: 1, name: "Handlers" })).toBeVisible();
  await expect(app.getByRole("link", { name: /^Live/ })).toBeVisible();
  await expect(app.getByRole("dialog")).toBeHidden();
});

test("Escape leaves the comparison, then the event; choosing moves no row", async ({ app, machine }) => {
  await machine.issueUpdate("ENG-1", "Login fails after SSO redirect");
  await machine.issueUpdate("ENG-2", "Rate limit page is blank");
  await expect(app.getByRole("option")).toHaveCount(2);
  await settled(app);
  const at = async () => (await row(app, "ENG-1").boundingBox())?.y;
  const before = await at();
  await row(app, "ENG-1").click({ modifiers: ["Control"] });
  await row(app, "ENG-2").click({ modifiers: ["Control"] });
  const chosen = app.getByRole("region", { name: "Chosen events" });
  await expect(chosen).toContainText("2 events chosen");
  expect(await at()).toBe(before);
  await chosen.getByRole("button", { name: "Compare" }).click();
  const comparison = app.getByRole("region", { name: "Comparison" });
  await expect(comparison.getByText(/differences$/)).toBeVisible();
  await app.keyboard.press("Escape");
  await expect(comparison).toBeHidden();
  await expect(app.getByRole("region", { name: "Event", exact: true })).toBeVisible();
  await app.keyboard.press("Escape");
  await expect(app.getByRole("region", { name: "Event", exact: true })).toBeHidden();
});

test("the palette does with the open event what its menu does", async ({ app, machine }) => {
  await machine.issueUpdate("ENG-1", "Login fails after SSO redirect");
  await row(app, "ENG-1").click();
  await expect(app.getByRole("tree", { name: "Payload" })).toBeVisible();
  await app.keyboard.press("Control+k");
  await app.keyboard.type("redeliver");
  await expect(app.getByRole("dialog").getByRole("option").first()).toContainText(
    "Redeliver from the proxy",
    {
      ignoreCase: true,
    },
  );
  await app.keyboard.press("Enter");
  await expect(app.getByText("The proxy delivers it once more.")).toBeVisible();
  await expect(app.getByRole("option")).toHaveCount(2);
  await app.keyboard.press("Control+k");
  await app.keyboard.type("compare this");
  await app.keyboard.press("Enter");
  await expect(app.getByText("Now open the other one and choose Compare again.")).toBeVisible();
  await app.keyboard.press("j");
  await app.keyboard.press("k");
  await app.keyboard.press("c");
  await app.keyboard.press("Control+k");
  await app.keyboard.type("add a rule");
  await app.keyboard.press("Enter");
  await expect(app.getByRole("dialog", { name: "Add a rule" })).toBeVisible();
});
