import type { Backend, Operation, StoredRecord, Version } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { LeaseholdError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import { invariant } from "../core/invariant.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";
import { findOwnRecord, OlderStateError } from "./find-own-record.ts";
import { elapsedMs, type Instant, instant } from "./lease-clock.ts";
import {
  type ClientDescription,
  decodeSession,
  encodeSession,
  liveRecordTtlMs,
  sessionKey,
} from "./session-record.ts";
import type { SessionRequest } from "./session-request.ts";
import type { TicketClaim } from "./ticket-book.ts";

/** Where a session gets everything it needs. */
export interface SessionContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
  readonly client: ClientDescription;
  readonly events?: Events;
  /** Who renews its sessions. Default: a {@link RenewalLoop} in this thread. */
  readonly makeRenewal?: MakeRenewal | undefined;
}

/** Renews one session's record, from this thread or from another. */
export interface Renewal {
  /** The newest version of the record that is known; `null`: none. */
  readonly version: Version | null;
  /** Writes the record for the first time. */
  open(): Promise<void>;
  /** Renews from now on. */
  start(): void;
  /** Looks at the record as soon as it may: somebody says that there is a message. */
  hurry(): void;
  /** Ends it. What is on its way may still land; nobody is told. */
  stop(): void;
  /**
   * Only where another thread renews: the moment before the newest heartbeat known to be applied was sent, also when
   * nothing of it was told yet. Tells the keeper first if that thread has ended it.
   */
  look?(): Instant | undefined;
  /** Only where another thread renews: resolves when that has stopped too, or is too slow to wait for. */
  stopped?(): Promise<void>;
}

/** Makes what renews a new session. */
export type MakeRenewal = (
  context: SessionContext,
  session: string,
  ttlMs: number,
  keeper: LeaseKeeper,
) => Renewal;

/** What ends with a coordinator, and may renew its sessions. */
export interface Owned {
  readonly renewal?: { readonly makeRenewal: MakeRenewal };
  close(): Promise<void>;
}

/** Who owns the lease that a loop renews: knows the deadline, and is told all that the loop learns. */
export interface LeaseKeeper {
  /** Looks at the clocks. Whether nobody counts on the lease any more. */
  isOver(): boolean;
  /** What the next heartbeat says about tickets. */
  claim(): TicketClaim;
  /** The record was renewed by a heartbeat; `sentAt`: before it was sent. */
  onRenewed(sentAt: Instant): void;
  /** How the last attempt failed; `undefined`: it did not. */
  onAttempt(failure: unknown): void;
  /** The record can never be renewed again. */
  onEnded(why: string, cause?: unknown): void;
  /** Somebody left a message. The same one may come again. */
  onRequest(request: SessionRequest): void;
}

/** Heartbeats sent in one TTL when all is well. */
export const beatsPerTtl = 3;
/** An attempt that has no answer after this part of the TTL is left to itself, and the next one is sent. */
export const attemptsPerTtl = 6;
/** Woken sessions look at once, and not more often than this. */
const looksPerTtl = 30;
/** Attempts whose outcome is remembered: more than fit into a TTL. A forgotten one cannot renew. */
const doubtfulBeatsMax = 128;

/**
 * Renews one session's record: sends heartbeats, and finds out what became of each. Decides nothing about the lease:
 * what it learns it tells the {@link LeaseKeeper}.
 *
 * Others write into the record as well: messages to the holder, and a tombstone. A message is read when it makes a
 * heartbeat conflict, and is gone with the next one; it renews nothing.
 */
export class RenewalLoop implements Renewal {
  readonly #context: SessionContext;
  readonly #ttlMs: number;
  readonly #key: string;
  readonly #session: string;
  readonly #keeper: LeaseKeeper;
  /** Beats that were sent and not yet known to be applied, with the moment before each was sent. */
  readonly #doubtful = new Map<number, Instant>();
  /** What the next heartbeat is written over: whatever messages stand there were read. */
  #version: Version | null = null;
  #renewedBeat = 0;
  #renewedAt: Instant;
  #beat = 0;
  #failures = 0;
  #isStopped = false;
  #isHurried = false;
  #sentAtMs = 0;
  #dueAtMs = 0;
  #cancelBeat: CancelTimer = () => {};

  constructor(context: SessionContext, session: string, ttlMs: number, keeper: LeaseKeeper) {
    this.#context = context;
    this.#session = session;
    this.#ttlMs = ttlMs;
    this.#keeper = keeper;
    this.#key = sessionKey(context.namespace, session);
    this.#renewedAt = instant(context.runtime);
  }

  get version(): Version | null {
    return this.#version;
  }

  async open(): Promise<void> {
    const result = await this.#context.backend.commit([this.#heartbeat(null)], { urgent: true });
    invariant(result.committed, "session ids are never drawn twice");
    this.#renewed(this.#beat, result.versions[0] ?? null);
  }

  start(): void {
    this.#arm(this.#nextBeatDelayMs());
  }

