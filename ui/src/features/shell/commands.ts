// What the palette offers: every action there is, by name.

import type { App } from "../../state/app.svelte";
import type { OutcomeKind } from "../../transport/generated/OutcomeKind";
import type { Provider } from "../../transport/generated/Provider";
import { flat } from "../../text/safe";
import type { Template } from "../../transport/generated/Template";
import type { View } from "../../transport/generated/View";
import type { IconName } from "../../ui/icons";
import { testPath } from "../connection/path-test.svelte";
import { NO_FILTER, OUTCOMES, PROVIDERS, toParams } from "../events/filter";
import { choices, heldBy } from "../events/catch-up";
import { ACTS } from "../events/detail/acts";
import { switchProfile } from "./profiles";
import { catchUp, changeSettings, copy, fail, reconnect, replay, togglePause, trigger } from "./actions";
import { pausable, waits } from "./words";

export interface Command {
  title: string;
  hint: string;
  icon: IconName;
  run: () => void;
}

/** Every command that can be given now. */
export function commands(app: App, templates: readonly Template[], views: readonly View[]): Command[] {
  const list: Command[] = [];
  const add = (icon: IconName, title: string, run: () => void, hint = "") =>
    list.push({ icon, title, run, hint });
  const { id, page } = app.router.route;
  if (page === "events" && id !== null) {
    add("replay", "Replay this event", () => void replay(app, id), "R");
    add("replay", "Replay this event with changes…", () => (app.overlay = "replay"));
    add("events", "Compare this event with another", () => (app.wanted = "compare"), "C");
    for (const { label, hint, run } of ACTS)
      add(
        "events",
        `This event: ${label.charAt(0).toLowerCase()}${label.slice(1)}`,
        () => {
          app.backend.call("event", { id }).then(
            (event) => run(app, event),
            (thrown: unknown) => fail(app, thrown),
          );
        },
        hint,
      );
    add(
      "close",
      "Close this event",
      () => app.router.go({ page: "events", params: toParams(app.events.filter) }),
      "Esc",
    );
  }
  add("events", "Go to events", () => app.router.go({ page: "events" }), "G E");
  add("tunnels", "Go to tunnels", () => app.router.go({ page: "tunnels" }), "G T");
  add("handlers", "Go to handlers", () => app.router.go({ page: "handlers" }), "G H");
  add("connection", "Go to connection", () => app.router.go({ page: "connection" }), "G C");
  add("settings", "Go to settings", () => app.router.go({ page: "settings" }), "G S");
  const which = pausable(app.backend.status);
  if (which)
    add(
      which === "pause" ? "pause" : "play",
      which === "pause" ? "Pause deliveries" : "Resume deliveries",
      () => void togglePause(app),
      "P",
    );
  const held = heldBy(app.backend.status?.connection);
  for (const { choice, label } of held ? choices(held) : [])
    add("play", `Held events: ${label.toLowerCase()}`, () => void catchUp(app, choice));
  if (app.backend.status?.connection.state === "live")
    add("connection", "Test the whole path", () => {
      app.router.go({ page: "connection" });
      void testPath(app).start();
    });
  if (app.backend.status?.session)
    add("connection", "Rotate this worker's secret…", () => (app.overlay = "rotate_secret"));
  if (waits(app.backend.status)) add("connection", "Retry the connection now", () => void reconnect(app));
  for (const view of views)
    add("events", `View: ${flat(view.name)}`, () =>
      app.router.go({ page: "events", params: new URLSearchParams(view.filter) }),
    );
  const profiles = app.backend.status?.profiles ?? [];
  profiles.forEach((profile, at) => {
    if (!profile.shown)
      add(
        "connection",
        `Switch to ${flat(profile.name)}`,
        () => void switchProfile(app, profile.id),
        at < 9 ? `G ${at + 1}` : "",
      );
  });
  if (app.backend.status?.receiver.fixed === false)
    add("settings", "Change the port…", () => (app.overlay = "change_port"));
  add("settings", "Export settings…", () => (app.overlay = "export_settings"));
  add("settings", "Import settings…", () => (app.overlay = "import_settings"));
  add("settings", "Diagnostics…", () => (app.overlay = "diagnostics"));
  const session = app.backend.status?.session;
  if (session) {
    add("settings", "Rename this machine…", () => (app.overlay = "rename_worker"));
    if (session.tokenKeptIn !== "environment")
      add("settings", "Change the token…", () => (app.overlay = "change_token"));
    add("connection", "Choose which events are asked for…", () => (app.overlay = "capabilities"));
  }
  if (app.backend.status?.session) {
    add("tunnels", "Add a tunnel…", () => {
      app.router.go({ page: "tunnels" });
      app.wanted = "add_tunnel";
    });
    for (const { name, on, url } of app.backend.status.tunnels) {
      add("tunnels", `Tunnel ${name}: what went through`, () => app.router.go({ page: "tunnels", id: name }));
      add("copy", `Tunnel ${name}: copy the address`, () => void copy(app, url, "Address"), url);
      add(on ? "pause" : "play", `Tunnel ${name}: switch ${on ? "off" : "on"}`, () => {
        app.backend.call("set_tunnel_on", { name, on: !on }).catch((thrown: unknown) => fail(app, thrown));
      });
    }
    add("handlers", "Add a rule…", () => {
      app.router.go({ page: "handlers" });
      app.wanted = "add_rule";
    });
  }
  const settings = app.backend.status?.settings;
  if (settings)
    add(
      "settings",
      `Notifications: ${settings.notifications ? "off" : "on"}`,
      () => void changeSettings(app, { notifications: !settings.notifications }),
    );
  add("connection", "Add a workspace…", () => (app.adding = true));
  if (profiles.length > 0) {
    add("connection", "Rename this workspace…", () => (app.overlay = "rename_profile"));
    add("out", "Remove this workspace…", () => (app.overlay = "remove_profile"));
  }
  for (const template of templates) {
    add(
      "bolt",
      `Send a test event: ${PROVIDERS[template.provider]} ${template.name}`,
      () => void trigger(app, template.provider, template.name),
      template.about,
    );
  }
  const show = (filter: Partial<typeof NO_FILTER>) => () =>
    app.router.go({ page: "events", params: toParams({ ...NO_FILTER, ...filter }) });
  add("events", "Show all events", show({}));
  for (const provider of Object.keys(PROVIDERS) as Provider[])
    add("events", `Show events from ${PROVIDERS[provider]}`, show({ provider }));
  for (const outcome of Object.keys(OUTCOMES) as OutcomeKind[])
    add("events", `Show events: ${OUTCOMES[outcome].toLowerCase()}`, show({ outcome }));
  add("theme", "Theme: light", () => (app.preferences.theme = "light"));
  add("theme", "Theme: dark", () => (app.preferences.theme = "dark"));
  add("theme", "Theme: as the system", () => (app.preferences.theme = "system"));
  add("keys", "Keyboard", () => (app.overlay = "keys"), "?");
  if (app.backend.status?.connection.state === "refused")
    add("out", "Sign in again", () => (app.signingIn = true));
  if (app.backend.status?.session) add("out", "Sign out…", () => (app.overlay = "sign_out"));
  return list;
}

/** Those that hold every word of `text`, the ones that begin with it first. */
export function search(list: readonly Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...list];
  const first = words[0] ?? "";
  return list
    .map((command) => ({ command, title: `${command.title} ${command.hint}`.toLowerCase() }))
    .filter(({ title }) => words.every((word) => title.includes(word)))
    .sort((a, b) => Number(b.title.startsWith(first)) - Number(a.title.startsWith(first)))
    .map(({ command }) => command);
}
