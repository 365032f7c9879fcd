// What happened to an event, step by step: what the proxy has on record, what
// this machine did, each step with its distance from the receipt.

import { bytes, counted, latency } from "../../../text/time";
import type { AttemptOutcome } from "../../../transport/generated/AttemptOutcome";
import type { AttemptRecord } from "../../../transport/generated/AttemptRecord";
import type { EventDetail } from "../../../transport/generated/EventDetail";
import type { HandlerRun } from "../../../transport/generated/HandlerRun";
import type { EventRecord } from "../../../transport/generated/EventRecord";
import type { ReasonCode } from "../../../transport/generated/ReasonCode";
import type { WorkStatus } from "../../../transport/generated/WorkStatus";
import type { DotTone } from "../../../ui/tones";
import { PROVIDERS } from "../filter";
import { DOTS } from "../outcome";

export interface Step {
  /** What it is among an event's steps, also when others come in before it. */
  key: string;
  tone: DotTone;
  title: string;
  text: string;
  at: number;
  /** `15:07:38.190` is shown for the first, `+ 24 ms` for the others. */
  offset: string;
  /** What was answered, to be folded out. */
  answer: string | null;
  /** The run it is of, whose request and answer are folded out instead. */
  run?: HandlerRun;
}

const ATTEMPTS: Record<AttemptOutcome, string> = {
  delivered: "delivered",
  refused: "answered with an error",
  dns: "name not found",
  connect: "no connection",
  tls: "TLS failed",
  timeout: "no answer in time",
  clock_skew: "clocks differ too much",
};

const REASONS: Record<ReasonCode, DotTone> = {
  delivered: "ok",
  sending: "held",
  waiting: "held",
  in_line: "held",
  away: "held",
  paused: "held",
  circuit: "held",
  rate: "held",
  unproved: "held",
  held: "held",
  claimed: "held",
  group_waits: "held",
  dead: "bad",
  expired: "bad",
  discarded: "idle",
  skipped: "idle",
  other_member: "idle",
  filter_refuses: "idle",
  filter_does_not_take: "idle",
  registered_later: "idle",
  not_activated: "idle",
  made_for_another: "idle",
  changed_since: "idle",
};

/** Where it says something how often was tried. */
const TRIED: ReadonlySet<ReasonCode> = new Set(["delivered", "sending", "waiting", "circuit", "dead"]);

const WORK: Record<WorkStatus, Pick<Step, "tone" | "title">> = {
  processing: { tone: "held", title: "Work on it began" },
  completed: { tone: "ok", title: "Work on it is completed" },
  failed: { tone: "bad", title: "Work on it failed" },
  expired: { tone: "bad", title: "Another member may take it: no report came in time" },
};

function attempt(record: AttemptRecord, offset: (at: number) => string): Step {
  const good = record.outcome === "delivered";
  const status = record.status === null ? "" : ` · ${record.status}`;
  return {
    key: `attempt ${record.number}`,
    tone: good ? "ok" : "bad",
    title: `Attempt ${record.number} · ${ATTEMPTS[record.outcome]}${status}`,
    text: [record.error, `took ${latency(record.micros / 1000)}`].filter(Boolean).join(" · "),
    at: record.at,
    offset: offset(record.at),
    // What our own receiver says to a delivery it took is nothing new.
    answer: good ? null : record.answer,
  };
}

