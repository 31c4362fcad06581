import type { ResolvedPolicy } from "../policy.ts";
import type { Algorithm } from "./algorithm.ts";

/**
 * The limit is had anew once the window has passed since the first token of the one before. What is used is
 * `[startedByMs, count]`. Two windows may meet, so up to twice the limit may be had in less than one of them.
 */
export function fixedWindow(policy: ResolvedPolicy): Algorithm {
  const { limit, windowMs } = policy;
  return {
    width: 2,
    advance: (used, now) => (used.length > 0 && now.earliestMs >= (used[0] ?? 0) + windowMs ? [] : used),
    remaining: (used) => limit - (used[1] ?? 0),
    charge: (used, tokens, now) => [
      used[0] ?? now.latestMs,
      Math.min(Number.MAX_SAFE_INTEGER, (used[1] ?? 0) + tokens),
    ],
    giveBack: ([startedByMs, count], tokens) =>
      startedByMs === undefined ? [] : [startedByMs, Math.max(0, (count ?? 0) - tokens)],
    waitMs: (used, tokens, now) => {
      if (tokens > limit) return null;
      if (tokens <= limit - (used[1] ?? 0)) return 0;
      return Math.max(0, (used[0] ?? 0) + windowMs - now.earliestMs);
    },
    spendableUntilMs: (used, now) => (used[0] ?? now.latestMs) + windowMs,
  };
}
