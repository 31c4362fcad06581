import type { Coordinator } from "../coordinator.ts";
import { type HitLimit, HitLimiters, type HitStoreOptions, type Hits, knownLimit } from "./hit-limiters.ts";
import { limiterKey } from "./limiter-key.ts";

export type { HitStoreOptions } from "./hit-limiters.ts";

/** What a store answers the plugin. */
export interface FastifyHits {
  /** Hits in the window. Where the hit was denied: more than the limit. */
  readonly current: number;
  /** Milliseconds until the window is over. */
  readonly ttl: number;
}

/** Called once, with an error or an answer. */
export type FastifyHitsCallback = (error: Error | null, hits?: FastifyHits) => void;

/** What the plugin tells a store, as far as it matters: the options of the plugin, or of a route. */
export interface FastifyStoreSettings {
  readonly max?: unknown;
  readonly timeWindow?: unknown;
  readonly ban?: number;
  readonly continueExceeding?: boolean;
  readonly exponentialBackoff?: boolean;
  readonly groupId?: string;
  readonly routeInfo?: { readonly method?: string | readonly string[]; readonly url?: string };
}

/** A store of @fastify/rate-limit. */
export interface FastifyRateLimitStore {
  /** Counts one hit, unless it is denied. */
  incr(key: string, callback: FastifyHitsCallback, timeWindow: number, max: number): void;
  /** How a client stands, without counting. */
  read(key: string, callback: FastifyHitsCallback, timeWindow: number, max: number): void;
  /** The store of a route, or of the group that its `groupId` names. */
  child(routeOptions: object): FastifyRateLimitStore;
}

/** What @fastify/rate-limit takes as `store`. */
export type FastifyRateLimitStoreConstructor = new (options: object) => FastifyRateLimitStore;

/** For how long hits beyond the limit are remembered, where each makes the next wait longer. */
const excessWindowMs = 366 * 86_400_000;
/** The longest that a client waits after many of them. */
const backoffMaxMs = 365 * 86_400_000;

/**
 * The `store` of @fastify/rate-limit: all processes that use the name share `max` in `timeWindow`, to the exact request.
 * A route with limits of its own has a count of its own, as has each `groupId`.
 *
 * A denied request writes nothing, unless it has to be remembered: with `ban`, `continueExceeding`, `exponentialBackoff`,
 * or a function as `max`. An error of the store is the plugin's: it answers 500, or goes on with `skipOnError`.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or an unknown option.
 * @example
 * ```ts
 * import rateLimit from "@fastify/rate-limit";
 * import fastify from "fastify";
 * import { connect } from "leasehold";
 * import { fastifyRateLimitStore } from "leasehold/fastify-rate-limit";
 *
 * await using coordinator = await connect("memory:");
 * const app = fastify();
 * const store = fastifyRateLimitStore(coordinator, { name: "api" });
 * await app.register(rateLimit, { max: 1, timeWindow: "1 minute", store });
 * app.get("/", async () => "hello");
 * console.log((await app.inject("/")).statusCode, (await app.inject("/")).statusCode); // 200 429
 * await app.close();
 * ```
 */
export function fastifyRateLimitStore(
  coordinator: Coordinator,
  options: HitStoreOptions,
): FastifyRateLimitStoreConstructor {
  const limiters = new HitLimiters("fastifyRateLimitStore", coordinator, options);
  return class extends LeaseholdStore {
    constructor(settings: object) {
      super(limiters, settings);
    }
  };
}

class LeaseholdStore implements FastifyRateLimitStore {
  readonly #limiters: HitLimiters;
  readonly #settings: FastifyStoreSettings;
  /** Counts what goes beyond the limit, where that matters for longer than one window. */
  readonly #excess: HitLimiters | undefined;

  constructor(limiters: HitLimiters, settings: FastifyStoreSettings) {
    this.#limiters = limiters;
    this.#settings = settings;
    const { ban = -1, continueExceeding = false, exponentialBackoff = false } = settings;
    const isRemembered = exponentialBackoff || (ban > 0 && continueExceeding);
    this.#excess = isRemembered ? limiters.child(`${limiters.name} excess`, "fixed-window") : undefined;
  }

  incr(key: string, callback: FastifyHitsCallback, timeWindow: number, max: number): void {
    this.#hit(key, timeWindow, max).then((hits) => callback(null, hits), callback);
  }

  read(key: string, callback: FastifyHitsCallback, timeWindow: number, max: number): void {
    this.#look(key, timeWindow, max).then((hits) => callback(null, hits), callback);
  }

  child(routeOptions: object): FastifyRateLimitStore {
    const settings: FastifyStoreSettings = routeOptions;
    const name = limiterKey(`${this.#limiters.name} ${routeName(settings)}`);
    return new LeaseholdStore(this.#limiters.child(name), settings);
  }

  async #hit(key: string, timeWindow: number, max: number): Promise<FastifyHits> {
    const limit = this.#limit(max);
    const hits = await this.#limiters.hit(key, limit, timeWindow);
    if (!hits.isAllowed || hits.count > max) return this.#exceeded(key, timeWindow, max, hits);
    if (hits.count === 1 && !hits.isDegraded) await this.#excess?.reset(key, "unknown", excessWindowMs);
    return { current: hits.count, ttl: hits.resetMs };
  }

  async #exceeded(key: string, timeWindow: number, max: number, hits: Hits): Promise<FastifyHits> {
    const { continueExceeding = false, exponentialBackoff = false } = this.#settings;
    // Without the store nothing is remembered.
    if (hits.isDegraded) return { current: Math.floor(max) + 1, ttl: hits.resetMs };
    const excess = await this.#excess?.hit(key, "unknown", excessWindowMs);
    const beyond = excess?.count ?? (hits.isAllowed ? hits.count - max : 1);
    const current = Math.floor(max) + beyond;
    if (!continueExceeding && !exponentialBackoff) return { current, ttl: hits.resetMs };
    const factor = continueExceeding ? 1 : 2 ** (beyond - 1);
    const durationMs = Math.min(backoffMaxMs, timeWindow * factor);
    await this.#limiters.block(key, this.#limit(max), timeWindow, { durationMs, resetMs: hits.resetMs });
    return { current, ttl: durationMs };
  }

  async #look(key: string, timeWindow: number, max: number): Promise<FastifyHits> {
    const { count, resetMs } = await this.#limiters.look(key, this.#limit(max), timeWindow);
    return { current: count, ttl: resetMs };
  }

  /** Denied hits count too where the plugin wants to know how many there were, or the limit is another each time. */
  #limit(max: number): HitLimit {
    const { ban = -1, max: setting } = this.#settings;
    const mustCount = typeof setting === "function" || (ban > 0 && this.#excess === undefined);
    return mustCount ? "unknown" : knownLimit(max);
  }
}

function routeName({ groupId, routeInfo, max, timeWindow }: FastifyStoreSettings): string {
  if (groupId !== undefined) return `group ${groupId}`;
  const { method, url } = routeInfo ?? {};
  if (url !== undefined) return `${String(method)} ${url}`;
  // A limiter that belongs to no route is known by its limit.
  const part = (value: unknown): string => (typeof value === "number" ? String(value) : "?");
  return `${part(max)}/${part(timeWindow)}`;
}
