// The address bar's fragment as the state of the page:
// `#/events/evt_…?q=login&provider=linear`. It works the same in the desktop
// app and in a browser, and never reaches a server.

export const PAGES = ["events", "tunnels", "handlers", "connection", "settings"] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  page: PageName;
  /** The selected event, or the tunnel that is looked into. */
  id: string | null;
  params: URLSearchParams;
}

/** Reads a fragment; anything unknown is the events page. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", id = ""] = path.split("/", 2);
  const page = PAGES.find((known) => known === name) ?? "events";
  const within = (page === "events" || page === "tunnels") && id !== "";
  return { page, id: within ? decode(id) : null, params: new URLSearchParams(query) };
}

/** Writes one. */
export function formatRoute(route: Route): string {
  const id = route.id === null ? "" : `/${encodeURIComponent(route.id)}`;
  const query = route.params.toString();
  return `#/${route.page}${id}${query === "" ? "" : `?${query}`}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export class Router {
  route = $state.raw(parseRoute(location.hash));

  /** Follows the address bar; returns what stops it. */
  start(): () => void {
    const change = () => {
      this.route = parseRoute(location.hash);
    };
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }

  /** Goes somewhere. `replace` leaves no step to go back to: for moving through rows and typing. */
  go(to: Partial<Route>, replace = false): void {
    const route: Route = { page: this.route.page, id: null, params: new URLSearchParams(), ...to };
    const hash = formatRoute(route);
    this.route = route;
    if (hash === location.hash) return;
    if (replace) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
  }

  /** A link to a page; from the events page to itself the filter is kept. */
  href(page: PageName): string {
    return formatRoute({ page, id: null, params: new URLSearchParams() });
  }
}
