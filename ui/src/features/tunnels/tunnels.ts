// Public tunnels in words and lines, and the form of one.

import { span } from "../../text/time";
import type { PublicTunnel } from "../../transport/generated/PublicTunnel";
import type { TunnelAccess } from "../../transport/generated/TunnelAccess";
import type { TunnelOptions } from "../../transport/generated/TunnelOptions";
import type { TunnelSettings } from "../../transport/generated/TunnelSettings";
import type { DotTone } from "../../ui/tones";

/** What helps where a tunnel is not served. */
export type Cure = "take_over" | "add_again" | "retry" | null;

export interface Standing {
  tone: DotTone;
  words: string;
  /** More of it: the reason, and what to do. */
  why: string | null;
  /** An error's code, to search for. */
  code: string | null;
  cure: Cure;
}

const CURES: Record<string, { why: string; cure: Cure }> = {
  "tunnel.not_reserved": {
    why: "Reserve it again, or remove the tunnel.",
    cure: "add_again",
  },
  "tunnel.name_taken": {
    why: "Another workspace has the name. Add a tunnel with another one, and remove this.",
    cure: null,
  },
  "auth.forbidden": {
    why: "Whoever runs the proxy can allow it to this workspace's token.",
    cure: null,
  },
};

/** How a tunnel stands. */
export function standing({ state, held, on }: PublicTunnel, now: number): Standing {
  const is = (tone: DotTone, words: string, more: Partial<Standing> = {}): Standing => ({
    tone,
    words,
    why: null,
    code: null,
    cure: null,
    ...more,
  });
  switch (state.state) {
    case "off":
      return is("idle", "Off · the name stays reserved");
    case "connecting":
      return is("warn", "Connecting …");
    case "online":
      return is("ok", held && !on ? "Online for as long as a program asks for it" : "Online");
    case "elsewhere":
      return is("held", `Served by ${state.worker.name}`, {
        why: "Visitors get there, not here, until it is taken over or switched off there.",
        cure: "take_over",
      });
    case "refused": {
      const known = CURES[state.code];
      return is("bad", "Refused by the proxy", {
        why: [state.message, known?.why].filter(Boolean).join(" "),
        code: state.code,
        cure: known?.cure ?? null,
      });
    }
    case "offline": {
      const wait = state.retryAt === null ? 0 : state.retryAt - now;
      return is("bad", wait > 0 ? `Offline · tries again in ${span(wait + 999)}` : "Offline · trying again", {
        why: state.problem,
        cure: "retry",
      });
    }
  }
}

/** What a visitor must show, and where they may come from; empty: anybody, from anywhere. */
export function accessWords(options: TunnelOptions): string[] {
  const words: string[] = [];
  if (options.access.kind === "basic") words.push("password required");
  if (options.access.kind === "bearer") words.push("token required");
  if (options.allow.length > 0) words.push(`only from ${options.allow.join(", ")}`);
  if (options.onlySigned !== undefined) words.push(`only signed by ${options.onlySigned}`);
  return words;
}

