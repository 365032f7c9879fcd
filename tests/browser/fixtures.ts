// What every test starts from, and what a user does, in the words of the
// interface.

import { AxeBuilder } from "@axe-core/playwright";
import { expect, test as base, type Locator, type Page } from "@playwright/test";
import { Machine, Target } from "./programs.js";

interface Fixtures {
  /** How long the proxy leases a worker, in seconds. */
  leaseSeconds: number;
  /** A proxy, and room for a worker. */
  machine: Machine;
  /** The interface of a worker on which nobody has signed in. */
  fresh: Page;
  /** The same, signed in and live. */
  app: Page;
  /** A developer's local server. */
  target: Target;
}

export const test = base.extend<Fixtures>({
  leaseSeconds: [60, { option: true }],
  machine: async ({ leaseSeconds }, use) => {
    const machine = await Machine.start(leaseSeconds);
    await use(machine);
    await machine.stop();
  },
  target: async ({}, use) => {
    const target = await Target.start();
    await use(target);
    await target.stop();
  },
  fresh: async ({ page, machine }, use) => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      // Refused connections and 401 are what some tests are about.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
        problems.push(message.text());
    });
    await page.goto(await machine.serve());
    await use(page);
    expect(problems, "errors of the page").toEqual([]);
  },
  app: async ({ fresh, machine }, use) => {
    await signIn(fresh, machine);
    await live(fresh);
    await use(fresh);
  },
});

export { expect };

/** Signs in with the machine's token, or another. */
export async function signIn(page: Page, machine: Machine, token = machine.token): Promise<void> {
  await page.getByLabel("Proxy").fill(machine.proxyUrl);
  await page.getByLabel("Workspace token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Waits until events get through. */
export async function live(page: Page): Promise<void> {
  await expect(page.getByRole("link", { name: /^Live · / })).toBeVisible();
}

/** Adds a rule that forwards to this address, on the handlers page. */
export async function forwardTo(page: Page, url: string, filter = ""): Promise<void> {
  await page.getByRole("button", { name: "Add a rule" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a rule" });
  await dialog.getByLabel("Address").fill(url);
  await dialog.getByLabel("Events", { exact: false }).first().fill(filter);
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog).toBeHidden();
}

/** The row of the list with this text. */
export const row = (page: Page, text: string | RegExp): Locator =>
  page.getByRole("option").filter({ hasText: text });

/** The pane with the event that is open. */
export const detail = (page: Page): Locator => page.getByRole("region", { name: "Event", exact: true });

/** Opens the event whose row has this text. */
export async function open(page: Page, text: string | RegExp): Promise<Locator> {
  await row(page, text).click();
  const pane = detail(page);
  await expect(pane.getByText("verified", { exact: true })).toBeVisible();
  return pane;
}

/** Goes to one of the pages of the rail. */
export async function go(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name }).click();
  await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
}

/** Nothing moves any more. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
}

/** Nothing that axe knows of WCAG 2.2 AA is broken. */
export async function accessible(page: Page, what: string): Promise<void> {
  // Colours are measured in the end.
  await settled(page);
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join("\n  ")}`,
  );
  expect(found, what).toEqual([]);
}
