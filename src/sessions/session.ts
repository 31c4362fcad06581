import type { Backend, Operation, StoredRecord, Unsubscribe, Version } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { LeaseLostError, UnavailableError } from "../core/errors.ts";
import { invariant } from "../core/invariant.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";
import { findOwnRecord, OlderStateError } from "./find-own-record.ts";
import { disagree, elapsedMs, type Instant, instant, quickElapsedMs } from "./lease-clock.ts";
import {
  type ClientDescription,
  decodeSession,
  encodeSession,
  liveRecordTtlMs,
  sessionKey,
} from "./session-record.ts";
import { TicketBook } from "./ticket-book.ts";

/** Where a session gets everything it needs. */
export interface SessionContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
  readonly client: ClientDescription;
}

/** `uncertain`: a renewal is overdue, the deadline has not come. `lost` is for ever. */
export type SessionState = "held" | "uncertain" | "lost";

/** Who is told that a session was lost. An object and not a function: there may be ten thousand of them. */
export interface LossListener {
  onSessionLost(reason: LeaseLostError): void;
}

/** Heartbeats sent in one TTL when all is well. */
const beatsPerTtl = 3;
/** An attempt that has no answer after this part of the TTL is left to itself, and the next one is sent. */
const attemptsPerTtl = 6;
/** A session is uncertain when a heartbeat that was due has not been confirmed for the time of one attempt. */
const uncertainAfterTtls = 1 / beatsPerTtl + 1 / attemptsPerTtl;
/** Heartbeats that may still be on their way when a session ends, and come between its delete and the record. */
const deletesMax = attemptsPerTtl;
/** Attempts whose outcome is remembered: about as many as fit into a TTL. A forgotten one cannot renew. */
const doubtfulBeatsMax = 64;

/**
 * One client's liveness: a record that is renewed by heartbeats. Valid until the moment before the last
 * successful heartbeat was sent, plus TTL; never from the answer. Past that, or when the record is gone or
 * declared dead, it is lost at once and for ever, whether or not any request ever answers.
 */
