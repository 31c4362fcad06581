import type { Unsubscribe } from "../core/backend.ts";
import {
  AbortedError,
  AcquireTimeoutError,
  type LeaseholdError,
  OutcomeUnknownError,
} from "../core/errors.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";

/** How long a caller waits, and what it is told when that was too short. */
export interface Patience {
  /** For messages: `the latch "deploy" did not open`. */
  readonly failing: string;
  /** `Infinity`: as long as it takes. */
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What one caller waits for, from the call to its one answer. Timer and abort listener are gone when it is answered. */
export class PendingAnswer<T> {
  readonly promise: Promise<T>;
  /** The last failure of the store; one whose outcome is unknown stays. */
  failure: LeaseholdError | undefined;
  readonly #patience: Patience;
  readonly #isWrite: boolean;
  readonly #listeners = new Set<() => void>();
  #isOpen = true;
  #resolve!: (value: T) => void;
  #reject!: (error: unknown) => void;
  #cancelTimer: CancelTimer | undefined;

  /** `isWrite`: that an outcome is unknown matters to the caller. */
  constructor(runtime: Runtime, patience: Patience, isWrite: boolean) {
    this.#patience = patience;
    this.#isWrite = isWrite;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal, waitMs } = patience;
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (!this.#isOpen || waitMs === Number.POSITIVE_INFINITY) return;
    const onTimeout = (): void => this.reject(this.#timeout());
    this.#cancelTimer = runtime.schedule(waitMs, onTimeout, { holdsProcessOpen: true });
  }

  /** Whether nobody has answered yet. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** As a roster change asks: whether to go on, after this failure if there was one. */
  isWanted(failure?: LeaseholdError): boolean {
    const isWorse = !(this.failure instanceof OutcomeUnknownError);
    if (failure !== undefined && isWorse) this.failure = failure;
    return this.#isOpen;
  }

  /** Calls `listener` when it is answered. */
  onAnswered(listener: () => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  resolve(value: T): void {
    if (this.#end()) this.#resolve(value);
  }

  reject(error: unknown): void {
    if (this.#end()) this.#reject(error);
  }

  #end(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.#cancelTimer?.();
    this.#patience.signal?.removeEventListener("abort", this.#onAbort);
    for (const listener of this.#listeners) listener();
    return true;
  }

  readonly #onAbort = (): void => {
    const { failing, signal } = this.#patience;
    this.reject(new AbortedError(`${failing}: the caller aborted it`, { cause: signal?.reason }));
  };

  #timeout(): LeaseholdError {
    const { failing, waitMs } = this.#patience;
    const { failure } = this;
    // What was asked for may have been done.
    if (this.#isWrite && failure instanceof OutcomeUnknownError) return failure;
    const why = failure === undefined ? "" : `: the store last failed with: ${failure.message}`;
    return new AcquireTimeoutError(`${failing} within ${waitMs} ms${why}`, failure && { cause: failure });
  }
}
