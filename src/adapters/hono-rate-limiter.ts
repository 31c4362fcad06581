import type { Coordinator } from "../coordinator.ts";
import type { HitStoreOptions } from "./hit-limiters.ts";
import { type HitStore, LeaseholdStore } from "./hit-store.ts";

export type { HitStoreOptions } from "./hit-limiters.ts";
export type { ClientHits, HitMiddlewareOptions, HitStore } from "./hit-store.ts";

/**
 * A store for hono-rate-limiter: all processes that use the name share the middleware's `limit` in its `windowMs`, to the
 * exact request. `leasehold/hono` has a middleware of leasehold's own, with several policies and costs.
 *
 * A denied request writes nothing, and is told as one hit more than the limit. Where the store cannot know the limit (a
 * function) or must take hits back (`skipFailedRequests`, `skipSuccessfulRequests`), denied requests count as well. An
 * error of the store goes to the error handler of the app.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or an unknown option.
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { rateLimiter } from "hono-rate-limiter";
 * import { connect } from "leasehold";
 * import { honoRateLimiterStore } from "leasehold/hono-rate-limiter";
 *
 * await using coordinator = await connect("memory:");
 * const app = new Hono();
 * const store = honoRateLimiterStore(coordinator, { name: "api" });
 * app.use(rateLimiter({ windowMs: 60_000, limit: 1, keyGenerator: (c) => c.req.header("x-user") ?? "", store }));
 * app.get("/", (c) => c.text("hello"));
 * console.log((await app.request("/")).status, (await app.request("/")).status); // 200 429
 * ```
 */
export function honoRateLimiterStore(coordinator: Coordinator, options: HitStoreOptions): HitStore {
  return new LeaseholdStore("honoRateLimiterStore", coordinator, options);
}
