import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import type { Page } from "@playwright/test";
import { accessible, expect, forwardTo, go, live, row, test } from "./fixtures.js";

const SECRET = "hunter2";

/** A dialog, opened by a button of the page. */
async function dialog(page: Page, button: string, name: string) {
  await page.getByRole("button", { name: button, exact: true }).click();
  const opened = page.getByRole("dialog", { name });
  await expect(opened).toBeVisible();
  return opened;
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme });
    test("the dialogs of settings and connection are accessible, and give the focus back", async ({
      app,
    }) => {
      await go(app, "Settings");
      const open = async (button: string, name: string, ready?: string) => {
        const opened = await dialog(app, button, name);
        if (ready) await expect(opened).toContainText(ready);
        await accessible(app, name);
        await app.keyboard.press("Escape");
        await expect(opened).toBeHidden();
        await expect(app.getByRole("button", { name: button, exact: true })).toBeFocused();
      };
      await open("Rename…", "Rename this machine");
      await open("Change the port", "Change the port");
      await open("Change…", "Change the token");
      await open("Export…", "Export settings", '"postern-settings"');
      await open("Import…", "Import settings");
      await open("Show…", "Diagnostics", '"postern-diagnostics"');
      await go(app, "Connection");
      await expect(app.getByRole("region", { name: "Workers" })).toContainText("this machine");
      await accessible(app, "connection");
      await open("Change…", "Events asked for");
    });
  });
}

test("settings are exported, changed and imported again", async ({ app }) => {
  await go(app, "Handlers");
  await forwardTo(app, `http://localhost:3999/x?token=${SECRET}`);
  await go(app, "Settings");
  const shown = await dialog(app, "Export…", "Export settings");
  await expect(shown).toContainText("localhost:3999/x");
  await expect(shown).not.toContainText(SECRET);
  const saving = app.waitForEvent("download");
  await shown.getByRole("button", { name: "Save as a file" }).click();
  const saved = await saving;
  expect(saved.suggestedFilename()).toBe("postern-settings.json");
  const document = await readFile(await saved.path(), "utf8");
  expect(document).not.toContain(SECRET);
  await expect(shown).toBeHidden();

  // Another choice here, and a document that differs once more.
  await app.getByRole("radio", { name: "Dark" }).check();
  const changed = document.replace('"canaryMinutes": 5', '"canaryMinutes": 15');
  const importing = await dialog(app, "Import…", "Import settings");
  await importing.getByLabel("File").setInputFiles({
    name: "bad.json",
    mimeType: "application/json",
    buffer: Buffer.from(document.replace('"version": 1', '"version": 9')),
  });
  await expect(importing).toContainText("The document is of version 9; this Postern reads version 1 only.");
  await accessible(app, "import, refused");
  await importing.getByLabel("File").setInputFiles({
    name: "postern-settings.json",
    mimeType: "application/json",
    buffer: Buffer.from(changed),
  });
  await expect(importing).toContainText("every 5 minutes");
  await expect(importing).toContainText("every 15 minutes");
  await expect(importing).toContainText("Theme");
  // The rule is the same, and keeps what the document does not hold.
  await expect(importing).not.toContainText("To be entered again");
  await accessible(app, "import, with changes");
  await importing.getByRole("button", { name: "Make 2 changes" }).click();
  await expect(app.getByText("The settings are imported.")).toBeVisible();
  await expect(app.getByLabel("Prove the path")).toHaveValue("15");
  await expect(app.getByRole("radio", { name: "System" })).toBeChecked();
  const again = await dialog(app, "Import…", "Import settings");
  await again.getByLabel("Or the text itself").fill(changed);
  await again.getByRole("button", { name: "Show what changes" }).click();
  await expect(again).toContainText("Nothing changes: everything is set so already.");
});

