import { createHmac } from "node:crypto";
import { detail, expect, forwardTo, go, open, row, test } from "./fixtures.js";

test("events go on to the target, byte for byte, and its answers are shown", async ({
  app,
  machine,
  target,
}) => {
  await go(app, "Handlers");
  await app.getByRole("button", { name: "Forward to localhost:3000" }).click();
  const dialog = app.getByRole("dialog", { name: "Add a rule" });
  const address = dialog.getByLabel("Address");
  await expect(address).toHaveValue("http://localhost:3000/");
  await address.fill("ftp://localhost");
  await expect(address).toHaveAttribute("aria-invalid", "true");
  await address.fill(target.url("/api/linear"));
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(app.getByText("It acts on events from now on.")).toBeVisible();
  await expect(app.getByText("No runs yet")).toBeVisible();

  const sent = await machine.issueUpdate("ENG-1", "Übergrößenträger 👩‍💻");
  const got = await target.got("ENG-1");
  expect(got.path).toBe("/api/linear");
  expect(got.body).toBe(sent);
  expect(got.headers["linear-event"]).toBe("Issue");
  expect(got.headers["webhook-signature"]).toBeUndefined();
  await expect(app.getByRole("listitem").filter({ hasText: "ENG-1" })).toContainText("200");

  target.status = 500;
  target.answer = "TypeError: state is undefined";
  await machine.issueUpdate("ENG-2", "Fails");
  await go(app, "Events");
  await expect(row(app, "ENG-2")).toContainText("500");
  const pane = await open(app, "ENG-2");
  await pane.getByRole("tab", { name: "Timeline" }).click();
  await pane.getByText("Request and answer").click();
  await expect(pane.getByText("TypeError: state is undefined")).toBeVisible();

  await app.getByRole("button", { name: "Any outcome" }).click();
  await app.getByRole("menuitemradio", { name: "Failed" }).click();
  await expect(app.getByRole("option")).toHaveCount(1);

  await go(app, "Handlers");
  await app.getByRole("button", { name: /^More for/ }).click();
  await app.getByRole("menuitem", { name: "Remove" }).click();
  await expect(app.getByText("Nothing is done with events yet")).toBeVisible();
  await machine.issueUpdate("ENG-3", "Goes nowhere");
  await go(app, "Events");
  await expect(row(app, "ENG-3")).toContainText("no handler");
  expect(target.received).toHaveLength(2);
});

test("an event is replayed to a local server as it came", async ({ app, machine, target }) => {
  const sent = await machine.issueUpdate("ENG-5", "Once more");
  const pane = await open(app, "ENG-5");
  // Nothing is set to forward to: it asks where to.
  await pane.getByRole("button", { name: "Replay", exact: true }).click();
  const dialog = app.getByRole("dialog", { name: "Replay with changes" });
  await dialog.getByLabel("Address").fill(target.url("/once"));
  await dialog.getByRole("button", { name: "Replay" }).click();
  await expect(app.getByText(/^Replayed to .*\/once: 200/)).toBeVisible();
  const got = await target.got("ENG-5");
  expect(got.body).toBe(sent);
  // The provider's own signature is still good.
  expect(got.headers["linear-signature"]).toMatch(/^[0-9a-f]{64}$/);
  expect(createHmac("sha256", "x").update(sent).digest("hex")).toHaveLength(64);
  await pane.getByRole("tab", { name: "Timeline" }).click();
  await expect(pane.getByText(/^Replayed to /)).toBeVisible();

  // By key, to a server that is gone: the error says so and stays.
  await go(app, "Handlers");
  await forwardTo(app, "http://127.0.0.1:9/gone");
  await go(app, "Events");
  await row(app, "ENG-5").click();
  await app.keyboard.press("r");
  await expect(app.getByRole("alert").filter({ hasText: "Replay failed" })).toContainText(/refused/);
  await expect(row(app, "ENG-5")).toContainText("refused");
  await expect(detail(app)).toBeVisible();
});

