// Public tunnels made of thin air, with what went through them.

import type { Body } from "../generated/Body";
import type { LiveRequests } from "../generated/LiveRequests";
import type { PublicTunnel } from "../generated/PublicTunnel";
import type { PublicTunnelState } from "../generated/PublicTunnelState";
import type { TunnelFrame } from "../generated/TunnelFrame";
import type { TunnelInfo } from "../generated/TunnelInfo";
import type { TunnelOptions } from "../generated/TunnelOptions";
import type { TunnelRequest } from "../generated/TunnelRequest";
import type { TunnelRequestDetail } from "../generated/TunnelRequestDetail";
import type { TunnelRequestEdit } from "../generated/TunnelRequestEdit";
import type { TunnelRequestQuery } from "../generated/TunnelRequestQuery";
import type { TunnelSettings } from "../generated/TunnelSettings";
import { ApiError, type Operations } from "../types";
import { random } from "./events";

type TunnelOp = Extract<keyof Operations, `${string}tunnel${string}`> | "export_har";
type Handlers = { [O in TunnelOp]: (args: Operations[O]["args"]) => Operations[O]["answer"] };

const OWN = "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8A";
const OPTIONS: TunnelOptions = {
  access: { kind: "none" },
  allow: [],
  requestHeaders: { remove: [], set: {} },
  responseHeaders: { remove: [], set: {} },
};
const settings = (target: string): TunnelSettings => ({
  target,
  keepHost: false,
  insecure: false,
  lan: false,
  inspect: true,
  timeoutSeconds: 120,
});
const address = (name: string): string => `https://${name}.postern.dev`;
const text = (text: string): Body => ({ encoding: "utf8", text });

