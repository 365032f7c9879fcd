// The row and the detail as components, on the fake backend.
import { cleanup, configure, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import AppView from "../../App.svelte";
import { App } from "../../state/app.svelte";
import { fakeTransport } from "../../transport/fake/index";
import { summary } from "../../transport/fake/events";
import EventRow from "./EventRow.svelte";

// On a busy machine a look through jsdom's page takes half of the second that
// is waited for it, and a window's code is compiled when it is first opened.
configure({ asyncUtilTimeout: 20_000 });
vi.setConfig({ testTimeout: 60_000 });

beforeEach(() => {
  vi.stubGlobal("matchMedia", () => ({
    matches: false,
    addEventListener: vi.fn(),
    removeEventListener: vi.fn(),
  }));
  // jsdom knows neither popovers nor modal dialogs.
  Object.assign(HTMLDialogElement.prototype, {
    showModal(this: HTMLDialogElement) {
      this.open = true;
    },
    close(this: HTMLDialogElement) {
      this.open = false;
    },
  });
  Object.assign(HTMLElement.prototype, { showPopover: () => undefined, hidePopover: () => undefined });
  Object.defineProperty(navigator, "clipboard", {
    configurable: true,
    value: { writeText: vi.fn(() => Promise.resolve()) },
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  history.replaceState(null, "", "/");
});

const start = (parameters: string, hash = "#/events") => {
  history.replaceState(null, "", `/${hash}`);
  render(AppView, { app: new App(fakeTransport(new URLSearchParams(`slow=0&${parameters}`))) });
};

describe("a row", () => {
  const base = { selected: false, fresh: false, position: 1, total: 1, onselect: () => undefined };
  it("shows markup, overrides and escapes as text", () => {
    const row = {
      ...summary(1, 0),
      subject: "<img src=x onerror=alert(1)>\u202egnp.exe\u001b[31m",
      detail: "",
    };
    const { container } = render(EventRow, { ...base, row });
    expect(container.querySelector("img")).toBeNull();
    expect(container.querySelector("b")?.textContent).toBe(
      "<img src=x onerror=alert(1)>U+202Egnp.exeESC[31m",
    );
  });
  it("tells its time in UTC, its outcome and its place", () => {
    const row = {
      ...summary(1, Date.UTC(2026, 10, 22, 15, 7, 41, 214)),
      outcome: { kind: "failed" as const, label: "localhost:3000 refused" },
    };
    render(EventRow, { ...base, row, position: 3, total: 1284 });
    const option = screen.getByRole("option");
    expect(option.getAttribute("aria-setsize")).toBe("1284");
    expect(within(option).getByText("localhost:3000 refused")).toBeTruthy();
    expect(option.querySelector("time")?.title).toBe("2026-11-22 15:07:41.214 UTC");
  });
});

describe("the list and the detail", () => {
  it("opens an event by click, moves by keys, keeps it in the address, and closes", async () => {
    start("rows=50");
    const list = await screen.findByRole("listbox");
    const options = within(list).getAllByRole("option");
    await fireEvent.click(options[1] as HTMLElement);
    const first = location.hash;
    expect(first).toMatch(/^#\/events\/evt_/);
    await screen.findByRole("region", { name: "Event" });
    await fireEvent.keyDown(list, { key: "j" });
    expect(location.hash).not.toBe(first);
    await fireEvent.keyDown(list, { key: "k" });
    expect(location.hash).toBe(first);
    await fireEvent.keyDown(list, { key: "Escape" });
    expect(location.hash).toBe("#/events");
  });

  it("shows the payload, the headers, the checks and the steps", async () => {
    start("rows=10");
    const list = await screen.findByRole("listbox");
    await fireEvent.click(within(list).getAllByRole("option")[0] as HTMLElement);
    await screen.findByRole("tree", { name: "Payload" });
    await fireEvent.click(screen.getByRole("tab", { name: "Headers" }));
    expect(screen.getByText("webhook-signature")).toBeTruthy();
    await fireEvent.click(screen.getByRole("tab", { name: "Verification" }));
    expect(screen.getByText("The proxy's signature")).toBeTruthy();
    await fireEvent.click(screen.getByRole("tab", { name: "Timeline" }));
    expect(await screen.findByText("Attempt 2 · delivered · 200")).toBeTruthy();
    expect(screen.getByText("grace-desktop")).toBeTruthy();
  });

  it("says what this machine knows when the proxy does not answer", async () => {
    start("rows=10&fail=event_record");
    const list = await screen.findByRole("listbox");
    await fireEvent.click(within(list).getAllByRole("option")[0] as HTMLElement);
    await screen.findByRole("tree");
    await fireEvent.click(screen.getByRole("tab", { name: "Timeline" }));
    expect(await screen.findByText(/The proxy's part is missing/)).toBeTruthy();
    expect(screen.getByText("Stored on this machine")).toBeTruthy();
  });

  it("says that an event is not here, and what a failed list failed with", async () => {
    start("rows=3", "#/events/evt_none");
    expect(await screen.findByText("This event is not here")).toBeTruthy();
    cleanup();
    start("fail=events");
    expect(await screen.findByText("The events cannot be read")).toBeTruthy();
    expect(screen.getByText("store.unavailable")).toBeTruthy();
  });
});

describe("several events", () => {
  const options = async () =>
    within(await screen.findByRole("listbox")).getAllByRole("option") as HTMLElement[];

  it("are chosen by keys and clicks, replayed with progress, and let go", async () => {
    start("rows=30&forward=ok");
    const rows = await options();
    const list = screen.getByRole("listbox");
    await fireEvent.click(rows[1] as HTMLElement);
    await fireEvent.keyDown(list, { key: "x" });
    await fireEvent.click(rows[4] as HTMLElement, { shiftKey: true });
    expect(await screen.findByText("4 events chosen")).toBeTruthy();
    await fireEvent.click((await options())[2] as HTMLElement, { ctrlKey: true });
    expect(screen.getByText("3 events chosen")).toBeTruthy();
    const bar = within(screen.getByRole("region", { name: "Chosen events" }));
    await fireEvent.click(bar.getByRole("button", { name: "Replay" }));
    expect(await bar.findByText(/Replayed\s+3 of 3/)).toBeTruthy();
    await fireEvent.click(await bar.findByRole("button", { name: "Done" }));
    await fireEvent.keyDown(list, { key: "Escape" });
    expect(screen.queryByRole("region", { name: "Chosen events" })).toBeNull();
    await fireEvent.keyDown(list, { key: "a", ctrlKey: true });
    expect(await screen.findByText("All 30 events that match")).toBeTruthy();
  });

  it("are compared, two of them, and the comparison is in the address", async () => {
    start("rows=30");
    const rows = await options();
    const list = screen.getByRole("listbox");
    await fireEvent.click(rows[0] as HTMLElement);
    await fireEvent.keyDown(list, { key: "c" });
    await fireEvent.keyDown(list, { key: "j" });
    await fireEvent.keyDown(list, { key: "c" });
    const pane = await screen.findByRole("region", { name: "Comparison" });
    expect(await within(pane).findByText(/differences?$/)).toBeTruthy();
    expect(location.hash).toMatch(/^#\/events\/evt_.*compare=evt_/);
    await fireEvent.click(within(pane).getByRole("tab", { name: "Headers" }));
    expect(await within(pane).findByText("webhook-id")).toBeTruthy();
    await fireEvent.click(within(pane).getByRole("button", { name: "Close the comparison" }));
    expect(await screen.findByRole("region", { name: "Event" })).toBeTruthy();
  });
});

describe("filters", () => {
  it("say where a condition goes wrong, apply one that is right, and are kept as a view", async () => {
    start("rows=30");
    await screen.findByRole("listbox");
    await fireEvent.click(screen.getByRole("button", { name: "Filter by" }));
    await fireEvent.click(screen.getByRole("menuitem", { name: /^Payload/, hidden: true }));
    const field = await screen.findByLabelText("Condition");
    await fireEvent.input(field, { target: { value: "data.x = 1" } });
    await fireEvent.submit(field.closest("form") as HTMLFormElement);
    expect(await screen.findByText(/^Character 8: /)).toBeTruthy();
    await fireEvent.input(field, { target: { value: 'data.team.key == "ENG"' } });
    await fireEvent.submit(field.closest("form") as HTMLFormElement);
    expect(await screen.findByRole("button", { name: "Any payload" })).toBeTruthy();
    expect(new URLSearchParams(location.hash.split("?")[1]).get("where")).toBe('data.team.key == "ENG"');
    await fireEvent.click(screen.getByRole("button", { name: "Views" }));
    await fireEvent.click(screen.getByRole("menuitem", { name: "Save this view…", hidden: true }));
    const name = await screen.findByLabelText("Name");
    await fireEvent.input(name, { target: { value: "Team ENG" } });
    await fireEvent.submit(name.closest("form") as HTMLFormElement);
    expect(await screen.findByRole("button", { name: "Team ENG" })).toBeTruthy();
    await fireEvent.click(screen.getByRole("button", { name: "Clear" }));
    expect(location.hash).toBe("#/events");
  });

  it("say how far a look came, and go on when asked", async () => {
    start("rows=450&late", "#/events?outcome=succeeded");
    expect(await screen.findByText(/\+ of 450/)).toBeTruthy();
  });
});

describe("the first run", () => {
  it("checks the form before it asks, puts the proxy's word at its field, and signs in", async () => {
    start("state=signed_out&rows=0");
    const url = await screen.findByLabelText("Proxy");
    await fireEvent.input(url, { target: { value: "hooks" } });
    await fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(screen.getByText(/This is not an address/)).toBeTruthy();
    await fireEvent.input(url, { target: { value: "https://nowhere.dev" } });
    await fireEvent.input(screen.getByLabelText("Workspace token"), { target: { value: "pst_12345678" } });
    await fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(await screen.findByText(/nowhere does not resolve/)).toBeTruthy();
    expect(url.getAttribute("aria-invalid")).toBe("true");
    await fireEvent.input(url, { target: { value: "https://hooks.acme.dev" } });
    await fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(await screen.findByText("No events yet")).toBeTruthy();
  });

  it("keeps the events in view when the proxy refuses the token, and offers to sign in again", async () => {
    start("state=refused&rows=3");
    await screen.findByRole("listbox");
    expect(screen.getByRole("link", { name: "Signed out by the proxy" })).toBeTruthy();
    await fireEvent.click(screen.getByRole("button", { name: "Sign in again" }));
    expect(await screen.findByText(/The token was revoked/)).toBeTruthy();
    await fireEvent.input(screen.getByLabelText("Workspace token"), { target: { value: "pst_12345678" } });
    await fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect(await screen.findByRole("link", { name: /^Live/ })).toBeTruthy();
  });

  it("sends a test event that arrives and opens", async () => {
    start("rows=0");
    await fireEvent.click(await screen.findByRole("button", { name: "Send a test event" }));
    expect(await screen.findByText("test event")).toBeTruthy();
    expect(location.hash).toMatch(/^#\/events\/evt_/);
  });
});
