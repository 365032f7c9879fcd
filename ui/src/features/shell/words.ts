// The connection in words, and the path's hops with the state of each.

import { ago, dayAndTime, count, counted, latency, span } from "../../text/time";
import type { EventSummary } from "../../transport/generated/EventSummary";
import type { Forward } from "../../transport/generated/Forward";
import type { Provider } from "../../transport/generated/Provider";
import type { Status } from "../../transport/generated/Status";
import type { Waiting } from "../../transport/generated/Waiting";
import type { PageName } from "../../state/router.svelte";
import type { Link } from "../../transport/types";
import type { DotTone } from "../../ui/tones";
import { hostOf, sentence, tunnelOf, tunnelSentence } from "../connection/arrival";
import { PROVIDERS } from "../events/filter";

export interface Words {
  tone: DotTone;
  /** For the top bar: `Live · proven 12 s ago`. */
  short: string;
  /** What it means and what to do; may be empty. */
  long: string;
}

const inTime = (at: number, now: number): string => (at - now < 1000 ? "now" : `in ${span(at - now)}`);

/** What waits at the proxy, for whatever reason. */
const allWaiting = (waiting: Waiting): number => waiting.count + (waiting.held?.count ?? 0);

/** The state of the registration, or of the page's own line where that is broken. */
export function connectionWords(status: Status | null, link: Link, now: number): Words {
  if (link.state === "broken") {
    return {
      tone: "bad",
      short: `Postern does not answer · trying ${inTime(link.retryAt, now)}`,
      long: "This page lost its line to Postern on this machine. What you see is as it was; what arrives is held at the proxy.",
    };
  }
  if (!status) return { tone: "idle", short: "Opening…", long: "" };
  const connection = status.connection;
  switch (connection.state) {
    case "signed_out":
      return { tone: "idle", short: "Not signed in", long: "" };
    case "connecting":
      return connection.problem === null
        ? {
            tone: "warn",
            short: `Connecting · ${span(now - connection.since)}`,
            long: tunnelOf(status.session)
              ? (tunnelSentence(status.session, now) ?? "Registering with the proxy.")
              : "The proxy is checking that this machine answers.",
          }
        : { tone: "bad", short: "Connecting · not reachable", long: connection.problem };
    case "live": {
      const { waiting } = connection;
      if (connection.leasedUntil < now) {
        const all = allWaiting(waiting);
        const held = all > 0 ? ` · ${count(all)} held` : "";
        return {
          tone: "held",
          short: `Away${held}`,
          long: "The lease ran out, as after a sleep. The proxy holds what arrives until it is renewed.",
        };
      }
      if (waiting.count > 0) {
        return {
          tone: "ok",
          short: `Live · ${count(waiting.count)} catching up${
            waiting.held ? ` · ${count(waiting.held.count)} held` : ""
          }`,
          long: "Events held during an absence are on their way.",
        };
      }
      if (waiting.held) {
        return {
          tone: "ok",
          short: `Live · ${count(waiting.held.count)} held`,
          long: "Events arrive as they happen. Those that came during an absence wait until you choose.",
        };
      }
      if (connection.unproven) {
        const { since, problem } = connection.unproven;
        return {
          tone: "warn",
          short: `Not proven since ${dayAndTime(since, now)}`,
          long: `${sentence(problem)} Nothing has arrived since, nor did a canary. Another is sent soon.`,
        };
      }
      return {
        tone: "ok",
        short:
          connection.provenAt === null
            ? "Live · not proven yet"
            : `Live · proven ${ago(connection.provenAt, now)}`,
        long:
          tunnelSentence(status.session, now) ??
          "Registered, leased and reachable: events arrive as they happen.",
      };
    }
    case "paused":
      return {
        tone: "held",
        short: `Paused · ${count(allWaiting(connection.waiting))} held`,
        long: "Paused here. The proxy holds what arrives and delivers it, oldest first, when you resume.",
      };
    case "reconnecting": {
      const tunnel = tunnelOf(status.session);
      const down = tunnel?.state === "down";
      const parts = [
        ...(down ? [tunnelSentence(status.session, now) ?? ""] : []),
        sentence(connection.problem),
        ...(down && tunnel.cure !== null ? [tunnel.cure] : []),
        "Nothing is lost: the proxy holds what arrives.",
      ];
      return {
        tone: "warn",
        short: `Reconnecting ${inTime(connection.retryAt, now)}`,
        long: parts.join(" "),
      };
    }
    case "refused":
      return { tone: "bad", short: "Signed out by the proxy", long: connection.problem };
  }
}

