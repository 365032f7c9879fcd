// A backend made of thin air, for working on the interface and for its tests.
// `npm run dev`, then `/?fake`; parameters: `rows=10000`, `state=live|paused|
// reconnecting|refused|connecting|signed_out`, `away=38`, `held=38`, `rate=events/s`,
// `tunnel[=websocket]` (deliveries come through one), `forward=none|ok|refused`, `rules=many`, `fail=op,op`, `slow=ms`, `broken` (no line),
// `tunnels=none|states` (public ones; `tunnelrate=requests/s` through them),
// `late` (a page that never finds all in time), `unproven` (a canary was missed).

import type { Arrival } from "../generated/Arrival";
import type { Connection } from "../generated/Connection";
import type { EventPage } from "../generated/EventPage";
import type { EventSummary } from "../generated/EventSummary";
import type { Hop } from "../generated/Hop";
import type { HandlerRun } from "../generated/HandlerRun";
import type { LocalSecretInfo } from "../generated/LocalSecretInfo";
import type { ProfileState } from "../generated/ProfileState";
import type { Rejected } from "../generated/Rejected";
import type { RuleList } from "../generated/RuleList";
import type { Settings } from "../generated/Settings";
import type { Status } from "../generated/Status";
import type { View } from "../generated/View";
import type { Tunnel } from "../generated/Tunnel";
import type { WorkerInfo } from "../generated/WorkerInfo";
import {
  ApiError,
  type Answer,
  type Args,
  type LiveListener,
  type Op,
  type Operations,
  type Transport,
} from "../types";
import { matches, NO_FILTER, type Filter } from "../../features/events/filter";
import { detail, idOf, random, run, summary } from "./events";
import { fakeTunnels } from "./tunnels";
import { dryRun, firstRules, setRules, targetsOf } from "./rules";

type Handlers = { [O in Op]: (args: Operations[O]["args"]) => Operations[O]["answer"] };