  hurry(): void {
    if (this.#isStopped || this.#isHurried) return;
    this.#isHurried = true;
    this.#arm(this.#dueAtMs - this.#context.runtime.monotonicMs());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelBeat();
  }

  #heartbeat(expect: Version | null): Operation {
    this.#beat += 1;
    this.#doubtful.set(this.#beat, instant(this.#context.runtime));
    for (const beat of this.#doubtful.keys()) {
      if (this.#doubtful.size <= doubtfulBeatsMax) break;
      this.#doubtful.delete(beat);
    }
    const value = encodeSession({
      state: "live",
      ttlMs: this.#ttlMs,
      beat: this.#beat,
      beatAtMs: this.#context.runtime.wallMs(),
      client: this.#context.client,
      tickets: this.#keeper.claim(),
    });
    return { kind: "put", key: this.#key, value, expect, ttlMs: liveRecordTtlMs(this.#ttlMs) };
  }

  #sendBeat(): void {
    if (this.#keeper.isOver() || this.#isStopped) return;
    this.#isHurried = false;
    const { events, runtime } = this.#context;
    const sentAtMs = runtime.monotonicMs();
    const lateMs = Math.max(0, sentAtMs - this.#dueAtMs);
    this.#sentAtMs = sentAtMs;
    const expect = this.#version;
    const operation = this.#heartbeat(expect);
    const beat = this.#beat;
    // A request that hangs must not stop the next one: the deadline does not wait for it.
    this.#arm(this.#ttlMs / attemptsPerTtl);
    const settle = (failure: unknown): void => {
      events?.emit("heartbeat", () => ({
        ...{
          session: this.#session,
          ttlMs: this.#ttlMs,
          lateMs,
          roundTripMs: runtime.monotonicMs() - sentAtMs,
        },
        error: failure instanceof LeaseholdError ? failure : undefined,
      }));
      if (this.#isStopped) return;
      this.#keeper.onAttempt(failure);
      this.#failures = failure === undefined ? 0 : this.#failures + 1;
      if (beat === this.#beat) this.#arm(this.#nextBeatDelayMs());
    };
    this.#commitBeat(operation, beat, expect).then(() => settle(undefined), settle);
  }

  async #commitBeat(operation: Operation, beat: number, expect: Version | null): Promise<void> {
    const { backend } = this.#context;
    const result = await backend.commit([operation], { urgent: true });
    if (result.committed) return this.#renewed(beat, result.versions[0] ?? null);
    // It was closed meanwhile, and its record is gone for a reason.
    if (this.#isStopped) return;
    const [conflict] = result.conflicts;
    const isWanted = (): boolean => !this.#isStopped;
    const current =
      conflict?.current ?? (await findOwnRecord(this.#context, this.#session, conflict, isWanted));
    if (!this.#isStopped) this.#resolveConflict(current, expect);
  }

  /**
   * Only this client renews the record, so what a heartbeat meets is one of its own whose answer was lost, with or
   * without a message in it, or the one known last with a message in it, or the end.
   */
  #resolveConflict(current: StoredRecord | null, expected: Version | null): void {
    if (current === null) {
      this.#keeper.onEnded("its record vanished from the store");
      return;
    }
    const record = decodeSession(this.#key, current.value);
    if (record.state === "dead") {
      this.#keeper.onEnded(`session ${record.by} declared it dead`);
      return;
    }
    if (this.#doubtful.has(record.beat)) this.#renewed(record.beat, current.version);
    // Renews nothing: the lease counts from the heartbeat, whoever wrote beside it later.
    else if (record.beat === this.#renewedBeat && current.version !== expected) {
      if (current.version !== this.#version) {
        this.#version = current.version;
        // Room for the next message, and an end to this one.
        // Now: a later attempt, if one is on its way, expects what is gone.
        this.#isHurried = true;
        this.#arm(this.#nextBeatDelayMs());
      }
    } else throw new OlderStateError();
    for (const request of record.requests ?? []) this.#keeper.onRequest(request);
  }

  #renewed(beat: number, version: Version | null): void {
    const sentAt = this.#doubtful.get(beat);
    if (beat <= this.#renewedBeat || sentAt === undefined) return;
    this.#renewedBeat = beat;
    this.#renewedAt = sentAt;
    this.#version = version;
    for (const doubtful of this.#doubtful.keys()) if (doubtful <= beat) this.#doubtful.delete(doubtful);
    this.#keeper.onRenewed(sentAt);
  }

  #nextBeatDelayMs(): number {
    const { runtime } = this.#context;
    if (this.#failures === 0) {
      return Math.max(0, this.#ttlMs / beatsPerTtl - elapsedMs(this.#renewedAt, instant(runtime)));
    }
    const capMs = this.#ttlMs / (2 * attemptsPerTtl);
    return capMs / 5 + backoffMs(runtime, this.#failures, { firstMs: capMs / 8, maxMs: capMs });
  }

  #arm(delayMs: number): void {
    const { runtime } = this.#context;
    const nowMs = runtime.monotonicMs();
    const hurriedMs = this.#isHurried ? this.#sentAtMs + this.#ttlMs / looksPerTtl - nowMs : delayMs;
    const chosenMs = Math.max(0, Math.min(delayMs, hurriedMs));
    this.#dueAtMs = nowMs + chosenMs;
    this.#cancelBeat();
    this.#cancelBeat = runtime.schedule(chosenMs, () => this.#sendBeat());
  }
}
