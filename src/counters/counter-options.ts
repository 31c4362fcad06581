import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import type { Bounds } from "./counter-command.ts";
import type { Integers } from "./integers.ts";

/** Options of `coordinator.counter`, and but for `shards` of `coordinator.bigintCounter`. */
export interface CounterOptions<N extends number | bigint = number> {
  /** An add that would lead below it is refused with `OUT_OF_BOUNDS`. Default: none. */
  readonly min?: N;
  /** An add that would lead above it is refused with `OUT_OF_BOUNDS`. Default: none. */
  readonly max?: N;
  /**
   * How long the counter lives from its first change after it was absent, over or reset: afterwards it is 0, until the
   * next change. From 1 ms; default: for ever. Everybody who uses the counter must say one, or nobody.
   */
  readonly ttl?: Duration;
  /**
   * Spreads the counter over so many records, 1 to 64, for one that takes more writes than a single record can. Each
   * process adds to one of them, so `add` answers the sum of that one record, and `get` the sum of all. More may be
   * used later, never fewer. Not with `min`, `max` or `ttl`. Default: 1.
   */
  readonly shards?: number;
}

/** Options of `coordinator.bigintCounter`. */
export type BigintCounterOptions = Omit<CounterOptions<bigint>, "shards">;

/** Most records of one counter: all can be read in one request everywhere. */
export const shardsMax = 64;

/** What the options of a counter come to. */
export interface ParsedCounterOptions<N> {
  readonly bounds: Bounds<N>;
  readonly ttlMs: number | undefined;
}

/** @throws InvalidArgumentError, LimitExceededError */
export function parseCounterOptions<N extends number | bigint>(
  what: string,
  name: string,
  integers: Integers<N>,
  options: CounterOptions<N>,
  known: readonly string[] = [],
): ParsedCounterOptions<N> {
  checkName("a counter's name", name);
  checkOptions(what, options, ["min", "max", "ttl", ...known]);
  const min = options.min === undefined ? undefined : integers.check("min", options.min);
  const max = options.max === undefined ? undefined : integers.check("max", options.max);
  if (min !== undefined && max !== undefined && min > max) {
    throw new InvalidArgumentError(`min must not be above max; got min ${min} and max ${max}`);
  }
  const ttlMs = options.ttl === undefined ? undefined : parseDuration("ttl", options.ttl, { minMs: 1 });
  return { bounds: { min, max }, ttlMs };
}

/** @throws InvalidArgumentError for a number of records that cannot be, or goes with nothing else. */
export function parseShards({ shards = 1, min, max, ttl }: CounterOptions): number {
  if (!Number.isSafeInteger(shards) || shards < 1 || shards > shardsMax) {
    throw new InvalidArgumentError(
      `shards must be a whole number from 1 to ${shardsMax}; got ${describe(shards)}`,
    );
  }
  const other = Object.entries({ min, max, ttl }).find(([, value]) => value !== undefined)?.[0];
  if (shards > 1 && other !== undefined) {
    throw new InvalidArgumentError(
      `a counter in ${shards} shards cannot have ${other === "ttl" ? "a ttl" : `a ${other}`}: no single write sees all ` +
        "of it. Use one shard, or a rate limiter for a limit that many processes share",
    );
  }
  return shards;
}
