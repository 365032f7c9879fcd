// Payloads that nobody sends by accident: shown as text, whole, and without
// holding up the page.

import type { Locator, Page } from "@playwright/test";
import { detail, expect, go, open, row, test } from "./fixtures.js";

/** Nothing but what a reader may see: no control, no change of direction. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

async function tab(pane: Locator, name: string): Promise<void> {
  await pane.getByRole("tab", { name, exact: true }).click();
}

/** What the page may hold of a payload, in each place that shows any of it. */
async function harmless(app: Page): Promise<void> {
  const held = await app.evaluate(() => {
    const attributes = [...document.querySelectorAll("*")].flatMap((element) =>
      [...element.attributes].map(({ value }) => value),
    );
    return [document.body.textContent, ...attributes, document.title].join("\n");
  });
  expect(held.match(HIDDEN)).toBeNull();
  await expect(app.locator("body img, body script, body iframe, body b b")).toHaveCount(0);
  expect(await app.evaluate(() => "owned" in window)).toBe(false);
}

const MARKUP = `</script><script>owned=1</script><img src=x onerror="owned=1">`;
const DIRT = `a\u202egnp.exe\u2066b\u200f\u001b[31mred\u001b[0m\u0007\u0000end\u0085\u2028`;

const BODIES: Record<string, string | Buffer> = {
  dirty: JSON.stringify({
    action: DIRT,
    repository: { full_name: `${MARKUP}${DIRT}` },
    sender: { login: DIRT },
    [`${MARKUP}${DIRT}`]: [MARKUP, DIRT, { [DIRT]: DIRT }],
    word: "quokka",
  }),
  rawcontrol: `{"a":"x\u202ey","b":"${"\u009b31m"}","word":"quokka"}`,
  bytes: Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28, 0x1b, 0x5b]),
  nul: Buffer.from('{"a":"\u0000"}'),
  empty: "",
  deep: `{"word":"quokka","d":${"[".repeat(200)}"bottom"${"]".repeat(200)}}`,
  numbers: '{"n":123456789012345678901234567890.00010e+400,"z":-0.0,"e":1E5,"word":"quokka"}',
  twice: '{"a":1,"a":2,"a":{"a":3,"a":4},"word":"quokka"}',
  longline: `{"word":"quokka","${"k".repeat(100_000)}":"${"v".repeat(100_000)}"}`,
  updated: JSON.stringify({ updatedFrom: { a: 1 }, word: "quokka" }),
};

/** What its row is known by: of a body that cannot be read, its size. */
const label = (name: string): RegExp => {
  const body = BODIES[name] ?? "";
  return ["bytes", "nul", "empty"].includes(name)
    ? new RegExp(`Unreadable body · ${body.length} bytes`)
    : new RegExp(`hostile_${name}\\b`);
};

test("whatever a payload holds, it is text in every place that shows it", async ({ app, machine }) => {
  for (const [name, body] of Object.entries(BODIES))
    await machine.github(`hostile_${name}`, body, { "x-note": "tab\tand <b>bold</b>" });
  await expect(app.getByRole("option")).toHaveCount(Object.keys(BODIES).length);
  await harmless(app);

  for (const name of Object.keys(BODIES)) {
    const pane = await open(app, label(name));
    for (const which of ["Payload", "Headers", "Verification", "Timeline", "Raw"]) {
      await tab(pane, which);
      await expect(pane.getByRole("tabpanel")).not.toBeEmpty();
      await harmless(app);
    }
    await tab(pane, "Headers");
    await expect(pane.getByText("<b>bold</b>")).toBeVisible();
    await tab(pane, "Payload");
  }

  // What was sent is told, byte for byte.
  const tree = app.getByRole("tree", { name: "Payload" });
  let pane = await open(app, "hostile_numbers");
  for (const exact of ["123456789012345678901234567890.00010e+400", "-0.0", "1E5"])
    await expect(tree.getByText(exact, { exact: true })).toBeVisible();
  pane = await open(app, "hostile_twice");
  await expect(tree.getByRole("treeitem").filter({ hasText: '"a"' })).toHaveCount(5);
  pane = await open(app, "hostile_dirty");
  for (const mark of ["U+202E", "ESC", "NUL", "U+0085", "U+2028"])
    await expect(tree.getByText(mark, { exact: true }).first()).toBeVisible();
  pane = await open(app, label("nul"));
  await expect(pane.getByText(/Not JSON: a control character in a string/)).toBeVisible();
  await tab(pane, "Raw");
  await expect(pane.getByText("NUL", { exact: true })).toBeVisible();
  pane = await open(app, label("bytes"));
  await tab(pane, "Raw");
  await expect(pane.getByText(/not text, shown in base64/)).toBeVisible();
  await expect(pane.getByText("//4AgMMoG1s=")).toBeVisible();
  await tab(pane, "Payload");
  await expect(pane.getByText("No tree to show")).toBeVisible();
  pane = await open(app, label("empty"));
  await expect(pane.getByText("This event carries headers only.")).toBeVisible();
  pane = await open(app, "hostile_deep");
  await tree.press("Home");
  await tree.press("*");
  await tree.press("End");
  await tree.press("PageUp");
  expect(await tree.getByRole("treeitem").count()).toBeLessThan(120);
  await app.keyboard.press("Control+f");
  await app.keyboard.type("bottom");
  await expect(tree.getByRole("treeitem", { selected: true })).toContainText("bottom");
  await app.keyboard.press("Escape");

  // A line of 100,000 characters is cut into rows, none of which is long.
  pane = await open(app, "hostile_longline");
  await tree.getByRole("treeitem").nth(2).click();
  await expect(pane.getByText(/96,000 more characters/)).toBeVisible();
  await tab(pane, "Raw");
  const drawn = await pane
    .getByRole("region", { name: "Body as it came" })
    .evaluate((region) => (region.textContent ?? "").length);
  expect(drawn).toBeLessThan(20_000);

  // Hits of a search, two compared, and the dry run of a rule.
  await app.keyboard.press("Escape");
  await app.keyboard.press("/");
  await app.keyboard.type("quokka");
  const found = Object.values(BODIES).filter((body) => body.includes("quokka")).length;
  await expect(app.getByRole("option")).toHaveCount(found);
  await harmless(app);
  await row(app, "hostile_dirty").click();
  await detail(app).getByRole("button", { name: "Compare" }).click();
  await row(app, "hostile_twice").click();
  await detail(app).getByRole("button", { name: "Compare" }).click();
  const comparison = app.getByRole("region", { name: "Comparison" });
  await expect(comparison.getByText(/^\d+ differences$/)).toBeVisible();
  await harmless(app);
  await tab(comparison, "Headers");
  await harmless(app);

  await go(app, "Handlers");
  await app.getByRole("button", { name: "Add a rule" }).click();
  const dialog = app.getByRole("dialog", { name: "Add a rule" });
  await expect(dialog.getByText("10 of the last 10 events")).toBeVisible();
  await expect(dialog.getByText("hostile_dirty").first()).toBeVisible();
  await harmless(app);
});

