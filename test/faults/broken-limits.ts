import type { Limit } from "./workloads/limiting.ts";

/** One denial in so many becomes its opposite. */
const generousEvery = 8;
const takesUntilStuck = 15;

/** A limiter that cannot say no every time. */
export function generousLimiter(limiter: Limit): Limit {
  let denials = 0;
  return {
    ...limit(limiter),
    async take(key, options) {
      const decision = await limiter.take(key, options);
      if (decision.allowed) return decision;
      denials += 1;
      return { ...decision, allowed: denials % generousEvery === 0 };
    },
  };
}

/** A limiter that says no for ever after a while, as if somebody had all tokens and never gave them back. */
export function stuckLimiter(limiter: Limit): Limit {
  let takes = 0;
  return {
    ...limit(limiter),
    async take(key, options) {
      takes += 1;
      const decision = await limiter.take(key, options);
      return takes > takesUntilStuck ? { ...decision, allowed: false } : decision;
    },
    async reserve(key, options) {
      const reservation = await limiter.reserve(key, options);
      return takes > takesUntilStuck ? { ...reservation, allowed: false } : reservation;
    },
  };
}

function limit(limiter: Limit): Limit {
  return {
    name: limiter.name,
    take: (key, options) => limiter.take(key, options),
    reserve: (key, options) => limiter.reserve(key, options),
  };
}
