import type { Duration } from "../core/durations.ts";
import type { Decision } from "./decision.ts";
import type { ResolvedPolicy } from "./policy.ts";

/** How a {@link RateLimiter.take} waits and what it costs. */
export interface TakeOptions {
  /** What is taken: a whole number from 0 to 2^40. Default 1. */
  readonly cost?: number;
  /** For how long to wait until it can be had, in the order of the calls of this process. Default: not at all. */
  readonly wait?: Duration;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** How a {@link RateLimiter.reserve} is made. */
export interface ReserveOptions extends TakeOptions {
  /** For how long it is kept while it is neither settled nor cancelled; then it counts as used. Default 1 minute. */
  readonly ttl?: Duration;
}

/** Tokens set apart for what is about to be done. Disposed of without {@link Reservation.settle}, it is cancelled. */
export interface Reservation extends AsyncDisposable {
  /** Whether it was made. */
  readonly allowed: boolean;
  readonly decision: Decision;
  /** What was set apart. */
  readonly cost: number;
  /**
   * Says what it cost in truth: the rest goes back, what it cost more is charged, into debt if need be. After the
   * reservation's TTL nothing goes back. The first of `settle` and `cancel` counts.
   */
  settle(cost: number): Promise<Decision>;
  /** Gives it back whole. */
  cancel(): Promise<Decision>;
}

/** Limits how often something is done, over all processes together. Keys are any Unicode of 1 to 1,024 bytes. */
export interface RateLimiter {
  readonly name: string;
  readonly policies: readonly ResolvedPolicy[];
  /** Takes from every policy, or from none. */
  take(key: string, options?: TakeOptions): Promise<Decision>;
  /** What `take` would answer, without taking anything. */
  peek(key: string, options?: { readonly cost?: number }): Promise<Decision>;
  /** Sets apart what something will cost at most, for costs that are known afterwards. */
  reserve(key: string, options?: ReserveOptions): Promise<Reservation>;
  /** Charges more, into debt if need be. */
  penalty(key: string, points?: number): Promise<Decision>;
  /** Gives back, at most what is used. */
  reward(key: string, points?: number): Promise<Decision>;
  /** Denies everything for this long. */
  block(key: string, duration: Duration): Promise<void>;
  /** As if the key had never been used, and not blocked. */
  reset(key: string): Promise<void>;
  /** Says how much counts as used from now on, in every policy. */
  set(key: string, used: number): Promise<Decision>;
}
