import type { Context, Env, MiddlewareHandler } from "hono";
import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { Decision } from "../limiters/decision.ts";
import type { RateLimiter } from "../limiters/rate-limiter.ts";
import { limiterKey } from "./limiter-key.ts";
import { type RateLimitHeadersOptions, rateLimitHeaders, rateLimitResponse } from "./rate-limit-headers.ts";

/** What the middleware leaves in the context: `c.get("rateLimit")`. */
export interface RateLimitVariables {
  readonly rateLimit: Decision;
}

/** Options of {@link rateLimit}. */
export interface RateLimitOptions<E extends Env = Env> {
  /** Who is limited: a user, a key of an API, an address. */
  readonly key: (c: Context<E>) => string | Promise<string>;
  /** What a request costs. Default: 1. */
  readonly cost?: number | ((c: Context<E>) => number | Promise<number>);
  /** Which requests are not limited at all. Default: none. */
  readonly skip?: (c: Context<E>) => boolean | Promise<boolean>;
  /** For how long a request waits for its turn before it is denied. Default: not at all. */
  readonly wait?: Duration;
  /** The answer to a request that is denied. Default: problem+json. The header fields are added to it. */
  readonly onDenied?: (c: Context<E>, decision: Decision) => Response | Promise<Response>;
  /** Shown to the client as `pk`: see `rateLimitHeaders`. Default: none. */
  readonly partitionKey?: (c: Context<E>) => string | Uint8Array;
  /** What the limits count, shown as `qu`. Default: `requests`. */
  readonly unit?: RateLimitHeadersOptions["unit"];
}

const known = ["key", "cost", "skip", "wait", "onDenied", "partitionKey", "unit"];

/**
 * Limits the requests of a Hono app, over all processes together. Every answer carries the header fields of
 * `rateLimitHeaders`; a denied request is answered with 429 and problem+json (503 where the limiter denies because its
 * store is away), writes nothing, and does not reach the handler.
 *
 * A limiter of several policies takes from all or from none. Errors of the limiter go to the app's error handler: keys
 * that are empty or too long are not among them.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for what is not a limiter, or an illegal option.
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { connect } from "leasehold";
 * import { rateLimit } from "leasehold/hono";
 *
 * await using coordinator = await connect("memory:");
 * const limiter = coordinator.rateLimiter("api", { policies: [{ limit: 1, per: "1m", algorithm: "fixed-window" }] });
 * const app = new Hono();
 * app.use(rateLimit(limiter, { key: (c) => c.req.header("x-user") ?? "" }));
 * app.get("/", (c) => c.text("hello"));
 * await app.request("/");
 * const denied = await app.request("/");
 * console.log(denied.status, denied.headers.get("RateLimit")); // 429 "1/1m";r=0;t=60
 * ```
 */
export function rateLimit<E extends Env = Env>(
  limiter: RateLimiter,
  options: RateLimitOptions<E>,
): MiddlewareHandler<E & { Variables: RateLimitVariables }> {
  if (typeof (limiter as Partial<RateLimiter> | undefined)?.take !== "function") {
    throw new InvalidArgumentError(
      `rateLimit needs a limiter, as coordinator.rateLimiter(...); got ${describe(limiter)}`,
    );
  }
  checkOptions("rateLimit", options, known);
  if (typeof options?.key !== "function") {
    throw new InvalidArgumentError(
      `key must be a function that says who is limited; got ${describe(options?.key)}`,
    );
  }
  const { key, cost = 1, skip, wait, onDenied, partitionKey, unit } = options;
  return async (c, next) => {
    const context = c as unknown as Context<E>;
    if ((await skip?.(context)) === true) return next();
    const decision = await limiter.take(limiterKey(await key(context)), {
      cost: typeof cost === "function" ? await cost(context) : cost,
      ...(wait === undefined ? {} : { wait, signal: c.req.raw.signal }),
    });
    c.set("rateLimit", decision);
    const fields: RateLimitHeadersOptions = {
      policies: limiter.policies,
      ...(partitionKey === undefined ? {} : { partitionKey: partitionKey(context) }),
      ...(unit === undefined ? {} : { unit }),
    };
    if (!decision.allowed) {
      if (onDenied === undefined) return rateLimitResponse(decision, fields);
      c.res = await onDenied(context, decision);
    } else {
      await next();
    }
    for (const [name, value] of Object.entries(rateLimitHeaders(decision, fields))) {
      // Lists, to which a limiter behind this one may have written.
      c.header(name, value, { append: name !== "Retry-After" });
    }
    return undefined;
  };
}