export class Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly #context: SessionContext;
  readonly #key: string;
  readonly #lossListeners = new Set<LossListener>();
  readonly #wakeListeners = new Map<string, Set<() => void>>();
  /** Beats that were sent and not yet known to be applied, with the moment before each was sent. */
  readonly #doubtful = new Map<number, Instant>();
  readonly #tickets = new TicketBook();
  #version: Version | null = null;
  #renewedBeat = 0;
  #renewedAt: Instant;
  #beat = 0;
  #failures = 0;
  #lost: LeaseLostError | undefined;
  #lastFailure: unknown;
  #cancelBeat: CancelTimer = () => {};
  #cancelDeadline: CancelTimer = () => {};
  #unsubscribeWakes: Unsubscribe | undefined;

  private constructor(context: SessionContext, ttlMs: number) {
    this.#context = context;
    this.ttlMs = ttlMs;
    this.id = context.runtime.id();
    this.#key = sessionKey(context.namespace, this.id);
    this.#renewedAt = instant(context.runtime);
  }

  /**
   * Opens a session with one write. When the outcome is unknown nobody can depend on the record yet: it is left
   * to the store's collection, and the caller opens another one.
   */
  static async open(context: SessionContext, ttlMs: number): Promise<Session> {
    const session = new Session(context, ttlMs);
    const result = await context.backend.commit([session.#renewal(null)], { urgent: true });
    invariant(result.committed, "session ids are never drawn twice");
    session.#renewed(session.#beat, result.versions[0] ?? null);
    if (session.#lost !== undefined) {
      throw new UnavailableError(
        `opening a session took longer than its TTL of ${ttlMs} ms: the store is too slow for this TTL, or this ` +
          "process was paused. Try again, or use a longer TTL",
      );
    }
    session.#armBeat(session.#nextBeatDelayMs());
    return session;
  }

  /** The state now: looks at the clocks, so that a stalled process learns of the loss at its first question. */
  get state(): SessionState {
    this.check();
    if (this.#lost !== undefined) return "lost";
    return this.#quickElapsedMs() > this.ttlMs * uncertainAfterTtls ? "uncertain" : "held";
  }

  /** Why it was lost. */
  get lost(): LeaseLostError | undefined {
    return this.#lost;
  }

  /** Milliseconds until the deadline, unless it is renewed before. 0 when lost. */
  remainingMs(): number {
    return this.#lost !== undefined ? 0 : Math.max(0, this.ttlMs - this.#quickElapsedMs());
  }

  /** A ticket that this session never used, for one attempt to enter a roster. */
  takeTicket(): number {
    return this.#tickets.take();
  }

  /** Nothing of the attempt is left anywhere; the next heartbeat tells everybody. */
  endTicket(ticket: number): void {
    this.#tickets.end(ticket);
  }

  /** Tells `listener` once when the session is lost; now, if it is lost already. */
  addLossListener(listener: LossListener): void {
    if (this.#lost !== undefined) listener.onSessionLost(this.#lost);
    else this.#lossListeners.add(listener);
  }

  /** Takes a listener back. */
  removeLossListener(listener: LossListener): void {
    this.#lossListeners.delete(listener);
  }

  /** Calls `listener` when somebody wakes this session with `hint`. */
  onWake(hint: string, listener: () => void): Unsubscribe {
    // Nobody would ever end a subscription that began now.
    if (this.#lost !== undefined) return () => {};
    this.#unsubscribeWakes ??= this.#context.backend.onWake(this.id, (woken) => {
      for (const told of this.#wakeListeners.get(woken) ?? []) told();
    });
    const listeners = this.#wakeListeners.get(hint) ?? new Set();
    this.#wakeListeners.set(hint, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#wakeListeners.get(hint) === listeners)
        this.#wakeListeners.delete(hint);
    };
  }

  /** Compares the clocks with the deadline, and loses the session if that has passed. */
  check(): void {
    if (this.#lost !== undefined) return;
    const { runtime } = this.#context;
    if (this.#quickElapsedMs() >= this.ttlMs) this.#loseByDeadline();
    // A machine that slept while its clock was set back.
    else if (disagree(this.#renewedAt, runtime.monotonicMs(), runtime.wallMs())) this.#checkThoroughly();
  }

  /**
   * Ends the session: no more heartbeats, and its record is deleted. Only when nothing stands in a roster any
   * more. A failing delete leaves the record to the store's collection: nothing refers to it.
   */
  async close(): Promise<void> {
    if (this.#lost !== undefined) return;
    this.#lose("its coordinator was closed");
    const { backend } = this.#context;
    const key = this.#key;
    let expect = this.#version;
    for (let attempt = 0; attempt < deletesMax && expect !== null; attempt += 1) {
      const result = await backend.commit([{ kind: "delete", key, expect }]);
      if (result.committed) return;
      // A heartbeat came first whose answer was still on its way. A tombstone stays.
      const [record] = await backend.get([key]);
      const isLive = record != null && decodeSession(key, record.value).state === "live";
      expect = isLive ? record.version : null;
    }
  }

  #renewal(expect: Version | null): Operation {
    this.#beat += 1;
    this.#doubtful.set(this.#beat, instant(this.#context.runtime));
    for (const beat of this.#doubtful.keys()) {
      if (this.#doubtful.size <= doubtfulBeatsMax) break;
      this.#doubtful.delete(beat);
    }
    const value = encodeSession({
      state: "live",
      ttlMs: this.ttlMs,
      beat: this.#beat,
      beatAtMs: this.#context.runtime.wallMs(),
      client: this.#context.client,
      tickets: this.#tickets.claim(),
    });
    return { kind: "put", key: this.#key, value, expect, ttlMs: liveRecordTtlMs(this.ttlMs) };
  }

  #sendBeat(): void {
    this.#checkThoroughly();
    if (this.#lost !== undefined) return;
    const operation = this.#renewal(this.#version);
    const beat = this.#beat;
    // A request that hangs must not stop the next one: the deadline does not wait for it.
    this.#armBeat(this.ttlMs / attemptsPerTtl);
    const settle = (failure: unknown): void => {
      if (this.#lost !== undefined) return;
      this.#lastFailure = failure;
      this.#failures = failure === undefined ? 0 : this.#failures + 1;
      if (beat === this.#beat) this.#armBeat(this.#nextBeatDelayMs());
    };
    this.#commitBeat(operation, beat).then(() => settle(undefined), settle);
  }

  async #commitBeat(operation: Operation, beat: number): Promise<void> {
    const { backend } = this.#context;
    const result = await backend.commit([operation], { urgent: true });
    if (result.committed) return this.#renewed(beat, result.versions[0] ?? null);
    // It was closed meanwhile, and its record is gone for a reason.
    if (this.#lost !== undefined) return;
    const [conflict] = result.conflicts;
    const isWanted = (): boolean => this.#lost === undefined;
    const current = conflict?.current ?? (await findOwnRecord(this.#context, this.id, conflict, isWanted));
    this.#resolveConflict(current);
  }

  /** Only this client renews the record, so a conflict is a beat of its own whose answer was lost, or the end. */
  #resolveConflict(current: StoredRecord | null): void {
    const record = current === null ? undefined : decodeSession(this.#key, current.value);
    if (current === null || record === undefined) this.#lose("its record vanished from the store");
    else if (record.state === "dead") this.#lose(`session ${record.by} declared it dead`);
    else if (this.#doubtful.has(record.beat)) this.#renewed(record.beat, current.version);
    else throw new OlderStateError();
  }

  #renewed(beat: number, version: Version | null): void {
    // The answer may come after the deadline, for example when this process was stopped in between.
    this.#checkThoroughly();
    const sentAt = this.#doubtful.get(beat);
    if (this.#lost !== undefined || beat <= this.#renewedBeat || sentAt === undefined) return;
    this.#renewedBeat = beat;
    this.#renewedAt = sentAt;
    this.#version = version;
    for (const doubtful of this.#doubtful.keys()) if (doubtful <= beat) this.#doubtful.delete(doubtful);
    this.#armDeadline();
  }

  #nextBeatDelayMs(): number {
    const regularMs = this.ttlMs / beatsPerTtl;
    if (this.#failures === 0)
      return Math.max(0, regularMs - elapsedMs(this.#renewedAt, instant(this.#context.runtime)));
    const capMs = this.ttlMs / (2 * attemptsPerTtl);
    return capMs / 5 + backoffMs(this.#context.runtime, this.#failures, { firstMs: capMs / 8, maxMs: capMs });
  }

  #armBeat(delayMs: number): void {
    this.#cancelBeat();
    this.#cancelBeat = this.#context.runtime.schedule(delayMs, () => this.#sendBeat());
  }

  #armDeadline(): void {
    this.#cancelDeadline();
    if (this.#lost !== undefined) return;
    this.#cancelDeadline = this.#context.runtime.schedule(Math.ceil(this.remainingMs()), () => {
      this.#checkThoroughly();
      this.#armDeadline();
    });
  }

  #quickElapsedMs(): number {
    const { runtime } = this.#context;
    return quickElapsedMs(this.#renewedAt, runtime.monotonicMs(), runtime.wallMs());
  }

  #checkThoroughly(): void {
    if (this.#lost !== undefined) return;
    if (elapsedMs(this.#renewedAt, instant(this.#context.runtime)) >= this.ttlMs) this.#loseByDeadline();
  }

  #loseByDeadline(): void {
    this.#lose(`it was not renewed within its TTL of ${this.ttlMs} ms`, this.#lastFailure);
  }

  #lose(why: string, cause?: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = new LeaseLostError(
      `lease lost: session ${this.id} ended because ${why}. Stop the work that it protected; somebody else may hold ` +
        "its locks",
      cause === undefined ? undefined : { cause },
    );
    this.#cancelBeat();
    this.#cancelDeadline();
    this.#unsubscribeWakes?.();
    this.#wakeListeners.clear();
    const listeners = [...this.#lossListeners];
    this.#lossListeners.clear();
    for (const listener of listeners) listener.onSessionLost(this.#lost);
  }
}
