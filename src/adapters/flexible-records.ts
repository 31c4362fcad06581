import type { Coordinator } from "../coordinator.ts";
import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError, UnavailableError } from "../core/errors.ts";
import type { Decision, PolicyStanding } from "../limiters/decision.ts";
import { type Policy, tokensMax } from "../limiters/policy.ts";
import type { RateLimiter } from "../limiters/rate-limiter.ts";
import { limiterKey } from "./limiter-key.ts";

/** What rate-limiter-flexible counts for a key. */
export interface FlexibleRecord {
  readonly consumed: number;
  /** Until nothing counts any more; -1: never. */
  readonly msBeforeNext: number;
}

/** The settings of a limiter, which may change at any time. */
export interface FlexibleSettings {
  readonly points: number;
  /** Seconds. */
  readonly duration: number;
  readonly blockOnConsumed?: number;
  readonly inMemoryBlockOnConsumed?: number;
}

/** As long as a policy may be; stands for what never ends. */
const foreverMs = 366 * 86_400_000;
/** A block that lasts longer than this was meant to last for ever. */
const endlessMs = foreverMs / 2;
/** Limiters that are kept for reuse: one for each number of points and duration. */
const limitersMax = 1_000;

/**
 * What a store of rate-limiter-flexible does, over rate limiters. Each has two policies: the one that denies, and one that
 * never does, which tells how much was consumed even where that is more than there is.
 */
export class FlexibleRecords {
  readonly #coordinator: Coordinator;
  readonly #name: string;
  readonly #timeout: Duration;
  readonly #limiters = new Map<string, RateLimiter>();

  constructor(coordinator: Coordinator, name: string, timeout: Duration) {
    this.#coordinator = coordinator;
    this.#name = name;
    this.#timeout = timeout;
    // What is wrong with them is said now.
    this.#limiterOf(1, 60_000);
  }

  /** Consumes, or with a negative number gives back. What is denied is consumed only where it has to be counted. */
  async add(
    settings: FlexibleSettings,
    key: string,
    points: unknown,
    durationMs: number,
  ): Promise<FlexibleRecord> {
    const cost = parsePoints(points);
    const limiter = this.#limiterFor(settings, durationMs);
    const id = limiterKey(key);
    if (cost < 0) return this.#counted(await limiter.reward(id, -cost), durationMs);
    const decision = this.#checked(await limiter.take(id, { cost }));
    if (decision.allowed) return this.#counted(decision, durationMs);
    // More than one could come to by this: so that what is blocked already is not blocked again.
    if (isBlocked(decision)) return blockedRecord(decision, blockedPoints(settings) + cost);
    if (mustCount(settings)) return this.#counted(await limiter.penalty(id, cost), durationMs);
    const { consumed, msBeforeNext } = this.#counted(decision, durationMs);
    return { consumed: consumed + cost, msBeforeNext: msBeforeNext === 0 ? durationMs : msBeforeNext };
  }

  /** Consumes, whether there is enough or not. */
  async charge(
    settings: FlexibleSettings,
    key: string,
    points: unknown,
    durationMs: number,
  ): Promise<FlexibleRecord> {
    const cost = parsePoints(points);
    if (cost < 0) return this.add(settings, key, points, durationMs);
    const decision = await this.#limiterFor(settings, durationMs).penalty(limiterKey(key), cost);
    return this.#counted(decision, durationMs);
  }

  /** Says how much is consumed from now on, and for how long if that is too much. */
  async put(
    settings: FlexibleSettings,
    key: string,
    points: unknown,
    durationMs: number,
  ): Promise<FlexibleRecord> {
    const consumed = Math.max(0, parsePoints(points));
    const ownMs = windowOf(settings.duration * 1_000);
    const putMs = windowOf(durationMs);
    const limiter = this.#limiterFor(settings, settings.duration * 1_000);
    const id = limiterKey(key);
    if (consumed > settings.points && putMs !== ownMs) {
      await limiter.block(id, putMs);
      // Only now, so that nobody is let in between the two; and nothing counts when the block is over.
      await limiter.set(id, putMs >= ownMs ? consumed : 0);
    } else {
      if (isBlocked(await limiter.peek(id))) await limiter.reset(id);
      await limiter.set(id, consumed);
    }
    return { consumed, msBeforeNext: durationMs > 0 ? durationMs : -1 };
  }

