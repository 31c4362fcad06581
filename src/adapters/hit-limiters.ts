import type { Coordinator } from "../coordinator.ts";
import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError, UnavailableError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import type { Decision } from "../limiters/decision.ts";
import { type Policy, tokensMax } from "../limiters/policy.ts";
import type { RateLimiter } from "../limiters/rate-limiter.ts";
import { limiterKey } from "./limiter-key.ts";

/** What every store for somebody else's rate limiting asks for. */
export interface HitStoreOptions {
  /** Whoever uses this name and the same store of the coordinator shares the limit. */
  readonly name: string;
  /**
   * How the limit and the window that the framework names are meant. Default: `fixed-window`, as the stores of the
   * frameworks have it; a `token-bucket` needs a limit that the store is told.
   */
  readonly algorithm?: "fixed-window" | "sliding-window" | "token-bucket";
  /** As for `coordinator.rateLimiter`, except for the default: `exact`, for other modes count hits only about. */
  readonly mode?: "auto" | "exact" | "leased";
  /**
   * What is answered while the store is away. Default: an error, with which the framework does what its own options say.
   */
  readonly onUnavailable?: "deny" | "allow" | "local";
  /** How long a decision waits for the store before it counts as away: 10 ms to 1 minute. Default 1 s. */
  readonly timeout?: Duration;
}

/** The names of {@link HitStoreOptions}. */
export const hitStoreOptions = ["name", "algorithm", "mode", "onUnavailable", "timeout"];

/** How one key stands, as frameworks count it. */
export interface Hits {
  readonly isAllowed: boolean;
  /** Hits of this window. One more than the limit where it was denied. */
  readonly count: number;
  /** Until more is allowed, if it was denied; else until nothing counts any more. */
  readonly resetMs: number;
  /** Whether the key is blocked. */
  readonly isBlocked: boolean;
  /** Whether it was decided without the store, as it was asked for. */
  readonly isDegraded: boolean;
}

/** How long a key is blocked. */
export interface BlockLength {
  readonly durationMs: number;
  /** Until nothing would count any more by itself. */
  readonly resetMs: number;
}

/** Limiters that are kept for reuse: one for each limit and window that a framework has named. */
const limitersMax = 1_000;

/** The longest window that a policy may have: what is longer is taken for it. */
const windowMaxMs = 366 * 86_400_000;

/** The limiters of one name, one for each limit and window. */
export class HitLimiters {
  readonly #coordinator: Coordinator;
  readonly #options: HitStoreOptions;
  readonly #limiters = new Map<string, RateLimiter>();

  /** @throws InvalidArgumentError for an illegal name or an unknown option. */
  constructor(what: string, coordinator: Coordinator, options: HitStoreOptions) {
    if (typeof (coordinator as Partial<Coordinator> | undefined)?.rateLimiter !== "function") {
      throw new InvalidArgumentError(`${what} needs a coordinator; got ${describe(coordinator)}`);
    }
    checkOptions(what, options, hitStoreOptions);
    checkName("name", options?.name);
    this.#coordinator = coordinator;
    this.#options = options;
    // What is wrong with the options is said now, and not to the first client.
    this.#limiterOf(1, 60_000);
  }

  get name(): string {
    return this.#options.name;
  }

