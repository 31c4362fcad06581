import { checkOptions, checkSignal } from "../core/options.ts";
import type { Runtime } from "../core/runtime.ts";
import { type Bounds, type CounterCommand, checkBounds } from "./counter-command.ts";
import type { CounterPort } from "./counter-port.ts";
import type { Integers } from "./integers.ts";

/** Options of the calls that change a counter. */
export interface CounterCallOptions {
  /** Ends the wait with `ABORTED` as long as nothing was sent. Once something was, its outcome is waited for. */
  readonly signal?: AbortSignal;
}

/** A counter's value, and how true it is. */
export interface CounterReading<N extends number | bigint = number> {
  readonly value: N;
  /**
   * Whether the counter had this value at one moment. Not in shards, which are read at different moments of the call:
   * of a counter that only rises, the value lies between what it was when the call began and when it ended.
   */
  readonly isMomentary: boolean;
  /** How long ago the oldest part of it may have been read: the milliseconds that the call took. */
  readonly ageMaxMs: number;
}

/**
 * A number that processes on many machines change together; 0 where nobody did. Everything is atomic and linearizable,
 * but for what `docs/counters.md` says of reads on NATS and of shards.
 *
 * Each call counts once. A write whose answer was lost is sent again as the same operation, which the store applies
 * once; after 64 other writers have written to the same counter in between, it is told to be unknown. What is asked of one
 * counter in one process at the same time goes out in one write.
 */
export interface Counter<N extends number | bigint = number> {
  readonly name: string;
  /**
   * Adds `delta` (default 1, may be negative) and answers the sum after it. Of several adds at the same time each is
   * told another sum, in the order of the calls. In shards, the sum is that of this process's shard alone.
   *
   * @throws OutOfBoundsError (`OUT_OF_BOUNDS`) when the sum would be beyond a bound; nothing was changed.
   * @throws LimitExceededError (`LIMIT_EXCEEDED`) when it would be beyond 2^53 - 1, or 1,000 digits; nothing was changed.
   * @throws InvalidArgumentError for a `delta` that is not a whole number.
   * @throws AbortedError (`ABORTED`) when `signal` fired before the add was sent; nothing was changed.
   * @throws UnavailableError (`UNAVAILABLE`) when the store is away; nothing was changed.
   * @throws OutcomeUnknownError (`OUTCOME_UNKNOWN`) when no answer came for ten seconds: it may have been added.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const visits = coordinator.counter("visits");
   * console.log(await visits.add()); // 1
   * console.log(await Promise.all([visits.add(10), visits.add(-1)])); // [ 11, 10 ]
   * ```
   */
  add(delta?: N, options?: CounterCallOptions): Promise<N>;
  /** The value. One read. @throws UnavailableError (`UNAVAILABLE`) when the store is away. */
  get(): Promise<N>;
  /** The value, and how true it is. One read. @throws UnavailableError (`UNAVAILABLE`) when the store is away. */
  read(): Promise<CounterReading<N>>;
  /**
   * Makes it `value`, whatever it was. Throws as {@link Counter.add} does.
   *
   * @throws UnsupportedError (`UNSUPPORTED`) in shards.
   */
  set(value: N, options?: CounterCallOptions): Promise<void>;
  /**
   * Makes it `next` if it is `expected`; answers whether it was. Throws as {@link Counter.add} does.
   *
   * @throws UnsupportedError (`UNSUPPORTED`) in shards.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const release = coordinator.counter("release");
   * console.log(await release.compareAndSet(0, 7), await release.compareAndSet(0, 8)); // true false
   * console.log(await release.get()); // 7
   * ```
   */
  compareAndSet(expected: N, next: N, options?: CounterCallOptions): Promise<boolean>;
  /**
   * Makes it 0, whatever the bounds; a `ttl` begins anew with the next change. In shards one after the other: what was
   * added before the call is gone, what is added after it counts.
   */
  reset(options?: CounterCallOptions): Promise<void>;
}

/** What a counter is made of. */
export interface CounterParts<N> {
  readonly name: string;
  readonly integers: Integers<N>;
  readonly bounds: Bounds<N>;
  readonly port: CounterPort<N>;
  readonly runtime: Runtime;
}

/** A counter in one record. */
export function makeCounter<N extends number | bigint>(parts: CounterParts<N>): Counter<N> {
  const { name, integers, bounds, port, runtime } = parts;
  const run = (command: CounterCommand<N>, options: CounterCallOptions | undefined) =>
    port.run(command, signalOf(options));
  return {
    name,
    add(delta = integers.one, options) {
      try {
        return port.add(integers.check("delta", delta), bounds, signalOf(options));
      } catch (error) {
        return Promise.reject(error);
      }
    },
    get: async () => port.read(),
    async read() {
      const startedAtMs = runtime.monotonicMs();
      const value = await port.read();
      return { value, isMomentary: true, ageMaxMs: runtime.monotonicMs() - startedAtMs };
    },
    async set(value, options) {
      await run({ kind: "set", value: checkBounds(integers.check("value", value), bounds) }, options);
    },
    async compareAndSet(expected, next, options) {
      const command = {
        kind: "compareAndSet",
        expected: integers.check("expected", expected),
        next: checkBounds(integers.check("next", next), bounds),
      } as const;
      return (await run(command, options)).isDone;
    },
    async reset(options) {
      await run({ kind: "reset" }, options);
    },
  };
}

/** @throws InvalidArgumentError */
export function signalOf(options: CounterCallOptions | undefined): AbortSignal | undefined {
  if (options === undefined) return undefined;
  checkOptions("a counter's call", options, ["signal"]);
  checkSignal(options.signal);
  return options.signal;
}
