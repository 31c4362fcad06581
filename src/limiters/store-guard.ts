import { OutcomeUnknownError, UnavailableError } from "../core/errors.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";

interface Pending {
  readonly untilMs: number;
  readonly giveUp: () => void;
}

/** After the store was found away, one request in this time asks whether it is back. */
const probeMs = 1_000;

/** Whether an error means that the store is away, as opposed to a request that it refuses. */
export function isAway(error: unknown): boolean {
  return error instanceof UnavailableError || error instanceof OutcomeUnknownError;
}

/** Bounds how long a decision waits for the store, and spares those after it the wait while the store is away. */
export class StoreGuard {
  readonly #runtime: Runtime;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Pending>();
  #awayUntilMs = Number.NEGATIVE_INFINITY;
  #isAway = false;
  #cancelTimer: CancelTimer | undefined;

  constructor(runtime: Runtime, timeoutMs: number) {
    this.#runtime = runtime;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the store was away a moment ago. Answers `false` to one in a while, who finds out. */
  shouldSkip(): boolean {
    if (!this.#isAway) return false;
    const nowMs = this.#runtime.monotonicMs();
    if (nowMs < this.#awayUntilMs) return true;
    this.#awayUntilMs = nowMs + probeMs;
    return false;
  }

  /** What is picked from the answer, or an `UnavailableError` when it takes longer than the timeout. It may still be applied then. */
  watch<T, R>(request: Promise<T>, pick: (value: T) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const untilMs = this.#runtime.monotonicMs() + this.#timeoutMs;
      const giveUp = (): void => {
        this.#away();
        reject(new UnavailableError(`the store did not answer within ${this.#timeoutMs} ms`));
      };
      const pending = { untilMs, giveUp };
      this.#pending.add(pending);
      this.#cancelTimer ??= this.#runtime.schedule(this.#timeoutMs, this.#onTimer, {
        holdsProcessOpen: true,
      });
      request.then(
        (value) => {
          this.#settle(pending);
          this.#isAway = false;
          resolve(pick(value));
        },
        (error: unknown) => {
          this.#settle(pending);
          if (isAway(error)) this.#away();
          reject(error);
        },
      );
    });
  }

  #away(): void {
    this.#isAway = true;
    this.#awayUntilMs = this.#runtime.monotonicMs() + probeMs;
  }

  #settle(pending: Pending): void {
    this.#pending.delete(pending);
    if (this.#pending.size > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  readonly #onTimer = (): void => {
    this.#cancelTimer = undefined;
    const nowMs = this.#runtime.monotonicMs();
    for (const pending of this.#pending) {
      if (pending.untilMs > nowMs) {
        // What rounding leaves of a delay moves no clock: it would be due again at once, and again.
        const delayMs = Math.max(1, pending.untilMs - nowMs);
        this.#cancelTimer = this.#runtime.schedule(delayMs, this.#onTimer, { holdsProcessOpen: true });
        return;
      }
      this.#pending.delete(pending);
      pending.giveUp();
    }
  };
}
