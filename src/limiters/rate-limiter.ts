import type { Duration } from "../core/durations.ts";
import type { Decision } from "./decision.ts";
import type { ResolvedPolicy } from "./policy.ts";

/** What a {@link RateLimiter.take} costs, and how it waits. */
export interface TakeOptions {
  /** What is taken: a whole number from 0 to 2^40. Default 1. 0 takes nothing, and is denied in debt and while blocked. */
  readonly cost?: number;
  /**
   * For how long to wait until it can be had: up to 366 days, or `Infinity`; default: not at all. The calls of one process
   * are served in their order; processes stand in no common line. Who would have to wait for longer is denied at once.
   */
  readonly wait?: Duration;
  /** Gives up waiting, with an `AbortedError`. Nothing was taken then. */
  readonly signal?: AbortSignal;
}

/** How a {@link RateLimiter.reserve} is made. */
export interface ReserveOptions extends TakeOptions {
  /**
   * For how long it is kept while it is neither settled nor cancelled; then it counts as used. From 100 ms to 366 days, on
   * the store's clock, rounded up by at most a quarter; it ends with a fixed or calendar window. Default 1 minute.
   */
  readonly ttl?: Duration;
}

/**
 * Tokens set apart for what is about to be done, by {@link RateLimiter.reserve}. They count as used until they are given
 * back. Disposed of without {@link Reservation.settle}, it is cancelled; where the store does not answer then, it counts as
 * used at the end of its TTL, as that of a process that died.
 */
export interface Reservation extends AsyncDisposable {
  /** Whether it was made. Where not, `settle` and `cancel` do nothing, nor where it was decided without the store. */
  readonly allowed: boolean;
  /** How the key stood then. */
  readonly decision: Decision;
  /** What was set apart. */
  readonly cost: number;
  /**
   * Says what it cost in truth: the rest goes back, what it cost more is charged, into debt if need be. After the
   * reservation's TTL nothing goes back. The first of `settle` and `cancel` counts. One write.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for what is no whole number from 0 to 2^40.
   * @throws UnavailableError (`UNAVAILABLE`) and the rest as {@link RateLimiter.penalty} does.
   */
  settle(cost: number): Promise<Decision>;
  /** Gives it back whole. As `settle(0)`. */
  cancel(): Promise<Decision>;
}

/**
 * Limits how often something is done, over all processes together: never more than its policies say, on the store's clock,
 * whatever processes die, however late an answer comes, and whatever the clocks of the clients show. What each algorithm
 * admits less is in `docs/rate-limits.md`.
 *
 * Keys are any Unicode of 1 to 1,024 bytes; each has the limits to itself. Every call rejects with an `InvalidArgumentError`
 * for a key or number out of range, with a `CorruptRecordError` or `UnsupportedError` for a record that this version cannot
 * read, and with a `ClosedError` after the coordinator was closed.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const limiter = coordinator.rateLimiter("api", { policies: [{ limit: 2, per: "1m" }] });
 * console.log((await limiter.take("user 7")).remaining); // 1
 * console.log((await limiter.take("user 7", { cost: 2 })).allowed); // false
 * console.log((await limiter.take("user 7")).remaining); // 0
 * ```
 */
export interface RateLimiter {
  readonly name: string;
  /** With their defaults, for `rateLimitHeaders` of `leasehold/http` for example. */
  readonly policies: readonly ResolvedPolicy[];
  /**
   * Takes from every policy, or from none. One write for all that come at once, none with tokens that are held here. A denial
   * writes nothing, and asks nobody where the key was looked at within the last second. While the store is away,
   * `onUnavailable` decides.
   *
   * @throws AbortedError (`ABORTED`) when the signal fires; nothing was taken.
   */
  take(key: string, options?: TakeOptions): Promise<Decision>;
  /**
   * What `take` would answer, without taking anything. One read.
   *
   * @throws UnavailableError (`UNAVAILABLE`) when the store does not answer within the limiter's `timeout`.
   */
  peek(key: string, options?: { readonly cost?: number }): Promise<Decision>;
  /**
   * Sets apart what something will cost at most, for costs that are known afterwards, as the tokens of a language model are.
   * One write, and one to settle. Waits, and decides while the store is away, as `take` does.
   *
   * @throws AbortedError (`ABORTED`) when the signal fires; nothing was set apart.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const tokens = coordinator.rateLimiter("model", { policies: [{ limit: 1_000, per: "1d" }] });
   * {
   *   await using reservation = await tokens.reserve("team-a", { cost: 400, ttl: "2m" });
   *   if (reservation.allowed) await reservation.settle(120); // what the call has cost
   * }
   * console.log((await tokens.peek("team-a")).remaining); // 880
   * ```
   */
  reserve(key: string, options?: ReserveOptions): Promise<Reservation>;
  /**
   * Charges more: `points` from 0 to 2^40, by default 1, into debt if need be. One write.
   *
   * @throws UnavailableError (`UNAVAILABLE`) when the store does not answer within the limiter's `timeout`; it may still be
   * applied.
   * @throws OutcomeUnknownError (`OUTCOME_UNKNOWN`) when it may have been applied.
   */
  penalty(key: string, points?: number): Promise<Decision>;
  /** Gives back, at most what is used. As {@link RateLimiter.penalty} in all else. */
  reward(key: string, points?: number): Promise<Decision>;
  /**
   * Denies everything for this long: 1 ms to 366 days. Tokens that another process holds in advance are spent all the same,
   * for 2.3 s at most. As {@link RateLimiter.penalty} in all else.
   */
  block(key: string, duration: Duration): Promise<void>;
  /**
   * As if the key had never been used, and not blocked. What other processes hold in advance or have reserved counts on.
   * Another process may deny the key for up to a second longer. As {@link RateLimiter.penalty} in all else.
   */
  reset(key: string): Promise<void>;
  /**
   * Says how much counts as used from now on, in every policy: from 0 to 2^40, beside what is held in advance or reserved.
   * As {@link RateLimiter.penalty} in all else.
   */
  set(key: string, used: number): Promise<Decision>;
}