  /** What is consumed; `null` where nothing counts. */
  async get(settings: FlexibleSettings, key: string): Promise<FlexibleRecord | null> {
    const durationMs = settings.duration * 1_000;
    const decision = await this.#limiterFor(settings, durationMs).peek(limiterKey(key));
    if (isBlocked(decision)) return blockedRecord(decision, blockedPoints(settings));
    const record = this.#counted(decision, durationMs);
    return record.consumed === 0 ? null : record;
  }

  /** Forgets a key. Answers whether anything counted. */
  async delete(settings: FlexibleSettings, key: string): Promise<boolean> {
    if ((await this.get(settings, key)) === null) return false;
    await this.#limiterFor(settings, settings.duration * 1_000).reset(limiterKey(key));
    return true;
  }

  #counted(decision: Decision, durationMs: number): FlexibleRecord {
    const { consumed, standing } = consumedOf(decision);
    if (standing === undefined || durationMs === 0) return { consumed, msBeforeNext: -1 };
    // Where the time is not known to the millisecond, a window may seem longer than it is.
    return { consumed, msBeforeNext: Math.min(standing.resetMs, standing.windowMs) };
  }

  /** rate-limiter-flexible has an insurance limiter for this case, and wants to hear of it. */
  #checked(decision: Decision): Decision {
    if (!decision.degraded) return decision;
    throw new UnavailableError(`the store of the rate limiter ${describe(this.#name)} did not answer`);
  }

  #limiterFor({ points }: FlexibleSettings, durationMs: number): RateLimiter {
    return this.#limiterOf(Math.floor(points), windowOf(durationMs));
  }

  #limiterOf(points: number, windowMs: number): RateLimiter {
    const id = `${points}/${windowMs}`;
    const known = this.#limiters.get(id);
    if (known !== undefined) return known;
    const policy = (name: string, limit: number): Policy => ({
      ...{ name, limit, per: windowMs, algorithm: "fixed-window" },
    });
    const counting = policy("consumed", tokensMax);
    const limits = points >= 1 && points < tokensMax;
    const policies = limits ? [policy("points", points), counting] : [counting];
    const limiter = this.#coordinator.rateLimiter(this.#name, {
      ...{ policies, mode: "exact", timeout: this.#timeout },
    });
    if (this.#limiters.size >= limitersMax) {
      const [oldest = ""] = this.#limiters.keys();
      this.#limiters.delete(oldest);
    }
    this.#limiters.set(id, limiter);
    return limiter;
  }
}

/** Whole numbers, also as text. */
function parsePoints(points: unknown): number {
  const number = typeof points === "string" && /^[1-9]\d*$/.test(points) ? Number(points) : points;
  if (Number.isSafeInteger(number)) return number as number;
  throw new InvalidArgumentError(`points must be a whole number; got ${describe(points)}`);
}

/** Whether something happens at a number of consumed points that is only reached by counting what was denied. */
function mustCount({ points, blockOnConsumed = 0, inMemoryBlockOnConsumed = 0 }: FlexibleSettings): boolean {
  return blockOnConsumed > points || inMemoryBlockOnConsumed > points;
}

/** What counts as consumed at least while a key is blocked. */
function blockedPoints({ points, blockOnConsumed = 0 }: FlexibleSettings): number {
  return Math.max(Math.floor(points) + 1, blockOnConsumed);
}

function windowOf(durationMs: number): number {
  return durationMs > 0 ? durationMs : foreverMs;
}

function isBlocked({ allowed, policy }: Decision): boolean {
  return !allowed && policy === "block";
}

function blockedRecord(decision: Decision, atLeast: number): FlexibleRecord {
  const { consumed } = consumedOf(decision);
  const waitMs = decision.retryAfterMs ?? decision.resetMs;
  return { consumed: Math.max(consumed, atLeast), msBeforeNext: waitMs > endlessMs ? -1 : waitMs };
}

/** What the policy that never denies has counted. */
function consumedOf({ policies }: Decision): {
  readonly consumed: number;
  readonly standing: PolicyStanding | undefined;
} {
  const standing = policies.at(-1);
  return { consumed: standing === undefined ? 0 : standing.limit - standing.remaining, standing };
}
