import type { AddOperation } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { ClosedError, LimitExceededError } from "../core/errors.ts";
import { isForgotten } from "../core/forgotten-error.ts";
import { type Runtime, type Sleep, startSleep } from "../core/runtime.ts";
import type { Pooled } from "../records/record-pool.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import { blockSizes, nextBlockSize } from "./block-size.ts";
import { type NumberCaller, noNumber, numberCaller, numbersFrom } from "./number-line.ts";
import type { NumberSource } from "./number-source.ts";

/**
 * How many numbers a request takes. A number: so many, or more where callers wait for more. `adaptive`: as many as are
 * used in about a second. `demand`: what callers wait for; what an aborted one leaves goes to the next. `exact`: what
 * callers wait for, each in the order of the calls in the whole world; what an aborted one leaves goes to nobody.
 */
export type BlockRule = number | "adaptive" | "demand" | "exact";

/** A request whose outcome is not known yet: until it is, no other one is sent. */
interface Request {
  readonly count: number;
  /** Numbers taken beyond those, to come past what this process has handed out already. */
  readonly lift: number;
  readonly operation: AddOperation;
  readonly callers: readonly NumberCaller[];
}

interface Range {
  next: number;
  readonly last: number;
}

/** For how long a caller waits while the store fails. */
export const patienceMs = 10_000;
/** The next block is asked for when this much of the last one is left. */
const prefetchAt = 0.4;

/**
 * The numbers of one process: takes them from the source in blocks, one request at a time, and hands them out first come,
 * first served. What they have in common: whatever becomes of a request, no number is handed out twice.
 */
