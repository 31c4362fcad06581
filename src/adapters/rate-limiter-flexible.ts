import type {
  RateLimiterCompatibleAbstract,
  RateLimiterRes,
  RateLimiterStoreAbstract,
} from "rate-limiter-flexible";
import type { Coordinator } from "../coordinator.ts";
import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError, MissingDependencyError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { type FlexibleRecord, FlexibleRecords } from "./flexible-records.ts";

/** Options of {@link flexibleRateLimiter}: those of rate-limiter-flexible. Durations are seconds. */
export interface FlexibleRateLimiterOptions {
  /** How many points in one duration. */
  readonly points: number;
  /** Seconds from the first point until all count anew; 0: never, which is 366 days here. */
  readonly duration: number;
  /** Before every key. Limiters with the same prefix share what is consumed. Default: `rlflx`. */
  readonly keyPrefix?: string;
  /** For how many seconds a key is blocked that consumed too much. Default: 0, not at all. */
  readonly blockDuration?: number;
  /** From how many consumed points on it is blocked, if that is more than `points`. Default: 0, at once. */
  readonly blockOnConsumed?: number;
  /** From how many consumed points on this process denies by itself. Default: 0, never. */
  readonly inMemoryBlockOnConsumed?: number;
  /** For how many seconds it does. Default: until the duration is over. */
  readonly inMemoryBlockDuration?: number;
  /** Delays what is allowed, so that it is spread over the duration. Default: false. */
  readonly execEvenly?: boolean;
  readonly execEvenlyMinDelayMs?: number;
  /** Asked instead when the store fails. */
  readonly insuranceLimiter?: RateLimiterStoreAbstract | RateLimiterCompatibleAbstract;
  /** What the keys of these limiters are called in the coordinator's store. Default: `rate-limiter-flexible`. */
  readonly name?: string;
  /** How long a decision waits for the store before it fails: 10 ms to 1 minute. Default 1 s. */
  readonly timeout?: Duration;
}

type Flexible = typeof import("rate-limiter-flexible");
type StoreOptions = ConstructorParameters<typeof RateLimiterStoreAbstract>[0];
type StoreClass = new (options: StoreOptions) => RateLimiterStoreAbstract;

const known = [
  ...["points", "duration", "keyPrefix", "blockDuration", "blockOnConsumed", "inMemoryBlockOnConsumed"],
  ...["inMemoryBlockDuration", "execEvenly", "execEvenlyMinDelayMs", "insuranceLimiter", "name", "timeout"],
];

/**
 * A limiter of rate-limiter-flexible whose store is the coordinator's: `consume`, `get`, `set`, `block`, `delete`,
 * `penalty`, `reward` and `getKey`, also within `BurstyRateLimiter`, `RateLimiterUnion`, `RateLimiterQueue` and as an
 * insurance limiter. Loads rate-limiter-flexible.
 *
 * What is denied rejects with a `RateLimiterRes`, and consumes nothing and writes nothing, unless it has to be counted
 * (`blockOnConsumed` or `inMemoryBlockOnConsumed` above `points`). Points are whole numbers; what was consumed never
 * goes below 0.
 *
 * @throws MissingDependencyError (`MISSING_DEPENDENCY`) when rate-limiter-flexible is not installed.
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an unknown option, and what rate-limiter-flexible throws.
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * import { flexibleRateLimiter } from "leasehold/rate-limiter-flexible";
 *
 * await using coordinator = await connect("memory:");
 * const limiter = await flexibleRateLimiter(coordinator, { points: 2, duration: 60 });
 * console.log((await limiter.consume("user 7", 2)).remainingPoints); // 0
 * const denied = await limiter.consume("user 7").catch((reason) => reason);
 * console.log(denied.consumedPoints, denied.msBeforeNext <= 60_000); // 3 true
 * ```
 */
export async function flexibleRateLimiter(
  coordinator: Coordinator,
  options: FlexibleRateLimiterOptions,
): Promise<RateLimiterStoreAbstract> {
  checkOptions("flexibleRateLimiter", options, known);
  if (typeof (coordinator as Partial<Coordinator> | undefined)?.rateLimiter !== "function") {
    throw new InvalidArgumentError(`flexibleRateLimiter needs a coordinator; got ${describe(coordinator)}`);
  }
  const { name = "rate-limiter-flexible", timeout = "1s", ...rest } = options;
  const RateLimiterLeasehold = storeClass(await loadFlexible());
  return new RateLimiterLeasehold({ ...rest, storeClient: new FlexibleRecords(coordinator, name, timeout) });
}

async function loadFlexible(): Promise<Flexible> {
  try {
    return await import("rate-limiter-flexible");
  } catch (error) {
    throw new MissingDependencyError(
      "leasehold/rate-limiter-flexible needs the package rate-limiter-flexible, which could not be loaded. " +
        "Install it: npm install rate-limiter-flexible",
      { cause: error },
    );
  }
}

function storeClass({ RateLimiterRedis, RateLimiterRes: Result }: Flexible): StoreClass {
  // The package says that it exports the base class of its stores, and does not.
  const Base = Object.getPrototypeOf(RateLimiterRedis) as StoreClass;
  class RateLimiterLeasehold extends Base {
    readonly #records: FlexibleRecords;

    constructor(options: StoreOptions) {
      super(options);
      this.#records = options.storeClient;
    }

    _upsert(key: string, points: unknown, durationMs: number, isForced: boolean): Promise<FlexibleRecord> {
      return isForced
        ? this.#records.put(this, key, points, durationMs)
        : this.#records.add(this, key, points, durationMs);
    }

    async _penalty(
      key: string,
      points = 1,
      options: { customDuration?: number } = {},
    ): Promise<RateLimiterRes> {
      const { customDuration = this.duration } = options;
      const id = this.getKey(key);
      return this._getRateLimiterRes(
        id,
        points,
        await this.#records.charge(this, id, points, customDuration * 1_000),
      );
    }

    _get(key: string): Promise<FlexibleRecord | null> {
      return this.#records.get(this, key);
    }

    _delete(key: string): Promise<boolean> {
      return this.#records.delete(this, key);
    }

    _getRateLimiterRes(_key: string, changedPoints: number, record: FlexibleRecord): RateLimiterRes {
      const { consumed, msBeforeNext } = record;
      const remaining = Math.max(0, this.points - consumed);
      return new Result(remaining, msBeforeNext, consumed, consumed === Number(changedPoints));
    }
  }
  return RateLimiterLeasehold;
}