  /** The same under another name. */
  child(name: string, algorithm = this.#options.algorithm): HitLimiters {
    const options = { ...this.#options, name, ...(algorithm === undefined ? {} : { algorithm }) };
    return new HitLimiters("a child of the store", this.#coordinator, options);
  }

  /** Counts one hit, unless it is denied. */
  async hit(key: unknown, limit: HitLimit, windowMs: number): Promise<Hits> {
    const limiter = this.of(limit, windowMs);
    const decision = await limiter.take(limiterKey(key));
    return this.#hits(decision, limit, windowMs);
  }

  /** How the key stands, without counting. */
  async look(key: unknown, limit: HitLimit, windowMs: number): Promise<Hits> {
    const decision = await this.of(limit, windowMs).peek(limiterKey(key));
    // Nothing left is not yet too much: nobody has asked.
    const isFine = decision.policy !== "block" && !decision.degraded;
    return this.#hits({ ...decision, allowed: decision.allowed || isFine }, limit, windowMs);
  }

  /** Gives one hit back, if one counts. */
  async giveBack(key: unknown, limit: HitLimit, windowMs: number): Promise<void> {
    this.checked(await this.of(limit, windowMs).reward(limiterKey(key), 1));
  }

  /** Forgets everything about a key. */
  async reset(key: unknown, limit: HitLimit, windowMs: number): Promise<void> {
    await this.of(limit, windowMs).reset(limiterKey(key));
  }

  /** Denies everything for this long. Afterwards nothing counts of before. */
  async block(key: unknown, limit: HitLimit, windowMs: number, how: BlockLength): Promise<void> {
    const limiter = this.of(limit, windowMs);
    await limiter.block(limiterKey(key), how.durationMs);
    // Only now, so that nobody is let in between the two.
    if (how.durationMs < how.resetMs) this.checked(await limiter.set(limiterKey(key), 0));
  }

  /** The limiter for this limit and window. */
  of(limit: HitLimit, windowMs: number): RateLimiter {
    return this.#limiterOf(policyLimit(limit, this.#options.algorithm), windowMs);
  }

  /** @throws UnavailableError where it was decided without the store, and that was not asked for. */
  checked(decision: Decision): Decision {
    if (!decision.degraded || this.#options.onUnavailable !== undefined) return decision;
    throw new UnavailableError(`the store of the rate limiter ${describe(this.name)} did not answer`);
  }

  #hits(told: Decision, limit: HitLimit, windowMs: number): Hits {
    const decision = this.checked(told);
    const { allowed, degraded, resetMs, retryAfterMs, remaining, limit: most } = decision;
    const about = { isBlocked: !allowed && decision.policy === "block", isDegraded: degraded };
    // Where everybody is let through, nobody has counted.
    const isBlind = degraded && this.#options.onUnavailable === "allow";
    const count = isBlind ? 1 : Math.max(0, most - remaining);
    const waitMs = (allowed ? undefined : retryAfterMs) ?? resetMs;
    // Where the time is not known to the millisecond, a window may seem longer than it is.
    const shownMs = about.isBlocked ? waitMs : Math.min(waitMs, windowMs);
    if (allowed) return { isAllowed: true, count, resetMs: shownMs, ...about };
    const denied = (limit === "unknown" ? tokensMax : Math.floor(limit)) + 1;
    return { isAllowed: false, count: denied, resetMs: shownMs, ...about };
  }

  #limiterOf(limit: number, windowMs: number): RateLimiter {
    const id = `${limit}/${windowMs}`;
    const known = this.#limiters.get(id);
    if (known !== undefined) return known;
    const { name, algorithm = "fixed-window", mode = "exact", onUnavailable = "deny" } = this.#options;
    const { timeout = "1s" } = this.#options;
    // Always the same name, so that what is used stays used when the limit changes.
    const policies: readonly Policy[] = [
      { name: "default", limit, per: Math.min(windowMaxMs, windowMs), algorithm },
    ];
    const limiter = this.#coordinator.rateLimiter(name, { policies, mode, onUnavailable, timeout });
    if (this.#limiters.size >= limitersMax) {
      const [oldest = ""] = this.#limiters.keys();
      this.#limiters.delete(oldest);
    }
    this.#limiters.set(id, limiter);
    return limiter;
  }
}

/** A limit as frameworks write it, or that the framework judges the count itself, and denied hits count too. */
export type HitLimit = number | "unknown";

/** Whether a policy can have this limit. What is no number, or less than one, is left to the framework. */
export function knownLimit(limit: unknown): HitLimit {
  return typeof limit === "number" && limit >= 1 ? limit : "unknown";
}

function policyLimit(limit: HitLimit, algorithm: HitStoreOptions["algorithm"]): number {
  if (limit !== "unknown") return Math.min(tokensMax, Math.floor(limit));
  if (algorithm !== "token-bucket") return tokensMax;
  throw new InvalidArgumentError(
    "a token-bucket needs a limit that is a number of at least 1, and denied hits that do not count: no function as " +
      "limit, no bans, nothing that takes hits back. Use the algorithm fixed-window or sliding-window instead",
  );
}
