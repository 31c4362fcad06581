import type { Coordinator } from "../coordinator.ts";
import { systemRuntime } from "../core/runtime.ts";
import { type HitLimit, HitLimiters, type HitStoreOptions, type Hits, knownLimit } from "./hit-limiters.ts";

/** How one client stands. */
export interface ClientHits {
  /** Hits in its window. Where the hit was denied: one more than the limit, if the store knows it. */
  readonly totalHits: number;
  /** When it may come again, if it was denied; else when nothing counts any more. By the clock of this machine. */
  readonly resetTime: Date;
}

/** What a store is told of its middleware, as far as it matters. */
export interface HitMiddlewareOptions {
  readonly windowMs: number;
  /** A number, or a function of which the store learns nothing. */
  readonly limit: unknown;
  readonly skipFailedRequests?: boolean;
  readonly skipSuccessfulRequests?: boolean;
}

/** A store of hits, in the form that express-rate-limit gave it and hono-rate-limiter took over. */
export interface HitStore {
  readonly localKeys: false;
  /** The store's name, by which double counting is found. */
  readonly prefix: string;
  /** Called by the middleware, once. */
  init(options: HitMiddlewareOptions): void;
  /** @throws UnavailableError (`UNAVAILABLE`) and what else a rate limiter throws. */
  increment(key: string): Promise<ClientHits>;
  /** Gives one hit back. A hit that was denied was not counted, unless the options say that hits are taken back. */
  decrement(key: string): Promise<void>;
  /** How a client stands; `undefined` where nothing counts. */
  get(key: string): Promise<ClientHits | undefined>;
  /** Forgets what a client has used. */
  resetKey(key: string): Promise<void>;
}

const notYet = { limit: "unknown", windowMs: 60_000 } as const;

/** The {@link HitStore} over a coordinator. The middleware logs the name of the class, and tells stores apart by it. */
export class LeaseholdStore implements HitStore {
  readonly localKeys = false;
  readonly prefix: string;
  readonly #limiters: HitLimiters;
  #limit: HitLimit = notYet.limit;
  #windowMs: number = notYet.windowMs;

  constructor(what: string, coordinator: Coordinator, options: HitStoreOptions) {
    this.#limiters = new HitLimiters(what, coordinator, options);
    this.prefix = `${options.name}:`;
  }

  init(options: HitMiddlewareOptions): void {
    const { windowMs, limit, skipFailedRequests = false, skipSuccessfulRequests = false } = options;
    // Such a middleware takes hits back, denied ones too: so those must have been counted.
    this.#limit = skipFailedRequests || skipSuccessfulRequests ? "unknown" : knownLimit(limit);
    this.#windowMs = windowMs;
    // Throws now what the first client would be told else.
    this.#limiters.of(this.#limit, windowMs);
  }

  async increment(key: string): Promise<ClientHits> {
    const hits = await this.#limiters.hit(key, this.#limit, this.#windowMs);
    return clientHits({ ...hits, count: Math.max(1, hits.count) });
  }

  async decrement(key: string): Promise<void> {
    await this.#limiters.giveBack(key, this.#limit, this.#windowMs);
  }

  async get(key: string): Promise<ClientHits | undefined> {
    const hits = await this.#limiters.look(key, this.#limit, this.#windowMs);
    return hits.count === 0 ? undefined : clientHits(hits);
  }

  async resetKey(key: string): Promise<void> {
    await this.#limiters.reset(key, this.#limit, this.#windowMs);
  }
}

function clientHits({ count, resetMs }: Hits): ClientHits {
  return { totalHits: count, resetTime: new Date(systemRuntime.wallMs() + resetMs) };
}
