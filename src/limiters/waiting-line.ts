import { AbortedError } from "../core/errors.ts";
import { type CancelTimer, type Runtime, type Sleep, startSleep } from "../core/runtime.ts";
import type { Decision } from "./decision.ts";
import { isAway } from "./store-guard.ts";

/** Somebody who waits for tokens. */
interface Waiter {
  readonly ask: () => Promise<Decision>;
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  cancelTimer: CancelTimer | undefined;
  denial: Decision;
  /** When it is worth asking again. */
  dueMs: number;
}

/** The first in line asks again at least this often: others may have given something back. */
const lookMs = 1_000;

/**
 * Those of one process who wait for tokens of one key, first come first served: only the first one asks, when what it
 * needs can be there. Whoever would have to wait beyond his time is denied at once, and whoever is still behind another
 * one when his time is over is denied then.
 */
export class WaitingLine {
  readonly #runtime: Runtime;
  readonly #subject: string;
  #waiters: Waiter[] = [];
  #isServing = false;
  #pause: Sleep | undefined;
  /** The one whose answer is on its way: it gets that answer, whatever else happens to it. */
  #asking: Waiter | undefined;
  #end: { readonly reason: unknown } | undefined;

  constructor(runtime: Runtime, subject: string) {
    this.#runtime = runtime;
    this.#subject = subject;
  }

  get length(): number {
    return this.#waiters.length;
  }

  /** What the first in line was told last: nobody is served before it. */
  get denial(): Decision | undefined {
    const [first] = this.#waiters;
    if (first === undefined) return undefined;
    return { ...first.denial, retryAfterMs: Math.max(1, first.dueMs - this.#runtime.monotonicMs()) };
  }

  /** Joins at the end, after a denial; `ask` asks again. */
  join(
    denial: Decision,
    ask: () => Promise<Decision>,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Decision> {
    return new Promise((resolve, reject) => {
      const nowMs = this.#runtime.monotonicMs();
      const onAbort = (): void => {
        if (waiter === this.#asking) return;
        this.#leave(waiter);
        reject(this.#aborted(signal));
        this.wake();
      };
      const waiter: Waiter = {
        ...{ ask, untilMs: nowMs + waitMs, signal, resolve, reject, onAbort, denial },
        ...{ cancelTimer: undefined, dueMs: nowMs + (denial.retryAfterMs ?? 0) },
      };
      if (this.#end !== undefined) return reject(this.#end.reason);
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      if (!this.#isServing) void this.#serve();
      else if (Number.isFinite(waitMs)) this.#boundWait(waiter, waitMs);
    });
  }

  /** Something may be there now. */
  wake(): void {
    this.#pause?.end();
  }

  /** Ends every wait, now and from now on. */
  close(reason: unknown): void {
    this.#end = { reason };
    this.#rejectAll(reason);
    this.wake();
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      const nowMs = this.#runtime.monotonicMs();
      if (first.denial.retryAfterMs === null || first.dueMs > first.untilMs) {
        this.#leave(first);
        first.resolve(first.denial);
        continue;
      }
      if (first.dueMs > nowMs) {
        const delayMs = Math.min(first.dueMs - nowMs, lookMs);
        this.#pause = startSleep(this.#runtime, delayMs, { holdsProcessOpen: true });
        await this.#pause.over;
        this.#pause = undefined;
      }
      if (this.#waiters[0] === first) await this.#askFor(first);
    }
    this.#isServing = false;
  }

  async #askFor(first: Waiter): Promise<void> {
    this.#asking = first;
    try {
      const decision = await first.ask();
      this.#asking = undefined;
      if (decision.allowed) {
        this.#leave(first);
        first.resolve(decision);
      } else this.#stay(first, decision);
    } catch (error) {
      this.#asking = undefined;
      this.#leave(first);
      first.reject(error);
      // The others would find out one after another what is known now.
      if (isAway(error)) this.#rejectAll(error);
    }
  }

  #stay(first: Waiter, denial: Decision): void {
    first.denial = denial;
    first.dueMs = this.#runtime.monotonicMs() + Math.max(1, denial.retryAfterMs ?? 0);
    if (this.#end === undefined && first.signal?.aborted !== true) return;
    this.#leave(first);
    first.reject(this.#end === undefined ? this.#aborted(first.signal) : this.#end.reason);
  }

  /** The first in line needs no timer: it is asked for when it can have something, or else leaves. */
  #boundWait(waiter: Waiter, waitMs: number): void {
    const onTimer = (): void => {
      const ahead = this.denial;
      if (ahead === undefined || this.#waiters[0] === waiter) return;
      this.#leave(waiter);
      waiter.resolve({ ...ahead, cost: waiter.denial.cost, source: "cache" });
    };
    waiter.cancelTimer = this.#runtime.schedule(waitMs, onTimer, { holdsProcessOpen: true });
  }

  #rejectAll(reason: unknown): void {
    for (const waiter of this.#waiters.filter((other) => other !== this.#asking)) {
      this.#leave(waiter);
      waiter.reject(reason);
    }
  }

  #leave(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter);
    if (index >= 0) this.#waiters.splice(index, 1);
    waiter.signal?.removeEventListener("abort", waiter.onAbort);
    waiter.cancelTimer?.();
    const [first] = this.#waiters;
    // What the one before left or got says nothing about the next one: it asks.
    if (index === 0 && first !== undefined) first.dueMs = Math.min(first.dueMs, this.#runtime.monotonicMs());
  }

  #aborted(signal: AbortSignal | undefined): AbortedError {
    return new AbortedError(`the wait for ${this.#subject} was given up; nothing was taken`, {
      cause: signal?.reason,
    });
  }
}
