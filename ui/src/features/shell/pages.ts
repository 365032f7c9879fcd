// The pages beside the list of events: each is loaded when it is first shown,
// or once the list is there and nothing is going on.

import type { Component } from "svelte";
import type { PageName } from "../../state/router.svelte";

/** A page that is loaded when it is wanted. */
export type LazyPage = Exclude<PageName, "events">;

const LOADERS: Record<LazyPage, () => Promise<{ default: Component }>> = {
  tunnels: () => import("../tunnels/TunnelsPage.svelte"),
  handlers: () => import("../handlers/HandlersPage.svelte"),
  connection: () => import("../connection/ConnectionPage.svelte"),
  settings: () => import("../settings/SettingsPage.svelte"),
};

/** How long after the first paint the others are loaded, in milliseconds. */
const CALM = 1500;

/** Loads a page; the second time it is there already. */
export const loadPage = (page: LazyPage) => LOADERS[page]();

/** Loads all of them in a while; returns what calls that off. */
export function loadInCalm(): () => void {
  // One that cannot be loaded now says so when it is shown.
  const timer = setTimeout(() => {
    for (const load of Object.values(LOADERS)) load().catch(() => undefined);
  }, CALM);
  return () => clearTimeout(timer);
}