/** The steps in order of time; without the proxy's record only those of this machine. */
export function steps(detail: EventDetail, record: EventRecord | null, workerId: string | null): Step[] {
  const { summary } = detail;
  const start = record?.receivedAt ?? summary.receivedAt;
  const offset = (at: number) => `${at < start ? "" : "+ "}${latency(at - start)}`;
  const list: Step[] = [
    {
      key: "sent",
      tone: "ok",
      title: summary.synthetic ? "A test event was made" : `${PROVIDERS[summary.provider]} sent it`,
      text: `source ${record?.source ?? summary.source} · ${bytes(record?.size ?? summary.size)}`,
      at: start,
      offset: "",
      answer: null,
    },
  ];
  if (record) {
    const took = record.commitMicros / 1000;
    list.push({
      key: "committed",
      tone: "ok",
      title: "The proxy verified and stored it",
      text: `committed in ${latency(took)}`,
      at: start + took,
      offset: `+ ${latency(took)}`,
      answer: null,
    });
    // A replay arrives as an event of its own, `evt_….r2`.
    const replay = Number(/\.r(\d+)$/.exec(summary.id)?.[1] ?? 0);
    const own = record.deliveries.find(
      (delivery) => delivery.workerId === workerId && delivery.replay === replay,
    );
    for (const made of own?.attempts ?? []) list.push(attempt(made, offset));
    for (const [n, report] of (own?.reports ?? []).entries()) {
      list.push({
        key: `report ${n}`,
        tone: WORK[report.status].tone,
        title: WORK[report.status].title,
        text: report.reason ?? "",
        at: report.at,
        offset: offset(report.at),
        answer: null,
      });
    }
    if (own && (own.state === "dead" || (own.state === "pending" && own.attempts.length > 0))) {
      list.push({
        key: "next",
        tone: own.state === "dead" ? "bad" : "held",
        title: own.state === "dead" ? "The proxy gave up" : "Another attempt is due",
        text: own.state === "dead" ? "It is among the dead letters." : "",
        at: own.nextAttemptAt ?? Number.MAX_SAFE_INTEGER,
        offset: own.nextAttemptAt === null ? "" : offset(own.nextAttemptAt),
        answer: null,
      });
    }
  }
  list.push({
    key: "stored",
    tone: "ok",
    title: "Stored on this machine",
    text: `brought by attempt ${detail.attempt}`,
    at: summary.storedAt,
    offset: offset(summary.storedAt),
    answer: null,
  });
  for (const run of detail.runs) {
    list.push({
      key: `run ${run.id}`,
      tone: DOTS[run.outcome.kind],
      title: `${runTitle(run)} ${run.target}`,
      text: runWords(run),
      at: run.startedAt,
      offset: offset(run.startedAt),
      answer: null,
      run,
    });
  }
  return list.sort((a, b) => a.at - b.at);
}

/** What was done, or tried: without a status nothing says that it got there. */
function runTitle({ replay, status, error }: HandlerRun): string {
  if (status === null && error !== null) return replay ? "Replay to" : "Forward to";
  return replay ? "Replayed to" : "Forwarded to";
}

/** What a run came to, of which rule it was, and what may be wrong with it. */
function runWords(run: HandlerRun): string {
  const end =
    run.error ??
    (run.micros === null
      ? "running"
      : `${run.status ?? run.outcome.label} · took ${latency(run.micros / 1000)}`);
  const by = run.rule ? [`rule ${run.rule.name}`] : [];
  const again = run.attempt > 1 ? [`try ${run.attempt}`] : [];
  const warning = run.warning === null ? [] : [run.warning];
  return [end, ...by, ...again, ...warning].join(" · ");
}

export interface Why {
  workerId: string;
  worker: string;
  own: boolean;
  tone: DotTone;
  text: string;
}

/** Why each worker got the event, or did not; of this machine only what its steps do not say. */
export function reasons(record: EventRecord, workerId: string | null): Why[] {
  return record.workers
    .filter((worker) => worker.workerId !== workerId || worker.code !== "delivered")
    .map((worker) => {
      const attempts = record.deliveries.find(({ id }) => id === worker.deliveryId)?.attempts.length ?? 0;
      const tried = attempts > 1 && TRIED.has(worker.code) ? ` ${counted(attempts, "attempt")}.` : "";
      return {
        workerId: worker.workerId,
        worker: worker.worker,
        own: worker.workerId === workerId,
        tone: REASONS[worker.code],
        text: worker.reason + tried,
      };
    });
}
