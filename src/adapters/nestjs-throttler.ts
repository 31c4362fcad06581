import type { Coordinator } from "../coordinator.ts";
import { HitLimiters, type HitStoreOptions, knownLimit } from "./hit-limiters.ts";

export type { HitStoreOptions } from "./hit-limiters.ts";

/** What a storage answers the guard. Times are whole seconds. */
export interface ThrottlerHits {
  /** Hits in the window. Where the hit was denied: one more than the limit. */
  readonly totalHits: number;
  readonly timeToExpire: number;
  readonly isBlocked: boolean;
  readonly timeToBlockExpire: number;
}

/** A storage of @nestjs/throttler. */
export interface ThrottlerHitStorage {
  /**
   * Counts one hit, unless it is denied.
   *
   * @throws UnavailableError (`UNAVAILABLE`) and what else a rate limiter throws; the guard then lets nobody through.
   */
  increment(
    key: string,
    ttlMs: number,
    limit: number,
    blockDurationMs: number,
    throttlerName: string,
  ): Promise<ThrottlerHits>;
}

/**
 * The `storage` of @nestjs/throttler: all processes that use the name share each throttler's `limit` in its `ttl`, to the
 * exact request. Keeps no timers, and nothing in memory for a client.
 *
 * The first denied request blocks its key for `blockDuration`, which is the `ttl` unless it is set; what is denied while
 * the block lasts, or with a `blockDuration` of 0, writes nothing.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or an unknown option.
 * @example
 * ```ts
 * import { type ThrottlerModuleOptions } from "@nestjs/throttler";
 * import { connect } from "leasehold";
 * import { throttlerStorage } from "leasehold/nestjs-throttler";
 *
 * await using coordinator = await connect("memory:");
 * const storage = throttlerStorage(coordinator, { name: "api" });
 * // For ThrottlerModule.forRoot(options).
 * const options: ThrottlerModuleOptions = { throttlers: [{ limit: 10, ttl: 60_000 }], storage };
 * console.log((await storage.increment("key", 60_000, 10, 0, "default")).totalHits); // 1
 * ```
 */
export function throttlerStorage(coordinator: Coordinator, options: HitStoreOptions): ThrottlerHitStorage {
  const limiters = new HitLimiters("throttlerStorage", coordinator, options);
  return {
    async increment(key, ttlMs, limit, blockDurationMs) {
      const hitLimit = knownLimit(limit);
      const hits = await limiters.hit(key, hitLimit, ttlMs);
      const timeToExpire = seconds(hits.resetMs);
      // Where the limit is less than one, the storage only counts, and nobody is let through.
      const isAllowed = hits.isAllowed && hits.count <= limit;
      if (isAllowed) return { totalHits: hits.count, timeToExpire, isBlocked: false, timeToBlockExpire: 0 };
      const denied = { totalHits: hits.count, timeToExpire, isBlocked: true };
      const isSettled = hits.isBlocked || hits.isDegraded || !(blockDurationMs > 0);
      if (isSettled) return { ...denied, timeToBlockExpire: timeToExpire };
      const { resetMs } = hits;
      await limiters.block(key, hitLimit, ttlMs, { durationMs: blockDurationMs, resetMs });
      return { ...denied, timeToBlockExpire: seconds(blockDurationMs) };
    },
  };
}

const seconds = (ms: number): number => Math.ceil(ms / 1_000);
