import { detail, expect, open, row, test } from "./fixtures.js";

test("a webhook is seen as it arrives, newest first, and can be searched", async ({ app, machine }) => {
  await machine.issueUpdate("ENG-1", "Login fails after SSO redirect");
  await expect(row(app, "ENG-1")).toContainText("Login fails after SSO redirect");
  await machine.issueUpdate("ENG-2", "Export as CSV", { description: "needle in the haystack" });
  await expect(row(app, "ENG-2")).toBeVisible();
  await machine.linear("Comment", {
    action: "create",
    data: { id: "c1", body: "Ship it", issue: { identifier: "ENG-1" } },
  });
  await expect(app.getByRole("option")).toHaveCount(3);
  await expect(app.getByRole("option").first()).toContainText("Comment.create");

  // By a word that only the payload holds.
  await app.keyboard.press("/");
  await app.keyboard.type("needle");
  await expect(app.getByRole("option")).toHaveCount(1);
  await expect(row(app, "ENG-2")).toBeVisible();
  await expect(app.getByText("1 of 3 events")).toBeVisible();
  expect(app.url()).toContain("q=needle");
  // What arrives while a search is on joins it only if it fits.
  await machine.issueUpdate("ENG-3", "Another", { description: "a second needle" });
  await expect(app.getByRole("option")).toHaveCount(2);
  // The address holds the search.
  await app.reload();
  await expect(app.getByRole("searchbox")).toHaveValue("needle");
  await expect(app.getByRole("option")).toHaveCount(2);
  await app.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(app.getByRole("option")).toHaveCount(4);

  await app.getByRole("button", { name: "Any provider" }).click();
  await app.getByRole("menuitemradio", { name: "GitHub" }).click();
  await expect(app.getByRole("heading", { name: "No event matches" })).toBeVisible();
  await app.getByRole("button", { name: "Show all events" }).click();
  await expect(app.getByRole("option")).toHaveCount(4);
});

test("the detail shows all that is known of an event", async ({ app, machine }) => {
  const body = await machine.issueUpdate("ENG-7", "Fix <b>login</b> \u202egnp.exe");
  const pane = await open(app, "ENG-7");

  await expect(pane.getByRole("heading", { name: "What changed" })).toBeVisible();
  const tree = pane.getByRole("tree", { name: "Payload" });
  await tree.getByRole("treeitem").filter({ hasText: '"identifier"' }).click();
  await expect(pane.getByText("data.identifier")).toBeVisible();
  await expect(tree).toContainText("U+202E");
  // Folding by keys.
  const rows = tree.getByRole("treeitem");
  await tree.press("Home");
  const before = await rows.count();
  await tree.press("ArrowLeft");
  await expect(rows).toHaveCount(1);
  await tree.press("ArrowRight");
  await expect(rows).toHaveCount(before);

  await pane.getByRole("tab", { name: "Headers" }).click();
  await expect(pane.getByText("linear-signature", { exact: true })).toBeVisible();
  await expect(pane.getByText("webhook-signature", { exact: true })).toBeVisible();

  await pane.getByRole("tab", { name: "Verification" }).click();
  await expect(pane.getByRole("listitem").first()).toContainText("passed");
  await expect(pane.getByText("failed", { exact: false })).toHaveCount(0);

  await pane.getByRole("tab", { name: "Timeline" }).click();
  await expect(pane.getByText("The proxy verified and stored it")).toBeVisible();
  await expect(pane.getByText(/^Attempt 1 · delivered/)).toBeVisible();
  await expect(pane.getByText("Stored on this machine")).toBeVisible();

  await pane.getByRole("tab", { name: "Raw" }).click();
  const raw = pane.getByRole("region", { name: "Body as it came" });
  await expect(raw).toContainText(JSON.stringify(body).slice(2, 30).replaceAll('\\"', '"'));
});

test("keys move through the list, open, and close", async ({ app, machine }) => {
  // One after the other: what is under way at once may overtake.
  for (const key of ["ENG-1", "ENG-2", "ENG-3"]) {
    await machine.issueUpdate(key, "One of three");
    await expect(row(app, key)).toBeVisible();
  }
  await app.keyboard.press("j");
  await expect(row(app, "ENG-3")).toHaveAttribute("aria-selected", "true");
  await app.keyboard.press("j");
  await app.keyboard.press("ArrowDown");
  await expect(row(app, "ENG-1")).toHaveAttribute("aria-selected", "true");
  await app.keyboard.press("k");
  await expect(row(app, "ENG-2")).toHaveAttribute("aria-selected", "true");
  await expect(detail(app).getByRole("heading", { level: 2 })).toContainText("ENG-2");
  await app.keyboard.press("4");
  await expect(app.getByRole("tab", { name: "Timeline" })).toHaveAttribute("aria-selected", "true");
  await app.keyboard.press("Escape");
  await expect(detail(app)).toBeHidden();
  await app.keyboard.press("?");
  await expect(app.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  await app.keyboard.press("Escape");
  await app.keyboard.press("Control+k");
  await app.keyboard.type("conn");
  await app.keyboard.press("Enter");
  await expect(app.getByRole("heading", { level: 1, name: "Connection" })).toBeVisible();
});

test("arrivals do not move what is being read", async ({ app, machine }) => {
  for (let n = 1; n <= 40; n += 1) await machine.issueUpdate(`ENG-${n}`, "One of many");
  await expect(app.getByText("40 events")).toBeVisible();
  const list = app.getByRole("listbox");
  // All rows are laid out, and the list has seen that it was scrolled.
  await expect.poll(() => list.evaluate((e) => e.scrollHeight - e.clientHeight)).toBeGreaterThan(300);
  await list.evaluate(
    (element) =>
      new Promise((seen) => {
        element.addEventListener("scroll", () => requestAnimationFrame(seen), { once: true });
        element.scrollTop = 300;
      }),
  );
  const middle = row(app, "ENG-25 ");
  const place = await middle.boundingBox();
  await machine.issueUpdate("ENG-41", "While reading");
  await machine.issueUpdate("ENG-42", "While reading");
  await expect(app.getByRole("button", { name: "2 new" })).toBeVisible();
  expect(await middle.boundingBox()).toEqual(place);
  await app.getByRole("button", { name: "2 new" }).click();
  await expect(row(app, "ENG-42")).toBeInViewport();
});

test("the proxy holds events while paused, and lets them go", async ({ app, machine }) => {
  await app.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(app.getByRole("link", { name: "Paused · 0 held" })).toBeVisible();
  await machine.issueUpdate("ENG-1", "Held");
  await app.getByRole("button", { name: "Resume", exact: true }).click();
  await expect(row(app, "ENG-1")).toBeVisible();
  await expect(app.getByRole("link", { name: /^Live/ })).toBeVisible();
});
