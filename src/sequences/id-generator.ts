import { AbortedError, UnavailableError } from "../core/errors.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import type { Grant } from "../roster/grant.ts";
import { counterMax, firstId, formatId } from "./id-layout.ts";
import { horizonMs, type ReservedTime, type TimeReservations } from "./reserved-time.ts";

/** Options of {@link IdGenerator.nextAsync}. */
export interface NextIdOptions {
  /** Gives up with an `AbortedError` when it fires. */
  readonly signal?: AbortSignal;
}

/**
 * Makes ids of 63 bits that fit into a signed 64-bit integer: 41 bits of milliseconds since 2025, the worker's number, and
 * a counter. They rise in each generator and sort by time, as numbers and as texts, whoever made them.
 *
 * No id is ever made twice: a generator makes ids only of times that it has reserved in the store, three seconds ahead of
 * the store's clock, and nobody else ever reserves the same ones for the same worker. This holds whatever clocks, pauses
 * and lost leases do, as long as the store loses nothing.
 */
export interface IdGenerator {
  /**
   * The next id, at once: without any request, as long as ids are made every now and then, for more time is reserved in the
   * background meanwhile.
   *
   * @throws UnavailableError (`UNAVAILABLE`) when the reserved time is over: call `nextAsync`.
   * @throws LeaseLostError (`LEASE_LOST`) when the worker's number is lost or released.
   */
  next(): bigint;
  /**
   * As `next`, which it reserves more time for where there is none. For the first id after a pause of seconds.
   *
   * @throws UnavailableError after ten seconds, or when the store is away; AbortedError, LeaseLostError.
   */
  nextAsync(options?: NextIdOptions): Promise<bigint>;
  /** As `next`, as 13 characters that sort as the ids do. */
  nextText(): string;
}

/** What a generator works with. */
export interface IdGeneratorContext {
  readonly runtime: Runtime;
  readonly grant: Grant;
  readonly reservations: TimeReservations;
  readonly worker: number;
  readonly bits: number;
  readonly subject: string;
}

/** Time is reserved anew when so much of it is left. */
const refreshMs = horizonMs / 2;
const patienceMs = 10_000;
const retryMs = 250;

/** The one implementation of {@link IdGenerator}. */
export class ReservedIds implements IdGenerator {
  readonly #context: IdGeneratorContext;
  readonly #counterMax: number;
  #reserved: ReservedTime | undefined;
  /** The time of the newest id; the counter of the next one in that millisecond; the id with the counter 0. */
  #lastMs = 0;
  #counter = 0;
  #first = 0n;
  #reserving: Promise<void> | undefined;
  #retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(context: IdGeneratorContext) {
    this.#context = context;
    this.#counterMax = counterMax(context.bits);
  }

  /** Reserves time, where there is none or little left. */
  async open(): Promise<void> {
    this.#context.grant.assertHeld();
    const reserved = this.#reserved;
    if (reserved === undefined || reserved.untilMs - this.#nowMs(reserved) < refreshMs) await this.#reserve();
  }

  next(): bigint {
    const id = this.#make();
    if (id !== undefined) return id;
    throw new UnavailableError(
      `the time that ${this.#context.subject} had reserved is over, as it made no id for a while: nextAsync() reserves more`,
    );
  }

  nextText(): string {
    return formatId(this.next());
  }

  async nextAsync(options?: NextIdOptions): Promise<bigint> {
    checkOptions("nextAsync", options, ["signal"]);
    const signal = options?.signal;
    checkSignal(signal);
    const { runtime, subject } = this.#context;
    const untilMs = runtime.monotonicMs() + patienceMs;
    for (;;) {
      if (signal?.aborted === true) {
        throw new AbortedError(`the caller gave up waiting for ${subject}`, { cause: signal.reason });
      }
      const id = this.#make();
      if (id !== undefined) return id;
      const before = this.#reserved;
      await this.#reserve();
      if (this.#reserved !== before) continue;
      const restMs = untilMs - runtime.monotonicMs();
      if (restMs <= 0) {
        throw new UnavailableError(
          `${subject} had no time left to make ids of for ${patienceMs} ms: it makes more than there are, or the store's ` +
            "clock was set back",
        );
      }
      await sleep(runtime, Math.min(restMs, retryMs), { holdsProcessOpen: true, signal });
    }
  }

  #make(): bigint | undefined {
    const { grant, worker, bits } = this.#context;
    grant.assertHeld();
    const reserved = this.#reserved;
    if (reserved === undefined) return undefined;
    const nowMs = this.#nowMs(reserved);
    if (reserved.untilMs - nowMs < refreshMs) this.#refresh();
    let timeMs = Math.max(Math.floor(nowMs), reserved.fromMs, this.#lastMs);
    // A clock that stands still or went back: the next millisecond comes when this one is full.
    if (timeMs === this.#lastMs && this.#counter > this.#counterMax) timeMs += 1;
    if (timeMs >= reserved.untilMs) return undefined;
    if (timeMs !== this.#lastMs) {
      this.#lastMs = timeMs;
      this.#counter = 0;
      this.#first = firstId(timeMs, worker, bits);
    }
    const id = this.#first | BigInt(this.#counter);
    this.#counter += 1;
    return id;
  }

  #nowMs({ nowMs, monotonicMs }: ReservedTime): number {
    return nowMs + this.#context.runtime.monotonicMs() - monotonicMs;
  }

  /** In the background: who finds no time left reserves it by himself, and hears what is wrong. */
  #refresh(): void {
    const { runtime } = this.#context;
    if (this.#reserving !== undefined || runtime.monotonicMs() < this.#retryAtMs) return;
    this.#retryAtMs = runtime.monotonicMs() + retryMs;
    this.#reserve().catch(toldLater);
  }

  #reserve(): Promise<void> {
    this.#reserving ??= this.#extend().finally(() => {
      this.#reserving = undefined;
    });
    return this.#reserving;
  }

  async #extend(): Promise<void> {
    const { grant, reservations } = this.#context;
    const next = await reservations.reserve();
    grant.assertHeld();
    if (next === undefined) return;
    const before = this.#reserved;
    // What is left of the time before goes on where nobody came in between.
    const fromMs = before?.untilMs === next.fromMs ? before.fromMs : next.fromMs;
    this.#reserved = { ...next, fromMs };
  }
}

/** The answer to a reservation ahead of time that failed. */
function toldLater(): void {}
