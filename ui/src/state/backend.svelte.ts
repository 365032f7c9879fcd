// The backend as the page sees it: its status, how the line to it stands, and
// every change as it comes.

import {
  ApiError,
  LOCAL_CODES,
  type Answer,
  type Args,
  type Link,
  type Op,
  type Transport,
} from "../transport/types";
import type { Changes } from "../transport/generated/Changes";
import type { LiveRequests } from "../transport/generated/LiveRequests";
import type { Status } from "../transport/generated/Status";

/** Operations that answer with the status. */
type Commands = { [O in Op]: Answer<O> extends Status ? O : never }[Op];

export class Backend {
  status = $state.raw<Status | null>(null);
  link = $state.raw<Link>({ state: "open" });
  /** Why the first status did not come; tried again until it does. */
  failure = $state.raw<ApiError | null>(null);
  #stop: (() => void) | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #changes = new Set<(changes: Changes) => void>();
  #requests = new Set<(requests: LiveRequests) => void>();

  constructor(readonly transport: Transport) {}

  /** Asks for the status and follows it from there; returns what stops it. */
  start(): () => void {
    let stopped = false;
    const begin = async (wait: number) => {
      try {
        const status = await this.transport.call("status", {});
        if (stopped) return;
        this.failure = null;
        this.#take(status);
        this.#stop = this.transport.live(status.cursor, {
          live: (batch) => {
            if (batch.status) this.#take(batch.status);
            if (batch.changes) for (const listener of this.#changes) listener(batch.changes);
            if (batch.requests) for (const listener of this.#requests) listener(batch.requests);
          },
          link: (link) => {
            this.link = link;
          },
        });
      } catch (thrown) {
        if (stopped) return;
        this.failure = ApiError.from(thrown);
        if (this.failure.code === LOCAL_CODES.noSession)
          this.link = { state: "refused", problem: this.failure.message };
        else this.#retry = setTimeout(() => void begin(Math.min(wait * 2, 5000)), wait);
      }
    };
    void begin(500);
    return () => {
      stopped = true;
      clearTimeout(this.#retry);
      this.#stop?.();
    };
  }

  /** Hears every batch of changes; returns what ends it. */
  onChanges(listener: (changes: Changes) => void): () => void {
    this.#changes.add(listener);
    return () => this.#changes.delete(listener);
  }

  /** Hears of every request through a public tunnel; returns what ends it. */
  onRequests(listener: (requests: LiveRequests) => void): () => void {
    this.#requests.add(listener);
    return () => this.#requests.delete(listener);
  }

  /** Runs an operation. */
  async call<O extends Op>(op: O, args: Args<O>): Promise<Answer<O>> {
    try {
      return await this.transport.call(op, args);
    } catch (thrown) {
      const error = ApiError.from(thrown);
      if (error.code === LOCAL_CODES.noSession) this.link = { state: "refused", problem: error.message };
      throw error;
    }
  }

  /** Runs one that answers with the status, and takes it. */
  async change<O extends Commands>(op: O, args: Args<O>): Promise<void> {
    this.#take(await this.call(op, args));
  }

  /** Keeps the newest: answers and pushes may cross. */
  #take(status: Status): void {
    if (this.status && status.now < this.status.now) return;
    this.status = status;
  }
}
