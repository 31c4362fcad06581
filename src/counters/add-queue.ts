import type { AddOperation, Backend } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { AbortedError, ClosedError, LimitExceededError, OutcomeUnknownError } from "../core/errors.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { shareSum } from "./share-sum.ts";

/** What an {@link AddQueue} works on. */
export interface AddTarget {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly key: string;
  /** For messages: `counter "visits"`. */
  readonly subject: string;
  /** Adds one of several that together would leave the safe integers, so that only those fail that must. */
  addAlone(delta: number): Promise<number>;
}

interface Add {
  readonly delta: number;
  readonly resolve: (sum: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Adds that go out in one write. */
interface Batch {
  readonly adds: readonly Add[];
  readonly deltas: readonly number[];
  readonly total: number;
}

/** For how long an add without an answer is sent again. */
const patienceMs = 10_000;
const repeatPause = { firstMs: 20, maxMs: 500 };
/**
 * Turns of the microtask queue before a write leaves, so that callers who were answered together, and ask again at
 * once, ride together again, also from within a few async functions.
 */
const turnsToJoin = 8;

/**
 * The adds of one client to one counter, by `Backend.add`. One write is in flight at a time, and the next one carries
 * every add that came meanwhile: k adds at once cost one write, for every k. Each is told the sum after it, in the
 * order of the calls.
 *
 * An add without an answer is sent again as the same operation, which the store applies once. When that is given up,
 * the next one comes from a writer of another name: no store has to answer for what this one did.
 */
export class AddQueue {
  readonly #target: AddTarget;
  #writer: string;
  #sequence = 0;
  #waiting: Add[] = [];
  #writes = 0;
  #isRunning = false;
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  constructor(target: AddTarget) {
    this.#target = target;
    this.#writer = target.runtime.id();
  }

  /** Whether an add is queued or in flight. */
  get isBusy(): boolean {
    return this.#isRunning;
  }

  /** How many writes it began so far. */
  get writes(): number {
    return this.#writes;
  }

  /** Refuses what comes from now on. Resolves when what was asked before has its answer. Never rejects. */
  close(): Promise<void> {
    this.#isClosed = true;
    return new Promise((resolve) => (this.#isRunning ? this.#onIdle.push(resolve) : resolve()));
  }

  /**
   * @throws AbortedError when `signal` fires before the add was sent; once it was, its outcome is waited for.
   * @throws LimitExceededError when this add would leave the safe integers; UnavailableError when nothing was added.
   * @throws OutcomeUnknownError when no answer came for ten seconds.
   */
  add(delta: number, signal?: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) reject(new ClosedError("the coordinator is closed"));
      else if (signal === undefined) this.#enter({ delta, resolve, reject });
      else this.#enterWith(signal, { delta, resolve, reject });
    });
  }

  #enterWith(signal: AbortSignal, add: Add): void {
    const { subject } = this.#target;
    const refuse = (): void => {
      const message = `the caller gave up an add to ${subject}; nothing was added`;
      add.reject(new AbortedError(message, { cause: signal.reason }));
    };
    if (signal.aborted) {
      refuse();
      return;
    }
    const leave = (): void => {
      const place = this.#waiting.indexOf(entry);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      refuse();
    };
    const entry: Add = {
      delta: add.delta,
      resolve(sum) {
        signal.removeEventListener("abort", leave);
        add.resolve(sum);
      },
      reject(error) {
        signal.removeEventListener("abort", leave);
        add.reject(error);
      },
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#enter(entry);
  }

  #enter(add: Add): void {
    this.#waiting.push(add);
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < turnsToJoin; turn += 1) await undefined;
      if (this.#waiting.length === 0) break;
      await this.#settle(this.#take());
    }
    this.#isRunning = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** All that waits, as far as its total is a safe integer. */
  #take(): Batch {
    const waiting = this.#waiting;
    const deltas = new Array<number>(waiting.length);
    let total = 0;
    let count = 0;
    for (const { delta } of waiting) {
      const next = total + delta;
      if (next > Number.MAX_SAFE_INTEGER || next < Number.MIN_SAFE_INTEGER) break;
      deltas[count] = delta;
      total = next;
      count += 1;
    }
    this.#waiting = count === waiting.length ? [] : waiting.slice(count);
    if (count === waiting.length) return { adds: waiting, deltas, total };
    return { adds: waiting.slice(0, count), deltas: deltas.slice(0, count), total };
  }

  async #settle({ adds, deltas, total }: Batch): Promise<void> {
    try {
      const sums = shareSum(await this.#send(total), deltas, total);
      for (let index = 0; index < adds.length; index += 1) adds[index]?.resolve(sums[index] as number);
    } catch (error) {
      if (adds.length > 1 && error instanceof LimitExceededError) return this.#settleAlone(adds);
      for (const { reject } of adds) reject(error);
    }
  }

  /** Nothing of the whole was applied. */
  async #settleAlone(adds: readonly Add[]): Promise<void> {
    const alone = adds.map(({ delta, resolve, reject }) =>
      this.#target.addAlone(delta).then(resolve, reject),
    );
    await Promise.all(alone);
  }

  /** One operation, sent until an answer comes. */
  async #send(delta: number): Promise<number> {
    const { backend, runtime, key, subject } = this.#target;
    this.#writes += 1;
    this.#sequence += 1;
    const operation: AddOperation = { writer: this.#writer, sequence: this.#sequence };
    const startedAtMs = runtime.monotonicMs();
    let unknown: unknown;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await backend.add(key, delta, operation);
      } catch (error) {
        if (error instanceof OutcomeUnknownError) {
          unknown = error;
          operation.again = true;
        }
        // It was not applied, nor was any copy sent before that may still be.
        if (unknown === undefined) throw error;
        const mayRepeat = (error as { retryable?: unknown }).retryable === true;
        if (!mayRepeat || runtime.monotonicMs() - startedAtMs > patienceMs) {
          this.#writer = runtime.id();
          this.#sequence = 0;
          throw new OutcomeUnknownError(
            `an add to ${subject} got no answer, and it could not be found out whether it was applied`,
            { cause: error },
          );
        }
      }
      await sleep(runtime, backoffMs(runtime, attempt, repeatPause), { holdsProcessOpen: true });
    }
  }
}
