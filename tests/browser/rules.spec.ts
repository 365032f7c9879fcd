import { expect, forwardTo, go, row, test } from "./fixtures.js";
import { Target } from "./programs.js";

test("rules are tried on the newest events, ordered, switched and removed", async ({
  app,
  machine,
  target,
}) => {
  const mirror = await Target.start();
  try {
    await machine.issueUpdate("ENG-1", "Came before the rules");
    await machine.linear("Comment", { action: "create", data: { id: "c1", body: "Ship it" } });
    await expect(app.getByRole("option")).toHaveCount(2);
    await go(app, "Handlers");

    // What is wrong with a filter is pointed at; what it takes is shown.
    await app.getByRole("button", { name: "Add a rule" }).click();
    const dialog = app.getByRole("dialog", { name: "Add a rule" });
    const filter = dialog.getByLabel("Events", { exact: false }).first();
    await expect(dialog.getByText("2 of the last 2 events")).toBeVisible();
    await filter.fill('Comment\nIssue[data.identifier = "ENG-1"]');
    await expect(dialog.getByText(/^Line 2, character 23: /)).toBeVisible();
    await filter.fill('Issue[data.identifier == "ENG-1"]');
    await expect(dialog.getByText("1 of the last 2 events")).toBeVisible();
    await expect(dialog.getByRole("list").getByText("ENG-1")).toBeVisible();
    await filter.fill("");
    await dialog.getByRole("button", { name: "Comment", exact: true }).click();
    await expect(filter).toHaveValue("Comment");
    await expect(dialog.getByText("1 of the last 2 events")).toBeVisible();
    await dialog.getByLabel("Address").fill(mirror.url("/comments"));
    await dialog.getByLabel("Name").fill("Comments");
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await expect(dialog).toBeHidden();
    await forwardTo(app, target.url("/all"));

    const rules = app.getByRole("region", { name: "Rules" }).getByRole("listitem");
    await expect(rules).toHaveCount(2);
    await machine.linear("Comment", { action: "create", data: { id: "c2", body: "Both get this" } });
    await target.got("Both get this");
    await mirror.got("Both get this");
    await go(app, "Events");
    await expect(row(app, "Both get this")).toContainText("2 targets");

    // What a rule acted on is a filter, which the address holds.
    await machine.issueUpdate("ENG-3", "No comment");
    await target.got("No comment");
    await app.getByRole("button", { name: "Any handler" }).click();
    await app.getByRole("menu").getByText("Comments", { exact: true }).click();
    await expect(app.getByRole("option")).toHaveCount(1);
    await expect(row(app, "Both get this")).toBeVisible();
    expect(app.url()).toContain("rule=");
    await app.getByRole("button", { name: "Comments", exact: true }).click();
    await app.getByRole("menu").getByText("Any handler").click();
    await expect(row(app, "No comment")).toBeVisible();
    await go(app, "Handlers");
    await expect(rules.first()).toContainText("200");

    // By keyboard: the second rule to the top, and it stays there.
    const grip = app.getByRole("button", { name: /^Move 127/ });
    await grip.focus();
    await app.keyboard.press("ArrowUp");
    await expect(rules.first()).toContainText("every event");
    await expect(grip).toBeFocused();
    await expect(app.getByText(/is now 1 of 2$/)).toBeAttached();
    await app.reload();
    await expect(rules.first()).toContainText("every event");

    // It stops there: the other gets nothing more.
    await rules.first().getByRole("button", { name: /^127/ }).click();
    const edit = app.getByRole("dialog", { name: "Edit the rule" });
    await edit.getByLabel("Stop here").check();
    await edit.getByRole("button", { name: "Save" }).click();
    await expect(rules.first()).toContainText("then stop");
    await machine.linear("Comment", { action: "create", data: { id: "c3", body: "One gets this" } });
    await target.got("One gets this");
    expect(mirror.received).toHaveLength(1);

    await rules.first().getByRole("switch").click();
    await expect(rules.first().getByRole("switch")).toHaveAttribute("aria-checked", "false");
    await machine.linear("Comment", { action: "create", data: { id: "c4", body: "The other gets this" } });
    await mirror.got("The other gets this");

    await rules
      .first()
      .getByRole("button", { name: /^More for/ })
      .click();
    await app.getByRole("menuitem", { name: "Remove" }).click();
    await expect(rules).toHaveCount(1);
    await app.getByRole("button", { name: "Undo" }).click();
    await expect(rules).toHaveCount(2);
  } finally {
    await mirror.stop();
  }
});
