import type { Unsubscribe } from "../core/backend.ts";
import { LeaseLostError, UnavailableError } from "../core/errors.ts";
import type { CancelTimer } from "../core/runtime.ts";
import { disagree, elapsedMs, type Instant, instant, quickElapsedMs } from "./lease-clock.ts";
import {
  attemptsPerTtl,
  beatsPerTtl,
  type LeaseKeeper,
  type Renewal,
  RenewalLoop,
  type SessionContext,
} from "./renewal-loop.ts";
import { decodeSession, sessionKey } from "./session-record.ts";
import type { SessionRequest } from "./session-request.ts";
import { TicketBook } from "./ticket-book.ts";
import { Uncertainty } from "./uncertainty.ts";

/** `uncertain`: a renewal is overdue, the deadline has not come. `lost` is for ever. */
export type SessionState = "held" | "uncertain" | "lost";

/** Who is told what happens to a session. An object and not a function: there may be ten thousand of them. */
export interface LossListener {
  onSessionLost(reason: LeaseLostError): void;
  /** Somebody left a message, not always for this one; it may come again. Answers whether it was for this one. */
  onRequest?(request: SessionRequest): boolean;
}

/** A session is uncertain when a heartbeat that was due has not been confirmed for the time of one attempt. */
const uncertainAfterTtls = 1 / beatsPerTtl + 1 / attemptsPerTtl;
/** Writes that may come between a session's end and the delete of its record: its own heartbeats, and messages. */
const deletesMax = 2 * attemptsPerTtl;
/** By which a session is woken to read its messages. Not a record's key, by which it is woken for its turn. */
export const messageHint = "message";

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
  readonly #loop: Renewal;
  readonly #lossListeners = new Set<LossListener>();
  readonly #wakeListeners = new Map<string, Set<() => void>>();
  readonly #tickets = new TicketBook();
  /** Messages for those who do not know yet that they hold. */
  readonly #unclaimed = new Map<number, SessionRequest>();
  readonly #uncertainty: Uncertainty;
  #renewedAt: Instant;
  #lost: LeaseLostError | undefined;
  #lastFailure: unknown;
  #cancelDeadline: CancelTimer = () => {};
  #unsubscribeWakes: Unsubscribe | undefined;

  private constructor(context: SessionContext, ttlMs: number) {
    const { runtime, namespace } = context;
    this.#context = context;
    this.ttlMs = ttlMs;
    this.id = runtime.id();
    this.#key = sessionKey(namespace, this.id);
    this.#renewedAt = instant(runtime);
    const keeper: LeaseKeeper = {
      isOver: () => this.#isOver(),
      claim: () => this.#tickets.claim(),
      onRenewed: (sentAt) => this.#renewed(sentAt),
      onAttempt: (failure) => {
        this.#lastFailure = failure;
      },
      onEnded: (why, cause) => this.#lose(why, cause),
      onRequest: (request) => this.hear(request),
    };
    this.#loop =
      context.makeRenewal?.(context, this.id, ttlMs, keeper) ??
      new RenewalLoop(context, this.id, ttlMs, keeper);
    this.#uncertainty = new Uncertainty(runtime, {
      state: () => this.state,
      untilUncertainMs: () => ttlMs * uncertainAfterTtls - this.#quickElapsedMs(),
    });
  }

  /**
   * Opens a session with one write. When the outcome is unknown nobody can depend on the record yet: it is left
   * to the store's collection, and the caller opens another one.
   */
  static async open(context: SessionContext, ttlMs: number): Promise<Session> {
    const session = new Session(context, ttlMs);
    await session.#loop.open();
    if (session.#lost !== undefined) {
      throw new UnavailableError(
        `opening a session took longer than its TTL of ${ttlMs} ms: the store is too slow for this TTL, or this ` +
          "process was paused. Try again, or use a longer TTL",
      );
    }
    session.#loop.start();
    if (context.backend.capabilities.wake) session.onWake(messageHint, () => session.#loop.hurry());
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
    return this.#isLostElsewhere() ? 0 : Math.max(0, this.ttlMs - this.#quickElapsedMs());
  }

  /** A ticket that this session never used, for one attempt to enter a roster. */
  takeTicket(): number {
    return this.#tickets.take();
  }

  /** Nothing of the attempt is left anywhere; the next heartbeat tells everybody. */
  endTicket(ticket: number): void {
    this.#tickets.end(ticket);
    this.#unclaimed.delete(ticket);
  }

  /** A message that came before anybody knew of the grant that it is for. */
  unclaimed(ticket: number): SessionRequest | undefined {
    return this.#unclaimed.get(ticket);
  }

  /** Hands a message to whom it is for. */
  hear(request: SessionRequest): void {
    if (this.#lost !== undefined) return;
    let isClaimed = false;
    for (const listener of [...this.#lossListeners]) {
      if (listener.onRequest?.(request) === true) isClaimed = true;
    }
    const { ticket } = request;
    if (isClaimed || !this.#tickets.isOpen(ticket)) return;
    if (this.#unclaimed.get(ticket)?.kind !== "released") this.#unclaimed.set(ticket, request);
  }

  /** Calls `listener` whenever it becomes uncertain, and when it is held again. Costs a timer while anybody listens. */
  onUncertainty(listener: (state: "held" | "uncertain") => void): Unsubscribe {
    return this.#lost === undefined ? this.#uncertainty.add(listener) : () => {};
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
    if (this.#isLostElsewhere()) return;
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
    if (this.#loop.stopped !== undefined) await this.#loop.stopped();
    const { backend } = this.#context;
    const key = this.#key;
    let expect = this.#loop.version;
    for (let attempt = 0; attempt < deletesMax && expect !== null; attempt += 1) {
      const result = await backend.commit([{ kind: "delete", key, expect }]);
      if (result.committed) return;
      // A heartbeat came first whose answer was still on its way, or a message. A tombstone stays.
      const [record] = await backend.get([key]);
      const isLive = record != null && decodeSession(key, record.value).state === "live";
      expect = isLive ? record.version : null;
    }
  }

  #renewed(sentAt: Instant): void {
    // The answer may come after the deadline, for example when this process was stopped in between.
    this.#checkThoroughly();
    if (this.#lost !== undefined) return;
    this.#renewedAt = sentAt;
    this.#armDeadline();
    this.#uncertainty.renewed();
  }

  #armDeadline(): void {
    this.#cancelDeadline();
    if (this.#lost !== undefined) return;
    this.#cancelDeadline = this.#context.runtime.schedule(Math.ceil(this.remainingMs()), () => {
      this.#checkThoroughly();
      this.#armDeadline();
    });
  }

  /** Whether it is lost. Looks at what another thread shows first: this one may have stood still for many heartbeats. */
  #isLostElsewhere(): boolean {
    if (this.#lost !== undefined) return true;
    const renewedAt = this.#loop.look?.();
    if (renewedAt !== undefined && renewedAt.monotonicMs > this.#renewedAt.monotonicMs)
      this.#renewedAt = renewedAt;
    return this.#lost !== undefined;
  }

  #quickElapsedMs(): number {
    const { runtime } = this.#context;
    return quickElapsedMs(this.#renewedAt, runtime.monotonicMs(), runtime.wallMs());
  }

  #isOver(): boolean {
    this.#checkThoroughly();
    return this.#lost !== undefined;
  }

  #checkThoroughly(): void {
    if (this.#isLostElsewhere()) return;
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
    this.#loop.stop();
    this.#cancelDeadline();
    this.#uncertainty.end();
    this.#unsubscribeWakes?.();
    this.#wakeListeners.clear();
    this.#unclaimed.clear();
    const listeners = [...this.#lossListeners];
    this.#lossListeners.clear();
    for (const listener of listeners) listener.onSessionLost(this.#lost);
  }
}
