import { calendarOf } from "../calendar.ts";
import type { ResolvedPolicy } from "../policy.ts";
import type { Algorithm, Bounds, Used } from "./algorithm.ts";

/** Far beyond every limit, and still a whole number. */
const countMax = 2 ** 52;

/**
 * The limit is had anew when the next minute, hour, day, week or month of a time zone begins. What is used is
 * `[endsAtMs, count, countInTheNext]`: a token that is taken while nobody can say on which side of the end that is
 * counts on both sides.
 */
export function calendarWindow(policy: ResolvedPolicy): Algorithm {
  const { limit } = policy;
  const calendar = calendarOf(policy.per ?? "day", policy.timeZone ?? "UTC");
  const endOf = (used: Used, now: Bounds): number => used[0] ?? calendar.windowAt(now.earliestMs).endsAtMs;
  return {
    width: 3,
    advance: (used, now) => {
      const [endsAtMs, , inNext = 0] = used;
      if (endsAtMs === undefined || now.earliestMs < endsAtMs) return used;
      const next = calendar.windowAt(endsAtMs);
      return inNext > 0 && now.earliestMs < next.endsAtMs ? [next.endsAtMs, inNext, 0] : [];
    },
    remaining: (used, now) => {
      const [, count = 0, inNext = 0] = used;
      return limit - (now.latestMs < endOf(used, now) ? count : Math.max(count, inNext));
    },
    charge: (used, tokens, now) => {
      const [, count = 0, inNext = 0] = used;
      const endsAtMs = endOf(used, now);
      const inBoth = Math.min(countMax, inNext + tokens);
      return [endsAtMs, Math.min(countMax, count + tokens), now.latestMs < endsAtMs ? inNext : inBoth];
    },
    giveBack: ([endsAtMs, count = 0, inNext = 0], tokens) =>
      endsAtMs === undefined
        ? []
        : [endsAtMs, Math.max(0, count - tokens), Math.min(inNext, Math.max(0, count - tokens))],
    waitMs: (used, tokens, now) => {
      if (tokens > limit) return null;
      const [, count = 0, inNext = 0] = used;
      const endsAtMs = endOf(used, now);
      const counted = now.latestMs < endsAtMs ? count : Math.max(count, inNext);
      return tokens <= limit - counted ? 0 : endsAtMs - now.earliestMs;
    },
    spendableUntilMs: (used, now) => endOf(used, now),
  };
}
