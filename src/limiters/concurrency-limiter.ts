import { type Duration, describe } from "../core/durations.ts";
import { AcquireTimeoutError, InvalidArgumentError } from "../core/errors.ts";
import { checkName, encodeName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { type AcquireOptions, createAcquirer } from "../roster/acquirer.ts";
import type { Grant } from "../roster/grant.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";
import type { TakeOptions } from "./rate-limiter.ts";

/** Options of {@link Coordinator.concurrencyLimiter}. */
export interface ConcurrencyLimiterOptions {
  /** How many may be at work for one key at a time: 1 to 1,000,000. The same for all who use a key. */
  readonly limit: number;
  /** How long a place outlives a process that died, from 100 ms to 1 day. Default: the coordinator's. */
  readonly ttl?: Duration;
}

/** The answer of a concurrency limiter. A denial is a value, not an error. Disposed of, it gives its place back. */
export interface ConcurrencyDecision extends AsyncDisposable {
  /** Whether it has a place. */
  readonly allowed: boolean;
  readonly limit: number;
  /** How many places it has, or would have had. */
  readonly cost: number;
  /** What stands behind it: its `signal` says that the place is lost. `null` where it was denied. */
  readonly grant: Grant | null;
  /** Gives the place back. Idempotent; does nothing after a denial. */
  release(): Promise<void>;
}

/**
 * Limits how many are at work at a time, over all processes together: the permits of a semaphore for each key. What dies
 * gives its place back after the TTL. The limit holds for places; work overlaps with the next one if it goes on after its
 * lease was lost, which the `signal` of the `grant` tells.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const exports = coordinator.concurrencyLimiter("exports", { limit: 1 });
 * {
 *   await using first = await exports.take("acme");
 *   console.log(first.allowed, (await exports.take("acme")).allowed); // true false
 * }
 * console.log((await exports.take("acme")).allowed); // true
 * ```
 */
export interface ConcurrencyLimiter {
  readonly name: string;
  readonly limit: number;
  /**
   * Takes a place, or `cost` of them; waits for it for at most `wait`, first come first served across processes. Two writes
   * with the release; a denial is one read. Keys are any Unicode of 1 to 1,024 bytes.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for a cost that is no whole number from 1 to the limit.
   * @throws LimitMismatchError (`LIMIT_MISMATCH`) when the key is limited to another number.
   * @throws AbortedError (`ABORTED`) when the signal fires.
   * @throws UnavailableError (`UNAVAILABLE`) and the rest as `Semaphore.acquire` does.
   */
  take(key: string, options?: TakeOptions): Promise<ConcurrencyDecision>;
}

/** The most places of one key. */
const placesMax = 1_000_000;

/** Makes a {@link ConcurrencyLimiter}: the places of a key are the permits of a semaphore. @throws InvalidArgumentError */
export function createConcurrencyLimiter(
  host: RosterHost,
  name: string,
  options: ConcurrencyLimiterOptions,
): ConcurrencyLimiter {
  checkName("the name of a concurrency limiter", name);
  checkOptions("concurrencyLimiter", options, ["limit", "ttl"]);
  const limit = checkPlaces("the limit of a concurrency limiter", options?.limit, placesMax);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  const acquire = async (key: string, weight: number, how: AcquireOptions): Promise<Grant | null> => {
    const acquirer = createAcquirer<AcquireOptions>(host, {
      ...{ kind: "semaphore", name: `${encodeName(name)}/${key}`, isShared: true, ttlMs },
      share: () => ({ weight, capacity: limit }),
    });
    try {
      return await acquirer.acquire(how);
    } catch (error) {
      if (error instanceof AcquireTimeoutError) return null;
      throw error;
    }
  };
  return {
    name,
    limit,
    async take(key, how = {}) {
      checkOptions("take", how, ["cost", "wait", "signal"]);
      checkName("the key of a concurrency limit", key);
      const { cost = 1, wait = 0, signal } = how;
      const weight = checkPlaces("cost", cost, limit);
      return decisionOf(
        await acquire(key, weight, { wait, ...(signal !== undefined && { signal }) }),
        limit,
        cost,
      );
    },
  };
}

function checkPlaces(what: string, value: unknown, max: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max)
    return value as number;
  throw new InvalidArgumentError(`${what} must be a whole number from 1 to ${max}; got ${describe(value)}`);
}

function decisionOf(grant: Grant | null, limit: number, cost: number): ConcurrencyDecision {
  const release = async (): Promise<void> => {
    await grant?.release();
  };
  return { allowed: grant !== null, limit, cost, grant, release, [Symbol.asyncDispose]: release };
}
