// Goal: real Fastify applications with @fastify/rate-limit share one limit, to the exact request, and each option of the
// plugin means what it means with the stores of its own.
import rateLimit, { type RateLimitPluginOptions } from "@fastify/rate-limit";
import fastify, { type FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fastifyRateLimitStore, type HitStoreOptions } from "../../src/adapters/fastify-rate-limit.ts";
import { oneByOne, type SharedStore, sharedStore, storm, urlOf } from "./limited-service.ts";

let shared: SharedStore;
const apps: FastifyInstance[] = [];

beforeEach(() => {
  shared = sharedStore();
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await shared[Symbol.asyncDispose]();
});

type Settings = Omit<RateLimitPluginOptions, "store">;

async function makeApp(
  instance: 0 | 1,
  settings: Settings = {},
  options: Partial<HitStoreOptions> = {},
): Promise<FastifyInstance> {
  const app = fastify({ forceCloseConnections: true });
  apps.push(app);
  const store = fastifyRateLimitStore(shared.coordinators[instance], { name: "api", ...options });
  await app.register(rateLimit, { max: 25, timeWindow: 60_000, ...settings, store });
  app.get("/", async () => "hello");
  return app;
}

async function listen(app: FastifyInstance): Promise<string> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  return urlOf(app.server);
}

/** Sends one request. Answers its status, and the seconds in its fields. */
async function ask(app: FastifyInstance, url = "/"): Promise<[number, string, number]> {
  const { statusCode, headers } = await app.inject(url);
  return [statusCode, String(headers["x-ratelimit-remaining"]), Number(headers["x-ratelimit-reset"])];
}

/** The statuses of requests that are sent one after another. */
async function statuses(app: FastifyInstance, count: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let index = 0; index < count; index += 1) found.push((await ask(app))[0]);
  return found;
}

/** A wait, rounded up, and by what the time of the store is not known. */
const about = (seconds: number) => expect.toSatisfy((value) => value === seconds || value === seconds + 1);

describe("two instances of a service", () => {
  test("let through exactly the limit, however many ask at once, and again after the window", async () => {
    const urls = [await listen(await makeApp(0)), await listen(await makeApp(1))];
    expect(await storm(urls, 150)).toEqual({ 200: 25, 429: 125 });
    shared.pass(61_000);
    expect(await storm(urls, 60)).toEqual({ 200: 25, 429: 35 });
  });

  test("let through exactly what a function says of a client", async () => {
    const settings: Settings = { max: async (_request, key) => (key === "127.0.0.1" ? 7 : 100) };
    const urls = [await listen(await makeApp(0, settings)), await listen(await makeApp(1, settings))];
    expect(await storm(urls, 40)).toEqual({ 200: 7, 429: 33 });
  });
});

describe("a request", () => {
  test("is told what remains, and a denied one when to come again, and that writes nothing", async () => {
    const app = await makeApp(0, { max: 2 });
    expect(await ask(app)).toEqual([200, "1", 60]);
    expect(await ask(app)).toEqual([200, "0", 60]);
    const denied = await app.inject("/");
    expect(denied.statusCode).toBe(429);
    expect(denied.headers).toMatchObject({ "x-ratelimit-limit": "2", "x-ratelimit-remaining": "0" });
    expect(denied.headers["retry-after"]).toMatch(/^6[01]$/);
    shared.backend.resetCounts();
    for (let index = 0; index < 10; index += 1) expect((await ask(app))[0]).toBe(429);
    expect(shared.backend.counts.writes).toBe(0);
    shared.pass(61_000);
    expect(await ask(app)).toEqual([200, "1", 60]);
  });

  test("of a route with a limit of its own counts there alone", async () => {
    const app = await makeApp(0, { max: 2 });
    app.get("/own", { config: { rateLimit: { max: 1, timeWindow: "1 hour" } } }, async () => "own");
    app.get("/free", { config: { rateLimit: false } }, async () => "free");
    expect(await ask(app, "/own")).toEqual([200, "0", 3_600]);
    expect((await ask(app, "/own"))[0]).toBe(429);
    expect(await ask(app)).toEqual([200, "1", 60]);
    expect((await app.inject("/free")).headers["x-ratelimit-limit"]).toBeUndefined();
  });

  test("of routes in one group counts for the group", async () => {
    const app = await makeApp(0);
    const group = { config: { rateLimit: { max: 2, timeWindow: 60_000, groupId: "codes" } } };
    app.get("/send", group, async () => "sent");
    app.get("/resend", group, async () => "sent");
    const other = { config: { rateLimit: { max: 2, timeWindow: 60_000, groupId: "other" } } };
    app.get("/other", other, async () => "other");
    expect(await ask(app, "/send")).toEqual([200, "1", 60]);
    expect(await ask(app, "/resend")).toEqual([200, "0", 60]);
    expect(await ask(app, "/send")).toEqual([429, "0", about(60)]);
    expect(await ask(app, "/other")).toEqual([200, "1", 60]);
  });
});

