// What can be done with one event besides sending it: copies, files, another
// delivery. The detail's menu and the palette offer the same.

import type { App } from "../../../state/app.svelte";
import type { EventDetail } from "../../../transport/generated/EventDetail";
import { copy, fail } from "../../shell/actions";
import { curl } from "./curl";

export interface Act {
  label: string;
  hint: string;
  /** Stands apart from those before it. */
  apart?: boolean;
  run: (app: App, detail: EventDetail) => Promise<void>;
}

/** All of them, in the menu's order. */
export const ACTS: readonly Act[] = [
  {
    label: "Copy as cURL",
    hint: "for a terminal",
    run: (app, detail) =>
      copy(
        app,
        curl(detail, app.backend.status?.targets[0]?.url ?? "http://localhost:3000/"),
        "cURL command",
      ),
  },
  {
    label: "Copy the body",
    hint: "as it came",
    run: (app, { body }) => copy(app, body.encoding === "utf8" ? body.text : body.base64, "Body"),
  },
  {
    label: "Save as a test fixture",
    hint: "its request, without secrets",
    apart: true,
    run: (_, detail) => save(detail, "fixture"),
  },
  {
    label: "Export as JSON",
    hint: "all that is known, without secrets",
    run: (_, detail) => save(detail, "export"),
  },
  {
    label: "Redeliver from the proxy",
    hint: "it arrives once more",
    apart: true,
    run: async (app, { summary }) => {
      try {
        await app.backend.call("proxy_replay", { id: summary.id, all: false });
        app.toasts.show("ok", "The proxy delivers it once more.");
      } catch (thrown) {
        fail(app, thrown);
      }
    },
  },
];

async function save(event: EventDetail, as: "fixture" | "export"): Promise<void> {
  const { download, exported, fileName, fixture } = await import("../bulk/export");
  const text = as === "fixture" ? fixture(event) : `${exported(event, 2)}\n`;
  const ending = as === "fixture" ? "fixture.json" : "json";
  download([text], "application/json", fileName(event.summary.name, event.summary.id, ending));
}