/** Whether events can be paused or resumed now, and which. */
export function pausable(status: Status | null): "pause" | "resume" | null {
  if (status?.connection.state === "live") return "pause";
  return status?.connection.state === "paused" ? "resume" : null;
}

/** Whether something waits for its next try to reach the proxy. */
export function waits(status: Status | null): boolean {
  return status?.connection.state === "reconnecting";
}

export interface Hop {
  name: string;
  note: string;
  tone: DotTone;
  strong: boolean;
  title: string;
  /** The note is what is to be done about it, there. */
  page?: PageName;
}

export { hostOf };

/** `200 · 12 ms` is `200` here, `localhost:3000 refused` beside that name `refused`. */
export const shortOutcome = (label: string, host: string): string =>
  (label.startsWith(`${host} `) ? label.slice(host.length + 1) : label).split(" · ")[0] ?? label;

/** So many targets stand in the path each by itself. */
const TARGETS = 3;

/** One for each target; many are told together. */
function targetHops(targets: Forward[]): Hop[] {
  if (targets.length === 0) {
    return [
      {
        name: "No target",
        note: "set one",
        tone: "idle",
        strong: false,
        title: "Events are shown and kept, and forwarded nowhere",
        page: "handlers",
      },
    ];
  }
  if (targets.length <= TARGETS) return targets.map(targetHop);
  const failing = targets.filter(({ last }) => last?.outcome.kind === "failed");
  const used = targets.some(({ last }) => last !== null);
  return [
    {
      name: `${targets.length} targets`,
      note: failing.length > 0 ? `${failing.length} failing` : used ? "ok" : "not used yet",
      tone: failing.length > 0 ? "bad" : used ? "ok" : "idle",
      strong: false,
      title: targets.map(({ url }) => url).join("\n"),
    },
  ];
}

function targetHop({ url, last }: Forward): Hop {
  const outcome = last?.outcome.kind;
  return {
    name: hostOf(url),
    note: last ? shortOutcome(last.outcome.label, hostOf(url)) : "not used yet",
    tone: outcome === "succeeded" ? "ok" : outcome === "failed" ? "bad" : "idle",
    strong: false,
    title: last?.error ?? url,
  };
}

/** Provider → proxy → this machine → targets. */
export function hops(status: Status, link: Link, latest: EventSummary | null, now: number): Hop[] {
  const { connection, session, targets } = status;
  const words = connectionWords(status, link, now);
  const broken = link.state === "broken";
  const provider: Provider | undefined = latest?.provider;
  const proxyTone: DotTone =
    connection.state === "live" || connection.state === "paused"
      ? "ok"
      : connection.state === "connecting"
        ? "warn"
        : "bad";
  const waiting = "waiting" in connection ? allWaiting(connection.waiting) : 0;
  const proxyNote =
    connection.state === "reconnecting"
      ? "no answer"
      : connection.state === "refused"
        ? "refused"
        : connection.state === "connecting"
          ? "checking"
          : waiting > 0
            ? `${count(waiting)} held`
            : "ok";
  const machineNote =
    connection.state === "live" && !broken
      ? words.tone === "held"
        ? "away"
        : connection.unproven
          ? "not proven"
          : latest
            ? latency(latest.latencyMs)
            : "live"
      : connection.state === "paused"
        ? "paused"
        : "not live";
  const list: Hop[] = [
    {
      name: provider ? PROVIDERS[provider] : "Providers",
      note: latest
        ? ago(latest.receivedAt, now)
        : // None of them is in view.
          status.events > 0
          ? counted(status.events, "event")
          : "no event yet",
      tone: latest ? "ok" : "idle",
      strong: false,
      title: latest ? `The last event came from ${PROVIDERS[latest.provider]}` : "Nothing has come in yet",
    },
    {
      name: session ? hostOf(session.proxyUrl) : "Proxy",
      note: broken ? "unknown" : proxyNote,
      tone: broken ? "idle" : proxyTone,
      strong: false,
      title: session?.proxyUrl ?? "",
    },
    {
      name: "This machine",
      note: broken ? "lost" : machineNote,
      tone: broken
        ? "bad"
        : words.tone === "idle"
          ? "idle"
          : connection.state === "reconnecting"
            ? "idle"
            : words.tone,
      strong: true,
      title: words.long,
    },
  ];
  list.push(...targetHops(targets));
  return list;
}

/** `38 events held since 14:02`, for the connection page. */
export const heldWords = (waiting: number): string => (waiting === 0 ? "nothing" : counted(waiting, "event"));