describe("what is remembered of denied requests", () => {
  test("a client that goes on is banned after as many as the plugin is told", async () => {
    const app = await makeApp(0, { max: 1, ban: 1 });
    expect(await ask(app)).toEqual([200, "0", 60]);
    expect(await ask(app)).toEqual([429, "0", about(60)]);
    expect(await ask(app)).toEqual([403, "0", about(60)]);
    shared.pass(61_000);
    expect(await ask(app)).toEqual([200, "0", 60]);
  });

  test("with continueExceeding each denied request begins the wait anew, and no other", async () => {
    const app = await makeApp(0, { max: 2, continueExceeding: true });
    expect(await ask(app)).toEqual([200, "1", 60]);
    shared.pass(20_000);
    expect(await ask(app)).toEqual([200, "0", about(40)]);
    expect(await ask(app)).toEqual([429, "0", 60]);
    shared.pass(50_000);
    expect(await ask(app)).toEqual([429, "0", 60]);
    shared.pass(50_000);
    expect(await ask(app)).toEqual([429, "0", 60]);
    shared.pass(61_000);
    expect(await ask(app)).toEqual([200, "1", 60]);
  });

  test("with continueExceeding and a ban every denied request counts until the wait is over", async () => {
    const app = await makeApp(0, { max: 1, ban: 2, continueExceeding: true });
    await ask(app);
    for (const status of [429, 429, 403, 403]) {
      expect(await ask(app)).toEqual([status, "0", 60]);
      shared.pass(50_000);
    }
    shared.pass(11_000);
    for (const status of [200, 429, 429, 403]) expect((await ask(app))[0]).toBe(status);
  });

  test("with exponentialBackoff each denied request doubles the wait, which ends all the same", async () => {
    const app = await makeApp(0, { max: 2, exponentialBackoff: true });
    expect([await ask(app), await ask(app)]).toEqual([
      [200, "1", 60],
      [200, "0", 60],
    ]);
    for (const seconds of [60, 120, 240, 480]) expect(await ask(app)).toEqual([429, "0", seconds]);
    shared.pass(470_000);
    expect(await ask(app)).toEqual([429, "0", 960]);
    shared.pass(961_000);
    expect([await ask(app), await ask(app), await ask(app)]).toEqual([
      [200, "1", 60],
      [200, "0", 60],
      [429, "0", 60],
    ]);
  });

  test("a wait that would grow for ever stays within a year", async () => {
    const app = await makeApp(0, { max: 0, timeWindow: "1 day", exponentialBackoff: true });
    let seconds = 0;
    for (let index = 0; index < 40; index += 1) [, , seconds] = await ask(app);
    expect(seconds).toBe(365 * 86_400);
  });
});