export function fakeTunnels(params: URLSearchParams, tell: (requests: LiveRequests | null) => void) {
  const start = Date.now();
  const chance = random(7);
  const kind = params.get("tunnels");
  const tunnel = (
    name: string,
    target: string,
    state: PublicTunnelState,
    on = state.state !== "off",
  ): PublicTunnel => ({ name, url: address(name), settings: settings(target), on, held: false, state });
  let list: PublicTunnel[] =
    kind === "none"
      ? []
      : [
          tunnel("api-acme", "http://localhost:8080", { state: "online" }),
          tunnel("storybook-acme", "http://localhost:6006", { state: "off" }),
          tunnel("web-acme", "http://localhost:3000", { state: "online" }),
        ];
  if (kind === "states")
    list.unshift(
      tunnel("app", "http://localhost:4000", {
        state: "elsewhere",
        worker: { id: "wrk_2", name: "grace-desktop" },
      }),
      tunnel("docs", "http://localhost:4001", {
        state: "refused",
        code: "tunnel.not_reserved",
        message: "The workspace has not reserved the name docs.",
      }),
      tunnel("mail-preview", "https://localhost:8443", {
        state: "offline",
        problem: "the proxy cannot be reached: connection refused",
        retryAt: start + 9_000,
      }),
      tunnel("shop", "http://localhost:5173", { state: "connecting" }),
    );
  const options = new Map<string, TunnelOptions>([
    ["api-acme", { ...OPTIONS, access: { kind: "bearer" }, allow: ["203.0.113.0/24"] }],
  ]);
  let others: TunnelInfo[] =
    kind === "none"
      ? []
      : [
          {
            name: "demo-acme",
            url: address("demo-acme"),
            worker: { id: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8B", name: "grace-desktop" },
            options: OPTIONS,
            createdAt: start - 86_400_000 * 30,
            usedAt: start - 4_000_000,
          },
          {
            name: "staging-acme",
            url: address("staging-acme"),
            worker: null,
            options: OPTIONS,
            createdAt: start - 86_400_000 * 90,
            usedAt: null,
          },
        ];

  const SHAPES: Partial<TunnelRequest>[] = [
    {
      method: "POST",
      path: "/api/linear",
      status: 200,
      micros: 12_400,
      requestBytes: 139,
      responseBytes: 120,
    },
    { method: "GET", path: "/hmr", kind: "web_socket", status: 101, open: true, micros: 240_000_000 },
    { method: "GET", path: "/stream?since=41", kind: "events", status: 200, open: true, micros: 61_000_000 },
    { method: "PUT", path: "/upload", status: 201, micros: 2_100_000, requestBytes: 1_000_000_000 },
    {
      method: "GET",
      path: "/dashboard",
      status: 502,
      micros: 900,
      error: "nothing listens on localhost:3000: connection refused",
    },
    { method: "GET", path: "/assets/index-4f1c9e.js", status: 304, micros: 1_900, responseBytes: 0 },
    {
      method: "GET",
      path: "/api/issues?team=ENG&first=50",
      status: 200,
      micros: 31_000,
      responseBytes: 18_400,
    },
    { method: "DELETE", path: "/api/session", status: 204, micros: 5_100 },
    { method: "GET", path: "/admin", status: 404, micros: 2_300, responseBytes: 153 },
  ];
  const made = (id: number, at: number, shape: Partial<TunnelRequest>, of = "web-acme"): TunnelRequest => ({
    id,
    tunnel: of,
    at,
    method: "GET",
    path: "/",
    replayOf: null,
    kind: "http",
    status: 200,
    open: false,
    connectMicros: id % 4 === 0 ? 310 : null,
    micros: 8_000,
    requestBytes: 0,
    responseBytes: 640,
    error: null,
    ...shape,
    firstByteMicros: shape.error ? null : Math.round((shape.micros ?? 8_000) * (shape.open ? 0.0001 : 0.8)),
  });
  const total = kind === "none" ? 0 : Number(params.get("requests") ?? 400);
  let rows: TunnelRequest[] = Array.from({ length: total }, (_, i) => {
    const shape = SHAPES[i < SHAPES.length ? i : Math.floor(chance() * SHAPES.length)] ?? {};
    const plain = i >= SHAPES.length && shape.open ? { ...shape, open: false } : shape;
    return made(total - i, start - 1_000 - i * 1_700, plain);
  });
  let last = total;
  const edits = new Map<number, TunnelRequestEdit>();

  const own = (name: string): PublicTunnel => {
    const found = list.find((other) => other.name === name);
    if (!found) throw new ApiError("not_found", `this machine has no tunnel \`${name}\``, false);
    return found;
  };
  const put = (next: PublicTunnel): PublicTunnel => {
    list = [...list.filter(({ name }) => name !== next.name), next].sort((a, b) =>
      a.name.localeCompare(b.name),
    );
    tell(null);
    return next;
  };
  const matching = (query: TunnelRequestQuery): TunnelRequest[] => {
    const { tunnel, method, path, status, search, header, leastBytes = 0, leastMicros = 0, before } = query;
    const words = (search ?? "").toLowerCase();
    const [named = "", ...rest] = (header ?? "").toLowerCase().split(":");
    const carries = (row: TunnelRequest): boolean => {
      const { requestHeaders, responseHeaders } = detail(row);
      return [...requestHeaders, ...responseHeaders].some(
        ([name, value]) =>
          name === named.trim() && String(value).toLowerCase().includes(rest.join(":").trim()),
      );
    };
    return rows.filter(
      (row) =>
        (tunnel === undefined || row.tunnel === tunnel) &&
        (!method || row.method === method) &&
        (!path || row.path.toLowerCase().includes(path.toLowerCase())) &&
        row.requestBytes + row.responseBytes >= leastBytes &&
        row.micros >= leastMicros &&
        (!header || carries(row)) &&
        (!status ||
          (status === "none"
            ? row.status === null
            : String(row.status).startsWith(status.replace("xx", "")))) &&
        (words === "" || JSON.stringify(detail(row)).toLowerCase().includes(words)) &&
        (before === undefined || row.id < before),
    );
  };
  const frames = (row: TunnelRequest): TunnelFrame[] =>
    row.kind === "http"
      ? []
      : Array.from({ length: 214 }, (_, i) => {
          const shown =
            row.kind === "events"
              ? `event: issue\ndata: {"identifier":"ENG-${418 + i}","priority":${i % 4}}`
              : i % 3 === 0
                ? '{"type":"ping"}'
                : `{"type":"update","path":"/src/App.svelte","timestamp":${row.at + i * 900}}`;
          return {
            fromVisitor: row.kind === "web_socket" && i % 3 === 0,
            micros: 4_000 + i * 900_000,
            kind: row.kind === "events" ? "event" : "text",
            size: shown.length,
            body: text(shown),
            truncated: false,
          };
        });
  const detail = (row: TunnelRequest, reveal = false): TunnelRequestDetail => {
    const edit = edits.get(row.id);
    const sent = row.method === "POST" || row.method === "PUT";
    const issue = { identifier: "ENG-418", priority: 1, title: "Login fails after SSO redirect" };
    return {
      request: row,
      requestHeaders: edit?.headers ?? [
        ["host", "localhost:3000"],
        ["user-agent", "Linear-Webhook"],
        ...(sent ? [["content-type", "application/json; charset=utf-8"] as [string, string]] : []),
        ["authorization", reveal ? "Bearer 9f2ce81a" : "•••"],
        ["x-forwarded-for", "203.0.113.7"],
        ["x-forwarded-proto", "https"],
        ["x-forwarded-host", "web-acme.postern.dev"],
      ],
      requestBody:
        edit?.body ??
        text(sent ? JSON.stringify({ action: "update", type: "Issue", data: issue, at: row.at }) : ""),
      requestTruncated: row.requestBytes > 1_048_576,
      responseHeaders: row.error
        ? []
        : [
            ["content-type", row.path.startsWith("/api") ? "application/json" : "text/html; charset=utf-8"],
            ["date", new Date(row.at).toUTCString()],
            ...(row.replayOf === null ? [] : [["x-cache", "miss"] as [string, string]]),
          ],
      responseBody: text(
        row.error || row.responseBytes === 0
          ? ""
          : row.path.startsWith("/api")
            ? JSON.stringify({ ok: true, at: row.at, issues: [issue] })
            : "<!doctype html>\n<title>Not here</title>\n<p>There is nothing at this address.</p>\n",
      ),
      responseTruncated: false,
      frames: frames(row),
      moreFrames: false,
      redacted: !reveal,
      curl: `curl -X ${row.method} 'http://localhost:3000${row.path}' \\\n  -H 'user-agent: Linear-Webhook'`,
    };
  };
  const find = (id: number): TunnelRequest => {
    const found = rows.find((row) => row.id === id);
    if (!found) throw new ApiError("not_found", `the request ${id} is not kept`, false);
    return found;
  };
  const arrive = (): void => {
    last += 1;
    const shape = SHAPES[Math.floor(chance() * SHAPES.length)] ?? {};
    const row = made(last, Date.now(), { ...shape, open: false });
    rows = [row, ...rows];
    tell({ rows: [row], missed: 0 });
  };
  const rate = Number(params.get("tunnelrate") ?? 0);
  if (rate > 0) setInterval(arrive, 1000 / rate);

  const handlers: Handlers = {
    tunnels: () => ({
      tunnels: list,
      traffic: list.map(({ name, state }) => {
        const busy = name === "web-acme" && state.state === "online";
        return {
          name,
          sparkSeconds: 10,
          sparks: Array.from({ length: 30 }, (_, i) =>
            busy ? Math.round(60 + i * 3 + 30 * Math.sin(i * 1.7) + 12 * Math.sin(i * 5.1)) : 0,
          ),
          p50Micros: busy ? 8_100 : null,
          p95Micros: busy ? 31_000 : null,
          total: busy ? 12_840 : 0,
          failed: busy ? 3 : 0,
          underWay: busy ? 2 : 0,
        };
      }),
    }),
    add_tunnel: (args) => {
      const name = args.name ?? "k7m2x9p4w3t8c5hn";
      if (["www", "api", "admin"].includes(name))
        throw new ApiError("tunnel.name_taken", `The name ${name} cannot be had.`, false);
      if (args.options) options.set(name, args.options);
      others = others.filter((other) => other.name !== name);
      const target = /^\d+$/.test(args.settings.target)
        ? `http://localhost:${args.settings.target}`
        : args.settings.target;
      const on = args.on ?? true;
      return put({
        ...tunnel(name, target, { state: on ? "online" : "off" }),
        settings: { ...args.settings, target },
      });
    },
    change_tunnel: (args) => {
      if (args.options) options.set(args.name, args.options);
      const now = own(args.name);
      return put({ ...now, settings: args.settings ?? now.settings });
    },
    set_tunnel_on: ({ name, on }) => put({ ...own(name), on, state: { state: on ? "online" : "off" } }),
    remove_tunnel: ({ name }) => {
      const { url } = own(name);
      list = list.filter((other) => other.name !== name);
      const kept = options.get(name) ?? OPTIONS;
      others = [...others, { name, url, worker: null, options: kept, createdAt: start, usedAt: start }];
      tell(null);
      return handlers.tunnels({});
    },
    tunnel_requests: (query) => {
      const found = matching(query);
      const page = found.slice(0, query.limit ?? 100);
      return {
        rows: page,
        next: page.length < found.length ? (page.at(-1)?.id ?? null) : null,
        dropped: Number(params.get("dropped") ?? 0),
      };
    },
    tunnel_request: ({ id, reveal }) => detail(find(id), reveal === true),
    replay_tunnel_request: ({ id, edit }) => {
      const of = find(id);
      if (of.kind === "web_socket")
        throw new ApiError("request.unsupported", "a WebSocket cannot be sent once more", false);
      last += 1;
      const row = made(last, Date.now(), {
        ...of,
        ...(edit?.method && { method: edit.method }),
        ...(edit?.path && { path: edit.path }),
        replayOf: of.id,
        open: false,
        micros: of.micros + 900,
      });
      const { id: _, at: __, ...rest } = row;
      const replayed = { ...rest, id: last, at: Date.now() };
      if (edit) edits.set(last, edit);
      rows = [replayed, ...rows];
      tell({ rows: [replayed], missed: 0 });
      return replayed;
    },
    clear_tunnel_requests: ({ tunnel }) => {
      rows = rows.filter((row) => tunnel !== undefined && row.tunnel !== tunnel);
      return handlers.tunnel_requests(tunnel === undefined ? {} : { tunnel });
    },
    export_har: (query) => ({ log: { version: "1.2", entries: matching(query).slice(0, 500) } }),
    reserved_tunnels: () => ({
      own: OWN,
      tunnels: [
        ...list.map(({ name, url, state }) => ({
          name,
          url,
          worker: state.state === "online" ? { id: OWN, name: "ada-laptop" } : null,
          options: options.get(name) ?? OPTIONS,
          createdAt: start - 86_400_000,
          usedAt: start,
        })),
        ...others,
      ],
    }),
    reserve_tunnel: ({ name = "k7m2x9p4w3t8c5hn" }) => {
      const info = {
        name,
        url: address(name),
        worker: null,
        options: OPTIONS,
        createdAt: start,
        usedAt: null,
      };
      others = [...others, info];
      return info;
    },
    release_tunnel: ({ name }) => {
      list = list.filter((other) => other.name !== name);
      others = others.filter((other) => other.name !== name);
      tell(null);
      return handlers.reserved_tunnels({});
    },
  };
  return { handlers, list: () => list };
}
