/** How one policy stands after a decision. Tokens and milliseconds are whole numbers. */
export interface PolicyStanding {
  /** Its name. */
  readonly policy: string;
  /** The most that it admits at once or in one window: the `burst` of a token bucket, else the limit. */
  readonly limit: number;
  /** What could be taken now. Never below 0. With tokens that are held here: by what was last seen in the store. */
  readonly remaining: number;
  /** Milliseconds until nothing counts as used any more, if nothing else is taken. */
  readonly resetMs: number;
  /** Over how long the limit counts. */
  readonly windowMs: number;
}

/**
 * The answer of a rate limiter. A denial is a value, not an error; it took nothing.
 *
 * The members beside `policies` are those of the policy that decided: the one that denies, for longest, or else the
 * one with the least remaining. Times are never too short, and longer by what the store's clock is not known to the
 * millisecond.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const limiter = coordinator.rateLimiter("mails", { policies: [{ limit: 1, per: "10m" }] });
 * await limiter.take("bob");
 * const { allowed, policy, retryAfterMs } = await limiter.take("bob");
 * console.log(allowed, policy, Math.round(Number(retryAfterMs) / 60_000)); // false 1/10m 10
 * console.log((await limiter.take("bob", { cost: 2 })).retryAfterMs); // null
 * ```
 */
export interface Decision {
  /** Whether it was taken; of a `peek`, whether it could be. */
  readonly allowed: boolean;
  /** The name of the policy that decided; `block` while the key is blocked. */
  readonly policy: string;
  /** As in {@link PolicyStanding}. */
  readonly limit: number;
  /** As in {@link PolicyStanding}; 0 while the key is blocked. */
  readonly remaining: number;
  /** What was charged if it was allowed, and would have been if not. */
  readonly cost: number;
  /** As in {@link PolicyStanding}. */
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
