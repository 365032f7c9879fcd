// How events arrive at this machine, in words.

import { latency, span, timeOfDay } from "../../text/time";
import type { Arrival } from "../../transport/generated/Arrival";
import type { Session } from "../../transport/generated/Session";
import type { Tunnel } from "../../transport/generated/Tunnel";
import type { Via } from "../../transport/generated/Via";

/** The choices, in the order they are shown. */
export const WAYS: readonly { value: Via; label: string }[] = [
  { value: "auto", label: "Automatic" },
  { value: "tunnel", label: "Tunnel" },
  { value: "address", label: "Own address" },
];

export const hostOf = (url: string): string => {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
};

/** The session's tunnel; null where deliveries are posted to an address. */
export const tunnelOf = (session: Session | null): Tunnel | null =>
  session?.arrival.way === "tunnel" ? session.arrival.tunnel : null;

const ms = (micros: number): string => latency(micros / 1000);

/** One sentence of truth about the tunnel; null where there is none, or nothing to say yet. */
export function tunnelSentence(session: Session | null, now: number): string | null {
  const tunnel = tunnelOf(session);
  if (!tunnel || !session) return null;
  switch (tunnel.state) {
    case "idle":
      return null;
    case "connecting":
      return `Opening a tunnel to ${hostOf(session.proxyUrl)}…`;
    case "up": {
      const trip = tunnel.roundTripMicros === null ? "" : ` · ${ms(tunnel.roundTripMicros)}`;
      return `Connected through a tunnel to ${hostOf(session.proxyUrl)}${trip}`;
    }
    case "down": {
      const left = (tunnel.retryAt ?? now) - now;
      const next = left < 1000 ? "trying now" : `next try in ${span(left)}`;
      return `Tunnel down since ${timeOfDay(tunnel.since)}, ${next}.`;
    }
  }
}

/** Which way events come, and why it was chosen. */
export const chosenWay = (arrival: Arrival): string =>
  arrival.way === "tunnel"
    ? `Events come through a tunnel, ${arrival.reason}.`
    : `Events come to an address of this machine, ${arrival.reason}.`;

/** `over a WebSocket, by the HTTP proxy gate:3128`, where there is something to say. */
export function carriedBy(tunnel: Tunnel): string {
  if (tunnel.state !== "up") return "";
  const parts = tunnel.carrier === "websocket" ? ["over a WebSocket"] : [];
  if (tunnel.httpProxy !== null) parts.push(`by the HTTP proxy ${tunnel.httpProxy}`);
  return parts.join(", ");
}

/** A problem as a sentence. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return (trimmed[0]?.toUpperCase() ?? "") + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}
