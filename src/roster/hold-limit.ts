import type { CancelTimer, Runtime } from "../core/runtime.ts";

/** Ends a hold that lasts for too long. */
export class HoldLimit {
  readonly #runtime: Runtime;
  readonly #untilMs: number;
  readonly #onOver: () => void;
  readonly #cancel: CancelTimer;

  constructor(runtime: Runtime, maxHoldMs: number, onOver: () => void) {
    this.#runtime = runtime;
    this.#untilMs = runtime.monotonicMs() + maxHoldMs;
    this.#onOver = onOver;
    this.#cancel = runtime.schedule(maxHoldMs, onOver);
  }

  remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#runtime.monotonicMs());
  }

  /** Looks at the clock: a process that was paused learns at its first question. */
  check(): void {
    if (this.remainingMs() === 0) this.#onOver();
  }

  /** There is nothing left to end. */
  cancel(): void {
    this.#cancel();
  }
}
