import type { Runtime } from "../core/runtime.ts";
import { algorithmOf } from "./algorithms/algorithm-of.ts";
import type { Decision } from "./decision.ts";
import { applyCommand } from "./limiter-commands.ts";
import { decodeState, emptyState, encodeState, type LimiterState, type Rule } from "./limiter-state.ts";

/** Decides about one key by what this process alone has seen, with a share of the limits: for when the store is away. */
export class LocalLimiter {
  readonly #runtime: Runtime;
  readonly #rules: readonly Rule[];
  #share = 1;
  #own: readonly Rule[];
  #state: LimiterState;
  /** What the wall clock showed when this began: for calendars. From there on it is not looked at. */
  readonly #startedAtMs: number;

  constructor(runtime: Runtime, rules: readonly Rule[]) {
    this.#runtime = runtime;
    this.#rules = rules;
    this.#own = rules;
    this.#state = emptyState(rules);
    this.#startedAtMs = runtime.wallMs() - runtime.monotonicMs();
  }

  /** Takes from this process's share: `share` of each limit, one token at least. */
  take(cost: number, share: number): Decision {
    if (share !== this.#share) this.#resize(share);
    const nowMs = this.#startedAtMs + this.#runtime.monotonicMs();
    const time = { earliestMs: nowMs, latestMs: nowMs };
    const { state, answer } = applyCommand(this.#own, this.#state, { kind: "take", cost }, time);
    this.#state = state;
    return { ...answer.decision, source: "local", degraded: true };
  }

  /** What is used stays so, as where the policies of a live key change. */
  #resize(share: number): void {
    const bytes = encodeState(this.#own, this.#state);
    this.#own = this.#rules.map(({ policy }): Rule => {
      const part = (tokens: number): number => Math.max(1, Math.floor(tokens * share));
      const own = { ...policy, limit: part(policy.limit), burst: part(policy.burst) };
      return { policy: own, algorithm: algorithmOf(own) };
    });
    this.#state = decodeState(this.#own, "local", bytes);
    this.#share = share;
  }
}

/** The decision that is made without looking at anything. */
export function blindDecision(rules: readonly Rule[], cost: number, allowed: boolean): Decision {
  const policies = rules.map(({ policy }) => ({
    policy: policy.name,
    limit: policy.burst,
    remaining: 0,
    resetMs: policy.windowMs,
    windowMs: policy.windowMs,
  }));
  const { policy, limit } = policies[0] as (typeof policies)[number];
  const retryAfterMs = allowed ? 0 : blindRetryMs;
  return {
    ...{ allowed, policy, limit, remaining: 0, cost, resetMs: retryAfterMs, retryAfterMs },
    ...{ source: "local", degraded: true, policies },
  };
}

/** When to come again, after a denial because the store is away. */
const blindRetryMs = 1_000;
