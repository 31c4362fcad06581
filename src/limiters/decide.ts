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
  if (allowed) return told(policies, tightest(policies), cost, true, 0);
  const waits = rules.map((rule, index) => waitMs(rule, state, index, cost, now));
  const longest = waits.reduce<number | null>(longer, 0);
  const decisive = policies[waits.indexOf(longest)] as PolicyStanding;
  if (state.blockedUntilMs === 0) return told(policies, decisive, cost, false, longest);
  const blockMs = state.blockedUntilMs - now.earliestMs;
  const blocked = {
    ...decisive,
    policy: "block",
    remaining: 0,
    resetMs: Math.max(decisive.resetMs, blockMs),
  };
  return told(policies, blocked, cost, false, longest === null ? null : Math.max(longest, blockMs));
}

function told(
  policies: readonly PolicyStanding[],
  { policy, limit, remaining, resetMs }: PolicyStanding,
  cost: number,
  allowed: boolean,
  retryAfterMs: number | null,
): Decision {
  const source = "store";
  return {
    allowed,
    policy,
    limit,
    remaining,
    cost,
    resetMs,
    retryAfterMs,
    source,
    degraded: false,
    policies,
  };
}

function longer(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

function tightest(policies: readonly PolicyStanding[]): PolicyStanding {
  let tight = policies[0] as PolicyStanding;
  for (const other of policies) if (other.remaining < tight.remaining) tight = other;
  return tight;
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
