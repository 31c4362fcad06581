// Goal: real Hono applications with hono-rate-limiter share one limit over HTTP, to the exact request, and the store does
// what the middleware expects of a store.
import { once } from "node:events";
import type { Server } from "node:http";
import { serve as serveHono } from "@hono/node-server";
import { Hono } from "hono";
import { type HonoConfigProps, type RateLimitInfo, rateLimiter, type Store } from "hono-rate-limiter";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HitStoreOptions, honoRateLimiterStore } from "../../src/adapters/hono-rate-limiter.ts";
import { oneByOne, type SharedStore, sharedStore, storm, urlOf } from "./limited-service.ts";

let shared: SharedStore;
const servers: Server[] = [];

beforeEach(() => {
  shared = sharedStore();
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await shared[Symbol.asyncDispose]();
});

async function serve(
  instance: 0 | 1,
  config: Partial<HonoConfigProps> = {},
  options: Partial<HitStoreOptions> = {},
): Promise<string> {
  const app = new Hono<{ Variables: { rateLimit: RateLimitInfo } }>();
  const store: Store = honoRateLimiterStore(shared.coordinators[instance], { name: "api", ...options });
  const keyGenerator = (): string => "user 7";
  app.use(rateLimiter({ windowMs: 60_000, limit: 25, keyGenerator, ...config, store }));
  app.get("/", (c) => c.json(c.get("rateLimit"), Number(c.req.query("status") ?? 200) as 200));
  app.get("/broken", () => {
    throw new Error("no paper");
  });
  app.onError((_error, c) => c.text("broken", 500));
  const server = serveHono({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }) as Server;
  servers.push(server);
  if (!server.listening) await once(server, "listening");
  return urlOf(server);
}

describe("two instances of a service", () => {
  test("let through exactly the limit, however many ask at once, and again after the window", async () => {
    const urls = [await serve(0), await serve(1)];
    expect(await storm(urls, 150)).toEqual({ 200: 25, 429: 125 });
    shared.pass(61_000);
    expect(await storm(urls, 60)).toEqual({ 200: 25, 429: 35 });
  });

  test("let through exactly what a function says", async () => {
    const urls = [await serve(0, { limit: () => 7 }), await serve(1, { limit: () => 7 })];
    expect(await storm(urls, 40)).toEqual({ 200: 7, 429: 33 });
  });
});

describe("the middleware", () => {
  test.each(["draft-6", "draft-7"] as const)("writes the fields of %s", async (standardHeaders) => {
    const url = await serve(0, { limit: 2, standardHeaders });
    const [first, , denied] = [await fetch(url), await fetch(url), await fetch(url)];
    expect(await first.json()).toMatchObject({ limit: 2, used: 1, remaining: 1 });
    expect(first.headers.get("RateLimit-Policy")).toBe("2;w=60");
    const field = standardHeaders === "draft-7" ? "RateLimit" : "RateLimit-Remaining";
    const expected = standardHeaders === "draft-7" ? "limit=2, remaining=1, reset=60" : "1";
    expect(first.headers.get(field)).toBe(expected);
    expect(denied.status).toBe(429);
    expect(denied.headers.get("Retry-After")).toMatch(/^6[01]$/);
  });

  test("writes nothing to the store for a denied request", async () => {
    const url = await serve(0, { limit: 1 });
    await oneByOne(url, 2);
    shared.backend.resetCounts();
    expect(await oneByOne(url, 10)).toEqual(Array.from({ length: 10 }, () => 429));
    expect(shared.backend.counts.writes).toBe(0);
  });

  test("takes failed requests back, and nothing for denied ones that was never taken", async () => {
    const url = await serve(0, { limit: 2, skipFailedRequests: true });
    expect(await oneByOne(`${url}/?status=500`, 5)).toEqual([500, 500, 500, 500, 500]);
    expect(await oneByOne(`${url}/broken`, 5)).toEqual([500, 500, 500, 500, 500]);
    expect(await oneByOne(url, 10)).toEqual([200, 200, ...Array.from({ length: 8 }, () => 429)]);
  });

  test("takes successful requests back", async () => {
    const url = await serve(0, { limit: 2, skipSuccessfulRequests: true });
    expect(await oneByOne(url, 5)).toEqual([200, 200, 200, 200, 200]);
    expect(await oneByOne(`${url}/?status=404`, 4)).toEqual([404, 404, 429, 429]);
  });

  test("answers an error while the store is away, or what the store is told to", async () => {
    const strict = await serve(0);
    const open = await serve(1, { limit: 1 }, { onUnavailable: "allow" });
    shared.setAway(true);
    expect(await oneByOne(strict, 1)).toEqual([500]);
    expect(await oneByOne(open, 3)).toEqual([200, 200, 200]);
  });

  test.each(["", "x".repeat(5_000), "\ud800"])("limits a key whatever it is", async (key) => {
    expect(await oneByOne(await serve(0, { limit: 1, keyGenerator: () => key }), 2)).toEqual([200, 429]);
  });

  test("is not made with a window that cannot be, nor with options that cannot", async () => {
    await expect(serve(0, { windowMs: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(serve(0, {}, { name: "" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const options = { algorithm: "token-bucket" } as const;
    await expect(serve(0, { limit: () => 1 }, options)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("the store that handlers find in the context", () => {
  test("tells how a client stands, and forgets it", async () => {
    const app = new Hono();
    const store = honoRateLimiterStore(shared.coordinators[0], { name: "api" });
    const config = { windowMs: 60_000, limit: 1, keyGenerator: () => "a" };
    app.use(rateLimiter({ ...config, store }));
    app.get("/", async (c) => {
      const { getKey, resetKey } = c.get("rateLimitStore" as never) as {
        getKey: (key: string) => Promise<{ totalHits: number } | undefined>;
        resetKey: (key: string) => Promise<void>;
      };
      const before = await getKey("a");
      await resetKey("a");
      return c.json([before?.totalHits, (await getKey("a"))?.totalHits ?? null]);
    });
    for (let index = 0; index < 3; index += 1) {
      const response = await app.request("/");
      expect([response.status, await response.json()]).toEqual([200, [1, null]]);
    }
  });
});
