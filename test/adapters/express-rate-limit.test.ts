// Goal: real Express applications with express-rate-limit share one limit, to the exact request, and the store does what
// the middleware expects of a store.
import { once } from "node:events";
import type { Server } from "node:http";
import express from "express";
import { type Options, rateLimit, type Store } from "express-rate-limit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { expressRateLimitStore, type HitStoreOptions } from "../../src/adapters/express-rate-limit.ts";
import type { Coordinator } from "../../src/index.ts";
import { oneByOne, type SharedStore, sharedStore, storm, urlOf } from "./limited-service.ts";

let shared: SharedStore;
const servers: Server[] = [];
const logged: unknown[] = [];

beforeEach(() => {
  shared = sharedStore();
  logged.length = 0;
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await shared[Symbol.asyncDispose]();
});

const logger = {
  error: (error: unknown) => logged.push(error),
  warn: (error: unknown) => logged.push(error),
};

/** Starts a server that answers 200, or what `?status=` says. Answers its address. */
async function serve(
  coordinator: Coordinator,
  options: Partial<Options>,
  storeOptions: Partial<HitStoreOptions> = {},
): Promise<string> {
  const app = express();
  const store = expressRateLimitStore(coordinator, { name: "api", ...storeOptions });
  app.use(rateLimit({ windowMs: 60_000, limit: 25, logger, ...options, store }));
  app.get("/", (request, response) => {
    response.status(Number(request.query.status ?? 200)).send("hello");
  });
  app.use((_error: unknown, _request: unknown, response: express.Response, _next: express.NextFunction) => {
    response.status(500).end();
  });
  const server = app.listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return urlOf(server);
}

describe("two instances of a service", () => {
  test("let through exactly the limit, however many ask at once, and again after the window", async () => {
    const urls = await Promise.all(shared.coordinators.map((coordinator) => serve(coordinator, {})));
    expect(await storm(urls, 150)).toEqual({ 200: 25, 429: 125 });
    shared.pass(59_900);
    expect(await storm(urls, 10)).toEqual({ 429: 10 });
    shared.pass(200);
    expect(await storm(urls, 60)).toEqual({ 200: 25, 429: 35 });
    expect(logged).toEqual([]);
  });

  test("share nothing under two names", async () => {
    const [first, second] = shared.coordinators;
    const one = await serve(first, { limit: 2 });
    const other = await serve(second, { limit: 2 }, { name: "other" });
    expect(await oneByOne(one, 3)).toEqual([200, 200, 429]);
    expect(await oneByOne(other, 3)).toEqual([200, 200, 429]);
  });

  test("let through exactly what a function says", async () => {
    const limit = (): number => 7;
    const urls = await Promise.all(shared.coordinators.map((coordinator) => serve(coordinator, { limit })));
    expect(await storm(urls, 40)).toEqual({ 200: 7, 429: 33 });
    shared.pass(61_000);
    expect(await oneByOne(urls[0] as string, 1)).toEqual([200]);
  });
});

describe("the header fields", () => {
  test("of the draft tell what remains, and when to come again", async () => {
    const url = await serve(shared.coordinators[0], { limit: 2, standardHeaders: "draft-8" });
    const [first, , denied] = [await fetch(url), await fetch(url), await fetch(url)];
    expect(first.headers.get("RateLimit")).toBe('"2-in-1min"; r=1; t=60');
    expect(first.headers.get("RateLimit-Policy")).toMatch(/^"2-in-1min"; q=2; w=60; pk=:/);
    expect(denied.status).toBe(429);
    // Rounded up, and by what the time of the store is not known.
    expect(denied.headers.get("RateLimit")).toMatch(/^"2-in-1min"; r=0; t=6[01]$/);
    expect(denied.headers.get("Retry-After")).toMatch(/^6[01]$/);
    expect(denied.headers.get("X-RateLimit-Remaining")).toBe("0");
    expect(logged).toEqual([]);
  });
});

describe("a denied request", () => {
  test("writes nothing", async () => {
    const url = await serve(shared.coordinators[0], { limit: 1 });
    await oneByOne(url, 2);
    shared.backend.resetCounts();
    expect(await oneByOne(url, 20)).toEqual(Array.from({ length: 20 }, () => 429));
    expect(shared.backend.counts.writes).toBe(0);
  });
});