/** `localhost:3000`: the scheme only where it is not plain HTTP. */
export const targetWords = (target: string): string => target.replace(/^http:\/\//, "").replace(/\/$/, "");

/** Requests a second, of the last `window` seconds. */
export function rate(sparks: readonly number[], sparkSeconds: number, window = 30): number {
  const of = sparks.slice(-Math.max(1, Math.round(window / sparkSeconds)));
  return of.length === 0 ? 0 : of.reduce((sum, n) => sum + n, 0) / (of.length * sparkSeconds);
}

/** `14 req/s`, `0.4 req/s`. */
export const rateWords = (perSecond: number): string =>
  `${perSecond >= 9.95 ? Math.round(perSecond) : perSecond.toFixed(1).replace(/\.0$/, "")} req/s`;

/** The points of a line through `values` in a box. */
export function sparkline(values: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  return values
    .map((value, i) => `${(i * step).toFixed(1)},${(height - 1 - (value / most) * (height - 2)).toFixed(1)}`)
    .join(" ");
}

/** The form of a tunnel: all as it is typed. */
export interface Draft {
  name: string;
  target: string;
  keepHost: boolean;
  insecure: boolean;
  lan: boolean;
  inspect: boolean;
  timeout: string;
  access: TunnelAccess["kind"];
  user: string;
  password: string;
  token: string;
  allow: string;
  onlySigned: string;
}

export const NO_OPTIONS: TunnelOptions = {
  access: { kind: "none" },
  allow: [],
  requestHeaders: { remove: [], set: {} },
  responseHeaders: { remove: [], set: {} },
};

/** The form as a tunnel is, or for a new one. */
export function draftOf(name: string, settings: TunnelSettings | null, options: TunnelOptions): Draft {
  const { access } = options;
  return {
    name,
    target: settings?.target ?? "",
    keepHost: settings?.keepHost ?? false,
    insecure: settings?.insecure ?? false,
    lan: settings?.lan ?? false,
    inspect: settings?.inspect ?? true,
    timeout: String(settings?.timeoutSeconds ?? 120),
    access: access.kind,
    user: access.kind === "basic" ? access.user : "",
    password: "",
    token: "",
    allow: options.allow.join("\n"),
    onlySigned: options.onlySigned ?? "",
  };
}

export type Field = "name" | "target" | "timeout" | "user" | "password" | "token";

/** What is asked of the backend, or what is wrong with the form. */
export type Read =
  { settings: TunnelSettings; options: TunnelOptions } | { wrong: { field: Field; message: string } };

/** Reads the form. `before` is what applies to visitors so far: it keeps what the form does not show. */
export function read(draft: Draft, before: TunnelOptions): Read {
  const wrong = (field: Field, message: string): Read => ({ wrong: { field, message } });
  const target = draft.target.trim();
  const name = draft.name.trim();
  if (target === "")
    return wrong("target", "A port of this machine, or an address: 3000, http://localhost:3000.");
  if (/^\d+$/.test(target) && (Number(target) < 1 || Number(target) > 65_535))
    return wrong("target", "A port is a number from 1 to 65535.");
  if (name !== "" && (!/^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$/.test(name) || name.includes("--")))
    return wrong(
      "name",
      "A name has 3–40 of a–z, 0–9 and -; it begins and ends with a letter or digit, without --.",
    );
  const seconds = Number(draft.timeout);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600)
    return wrong("timeout", "1 to 3600 whole seconds.");
  let access: TunnelAccess = { kind: "none" };
  if (draft.access === "basic") {
    const { password } = draft;
    const user = draft.user.trim();
    const kept = before.access.kind === "basic" && password === "";
    if (user === "" || user.length > 100 || user.includes(":"))
      return wrong("user", "1–100 characters, without a colon.");
    if (!kept && (password.length < 8 || password.length > 200))
      return wrong("password", "8–200 characters.");
    access = { kind: "basic", user, ...(!kept && { password }) };
  } else if (draft.access === "bearer") {
    const token = draft.token.trim();
    const kept = before.access.kind === "bearer" && token === "";
    if (!kept && (token.length < 16 || token.length > 200)) return wrong("token", "16–200 characters.");
    access = { kind: "bearer", ...(!kept && { token }) };
  }
  const { onlySigned: _, ...others } = before;
  return {
    settings: {
      target,
      keepHost: draft.keepHost,
      insecure: draft.insecure,
      lan: draft.lan,
      inspect: draft.inspect,
      timeoutSeconds: seconds,
    },
    options: {
      ...others,
      access,
      allow: draft.allow.split(/[\s,]+/).filter((network) => network !== ""),
      ...(draft.onlySigned !== "" && { onlySigned: draft.onlySigned }),
    },
  };
}

/** A token of 192 random bits. */
export function randomToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
