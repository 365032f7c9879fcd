// What the interface asks of the backend, whichever way it is reached. The
// table follows `crates/edge/src/api.rs`; the types are generated from it.

import type { Desktop } from "./desktop";
import type { AddTunnel } from "./generated/AddTunnel";
import type { CatchUpRequest } from "./generated/CatchUpRequest";
import type { CaughtUp } from "./generated/CaughtUp";
import type { ChangeToken } from "./generated/ChangeToken";
import type { ChangeTunnel } from "./generated/ChangeTunnel";
import type { CheckedCondition } from "./generated/CheckedCondition";
import type { CheckedFilter } from "./generated/CheckedFilter";
import type { ClearTunnelRequests } from "./generated/ClearTunnelRequests";
import type { Condition } from "./generated/Condition";
import type { Document } from "./generated/Document";
import type { DryRun } from "./generated/DryRun";
import type { DryRunQuery } from "./generated/DryRunQuery";
import type { EventDetail } from "./generated/EventDetail";
import type { EventKey } from "./generated/EventKey";
import type { EventPage } from "./generated/EventPage";
import type { EventQuery } from "./generated/EventQuery";
import type { EventRecord } from "./generated/EventRecord";
import type { ExportSettings } from "./generated/ExportSettings";
import type { FilterTerms } from "./generated/FilterTerms";
import type { Changes } from "./generated/Changes";
import type { HandlerRun } from "./generated/HandlerRun";
import type { Imported } from "./generated/Imported";
import type { HeldPage } from "./generated/HeldPage";
import type { HeldQuery } from "./generated/HeldQuery";
import type { ImportSettings } from "./generated/ImportSettings";
import type { Live } from "./generated/Live";
import type { LocalPorts } from "./generated/LocalPorts";
import type { LocalSecretKey } from "./generated/LocalSecretKey";
import type { LocalSecrets } from "./generated/LocalSecrets";
import type { PathTest } from "./generated/PathTest";
import type { ProfileKey } from "./generated/ProfileKey";
import type { ProxyReplay } from "./generated/ProxyReplay";
import type { PublicTunnel } from "./generated/PublicTunnel";
import type { RejectedPage } from "./generated/RejectedPage";
import type { RejectedQuery } from "./generated/RejectedQuery";
import type { RenameView } from "./generated/RenameView";
import type { RenameWorker } from "./generated/RenameWorker";
import type { RenameProfile } from "./generated/RenameProfile";
import type { ReportEvent } from "./generated/ReportEvent";
import type { Replay } from "./generated/Replay";
import type { ReplayTunnelRequest } from "./generated/ReplayTunnelRequest";
import type { ReservedTunnels } from "./generated/ReservedTunnels";
import type { ReserveName } from "./generated/ReserveName";
import type { Replayed } from "./generated/Replayed";
import type { RotatedSecret } from "./generated/RotatedSecret";
import type { RuleList } from "./generated/RuleList";
import type { RunQuery } from "./generated/RunQuery";
import type { Runs } from "./generated/Runs";
import type { RunKey } from "./generated/RunKey";
import type { RunRequest } from "./generated/RunRequest";
import type { SetForward } from "./generated/SetForward";
import type { SetLocalSecret } from "./generated/SetLocalSecret";
import type { SetPaused } from "./generated/SetPaused";
import type { Settings } from "./generated/Settings";
import type { SetTunnelOn } from "./generated/SetTunnelOn";
import type { SignIn } from "./generated/SignIn";
import type { Since } from "./generated/Since";
import type { Sources } from "./generated/Sources";
import type { Status } from "./generated/Status";
import type { Templates } from "./generated/Templates";
import type { Trigger } from "./generated/Trigger";
import type { Triggered } from "./generated/Triggered";
import type { TunnelInfo } from "./generated/TunnelInfo";
import type { TunnelKey } from "./generated/TunnelKey";
import type { TunnelRequest } from "./generated/TunnelRequest";
import type { TunnelRequestDetail } from "./generated/TunnelRequestDetail";
import type { TunnelRequestKey } from "./generated/TunnelRequestKey";
import type { TunnelRequestPage } from "./generated/TunnelRequestPage";
import type { TunnelRequestQuery } from "./generated/TunnelRequestQuery";
import type { Tunnels } from "./generated/Tunnels";
import type { View } from "./generated/View";
import type { ViewKey } from "./generated/ViewKey";
import type { Views } from "./generated/Views";
import type { Workers } from "./generated/Workers";

/** No arguments. */
export type Nothing = Record<string, never>;