export class NumberDispenser implements Pooled {
  readonly #runtime: Runtime;
  readonly #source: NumberSource;
  readonly #rule: BlockRule;
  readonly #writer: string;
  /** In order; only the last of several in a row can be given back. */
  readonly #stock: Range[] = [];
  #size: number;
  #waiting: NumberCaller[] = [];
  #request: Request | undefined;
  #sequence = 0;
  #requestedAtMs: number | undefined;
  /** The largest number that this process ever took. */
  #highest = Number.MIN_SAFE_INTEGER;
  #failures = 0;
  #prefetchNotBeforeMs = Number.NEGATIVE_INFINITY;
  #pause: Sleep | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(runtime: Runtime, source: NumberSource, rule: BlockRule) {
    this.#runtime = runtime;
    this.#source = source;
    this.#rule = rule;
    this.#size = rule === "adaptive" ? blockSizes.first : typeof rule === "number" ? rule : 0;
    this.#writer = runtime.id();
  }

  get isBusy(): boolean {
    // Numbers of a rule that leaves no gaps must not be forgotten, nor those that a request may have used.
    const mustStay = this.#left > 0 || this.#request !== undefined;
    return this.#running !== undefined || (this.#rule === "demand" && mustStay);
  }

  /** So many numbers, rising. */
  take(count: number, signal: AbortSignal | undefined): Promise<readonly number[]> {
    const { subject } = this.#source;
    if (this.#closing !== undefined) return Promise.reject(closedError(subject));
    const { caller, answer } = numberCaller(count, this.#runtime.monotonicMs(), subject, signal);
    if (!caller.isOpen) return answer;
    this.#waiting.push(caller);
    // Whoever stands behind others is served by them who are on their way already.
    if (this.#waiting.length === 1) this.#serve();
    if (this.#running === undefined && this.#isWanting) this.#start();
    return answer;
  }

  /** Refuses those who wait, and gives back what nobody used. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const error = closedError(this.#source.subject);
    for (const caller of this.#asking) caller.refuse(error);
    this.#waiting = [];
    this.#pause?.end();
    await this.#running;
    const last = this.#stock.at(-1);
    // As long as a request may still take numbers, these are not the last ones for sure.
    if (last === undefined || this.#request !== undefined) return;
    // A store that fails costs a gap, as a crash would.
    await this.#source.giveBack(last.next, last.last, this.#writer).catch(leavesGap);
  }

  get #left(): number {
    return this.#stock.reduce((sum, { next, last }) => sum + last - next + 1, 0);
  }

  get #wanted(): number {
    return this.#waiting.reduce((sum, { count }) => sum + count, 0);
  }

  /** Everybody who waits. */
  get #asking(): readonly NumberCaller[] {
    return [...(this.#request?.callers ?? []), ...this.#waiting].filter(({ isOpen }) => isOpen);
  }

  /** Whether a request is to be sent now. */
  get #isWanting(): boolean {
    if (this.#closing !== undefined) return false;
    if (this.#asking.length > 0) return true;
    if (this.#rule === "exact" || this.#rule === "demand" || this.#requestedAtMs === undefined) return false;
    return this.#left <= prefetchAt * this.#size && this.#runtime.monotonicMs() >= this.#prefetchNotBeforeMs;
  }

  /** Hands out what there is, first come, first served. */
  #serve(): void {
    this.#waiting = this.#waiting.filter(({ isOpen }) => isOpen);
    let served = 0;
    let left = this.#left;
    for (const caller of this.#waiting) {
      if (caller.count > left) break;
      left -= caller.count;
      served += 1;
      caller.give(this.#draw(caller.count));
    }
    this.#waiting.splice(0, served);
  }

  #draw(count: number): readonly number[] {
    const numbers: number[] = [];
    for (let range = this.#stock[0]; range !== undefined && numbers.length < count; range = this.#stock[0]) {
      const size = Math.min(count - numbers.length, range.last - range.next + 1);
      for (const number of numbersFrom(range.next, size)) numbers.push(number);
      range.next += size;
      if (range.next > range.last) this.#stock.shift();
    }
    return numbers;
  }

  #start(): void {
    // Deferred, so that those who ask in the same turn ride in the same request.
    this.#running = Promise.resolve().then(() => this.#run());
  }

  async #run(): Promise<void> {
    while (this.#isWanting) {
      try {
        await this.#ask();
        this.#failures = 0;
        this.#serve();
      } catch (error) {
        await this.#onFailure(error);
      }
    }
    this.#waiting = [];
    this.#running = undefined;
  }

  async #ask(): Promise<void> {
    this.#request ??= this.#compose();
    const { count, lift, operation, callers } = this.#request;
    if (count === 0) {
      this.#request = undefined;
      return;
    }
    const last = await this.#source.take(count + lift, operation);
    this.#request = undefined;
    const first = last - count + 1;
    if (first <= this.#highest) {
      // The record was deleted or rolled back: this process has had those already.
      this.#request = this.#next(count, Math.max(0, this.#highest - last), callers);
      return;
    }
    this.#highest = last;
    if (this.#rule === "exact") dealOut(callers, first);
    else this.#store(first, last);
  }

  #compose(): Request {
    this.#waiting = this.#waiting.filter(({ isOpen }) => isOpen);
    if (this.#rule === "exact") {
      // Whoever comes after the request was sent must not get a number of it: somebody may have a larger one by then.
      const callers = this.#waiting.splice(0);
      return this.#next(
        callers.reduce((sum, { count }) => sum + count, 0),
        0,
        callers,
      );
    }
    const nowMs = this.#runtime.monotonicMs();
    if (this.#rule === "adaptive" && this.#requestedAtMs !== undefined) {
      this.#size = nextBlockSize(this.#size, nowMs - this.#requestedAtMs);
    }
    this.#requestedAtMs = nowMs;
    return this.#next(Math.max(this.#size, this.#wanted - this.#left), 0, []);
  }

  #next(count: number, lift: number, callers: readonly NumberCaller[]): Request {
    this.#sequence += 1;
    return { count, lift, callers, operation: { writer: this.#writer, sequence: this.#sequence } };
  }

  #store(first: number, last: number): void {
    const before = this.#stock.at(-1);
    if (before === undefined || before.last + 1 !== first) this.#stock.push({ next: first, last });
    else this.#stock.splice(-1, 1, { next: before.next, last });
  }

  async #onFailure(error: unknown): Promise<void> {
    if (error instanceof LimitExceededError) return this.#onLimit(error);
    const asking = this.#asking;
    const isLost = isForgotten(error);
    // What it took, if anything, nobody will get.
    if (isLost) [this.#waiting, this.#request] = [[...asking], undefined];
    if (!isTransient(error) || (isLost && this.#rule === "demand")) {
      // Sent again first thing when somebody asks again: what became of it may not be known.
      for (const caller of asking) caller.refuse(error);
      this.#waiting = [];
      this.#quiet(failureBackoff.firstMs);
      return;
    }
    this.#failures += 1;
    const nowMs = this.#runtime.monotonicMs();
    for (const caller of asking) {
      const waitedMs = nowMs - caller.askedAtMs;
      if (waitedMs >= patienceMs) caller.refuse(noNumber(this.#source.subject, waitedMs, error));
    }
    this.#waiting = this.#waiting.filter(({ isOpen }) => isOpen);
    const delayMs = backoffMs(this.#runtime, this.#failures, failureBackoff);
    if (this.#asking.length === 0) {
      this.#quiet(delayMs);
      return;
    }
    this.#pause = startSleep(this.#runtime, delayMs, { holdsProcessOpen: true });
    await this.#pause.over;
  }

  /** Nobody waits: no prefetch for a while, for it would only fail again. */
  #quiet(delayMs: number): void {
    this.#prefetchNotBeforeMs = this.#runtime.monotonicMs() + delayMs;
  }

  /** So many are not left; but perhaps fewer, as many as the first caller needs. */
  #onLimit(error: LimitExceededError): void {
    const request = this.#request;
    this.#request = undefined;
    if (request === undefined) return;
    this.#waiting = [...request.callers, ...this.#waiting].filter(({ isOpen }) => isOpen);
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#quiet(patienceMs);
      return;
    }
    const missing = this.#rule === "exact" ? first.count : Math.max(1, first.count - this.#left);
    if (request.count > missing) {
      const callers = this.#rule === "exact" ? this.#waiting.splice(0, 1) : [];
      this.#request = this.#next(missing, request.lift, callers);
      return;
    }
    this.#waiting.shift();
    first.refuse(endOfNumbers(this.#source.subject, first.count, error));
  }
}

function dealOut(callers: readonly NumberCaller[], first: number): void {
  let next = first;
  for (const caller of callers) {
    caller.give(numbersFrom(next, caller.count));
    next += caller.count;
  }
}

function closedError(subject: string): ClosedError {
  return new ClosedError(`the coordinator of ${subject} is closed`);
}

function endOfNumbers(subject: string, count: number, cause: LimitExceededError): LimitExceededError {
  return new LimitExceededError(
    `${subject} has no ${count === 1 ? "number" : `${count} numbers`} left: they end at ${Number.MAX_SAFE_INTEGER}, ` +
      "2^53 - 1. Go on with another name",
    { cause },
  );
}

/** The answer to numbers that could not be given back. */
function leavesGap(): void {}
