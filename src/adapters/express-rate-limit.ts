import type { Coordinator } from "../coordinator.ts";
import type { HitStoreOptions } from "./hit-limiters.ts";
import { type HitStore, LeaseholdStore } from "./hit-store.ts";

export type { HitStoreOptions } from "./hit-limiters.ts";
export type { ClientHits, HitMiddlewareOptions, HitStore } from "./hit-store.ts";

/**
 * A store for express-rate-limit: all processes that use the name share the middleware's `limit` in its `windowMs`, to
 * the exact request.
 *
 * A denied request writes nothing, and is told as one hit more than the limit. Where the store cannot know the limit (a
 * function) or must take hits back (`skipFailedRequests`, `skipSuccessfulRequests`), denied requests count as well. An
 * error of the store goes to the middleware: it answers 500, or lets the request through with `passOnStoreError`.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or an unknown option.
 * @example
 * ```ts
 * import express from "express";
 * import { rateLimit } from "express-rate-limit";
 * import { connect } from "leasehold";
 * import { expressRateLimitStore } from "leasehold/express-rate-limit";
 *
 * await using coordinator = await connect("memory:");
 * const app = express();
 * const store = expressRateLimitStore(coordinator, { name: "api" });
 * app.use(rateLimit({ windowMs: 60_000, limit: 100, standardHeaders: "draft-8", store }));
 * ```
 */
export function expressRateLimitStore(coordinator: Coordinator, options: HitStoreOptions): HitStore {
  return new LeaseholdStore("expressRateLimitStore", coordinator, options);
}
