import type { Bounds, Used } from "./algorithms/algorithm.ts";
import type { Decision, PolicyStanding } from "./decision.ts";
import { type LimiterState, type Rule, tokensOut } from "./limiter-state.ts";

/** The decision about a cost. `state` is as of now, with the cost charged if it was allowed. */
export function decide(
  rules: readonly Rule[],
  state: LimiterState,
  cost: number,
  now: Bounds,
  allowed: boolean,
): Decision {
  const policies = rules.map((rule, index) => standing(rule, state.used[index] as Used, now));
  const common = { allowed, cost, source: "store", degraded: false, policies } as const;
  if (allowed) return { ...common, ...tightest(policies), retryAfterMs: 0 };
  const waits = rules.map((rule, index) => waitMs(rule, state, index, cost, now));
  const longest = waits.reduce<number | null>(longer, 0);
  const decisive = policies[waits.indexOf(longest)] as PolicyStanding;
  const { policy, limit, remaining, resetMs } = decisive;
  if (state.blockedUntilMs === 0) {
    return { ...common, policy, limit, remaining, resetMs, retryAfterMs: longest };
  }
  const blockMs = state.blockedUntilMs - now.earliestMs;
  const retryAfterMs = longest === null ? null : Math.max(longest, blockMs);
  return {
    ...common,
    policy: "block",
    limit,
    remaining: 0,
    resetMs: Math.max(resetMs, blockMs),
    retryAfterMs,
  };
}

function longer(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

function tightest(
  policies: readonly PolicyStanding[],
): Pick<Decision, "policy" | "limit" | "remaining" | "resetMs"> {
  let tight = policies[0] as PolicyStanding;
  for (const other of policies) if (other.remaining < tight.remaining) tight = other;
  const { policy, limit, remaining, resetMs } = tight;
  return { policy, limit, remaining, resetMs };
}

function standing({ policy, algorithm }: Rule, used: Used, now: Bounds): PolicyStanding {
  return {
    policy: policy.name,
    limit: policy.burst,
    remaining: Math.max(0, algorithm.remaining(used, now)),
    resetMs: algorithm.waitMs(used, policy.burst, now) ?? policy.windowMs,
    windowMs: policy.windowMs,
  };
}

/** Until this much could be taken. What is out comes back at the end of its lease at the latest. */
function waitMs(
  { policy, algorithm }: Rule,
  state: LimiterState,
  index: number,
  cost: number,
  now: Bounds,
): number | null {
  const ownMs = algorithm.waitMs(state.used[index] as Used, cost, now);
  if (ownMs === null || policy.algorithm !== "token-bucket") return ownMs;
  let out = tokensOut(state.leases);
  for (const [expiresAtMs, tokens] of state.leases) {
    if (cost <= policy.burst - out) return ownMs;
    out -= tokens;
    if (cost <= policy.burst - out) return Math.max(ownMs, expiresAtMs - now.earliestMs);
  }
  return ownMs;
}
