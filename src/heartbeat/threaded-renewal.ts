import type { Version } from "../core/backend.ts";
import { StoreMisconfiguredError } from "../core/errors.ts";
import { sleep, startSleep } from "../core/runtime.ts";
import type { Instant } from "../sessions/lease-clock.ts";
import type { LeaseKeeper, Renewal, SessionContext } from "../sessions/renewal-loop.ts";
import { sessionKey } from "../sessions/session-record.ts";
import type { TicketClaim } from "../sessions/ticket-book.ts";
import { rebuildError, rebuildOwnError } from "./error-copy.ts";
import { SharedInstant } from "./shared-memory.ts";
import type { ThreadLink } from "./thread-link.ts";
import type { FromThread } from "./thread-messages.ts";

/** How long a thread that does not answer holds up the end of a session, as a part of its TTL. */
const patienceTtls = 1 / 6;
/** Looks for a new session's record, and the pause between them as a part of its TTL: done before a heartbeat is due. */
const readsMax = 6;
const readEveryTtls = 1 / 40;

/** Where a {@link ThreadedRenewal} gets its thread. */
export interface ThreadSource {
  /** The thread that runs, or a new one. */
  link(): Promise<ThreadLink>;
  /** After how long without a sign of life a session of this TTL is let go. */
  watchdogMs(ttlMs: number): number;
}

/** In the main thread, what stands for the {@link RenewalLoop} that renews a session in the heartbeat thread. */
export class ThreadedRenewal implements Renewal {
  readonly #threads: ThreadSource;
  readonly #context: SessionContext;
  readonly #session: string;
  readonly #ttlMs: number;
  readonly #keeper: LeaseKeeper;
  readonly #lease = new SharedInstant();
  readonly #opened = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  #link: ThreadLink | undefined;
  #version: Version | null = null;
  #claim: TicketClaim;
  #isStopped = false;
  #isEnded = false;

  constructor(
    threads: ThreadSource,
    context: SessionContext,
    session: string,
    ttlMs: number,
    keeper: LeaseKeeper,
  ) {
    this.#threads = threads;
    this.#context = context;
    this.#session = session;
    this.#ttlMs = ttlMs;
    this.#keeper = keeper;
    this.#claim = keeper.claim();
    this.#opened.promise.catch(() => "open() tells");
  }

  get version(): Version | null {
    return this.#version;
  }

  async open(): Promise<void> {
    const link = await this.#threads.link();
    const { namespace, client } = this.#context;
    const [ttlMs, claim, lease] = [this.#ttlMs, this.#claim, this.#lease.buffer];
    const watchdogMs = this.#threads.watchdogMs(ttlMs);
    this.#link = link;
    link.add(this.#session, this);
    link.post({
      kind: "open",
      session: this.#session,
      order: { namespace, client, ttlMs, watchdogMs, claim, lease },
    });
    try {
      await link.awaited(this.#opened.promise);
      await this.#checkStore();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  start(): void {
    if (!this.#isStopped) this.#link?.post({ kind: "start", session: this.#session });
  }

  hurry(): void {
    if (!this.#isStopped) this.#link?.post({ kind: "hurry", session: this.#session });
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#link === undefined) this.#stopped.resolve();
    else this.#link.post({ kind: "stop", session: this.#session });
  }

  async stopped(): Promise<void> {
    const patience = startSleep(this.#context.runtime, this.#ttlMs * patienceTtls, {
      holdsProcessOpen: true,
    });
    void this.#stopped.promise.then(patience.end);
    await patience.over;
  }

  look(): Instant | undefined {
    if (this.#lease.isEnded && !this.#isEnded) {
      this.#isEnded = true;
      // The reason was posted before, and waits behind the event loop.
      this.#link?.drain();
    }
    return this.#lease.read();
  }

  /** The thread has something to say. */
  hear(message: FromThread): void {
    if (message.kind === "stopped") {
      this.#version = message.version;
      this.#link?.remove(this.#session);
      this.#stopped.resolve();
      return;
    }
    if (message.kind === "heartbeat") {
      const { session, ttlMs, lateMs, roundTripMs, error } = message;
      const event = { session, ttlMs, lateMs, roundTripMs };
      this.#context.events?.emit("heartbeat", () => ({ ...event, error: rebuildOwnError(error) }));
      return;
    }
    if (this.#isStopped) return;
    if (message.kind === "renewed") this.#renewed(message.version);
    else if (message.kind === "opened") this.#opened.resolve();
    else if (message.kind === "refused") this.#opened.reject(rebuildError(message.error));
    else if (message.kind === "attempt") {
      this.#keeper.onAttempt(message.failure === undefined ? undefined : rebuildError(message.failure));
    } else if (message.kind === "request") this.#keeper.onRequest(message.request);
    else this.#end(message.why, message.cause === undefined ? undefined : rebuildError(message.cause));
  }

  /** The thread is no more. */
  onThreadGone(error: Error): void {
    this.#link = undefined;
    this.#opened.reject(error);
    this.#stopped.resolve();
    if (!this.#isStopped) this.#end("the thread that sent its heartbeats ended", error);
  }

  #end(why: string, cause: unknown): void {
    this.#isEnded = true;
    this.#keeper.onEnded(why, cause);
    // It may have been told while it is being opened.
    this.#opened.resolve();
  }

  #renewed(version: Version | null): void {
    this.#version = version;
    // Should a newer one come while it is told, the next look brings that.
    const renewedAt = this.#lease.read();
    if (renewedAt !== undefined) this.#keeper.onRenewed(renewedAt);
    const claim = this.#keeper.claim();
    if (this.#isStopped || isSame(claim, this.#claim)) return;
    this.#claim = claim;
    // For the next heartbeat. An older claim is as true, only less complete.
    this.#link?.post({ kind: "claim", session: this.#session, claim });
  }

  /**
   * Two connections by one URL are two stores where a file was moved or a name resolves anew. That the record can be
   * read here proves that they are one; a replica may be late to show it.
   */
  async #checkStore(): Promise<void> {
    const { backend, runtime, namespace } = this.#context;
    const key = sessionKey(namespace, this.#session);
    for (let reads = 1; !this.#isStopped; reads += 1) {
      const [record] = await backend.get([key], { urgent: true });
      if (record != null) return;
      if (reads === readsMax) break;
      await sleep(runtime, this.#ttlMs * readEveryTtls, { holdsProcessOpen: true });
    }
    if (this.#isStopped) return;
    throw new StoreMisconfiguredError(
      `the connection of the heartbeat thread does not reach the same store as this one: what it wrote to the ` +
        `${backend.kind} store is not there. Was the file moved, the bucket made again, or the working directory ` +
        "changed? Connect again, with an absolute path",
    );
  }
}

function isSame(one: TicketClaim, other: TicketClaim): boolean {
  return (
    one.next === other.next &&
    one.open.length === other.open.length &&
    one.open.every((ticket, index) => ticket === other.open[index])
  );
}