test("the page goes on while a large payload is read", async ({ app, machine }) => {
  const elements = Array.from({ length: 100_000 }, (_, i) => `element number ${i} of many, padded`);
  await machine.github("large_array", JSON.stringify({ elements, last: "quokka" }));
  await machine.github("large_spaces", `{"a":"${"word ".repeat(1_000_000)}quokka"}`);
  await expect(app.getByRole("option")).toHaveCount(2);

  // What reads it is held back: all that happens meanwhile happens while it is read.
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const held: string[] = [];
  await app.context().route("**/assets/worker-*.js", async (route) => {
    held.push(route.request().url());
    await released;
    await route.continue();
  });
  await row(app, "large_array").click();
  const pane = detail(app);
  await expect(pane.getByText(/^Reading [\d.]+ MB …$/)).toBeVisible();
  await tab(pane, "Headers");
  await expect(pane.getByText("x-github-event", { exact: true })).toBeVisible();
  await row(app, "large_spaces").click();
  await expect(pane.getByText(/large_spaces/).first()).toBeVisible();
  await row(app, "large_array").click();
  await tab(pane, "Payload");
  const tree = pane.getByRole("tree", { name: "Payload" });
  await expect(tree).toHaveCount(0);
  expect(held.length).toBeGreaterThan(0);
  release();
  await expect(tree.getByText("100,000 items")).toBeVisible();

  // All of it is within reach, and little of it drawn.
  await tree.getByText("100,000 items").click();
  await tree.press("End");
  await expect(tree.getByText('"quokka"')).toBeVisible();
  await app.keyboard.press("Control+f");
  await app.keyboard.type("number 77777 of");
  await expect(tree.getByRole("treeitem", { selected: true })).toContainText("element number 77777");
  expect(await tree.getByRole("treeitem").count()).toBeLessThan(120);
  await app.keyboard.press("Escape");

  // Compared with another, beside the page too.
  await pane.getByRole("button", { name: "Compare" }).click();
  await row(app, "large_spaces").click();
  await detail(app).getByRole("button", { name: "Compare" }).click();
  await expect(app.getByRole("region", { name: "Comparison" }).getByText(/^3 differences$/)).toBeVisible();
});

test("a search in the payload goes from match to match, wherever they are folded", async ({
  app,
  machine,
}) => {
  await machine.github(
    "found",
    JSON.stringify({
      title: "Übergröße",
      list: Array.from({ length: 500 }, (_, i) => ({ name: i % 250 === 7 ? "needle" : "straw" })),
      needle_case: { deep: { Needle: true } },
    }),
  );
  const pane = await open(app, "found");
  await tab(pane, "Raw");
  await app.keyboard.press("Control+f");
  const search = pane.getByRole("searchbox", { name: "Search in the payload" });
  await expect(search).toBeFocused();
  await app.keyboard.type("NEEDLE");
  const tree = pane.getByRole("tree", { name: "Payload" });
  const chosen = tree.getByRole("treeitem", { selected: true });
  const said = pane.getByRole("status");
  await expect(said).toHaveText("1 of 4");
  await expect(chosen).toHaveText('"name": "needle"');
  await expect(pane.getByText("list[7].name")).toBeVisible();
  await app.keyboard.press("Enter");
  await expect(said).toHaveText("2 of 4");
  await expect(pane.getByText("list[257].name")).toBeVisible();
  await app.keyboard.press("Enter");
  await expect(chosen).toContainText("needle_case");
  await app.keyboard.press("Enter");
  await expect(chosen).toContainText('"Needle": true');
  await app.keyboard.press("Enter");
  await expect(said).toHaveText("1 of 4");
  await app.keyboard.press("Shift+Enter");
  await expect(said).toHaveText("4 of 4");
  await pane.getByRole("button", { name: "Previous" }).click();
  await expect(said).toHaveText("3 of 4");
  await search.fill("übergr");
  await expect(said).toHaveText("1 of 1");
  await expect(chosen.locator("mark")).toHaveText("Übergr");
  await search.fill("nowhere");
  await expect(said).toHaveText("No match");
  await search.press("Escape");
  await expect(search).toHaveCount(0);
  await expect(tree).toBeFocused();
});