test("an event is copied as a command and as JSON", async ({ app, machine, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const sent = await machine.issueUpdate("ENG-6", "It's here");
  const pane = await open(app, "ENG-6");
  const copied = () => app.evaluate(() => navigator.clipboard.readText());
  await pane.getByRole("button", { name: "More" }).click();
  await app.getByRole("menuitem", { name: "Copy the body" }).click();
  await expect(app.getByText("Body copied")).toBeVisible();
  expect(await copied()).toBe(sent);
  await pane.getByRole("button", { name: "More" }).click();
  await app.getByRole("menuitem", { name: "Copy as cURL" }).click();
  await expect(app.getByText("cURL command copied")).toBeVisible();
  expect(await copied()).toContain(`--data-binary '${sent.replaceAll("'", "'\\''")}'`);
});

test("an old event is signed anew with a local secret, and edited", async ({ app, machine, target }) => {
  await machine.issueUpdate("ENG-6", "Days old");
  await go(app, "Settings");
  await app.getByRole("button", { name: "Add…" }).click();
  const add = app.getByRole("dialog", { name: "Add a local secret" });
  await add.getByLabel("Secret").fill("lin_whs_of_this_laptop");
  await add.getByRole("button", { name: "Add" }).click();
  await expect(app.getByText("every source without one of its own")).toBeVisible();

  await go(app, "Events");
  const pane = await open(app, "ENG-6");
  // What the laptop's own program would say: another secret signed it.
  await pane.getByRole("tab", { name: "Verification" }).click();
  await expect(pane.getByText(/^this secret makes/)).toBeVisible();

  await pane.getByRole("button", { name: "Replay with…" }).click();
  const dialog = app.getByRole("dialog", { name: "Replay with changes" });
  await dialog.getByLabel("Address").fill(target.url("/anew"));
  await dialog.getByRole("radio", { name: "New" }).check();
  const body = dialog.getByLabel("Body");
  await expect(body).toHaveValue(/Days old/);
  await body.fill((await body.inputValue()).replace("Days old", "Edited"));
  await expect(dialog.getByText("edited", { exact: true })).toBeVisible();
  await dialog.getByRole("button", { name: "Replay" }).click();
  await expect(app.getByText(/^Replayed to .* · edited, signed anew$/)).toBeVisible();
  const got = await target.got("ENG-6");
  expect(got.body).toContain("Edited");
  const signature = createHmac("sha256", "lin_whs_of_this_laptop").update(got.body).digest("hex");
  expect(got.headers["linear-signature"]).toBe(signature);
  expect(got.headers["postern-altered"]).toBe("edited, resigned");
});

test("what a run sent is shown beside its answer, and how it differs from what came", async ({
  app,
  machine,
  target,
}) => {
  await go(app, "Handlers");
  await forwardTo(app, target.url("/first"));
  // What listens here is offered, and keeps the path.
  await app.getByRole("button", { name: "Add a rule" }).click();
  const editor = app.getByRole("dialog", { name: "Add a rule" });
  await editor.getByLabel("Address").fill("https://example.com/second");
  const port = new URL(target.url("/")).port;
  const ports = editor.getByRole("group", { name: "Programs that listen on this machine" });
  const more = ports.getByRole("button", { name: /^\d+ more$/ });
  await expect(ports.getByRole("button").first()).toBeVisible();
  if (await more.isVisible()) await more.click();
  await editor.getByRole("button", { name: new RegExp(`^${port}\\b`) }).click();
  await expect(editor.getByLabel("Address")).toHaveValue(`http://localhost:${port}/second`);
  expect(await editor.getByRole("button", { name: /postern/ }).count()).toBe(0);
  await editor.getByLabel("Name").fill("Preview");
  await editor.getByLabel("Events", { exact: false }).first().fill("Comment");
  await editor.getByText("Timeout, retries, headers, host").click();
  await editor.getByLabel("Headers to add").fill("X-Preview: yes\nUser-Agent: Preview");
  await editor.getByRole("button", { name: "Add", exact: true }).click();
  await expect(editor).toBeHidden();

  target.answer = "thank you";
  await machine.issueUpdate("ENG-8", "To be edited");
  await target.got("ENG-8");
  await go(app, "Events");
  const pane = await open(app, "ENG-8");
  await pane.getByRole("button", { name: "Replay with…" }).click();
  const dialog = app.getByRole("dialog", { name: "Replay with changes" });
  const through = dialog.getByLabel("Send it");
  await expect(dialog.getByLabel("Address")).toHaveCount(0);
  // The rule's filter takes no issues: it was chosen all the same.
  const option = await through.getByRole("option", { name: /Preview/ }).textContent();
  await through.selectOption({ label: String(option).trim() });
  const body = dialog.getByLabel("Body");
  await expect(body).toHaveValue(/To be edited/);
  await body.fill((await body.inputValue()).replace("To be edited", "Edited once"));
  await dialog.getByRole("button", { name: "Replay" }).click();
  await expect(app.getByText(/^Replayed to .*\/second: 200/)).toBeVisible();
  const got = await target.got("Edited once");
  expect(got.path).toBe("/second");
  expect(got.headers["x-preview"]).toBe("yes");

  await pane.getByRole("tab", { name: "Timeline" }).click();
  const replayed = pane.getByRole("listitem").filter({ hasText: "Replayed to" });
  await replayed.getByText("Request and answer").click();
  const sent = replayed.getByRole("region", { name: "What was sent" });
  await expect(sent).toContainText("POST http://localhost:");
  await expect(sent.getByRole("listitem").filter({ hasText: "x-preview" })).toContainText("added:");
  await expect(sent.getByRole("listitem").filter({ hasText: "user-agent" })).toContainText(
    "it came as Linear-Webhook",
  );
  await expect(sent).toContainText("data.title");
  await expect(sent).toContainText('"Edited once"');
  await expect(replayed.getByRole("region", { name: "What was answered" })).toContainText("thank you");
  // What went out unchanged says so.
  const forwarded = pane.getByRole("listitem").filter({ hasText: "Forwarded to" });
  await forwarded.getByText("Request and answer").click();
  await expect(forwarded.getByText(/of body, as it came\.$/)).toBeVisible();
});