/** Every operation with what it takes and gives. */
export interface Operations {
  status: { args: Nothing; answer: Status };
  sign_in: { args: SignIn; answer: Status };
  run_local_proxy: { args: Nothing; answer: Status };
  sign_out: { args: Nothing; answer: Status };
  switch_profile: { args: ProfileKey; answer: Status };
  rename_profile: { args: RenameProfile; answer: Status };
  remove_profile: { args: ProfileKey; answer: Status };
  rename_worker: { args: RenameWorker; answer: Status };
  change_token: { args: ChangeToken; answer: Status };
  set_paused: { args: SetPaused; answer: Status };
  set_forward: { args: SetForward; answer: Status };
  rules: { args: Nothing; answer: RuleList };
  set_rules: { args: RuleList; answer: RuleList };
  dry_run: { args: DryRunQuery; answer: DryRun };
  runs: { args: RunQuery; answer: Runs };
  set_settings: { args: Settings; answer: Status };
  export_settings: { args: ExportSettings; answer: Document };
  import_settings: { args: ImportSettings; answer: Imported };
  diagnostics: { args: Nothing; answer: Document };
  reconnect: { args: Nothing; answer: Status };
  test_path: { args: Nothing; answer: PathTest };
  catch_up: { args: CatchUpRequest; answer: CaughtUp };
  held_events: { args: HeldQuery; answer: HeldPage };
  rotate_secret: { args: Nothing; answer: RotatedSecret };
  events: { args: EventQuery; answer: EventPage };
  check_condition: { args: Condition; answer: CheckedCondition };
  check_filter: { args: FilterTerms; answer: CheckedFilter };
  views: { args: Nothing; answer: Views };
  save_view: { args: View; answer: Views };
  rename_view: { args: RenameView; answer: Views };
  remove_view: { args: ViewKey; answer: Views };
  events_since: { args: Since; answer: Changes };
  event: { args: EventKey; answer: EventDetail };
  event_record: { args: EventKey; answer: EventRecord };
  redeliver: { args: EventKey; answer: EventRecord };
  report_work: { args: ReportEvent; answer: EventRecord };
  proxy_replay: { args: ProxyReplay; answer: Replayed };
  replay: { args: Replay; answer: HandlerRun };
  run_request: { args: RunKey; answer: RunRequest };
  local_ports: { args: Nothing; answer: LocalPorts };
  trigger: { args: Trigger; answer: Triggered };
  templates: { args: Nothing; answer: Templates };
  sources: { args: Nothing; answer: Sources };
  workers: { args: Nothing; answer: Workers };
  rejected: { args: RejectedQuery; answer: RejectedPage };
  local_secrets: { args: Nothing; answer: LocalSecrets };
  set_local_secret: { args: SetLocalSecret; answer: LocalSecrets };
  remove_local_secret: { args: LocalSecretKey; answer: LocalSecrets };
  tunnels: { args: Nothing; answer: Tunnels };
  add_tunnel: { args: AddTunnel; answer: PublicTunnel };
  change_tunnel: { args: ChangeTunnel; answer: PublicTunnel };
  set_tunnel_on: { args: SetTunnelOn; answer: PublicTunnel };
  remove_tunnel: { args: TunnelKey; answer: Tunnels };
  tunnel_requests: { args: Partial<TunnelRequestQuery>; answer: TunnelRequestPage };
  tunnel_request: { args: TunnelRequestKey; answer: TunnelRequestDetail };
  replay_tunnel_request: { args: ReplayTunnelRequest; answer: TunnelRequest };
  clear_tunnel_requests: { args: ClearTunnelRequests; answer: TunnelRequestPage };
  /** An HTTP archive (HAR 1.2). */
  export_har: { args: Partial<TunnelRequestQuery>; answer: object };
  reserved_tunnels: { args: Nothing; answer: ReservedTunnels };
  reserve_tunnel: { args: ReserveName; answer: TunnelInfo };
  release_tunnel: { args: TunnelKey; answer: ReservedTunnels };
}

export type Op = keyof Operations;
export type Args<O extends Op> = Operations[O]["args"];
export type Answer<O extends Op> = Operations[O]["answer"];

/** How the page's own line to the backend stands. */
export type Link =
  | { state: "open" }
  | { state: "broken"; retryAt: number; problem: string }
  | { state: "refused"; problem: string };

/** Who hears of live changes. */
export interface LiveListener {
  /** A batch, in order. */
  live(batch: Live): void;
  /** The line opened, broke, or was refused for good. */
  link(link: Link): void;
}

/** The backend. */
export interface Transport {
  /** How it is reached, for texts that differ: the app says "this machine's keychain", a page cannot. */
  readonly kind: "tauri" | "http" | "fake";
  /** The desktop app around the page, where there is one. */
  readonly desktop?: Desktop;
  /** Runs one operation. Rejects with {@link ApiError} and nothing else. */
  call<O extends Op>(op: O, args: Args<O>): Promise<Answer<O>>;
  /**
   * Reports everything that changed after `cursor`, missing nothing across
   * broken lines. Returns what stops it.
   */
  live(cursor: number, listener: LiveListener): () => void;
}

/** Codes the interface itself makes; all others come from the backend. */
export const LOCAL_CODES = {
  unreachable: "ui.unreachable",
  noSession: "ui.no_session",
  badAnswer: "ui.bad_answer",
} as const;

/** An operation's failure. Programs match `code`; `message` is for people. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
  ) {
    super(message);
  }

  /** Makes one of whatever was thrown or answered. */
  static from(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) return thrown;
    const body = unwrap(thrown);
    if (body) return body;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ApiError(LOCAL_CODES.badAnswer, message, false);
  }
}

const RETRYABLE = new Set([
  "rate_limited",
  "store.unavailable",
  "unavailable",
  "proxy.unreachable",
  "keychain.locked",
]);

/** Reads `{code, message, retryable}`, bare or under `error`. */
function unwrap(value: unknown): ApiError | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("error" in value) return unwrap(value.error);
  if (!("code" in value) || typeof value.code !== "string") return undefined;
  const message = "message" in value && typeof value.message === "string" ? value.message : value.code;
  const retryable =
    "retryable" in value && typeof value.retryable === "boolean"
      ? value.retryable
      : RETRYABLE.has(value.code);
  return new ApiError(value.code, message, retryable);
}