describe("what is asked without counting", () => {
  async function makePeeking(settings: Settings): Promise<(increment: boolean) => Promise<object>> {
    const app = await makeApp(0, { global: false, ...settings });
    const check = app.createRateLimit();
    app.get("/peek", async (request) => check(request, { increment: false }));
    app.get("/consume", async (request) => check(request));
    return async (increment) => (await app.inject(increment ? "/consume" : "/peek")).json();
  }

  test("tells how a client stands, and leaves it so", async () => {
    const standing = await makePeeking({ max: 2 });
    const fresh = { remaining: 2, ttl: 0, ttlInSeconds: 0, isExceeded: false, isBanned: false };
    expect(await standing(false)).toMatchObject(fresh);
    expect(await standing(true)).toMatchObject({ remaining: 1, ttl: 60_000 });
    expect(await standing(false)).toMatchObject({ remaining: 1, isExceeded: false });
    expect(await standing(true)).toMatchObject({ remaining: 0 });
    expect(await standing(false)).toMatchObject({ remaining: 0, isExceeded: false });
    shared.pass(61_000);
    expect(await standing(false)).toMatchObject(fresh);
  });

  test("tells of a client that waits because it went on", async () => {
    const standing = await makePeeking({ max: 1, continueExceeding: true });
    await standing(true);
    await standing(true);
    shared.pass(10_000);
    expect(await standing(false)).toMatchObject({ remaining: 0, ttlInSeconds: about(50), isExceeded: true });
    shared.pass(51_000);
    expect(await standing(false)).toMatchObject({ remaining: 1, ttl: 0, isExceeded: false });
  });

  test("belongs to a limiter of its own where that has a limit of its own", async () => {
    const app = await makeApp(0, { global: false });
    const [few, many] = [app.createRateLimit({ max: 1 }), app.createRateLimit({ max: 5 })];
    app.get("/few", async (request) => few(request));
    app.get("/many", async (request) => many(request));
    expect((await app.inject("/few")).json()).toMatchObject({ remaining: 0, isExceeded: false });
    expect((await app.inject("/few")).json()).toMatchObject({ isExceeded: true });
    expect((await app.inject("/many")).json()).toMatchObject({ remaining: 4, isExceeded: false });
  });
});

describe("while the store is away", () => {
  test("the plugin answers an error, or goes on with skipOnError", async () => {
    const strict = await listen(await makeApp(0));
    const open = await listen(await makeApp(1, { max: 1, skipOnError: true }));
    shared.setAway(true);
    expect(await oneByOne(strict, 2)).toEqual([500, 500]);
    expect(await oneByOne(open, 3)).toEqual([200, 200, 200]);
    shared.setAway(false);
    shared.pass(1_100);
    expect(await oneByOne(strict, 1)).toEqual([200]);
  });

  test("the store itself decides where it is told to", async () => {
    const settings: Settings = { max: 2, exponentialBackoff: true };
    const app = await makeApp(0, settings, { onUnavailable: "local" });
    shared.setAway(true);
    expect(await statuses(app, 4)).toEqual([200, 200, 429, 429]);
  });
});

describe("bad input", () => {
  test.each(["", "x".repeat(5_000), "\ud800", 7, undefined])(
    "a key is limited whatever it is",
    async (key) => {
      const settings = { max: 1, skipOnError: true, keyGenerator: () => key as string };
      const app = await makeApp(0, settings);
      expect(await statuses(app, 2)).toEqual([200, 429]);
    },
  );

  test("a limit of 0 lets nobody through, and one that is no number is the plugin's default", async () => {
    expect(await statuses(await makeApp(0, { max: 0 }), 2)).toEqual([429, 429]);
    const app = await makeApp(0, { max: "many" as unknown as number }, { name: "other" });
    expect(await ask(app)).toEqual([200, "999", 60]);
  });

  test("a window of nothing is an error, and no limit", async () => {
    expect((await (await makeApp(0, { timeWindow: 0 })).inject("/")).statusCode).toBe(500);
  });

  test("options that cannot be are refused", () => {
    const [coordinator] = shared.coordinators;
    const options = { name: "x", nameSpace: "y" } as HitStoreOptions;
    expect(() => fastifyRateLimitStore(coordinator, options)).toThrow('has no option "nameSpace"');
    expect(() => fastifyRateLimitStore(coordinator, {} as HitStoreOptions)).toThrow("name must be");
  });
});