describe("hits that do not count", () => {
  test("where failed requests are skipped, denied ones give back nothing that was never taken", async () => {
    const options = { limit: 3, skipFailedRequests: true };
    const url = await serve(shared.coordinators[0], options);
    expect(await oneByOne(`${url}/?status=500`, 10)).toEqual(Array.from({ length: 10 }, () => 500));
    expect(await oneByOne(url, 3)).toEqual([200, 200, 200]);
    // Each 429 is a failed request too, and is taken back.
    expect(await oneByOne(url, 12)).toEqual(Array.from({ length: 12 }, () => 429));
  });

  test("where successful requests are skipped, only the others count", async () => {
    const url = await serve(shared.coordinators[0], { limit: 2, skipSuccessfulRequests: true });
    expect(await oneByOne(url, 6)).toEqual(Array.from({ length: 6 }, () => 200));
    expect(await oneByOne(`${url}/?status=404`, 4)).toEqual([404, 404, 429, 429]);
  });
});

describe("while the store is away", () => {
  test("the middleware answers an error, or lets everybody through", async () => {
    const [first, second] = shared.coordinators;
    const strict = await serve(first, { limit: 1 });
    const open = await serve(second, { limit: 1, passOnStoreError: true });
    shared.setAway(true);
    expect(await oneByOne(strict, 2)).toEqual([500, 500]);
    expect(await oneByOne(open, 3)).toEqual([200, 200, 200]);
    expect(logged).toMatchObject([{ code: "UNAVAILABLE" }, { code: "UNAVAILABLE" }, { code: "UNAVAILABLE" }]);
    shared.setAway(false);
    shared.pass(1_001);
    expect(await oneByOne(strict, 2)).toEqual([200, 429]);
  });

  test.each([
    ["deny", [429, 429, 429]],
    ["allow", [200, 200, 200]],
    ["local", [200, 200, 429]],
  ] as const)("the store itself decides where it is told to %s", async (onUnavailable, expected) => {
    const url = await serve(shared.coordinators[0], { limit: 2 }, { onUnavailable });
    shared.setAway(true);
    expect(await oneByOne(url, 3)).toEqual(expected);
  });

  test("a limit that is a function lets everybody through where that is wanted", async () => {
    const url = await serve(shared.coordinators[0], { limit: () => 2 }, { onUnavailable: "allow" });
    shared.setAway(true);
    expect(await oneByOne(url, 3)).toEqual([200, 200, 200]);
  });
});

describe("bad input", () => {
  const key = (keyOf: () => unknown): Partial<Options> => ({ keyGenerator: keyOf as () => string, limit: 1 });

  test.each([
    ["empty", ""],
    ["too long", "x".repeat(5_000)],
    ["of half a character", "\ud800"],
    ["missing", undefined],
    ["a number", 7],
    ["of other characters", "größe/#*.>\u0000"],
  ])("a key that is %s is limited as any other", async (_what, value) => {
    const url = await serve(shared.coordinators[0], { ...key(() => value), passOnStoreError: true });
    expect(await oneByOne(url, 2)).toEqual([200, 429]);
    expect(logged).toEqual([]);
  });

  test("a limit of 0 lets nobody through, one of more than can be counted everybody, a broken one rounds down", async () => {
    const validate = { limit: false };
    expect(await oneByOne(await serve(shared.coordinators[0], { limit: 0, validate }), 2)).toEqual([
      429, 429,
    ]);
    const huge = await serve(shared.coordinators[0], { limit: Number.POSITIVE_INFINITY }, { name: "huge" });
    expect(await oneByOne(huge, 3)).toEqual([200, 200, 200]);
    const broken = await serve(shared.coordinators[0], { limit: 1.5 }, { name: "broken" });
    expect(await oneByOne(broken, 2)).toEqual([200, 429]);
  });

  test("a window that cannot be is said at the start and to every request", async () => {
    const url = await serve(shared.coordinators[0], { windowMs: -1, validate: { windowMs: false } });
    expect(logged).toMatchObject([{ code: "INVALID_ARGUMENT" }]);
    expect(await oneByOne(url, 1)).toEqual([500]);
  });

  test("a token bucket wants to know its limit", async () => {
    const options: Partial<HitStoreOptions> = { algorithm: "token-bucket" };
    const url = await serve(shared.coordinators[0], { limit: () => 5 }, options);
    expect(logged).toMatchObject([{ code: "INVALID_ARGUMENT" }]);
    expect(await oneByOne(url, 1)).toEqual([500]);
  });

  test("options that cannot be are refused", () => {
    const [coordinator] = shared.coordinators;
    const make = (...values: unknown[]) =>
      expect(() => expressRateLimitStore(...(values as [Coordinator, HitStoreOptions])));
    make(coordinator, {}).toThrow("name must be");
    make(coordinator).toThrow("name must be");
    make(coordinator, { name: "x", prefix: "y" }).toThrow('has no option "prefix"');
    make(coordinator, { name: "x", mode: "fast" }).toThrow("mode must be one of");
    make(coordinator, { name: "x", timeout: "soon" }).toThrow("timeout must be a duration");
    make({}, { name: "x" }).toThrow("needs a coordinator");
  });
});