export function fakeTransport(params: URLSearchParams): Transport {
  const number = (name: string, fallback: number) => Number(params.get(name) ?? fallback);
  const slow = number("slow", 15);
  const failing = new Set((params.get("fail") ?? "").split(",").filter(Boolean));
  const total = number("rows", 10_000);
  const waiting = number("away", 0);
  const start = Date.now();
  let history: { n: number; row: EventSummary }[] = [];
  let at = start - 1500;
  const chance = random(42);
  for (let n = 0; n < total; n += 1) {
    history.push({ n, row: { ...summary(n, at), seq: total - n } });
    at -= Math.floor(n < 14 ? 20_000 + chance() * 100_000 : chance() * 240_000);
  }
  let last = total;
  let cursor = total;
  let name = "ada-laptop";
  const listeners = new Set<LiveListener>();
  const held = {
    count: waiting,
    oldest: waiting > 0 ? start - 38 * 60_000 : null,
    held: heldOf(number("held", 0)),
  };
  function heldOf(count: number) {
    if (count === 0) return null;
    const entities = Math.ceil(count / 3);
    return {
      count,
      oldest: start - 62 * 60_000,
      newest: start - 24 * 60_000,
      entities,
      newestPerEntity: entities,
    };
  }
  let views: View[] = [{ name: "Failed at Linear", filter: "provider=linear&outcome=failed" }];
  const mode = params.get("forward") ?? "refused";
  const lastRun = (kind: string): HandlerRun => {
    const row = summary(1, start - 4000);
    const outcome =
      kind === "ok"
        ? { kind: "succeeded" as const, label: "200 · 12 ms" }
        : { kind: "failed" as const, label: "localhost:3000 refused" };
    return run(1, { ...row, outcome });
  };
  let rules: RuleList = { version: 1, rules: firstRules(mode, params.get("rules") === "many") };
  const targets = () => targetsOf(rules.rules, ({ id }) => (id === 1 ? lastRun(mode) : null));
  let settings: Settings = {
    notifications: true,
    catchUp: null,
    via: "auto",
    ordering: "none",
    capabilities: [],
    group: params.get("group"),
    keep: { days: 90, gib: 10 },
    canaryMinutes: 5,
    port: null,
  };
  const receiver = { port: 41234, fixed: false };
  let localSecrets: LocalSecretInfo[] = [
    { source: null, scheme: { provider: "linear" }, setAt: start - 3 * 86_400_000 },
  ];
  let connection = connectionOf(params.get("state") ?? "live");

  function connectionOf(state: string): Connection {
    const now = Date.now();
    switch (state) {
      case "signed_out":
        return { state };
      case "connecting":
        return {
          state,
          since: now - 9000,
          problem: params.has("problem")
            ? "The proxy could not reach http://127.0.0.1:4610/hook: connection refused."
            : null,
        };
      case "paused":
        return { state, waiting: { count: Math.max(3, waiting), oldest: now - 240_000, held: held.held } };
      case "reconnecting":
        return { state, problem: "the proxy cannot be reached: connection refused", retryAt: now + 4500 };
      case "refused":
        return { state, problem: "The token was revoked on 20 November." };
      default:
        return {
          state: "live",
          provenAt: params.has("unproven") ? now - 900_000 : now - 12_000,
          unproven: params.has("unproven") ? { since: now - 900_000, problem: "connection refused" } : null,
          renewedAt: now - 11_000,
          leasedUntil: now + 48_000,
          skewMs: -42,
          waiting: held,
        };
    }
  }

  function arrivalOf(): Arrival {
    const tunnel = settings.via === "tunnel" || (settings.via === "auto" && params.has("tunnel"));
    const reason =
      settings.via !== "auto"
        ? "as you set it"
        : tunnel
          ? "since this machine has no HTTPS address of its own"
          : "since the proxy is on this machine";
    if (!tunnel) return { way: "address", url: "http://127.0.0.1:4610/hook", reason };
    return { way: "tunnel", reason, tunnel: tunnelState() };
  }

  function tunnelState(): Tunnel {
    if (connection.state === "reconnecting") {
      const cure = "Check the network, and HTTPS_PROXY where the way out leads through a proxy.";
      const { problem, retryAt } = connection;
      return { state: "down", since: start - 61_000, problem, cure, retryAt };
    }
    if (connection.state === "connecting") return { state: "connecting", since: connection.since };
    const websocket = params.get("tunnel") === "websocket";
    return {
      state: "up",
      since: start - 720_000,
      carrier: websocket ? "websocket" : "upgrade",
      roundTripMicros: 4_123,
      httpProxy: websocket ? "gate.acme.dev:3128" : null,
    };
  }

  // `profiles=3`: so many workspaces, the first shown.
  let others = Array.from({ length: number("profiles", 1) }, (_, i) => ({
    id: i + 1,
    name: ["Acme Engineering", "Home", "Client: Globex"][i] ?? `Workspace ${i + 1}`,
    workspace: ["Acme Engineering", "ada", "Globex"][i] ?? `Workspace ${i + 1}`,
    proxyUrl:
      ["https://hooks.acme.dev", "https://postern.ada.dev", "https://in.globex.example"][i] ??
      "https://x.dev",
    events: 1284 * i,
  }));
  let shown = 1;
  const profiles = (): ProfileState[] =>
    connection.state === "signed_out"
      ? []
      : others.map((profile, i) => ({
          ...profile,
          events: profile.id === shown ? history.length : profile.events,
          shown: profile.id === shown,
          connection: profile.id === shown ? connection : connectionOf(i === 2 ? "paused" : "live"),
        }));

  const worker = (
    letter: string,
    called: string,
    state: WorkerInfo["state"],
    capabilities: string[],
  ): WorkerInfo => ({
    id: `wrk_01KAN8QF2Y7H3N5W9E6S1G4D8${letter}`,
    name: called,
    state,
    capabilities,
    ordering: settings.ordering,
    catchUp: "ask",
    waiting: { count: state === "paused" ? 3 : 0, oldest: null, held: null },
    leasedUntil: start - 720_000,
    createdAt: start,
    challengeError: null,
    transportFailures: 0,
    transportError: null,
    policy: {},
  });

  const tunnels = fakeTunnels(params, (requests) => {
    for (const listener of listeners)
      listener.live({ changes: null, status: requests ? null : status(), ...(requests && { requests }) });
  });

  const status = (): Status => ({
    version: "0.1.0",
    name,
    profiles: profiles(),
    session:
      connection.state === "signed_out"
        ? null
        : {
            proxyUrl: others.find(({ id }) => id === shown)?.proxyUrl ?? "https://hooks.acme.dev",
            workspace: {
              id: "wsp_01KAN8Q7Z3M6V1T9XJ2D5R4C0B",
              name: others.find(({ id }) => id === shown)?.workspace ?? "Acme Engineering",
            },
            workerId: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8A",
            arrival: arrivalOf(),
            tokenKeptIn: "keychain",
          },
    connection,
    targets: targets(),
    rulesVersion: rules.version,
    tunnels: tunnels.list(),
    settings,
    receiver: { ...receiver },
    events: history.length,
    rejected: number("rejected", 23),
    cursor,
    now: Date.now(),
  });

  const push = (rows: EventSummary[]) => {
    cursor += 1;
    const stamped = rows.map((row) => ({ ...row, seq: cursor }));
    for (const row of stamped) {
      const known = history.find((entry) => entry.row.id === row.id);
      if (known) known.row = row;
    }
    const changes = { rows: stamped, cursor, more: false, reset: false };
    for (const listener of listeners) listener.live({ changes, status: status() });
  };

  const arrive = (make?: (row: EventSummary) => EventSummary) => {
    const n = last++;
    const now = Date.now();
    const drawn = summary(n, now - 20);
    const row = make ? make(drawn) : drawn;
    history = [{ n, row }, ...history];
    if (connection.state === "live") connection = { ...connection, provenAt: now, unproven: null };
    push([row]);
    return row;
  };

  const find = (id: string) => {
    const found = history.find((entry) => entry.row.id === id);
    if (!found) throw new ApiError("not_found", `There is no event ${id} in this history.`, false);
    return found;
  };

  const set = (next: Connection): Status => {
    connection = next;
    for (const listener of listeners) listener.live({ changes: null, status: status() });
    return status();
  };

  const handlers: Handlers = {
    status,
    sign_in: (args) => {
      if (args.token.length < 8)
        throw new ApiError("auth.invalid", "The proxy does not know this token.", false);
      if (args.proxyUrl.includes("nowhere"))
        throw new ApiError("proxy.unreachable", "nowhere does not resolve: check the address.", true);
      name = args.name ?? name;
      return set(connectionOf("live"));
    },
    run_local_proxy: () => {
      if (params.has("noproxy"))
        throw new ApiError(
          "request.unsupported",
          "the program postern-proxy is not on this machine: install it, or sign in to a proxy elsewhere",
          false,
        );
      return set(connectionOf("live"));
    },
    sign_out: () => set({ state: "signed_out" }),
    switch_profile: ({ id }) => {
      shown = id;
      return set(connection);
    },
    rename_profile: ({ id, name: wanted }) => {
      others = others.map((profile) =>
        profile.id === id ? { ...profile, name: wanted ?? profile.workspace } : profile,
      );
      return set(connection);
    },
    remove_profile: ({ id }) => {
      others = others.filter((profile) => profile.id !== id);
      shown = others[0]?.id ?? 0;
      return set(others.length === 0 ? { state: "signed_out" } : connection);
    },
    rename_worker: ({ name: wanted }) => {
      name = wanted;
      return set(connection);
    },
    change_token: ({ token }) => {
      if (token.length < 8) throw new ApiError("auth.invalid", "The proxy does not know this token.", false);
      return set(connection);
    },
    export_settings: ({ appearance }) => ({
      name: "postern-settings.json",
      text: JSON.stringify(
        { format: "postern-settings", version: 1, settings, appearance, profiles: [] },
        null,
        2,
      ),
    }),
    import_settings: ({ document, apply, appearance }) => {
      if (!document.includes("postern-settings"))
        throw new ApiError(
          "request.malformed",
          "the document is not JSON: expected value at line 1 column 1",
          false,
        );
      const change = (profile: string | null, what: string, from: string | null, to: string | null) => ({
        profile,
        what,
        from,
        to,
      });
      const acme = "Acme Engineering";
      return {
        changes: [
          change(null, "Prove the path", "every 5 minutes", "every 15 minutes"),
          change(null, "Keep events", "90 days, up to 10 GiB", "30 days, any size"),
          change(
            acme,
            "Rule “api”",
            null,
            "Issue · forward to http://localhost:3000/api/linear · with x-api-key",
          ),
          change(acme, "Rule “old”", "all events · forward to http://localhost:4000/", null),
          change(acme, "View “Logins”", "q=log", "q=login&provider=linear"),
        ],
        missing: ["Acme Engineering, rule “api”: the header x-api-key"],
        left: ["Globex at https://in.globex.example: this machine is not signed in there"],
        appearance: appearance ?? null,
        applied: apply,
        status: set(connection),
      };
    },
    diagnostics: () => ({
      name: "postern-diagnostics.json",
      text: JSON.stringify({ format: "postern-diagnostics", version: 1, settings, log: [] }, null, 2),
    }),
    set_paused: ({ paused }) => set(connectionOf(paused ? "paused" : "live")),
    set_forward: ({ url }) => {
      const others = rules.rules.filter(({ filter }) => filter.length > 0);
      rules = {
        version: rules.version + 1,
        rules: url === null ? others : [...others, ...firstRules("ok", false)],
      };
      return status();
    },
    rules: () => rules,
    set_rules: (args) => {
      rules = setRules(rules, args);
      set(connection);
      return rules;
    },
    dry_run: (query) =>
      dryRun(
        query.rules ?? rules.rules,
        history.map(({ row }) => row),
      ),
    runs: ({ rule, limit }) => ({
      rows: history
        .filter(({ row }) => row.outcome.kind !== "none" && (rule === undefined || rule === 1))
        .slice(0, rules.rules.length === 0 ? 0 : (limit ?? 20))
        .map(({ n, row }) => ({ run: run(n, row), event: row })),
    }),
    set_settings: (args) => {
      if (args.port === 4000) throw new ApiError("unavailable", "port 4000 is taken by node", true);
      receiver.port = args.port ?? receiver.port;
      settings = args;
      return set(connection);
    },
    reconnect: () => set(connectionOf("live")),
    test_path: () => {
      const hop = (name: string, place: Hop["place"], took: number | null, note: string): Hop => ({
        name,
        place,
        state: took === null ? "skipped" : "passed",
        tookMicros: took,
        note,
      });
      const hops = [
        hop("Asked the proxy", "network", 4210, "half of the call's round trip, without the proxy's work"),
        hop("Signature verified", "proxy", 61, "signed and verified as a provider's webhook is"),
        hop("Committed", "proxy", 2130, "on the proxy's disk, with its delivery"),
        hop("Claimed", "proxy", 340, "taken up by the delivery"),
        hop("Sent", "proxy", 88, "signed for this machine"),
        hop("Arrived", "network", 4020, "half of the post's round trip, without the work here"),
        hop("Signature verified", "this_machine", 72, "the proxy's signature, by the worker's secret"),
        hop("Stored", "this_machine", 1810, "on this machine's disk; the answer says so"),
        hop("Answer at the proxy", "network", 4020, "the way back, likewise half"),
        hop(
          "Handler answered",
          "target",
          targets().length > 0 ? 12_400 : null,
          targets().length > 0 ? `${targets()[0]?.url} · 200` : "no handler takes it",
        ),
      ];
      const broken = params.has("unproven");
      if (broken) {
        hops.splice(
          5,
          5,
          ...hops
            .slice(5)
            .map((h) => ({ ...h, state: "skipped" as const, tookMicros: null, note: "not reached" })),
        );
        const at = hops[5];
        if (at) hops[5] = { ...at, state: "failed", note: "connection refused" };
      }
      return {
        at: Date.now(),
        eventId: null,
        passed: !broken,
        totalMicros: broken ? null : 29_151,
        skewMs: -42,
        hops,
      };
    },
    held_events: ({ cursor, limit }) => {
      const from = Number(cursor ?? 0);
      const to = Math.min(from + (limit ?? 50), held.held?.count ?? 0);
      const events = Array.from({ length: to - from }, (_, i) => {
        const row = summary(from + i + 2, start - (24 + from + i) * 60_000);
        const { id, receivedAt, source, provider, name, subject } = row;
        return { id, receivedAt, source, provider, name, subject };
      });
      return { events, next: to < (held.held?.count ?? 0) ? String(to) : null };
    },
    rotate_secret: () => ({ oldUntil: Date.now() + 86_400_000 }),
    catch_up: ({ choice }) => {
      const count = held.held?.count ?? 0;
      if (typeof choice === "object") {
        const left = count - choice.events.length;
        held.held = heldOf(left);
        set(connection);
        return { delivering: choice.events.length, skipped: 0, held: left };
      }
      const delivering =
        choice === "none" ? 0 : choice === "newest_per_entity" ? (held.held?.newestPerEntity ?? 0) : count;
      held.held = null;
      set(connection);
      return { delivering, skipped: count - delivering, held: 0 };
    },
    events: (query): EventPage => {
      const filter: Filter = {
        ...NO_FILTER,
        provider: query.provider ?? null,
        outcome: query.outcome ?? null,
        eventType: query.eventType ?? null,
        action: query.action ?? null,
        source: query.source ?? null,
        time: { kind: "between", since: query.since ?? null, until: query.until ?? null },
      };
      // Conditions are for the real one to understand: here one looks for its value.
      const value = /"([^"]*)"/.exec(query.payload ?? "")?.[1];
      const answer = query.status?.replace("xx", "") ?? "";
      const words = (query.search ?? "").toLowerCase();
      const found = history.filter(
        ({ n, row }) =>
          matches(filter, row, Date.now()) !== false &&
          (value === undefined || JSON.stringify(detail(n, row).body).includes(value)) &&
          (query.rule === undefined || row.outcome.kind !== "none") &&
          (answer === "none" ? row.outcome.kind === "failed" : row.outcome.label.startsWith(answer)) &&
          (words === "" || `${row.subject} ${row.detail} ${row.name}`.toLowerCase().includes(words)),
      );
      const from = query.before === undefined ? 0 : found.findIndex(({ row }) => row.id === query.before) + 1;
      const rows = found.slice(from, from + (query.limit ?? 100)).map(({ row }) => row);
      const more = from + rows.length < found.length;
      const next = more ? (rows.at(-1)?.id ?? null) : null;
      // `late`: each look ends before it is done.
      const searchedTo = params.has("late") && more ? (rows.at(-1)?.storedAt ?? null) : null;
      return { rows, next, total: searchedTo === null ? found.length : null, searchedTo, cursor };
    },
    check_condition: ({ payload }) => {
      const at = payload.search(/[^=!]=[^=]/);
      const reason = "expected `==`, `!=` or `in`; equality is written `==`";
      return { problem: at < 0 ? null : { at: at + 2, reason } };
    },
    check_filter: ({ terms }) => {
      const term = terms.findIndex((text) => text.includes("[") && !text.includes("]"));
      const at = (terms[term]?.indexOf("[") ?? 0) + 2;
      return {
        problem: term < 0 ? null : { term, at, reason: "the condition does not end: `]` is missing" },
      };
    },
    views: () => ({ views: [...views] }),
    save_view: (view) => {
      views = [...views.filter(({ name: other }) => other !== view.name), view].sort((a, b) =>
        a.name.localeCompare(b.name),
      );
      return { views };
    },
    rename_view: ({ name: old, to }) => {
      if (views.some((view) => view.name === to))
        throw new ApiError("request.malformed", `another view has the name \`${to}\``, false);
      views = views.map((view) => (view.name === old ? { ...view, name: to } : view));
      return { views };
    },
    remove_view: ({ name: old }) => {
      views = views.filter((view) => view.name !== old);
      return { views };
    },
    events_since: () => ({ rows: [], cursor, more: false, reset: false }),
    event: ({ id }) => {
      const { n, row } = find(id);
      return detail(n, row);
    },
    event_record: ({ id }) => {
      const { row } = find(id);
      return {
        id: row.id,
        receivedAt: row.receivedAt,
        commitMicros: 612,
        source: row.source,
        provider: row.provider,
        name: row.name,
        size: row.size,
        synthetic: row.synthetic,
        requestId: "8f3a1c90d2e4b567",
        workers: [
          {
            workerId: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8A",
            worker: name,
            code: "delivered",
            reason: "It was delivered.",
            terms: [],
            deliveryId: "dlv_01KAN8R0T6F3M9Q2V7Z1C5X4B8",
          },
          {
            workerId: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8B",
            worker: "grace-desktop",
            code: "away",
            reason: "The worker is away: the event waits for it.",
            terms: [],
            deliveryId: "dlv_01KAN8R0T6F3M9Q2V7Z1C5X4B9",
          },
          {
            workerId: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8C",
            worker: "ci",
            code: "filter_does_not_take",
            reason: "None of its capabilities takes the event: github:pull_request.*.",
            terms: ["github:pull_request.*"],
          },
        ],
        deliveries: [
          {
            id: "dlv_01KAN8R0T6F3M9Q2V7Z1C5X4B8",
            workerId: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8A",
            worker: name,
            state: "delivered",
            nextAttemptAt: null,
            skipped: null,
            ended: null,
            redriven: 0,
            replay: 0,
            reports: [],
            attempts: [
              {
                number: 1,
                at: row.receivedAt + 2,
                micros: 1900,
                outcome: "connect",
                status: null,
                error: "connection refused",
                answer: null,
              },
              {
                number: 2,
                at: row.receivedAt + 9,
                micros: 3400,
                outcome: "delivered",
                status: 200,
                error: null,
                answer: null,
              },
            ],
          },
          {
            id: "dlv_01KAN8R0T6F3M9Q2V7Z1C5X4B9",
            workerId: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8B",
            worker: "grace-desktop",
            state: "pending",
            nextAttemptAt: Date.now() + 60_000,
            skipped: null,
            ended: null,
            redriven: 0,
            replay: 0,
            attempts: [],
            reports: [],
          },
        ],
      };
    },
    redeliver: (key) => handlers.event_record(key),
    report_work: ({ id }) => handlers.event_record({ id }),
    proxy_replay: ({ id }) => {
      find(id);
      arrive();
      return { replay: 1, deliveries: 1 };
    },
    local_ports: () => ({
      ports: [
        { port: 3000, program: "node" },
        { port: 5173, program: "vite" },
        { port: 5432, program: null },
      ],
    }),
    // As a rule with a header of its own sent it.
    run_request: ({ run: n }) => {
      const event = history.find((event) => event.n === n);
      if (!event) throw new ApiError("not_found", `what the run ${n} sent is not on record`, false);
      const { headers, body } = detail(n, event.row);
      const own = headers.filter(
        ([name, value]) => !/^(postern|webhook)-/.test(name) && typeof value === "string",
      );
      return {
        target: "http://localhost:3000/api/linear",
        headers: [
          ...own.map(([name, value]): [string, string] =>
            name === "user-agent" ? [name, "Preview"] : [name, String(value)],
          ),
          ["postern-event-id", event.row.id],
        ],
        body,
        altered: null,
      };
    },
    replay: ({ id, target, rule }) => {
      const { n, row } = find(id);
      if (targets().length === 0 && target === undefined)
        throw new ApiError("edge.no_target", "Nothing is set to forward to: name a target.", false);
      const outcome = { kind: "succeeded" as const, label: "200 · 11 ms" };
      push([{ ...row, outcome }]);
      return {
        ...run(n, { ...row, outcome }, true),
        target: target ?? (targets().find((to) => to.rule === rule) ?? targets()[0])?.url ?? "",
      };
    },
    trigger: ({ provider, name: event }) => {
      const id = idOf(last);
      const [eventType = event, action] = event.split(".");
      setTimeout(
        () =>
          arrive((row) => ({
            ...row,
            provider,
            eventType,
            action: action ?? null,
            name: event,
            synthetic: true,
          })),
        400,
      );
      return { eventId: id };
    },
    templates: () => ({
      templates: [
        { provider: "linear", name: "Issue.create", about: "An issue is filed" },
        { provider: "linear", name: "Issue.update", about: "An issue moves from Todo to In Progress" },
        { provider: "linear", name: "Comment.create", about: "Somebody comments on an issue" },
        { provider: "github", name: "pull_request.opened", about: "A pull request is opened" },
        { provider: "github", name: "push", about: "Commits are pushed" },
      ],
    }),
    sources: () => ({
      sources: [
        {
          id: "src_1",
          name: "linear",
          provider: "linear",
          url: "https://hooks.acme.dev/hooks/src_01KAN8PZ9T5N2W7E3R6Y4U1K0M",
          secrets: 2,
        },
        {
          id: "src_2",
          name: "github-acme",
          provider: "github",
          url: "https://hooks.acme.dev/hooks/src_01KAN8PZ9T5N2W7E3R6Y4U1K0N",
          secrets: 1,
        },
      ],
    }),
    workers: () => ({
      own: "wrk_01KAN8QF2Y7H3N5W9E6S1G4D8A",
      workers: [
        worker("A", name, "active", settings.capabilities),
        worker("B", "grace-desktop", "away", ["Issue", "Comment.create"]),
        worker("C", "ci-runner", "paused", []),
      ].slice(0, number("workers", 3)),
    }),
    local_secrets: () => ({ secrets: localSecrets }),
    set_local_secret: ({ source = null, scheme }) => {
      const others = localSecrets.filter((s) => s.source !== source || s.scheme.provider !== scheme.provider);
      localSecrets = [...others, { source, scheme, setAt: Date.now() }];
      return { secrets: localSecrets };
    },
    ...tunnels.handlers,
    remove_local_secret: ({ source = null, provider }) => {
      localSecrets = localSecrets.filter((s) => s.source !== source || s.scheme.provider !== provider);
      return { secrets: localSecrets };
    },
    rejected: ({ before, limit }) => {
      const rows = Array.from({ length: number("rejected", 23) }, (_, i): Rejected => {
        const stale = i % 3 === 1;
        return {
          id: 900 - i,
          at: start - i * 1_340_000 - 20_000,
          status: 401,
          code: stale ? "signature.stale" : i % 3 === 2 ? "signature.missing" : "signature.mismatch",
          reason: stale
            ? "signed 412000 ms ago, which is more than the 300000 ms allowed"
            : i % 3 === 2
              ? "the header webhook-signature is missing"
              : "the signature matches none of the 1 configured secret(s): wrong secret, or altered body",
          failure: stale
            ? { kind: "stale", by_ms: 412_000, tolerance_ms: 300_000 }
            : i % 3 === 2
              ? { kind: "missing_header", header: "webhook-signature" }
              : { kind: "wrong_secret", tried: 1 },
          peer: `127.0.0.1:${52_000 + i}`,
          request: "POST /hook",
          size: 1942,
          count: i === 0 ? 14 : 1,
          guess: i % 3 === 2 ? "`x-hub-signature-256` looks like a GitHub signature" : null,
        };
      }).filter((row) => before === undefined || row.id < before);
      return { rows: rows.slice(0, limit ?? 100), total: number("rejected", 23) };
    },
  };

  async function call<O extends Op>(op: O, args: Args<O>): Promise<Answer<O>> {
    await new Promise((resolve) => setTimeout(resolve, slow));
    if (failing.has(op))
      throw new ApiError("store.unavailable", "The history cannot be read: disk full.", true);
    return handlers[op](args);
  }

  const rate = number("rate", 0);
  if (rate > 0) setInterval(() => arrive(), 1000 / rate);
  // For tests in a console: `postern.arrive()`.
  Object.assign(globalThis, { postern: { arrive, set: (state: string) => set(connectionOf(state)) } });

  return {
    kind: "fake",
    call,
    live: (_, listener) => {
      listeners.add(listener);
      if (params.has("broken"))
        listener.link({
          state: "broken",
          retryAt: Date.now() + 4000,
          problem: "Postern on this machine does not answer.",
        });
      else listener.link({ state: "open" });
      return () => listeners.delete(listener);
    },
  };
}
