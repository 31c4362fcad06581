/** How one policy stands after a decision. */
export interface PolicyStanding {
  readonly policy: string;
  /** The most that it admits at once or in one window. */
  readonly limit: number;
  /** What could be taken now. Never below 0. */
  readonly remaining: number;
  /** Milliseconds until nothing counts as used any more, if nothing else is taken. */
  readonly resetMs: number;
  /** Over how long the limit counts. */
  readonly windowMs: number;
}

/**
 * The answer of a rate limiter. A denial is a value, not an error.
 *
 * The members beside `policies` are those of the policy that decided: the one that denies, for longest, or else the
 * one with the least remaining.
 */
export interface Decision {
  readonly allowed: boolean;
  /** The name of the policy that decided; `block` while the key is blocked. */
  readonly policy: string;
  readonly limit: number;
  readonly remaining: number;
  /** What was charged if it was allowed, and would have been if not. */
  readonly cost: number;
  readonly resetMs: number;
  /** How long until the same could be allowed: 0 where it was; `null`: never, for it costs more than the limit. */
  readonly retryAfterMs: number | null;
  /**
   * Where it was decided: `store` by a write or read of the store, `lease` with tokens that this process holds,
   * `cache` by what was last seen in the store (denials only), `local` without the store.
   */
  readonly source: "store" | "lease" | "cache" | "local";
  /** Whether the store was away and `onUnavailable` decided. */
  readonly degraded: boolean;
  /** How every policy stands, in their order. */
  readonly policies: readonly PolicyStanding[];
}
