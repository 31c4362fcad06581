import { AbortedError } from "../core/errors.ts";
import { type Runtime, type Sleep, startSleep } from "../core/runtime.ts";
import type { Decision } from "./decision.ts";

/** Somebody who waits for tokens. */
interface Waiter {
  readonly ask: () => Promise<Decision>;
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  denial: Decision;
}

/** The first in line asks again at least this often: others may have given something back. */
const lookMs = 1_000;

/**
 * Those of one process who wait for tokens of one key, first come first served: only the first one asks, when what it
 * needs can be there. Whoever would have to wait beyond his time is denied at once.
 */
export class WaitingLine {
  readonly #runtime: Runtime;
  readonly #subject: string;
  #waiters: Waiter[] = [];
  #isServing = false;
  #pause: Sleep | undefined;

  constructor(runtime: Runtime, subject: string) {
    this.#runtime = runtime;
    this.#subject = subject;
  }

  get length(): number {
    return this.#waiters.length;
  }

  /** What the first in line was told last: nobody is served before it. */
  get denial(): Decision | undefined {
    return this.#waiters[0]?.denial;
  }

  /** Joins at the end, after a denial; `ask` asks again. */
  join(
    denial: Decision,
    ask: () => Promise<Decision>,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Decision> {
    return new Promise((resolve, reject) => {
      const untilMs = this.#runtime.monotonicMs() + waitMs;
      const onAbort = (): void => {
        this.#leave(waiter);
        reject(
          new AbortedError(`the wait for ${this.#subject} was given up; nothing was taken`, {
            cause: signal?.reason,
          }),
        );
        this.wake();
      };
      const waiter: Waiter = { ask, untilMs, signal, resolve, reject, onAbort, denial };
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      if (!this.#isServing) void this.#serve();
    });
  }

  /** Something may be there now. */
  wake(): void {
    this.#pause?.end();
  }

  /** Ends every wait. */
  close(reason: unknown): void {
    for (const waiter of this.#waiters.splice(0)) this.#end(waiter, () => waiter.reject(reason));
    this.wake();
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    for (;;) {
      const [first] = this.#waiters;
      if (first === undefined) break;
      const nowMs = this.#runtime.monotonicMs();
      const { retryAfterMs } = first.denial;
      if (retryAfterMs === null || nowMs + retryAfterMs > first.untilMs) {
        this.#leave(first);
        first.resolve(first.denial);
        continue;
      }
      this.#pause = startSleep(this.#runtime, Math.min(retryAfterMs, lookMs), { holdsProcessOpen: true });
      await this.#pause.over;
      this.#pause = undefined;
      await this.#askFor(first);
    }
    this.#isServing = false;
  }

  async #askFor(first: Waiter): Promise<void> {
    if (this.#waiters[0] !== first) return;
    try {
      const decision = await first.ask();
      if (!decision.allowed) {
        first.denial = decision;
        return;
      }
      this.#leave(first);
      first.resolve(decision);
    } catch (error) {
      this.#leave(first);
      first.reject(error);
    }
  }

  #leave(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter);
    if (index >= 0) this.#waiters.splice(index, 1);
    waiter.signal?.removeEventListener("abort", waiter.onAbort);
  }

  #end(waiter: Waiter, answer: () => void): void {
    this.#leave(waiter);
    answer();
  }
}