test("diagnostics are shown and saved, without what is secret", async ({ app, machine }) => {
  await machine.issueUpdate("ENG-1", "A title that nobody else should read");
  await expect(row(app, "ENG-1")).toBeVisible();
  await go(app, "Settings");
  const shown = await dialog(app, "Show…", "Diagnostics");
  await expect(shown).toContainText('"checks"');
  const saving = app.waitForEvent("download");
  await shown.getByRole("button", { name: "Save as a file" }).click();
  const text = await readFile(await (await saving).path(), "utf8");
  for (const secret of [machine.token, "A title that nobody", "ENG-1"]) expect(text).not.toContain(secret);
  const { profiles, checks, log } = JSON.parse(text) as {
    profiles: { events: number; connection: { state: string } }[];
    checks: { check: string }[];
    log: string[];
  };
  expect(profiles[0]).toMatchObject({ events: 1, connection: { state: "live" } });
  expect(checks.map(({ check }) => check)).toEqual(expect.arrayContaining(["proxy", "worker", "receiver"]));
  expect(Array.isArray(log)).toBe(true);
});

test("this machine is renamed and asks for some events alone", async ({ app, machine }) => {
  await go(app, "Settings");
  const rename = await dialog(app, "Rename…", "Rename this machine");
  await rename.getByLabel("Name").fill(" ");
  await rename.getByLabel("Name").press("Enter");
  await expect(rename).toContainText("The name is missing.");
  await rename.getByLabel("Name").fill("ada-laptop");
  await rename.getByLabel("Name").press("Enter");
  await expect(app.getByText("This machine is called ada-laptop.")).toBeVisible();
  await live(app);

  const token = await dialog(app, "Change…", "Change the token");
  await token.getByLabel("Workspace token").fill("pst_nobody_knows_this_token");
  await token.getByRole("button", { name: "Change", exact: true }).click();
  await expect(token.getByText(/auth\./)).toBeVisible();
  await token.getByLabel("Workspace token").fill(machine.token);
  await token.getByRole("button", { name: "Change", exact: true }).click();
  await expect(app.getByText("The new token is in use.")).toBeVisible();
  await live(app);

  await go(app, "Connection");
  await expect(app.getByRole("region", { name: "Workers" })).toContainText("ada-laptop");
  const ask = await dialog(app, "Change…", "Events asked for");
  const terms = ask.getByRole("textbox");
  await terms.fill("Comment\nIssue[data.x ==]");
  await expect(ask).toContainText("Line 2, character 16");
  await ask.getByRole("button", { name: "Save" }).click();
  await expect(terms).toBeFocused();
  await terms.fill("Comment");
  await ask.getByRole("button", { name: "Save" }).click();
  await expect(ask).toBeHidden();
  await expect(app.getByRole("region", { name: "Workers" })).toContainText("asks for Comment");
  await live(app);
  await machine.issueUpdate("ENG-1", "Not asked for");
  await machine.linear("Comment", { action: "create", data: { id: "c1", body: "Asked for" } });
  await go(app, "Events");
  await expect(app.getByRole("option")).toHaveCount(1);
  await expect(row(app, "ENG-1")).toBeHidden();
});

test("the port is taken at once, or refused with the program that has it", async ({ app, machine }) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const port = (taken.address() as AddressInfo).port;
  try {
    await go(app, "Settings");
    const change = app.getByRole("button", { name: "Change the port" });
    await change.click();
    const dialog = app.getByRole("dialog", { name: "Change the port" });
    const field = dialog.getByRole("textbox", { name: "Port" });
    await field.fill("70000");
    await app.keyboard.press("Enter");
    await expect(dialog.getByText("A port is a number from 1 to 65535.")).toBeVisible();
    await field.fill(String(port));
    await app.keyboard.press("Enter");
    await expect(dialog.getByText(new RegExp(`^Port ${port} is taken by `))).toBeVisible();
    await expect(field).toBeFocused();
    taken.close();
    await once(taken, "close");
    await app.keyboard.press("Enter");
    await expect(dialog).toHaveCount(0);
    await expect(app.getByText(`Deliveries arrive at port ${port}.`)).toBeVisible();
    await expect(change).toBeFocused();
  } finally {
    taken.close();
  }
  await go(app, "Events");
  await machine.issueUpdate("ENG-5", "Through the new port");
  await expect(row(app, "ENG-5")).toBeVisible();
});