describe("as a store", () => {
  // The cases that express-rate-limit and rate-limit-redis test their own stores with.
  function makeStore(windowMs = 60_000, limit: unknown = 5, name = "store"): Store {
    const store: Store = expressRateLimitStore(shared.coordinators[0], { name });
    store.init?.({ windowMs, limit } as Options);
    return store;
  }

  test("it counts the hits of each key, and tells when they are forgotten", async () => {
    const store = makeStore();
    expect(await store.increment("a")).toMatchObject({ totalHits: 1 });
    expect(await store.increment("a")).toMatchObject({ totalHits: 2 });
    const { totalHits, resetTime } = await store.increment("b");
    expect(totalHits).toBe(1);
    const inMs = (resetTime?.getTime() ?? 0) - Date.now();
    expect(inMs).toBeGreaterThan(59_000);
    expect(inMs).toBeLessThanOrEqual(60_000);
  });

  test("it moves the end of the window with no hit, and begins a new one after it", async () => {
    const store = makeStore();
    await store.increment("a");
    shared.pass(40_000);
    const { totalHits, resetTime } = await store.increment("a");
    expect(totalHits).toBe(2);
    expect((resetTime?.getTime() ?? 0) - Date.now()).toBeLessThanOrEqual(20_100);
    shared.pass(20_100);
    expect(await store.increment("a")).toMatchObject({ totalHits: 1 });
  });

  test("it gives hits back, and never more than there were", async () => {
    const store = makeStore();
    await store.increment("a");
    await store.increment("a");
    await store.decrement("a");
    expect(await store.increment("a")).toMatchObject({ totalHits: 2 });
    await store.decrement("b");
    await store.decrement("b");
    expect(await store.increment("b")).toMatchObject({ totalHits: 1 });
    shared.pass(61_000);
    await store.decrement("a");
    expect(await store.increment("a")).toMatchObject({ totalHits: 1 });
  });

  test("it forgets one key, for all instances", async () => {
    const store = makeStore(60_000, 1);
    await store.increment("a");
    await store.increment("b");
    await store.resetKey("a");
    expect(await store.increment("a")).toMatchObject({ totalHits: 1 });
    expect(await store.increment("b")).toMatchObject({ totalHits: 2 });
  });

  test("it tells how a key stands without counting", async () => {
    const store = makeStore();
    expect(await store.get?.("a")).toBeUndefined();
    await store.increment("a");
    expect(await store.get?.("a")).toMatchObject({ totalHits: 1 });
    expect(await store.get?.("a")).toMatchObject({ totalHits: 1 });
    shared.pass(61_000);
    expect(await store.get?.("a")).toBeUndefined();
  });

  test("it gives each of many hits at once a number of its own", async () => {
    const store = makeStore(60_000, () => 1);
    const other = makeStore(60_000, () => 1);
    const hits = await Promise.all(
      Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? store : other).increment("a")),
    );
    expect(hits.map(({ totalHits }) => totalHits).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
  });

  test("it keeps apart what belongs to other stores by its prefix", async () => {
    const [one, other] = [makeStore(60_000, 5, "one"), makeStore(60_000, 5, "other")];
    expect([one.prefix, other.prefix, one.localKeys]).toEqual(["one:", "other:", false]);
    await one.increment("a");
    expect(await other.increment("a")).toMatchObject({ totalHits: 1 });
  });

  test("a sliding window admits the limit in any window, and forgets hit by hit", async () => {
    const store = expressRateLimitStore(shared.coordinators[0], { name: "s", algorithm: "sliding-window" });
    store.init({ windowMs: 60_000, limit: 2 });
    await store.increment("a");
    shared.pass(40_000);
    await store.increment("a");
    expect(await store.increment("a")).toMatchObject({ totalHits: 3 });
    shared.pass(30_000);
    expect(await store.increment("a")).toMatchObject({ totalHits: 2 });
    expect(await store.increment("a")).toMatchObject({ totalHits: 3 });
  });
});
