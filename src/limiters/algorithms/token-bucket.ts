import type { ResolvedPolicy } from "../policy.ts";
import type { Algorithm, Bounds, Used } from "./algorithm.ts";

const debtMax = 2 ** 52;

/** What a token is in the bucket's own unit, of which `rate` come back in a millisecond. */
export function tokenUnits(policy: Pick<ResolvedPolicy, "limit" | "windowMs">): {
  readonly unit: number;
  readonly rate: number;
} {
  const divisor = greatestCommonDivisor(policy.limit, policy.windowMs);
  return { unit: policy.windowMs / divisor, rate: policy.limit / divisor };
}

/**
 * A token bucket: `limit` tokens come back evenly in each window, and at most `burst` are there at once; the same as the
 * generic cell rate algorithm (ITU-T I.371), in whole numbers. What is used is `[level, creditedUntilMs]`.
 *
 * In any stretch of T milliseconds at most `burst + T * limit / window` tokens are had, on the store's clock. For that
 * the level together with what the uncertain part of now may have brought never passes what the bucket holds.
 */
export function tokenBucket(policy: ResolvedPolicy): Algorithm {
  const { unit, rate } = tokenUnits(policy);
  const full = policy.burst * unit;
  const levelOf = (used: Used): number => used[0] ?? full;
  const advance = (used: Used, now: Bounds, leased: number): Used => {
    const [level, creditedUntilMs] = used;
    if (level === undefined || creditedUntilMs === undefined) return used;
    const top = full - leased * unit;
    const credited = Math.min(top, level + Math.max(0, now.earliestMs - creditedUntilMs) * rate);
    if (credited === full) return [];
    const untilMs = Math.max(
      ...[creditedUntilMs, now.earliestMs, now.latestMs - Math.floor((top - credited) / rate)],
    );
    return credited === level && untilMs === creditedUntilMs ? used : [credited, untilMs];
  };
  return {
    width: 2,
    advance,
    remaining: (used) => Math.floor(levelOf(used) / unit),
    charge: (used, tokens, now) => [
      Math.max(-debtMax, levelOf(used) - tokens * unit),
      used[1] ?? now.latestMs,
    ],
    giveBack: (used, tokens) => {
      const [level, creditedUntilMs] = used;
      if (level === undefined || creditedUntilMs === undefined) return used;
      return [Math.min(full, level + tokens * unit), creditedUntilMs];
    },
    waitMs: (used, tokens, now) => {
      if (tokens > policy.burst) return null;
      const missing = tokens * unit - levelOf(used);
      if (missing <= 0) return 0;
      return Math.ceil(missing / rate) + Math.max(0, (used[1] ?? 0) - now.earliestMs);
    },
    spendableUntilMs: () => Number.POSITIVE_INFINITY,
  };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
