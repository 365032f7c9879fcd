// The stores, made once and reached by context.

import { createContext } from "svelte";
import { flat } from "../text/safe";
import type { Transport } from "../transport/types";
import { Backend } from "./backend.svelte";
import { Clock } from "./clock.svelte";
import { Desktop } from "./desktop.svelte";
import { Events } from "./events.svelte";
import { Preferences } from "./preferences.svelte";
import { Router } from "./router.svelte";
import { Toasts } from "./toasts.svelte";

export class App {
  readonly backend: Backend;
  readonly desktop: Desktop;
  readonly events: Events;
  readonly clock = new Clock();
  readonly preferences = new Preferences();
  readonly router = new Router();
  readonly toasts = new Toasts();
  /** Which of the windows above the page is open. */
  overlay = $state<
    | "palette"
    | "keys"
    | "replay"
    | "sign_out"
    | "events"
    | "rotate_secret"
    | "rename_profile"
    | "remove_profile"
    | "rename_worker"
    | "change_token"
    | "change_port"
    | "capabilities"
    | "export_settings"
    | "import_settings"
    | "diagnostics"
    | null
  >(null);

  /** What the page that is shown is to do, asked for from elsewhere; it takes it back. */
  wanted = $state<"add_tunnel" | "add_rule" | "compare" | null>(null);

  /** The sign-in is shown although a session is there: the proxy refuses its token. */
  signingIn = $state(false);

  /** The sign-in is shown beside the sessions there are: for a further workspace. */
  adding = $state(false);

  constructor(transport: Transport) {
    this.backend = new Backend(transport);
    this.desktop = new Desktop(
      transport.desktop,
      (place) => {
        if ("event" in place) this.router.go({ page: "events", id: place.event });
        else this.toasts.show("bad", place.problem);
      },
      (saved) => {
        if ("problem" in saved) this.toasts.show("bad", saved.problem);
        else
          this.toasts.show("ok", `Saved as ${flat(saved.path)}`, {
            action: { label: "Copy path", run: () => this.#copy(saved.path) },
          });
      },
    );
    this.events = new Events(this.backend);
  }

  #copy(text: string): void {
    navigator.clipboard.writeText(text).catch(() => {
      this.toasts.show("bad", "It could not be copied: the clipboard is not allowed here.");
    });
  }

  /** Starts all of them; returns what stops them. */
  start(): () => void {
    const stops = [
      this.clock.start(),
      this.preferences.start(),
      this.router.start(),
      this.desktop.start(),
      this.backend.start(),
    ];
    return () => stops.forEach((stop) => stop());
  }
}

export const [getApp, setApp] = createContext<App>();
