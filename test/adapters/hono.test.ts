// Goal: a real Hono application over HTTP limits its requests by several policies and costs, shared between instances,
// and tells clients how they stand.
import { once } from "node:events";
import type { Server } from "node:http";
import { serve as serveHono } from "@hono/node-server";
import { Hono } from "hono";
import { type Item, parseList } from "structured-headers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RateLimitOptions, type RateLimitVariables, rateLimit } from "../../src/adapters/hono.ts";
import type { RateLimiter, RateLimiterOptions } from "../../src/index.ts";
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

interface Env {
  Variables: RateLimitVariables;
}

const window = { limit: 25, per: "1m", algorithm: "fixed-window" } as const;

function limiterOf(
  instance: 0 | 1,
  policies: RateLimiterOptions["policies"],
  options: Partial<RateLimiterOptions> = {},
): RateLimiter {
  return shared.coordinators[instance].rateLimiter("api", { policies, ...options });
}

const byUser: RateLimitOptions<Env> = { key: (c) => c.req.header("x-user") ?? "" };

async function serve(app: Hono<Env>): Promise<string> {
  const server = serveHono({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }) as Server;
  servers.push(server);
  if (!server.listening) await once(server, "listening");
  return urlOf(server);
}

/** An application that greets, and says at `/standing` what the middleware left in the context. */
function greeter(limiter: RateLimiter, options: Partial<RateLimitOptions<Env>> = {}): Hono<Env> {
  const app = new Hono<Env>();
  app.use(rateLimit(limiter, { ...byUser, ...options }));
  app.get("/", (c) => c.text("hello"));
  app.get("/raw", () => new Response("raw"));
  app.get("/broken", () => {
    throw new Error("no paper");
  });
  app.get("/standing", (c) => c.json(c.get("rateLimit") ?? null));
  app.onError((error, c) => c.text(error.message, 500));
  return app;
}

function read(field: string | null): Record<string, Record<string, unknown>> {
  const items = parseList(field ?? "") as Item[];
  return Object.fromEntries(items.map(([name, parameters]) => [name, Object.fromEntries(parameters)]));
}

describe("two instances of a service", () => {
  test("let through exactly the limit, however many ask at once, and again after the window", async () => {
    const urls = [await serve(greeter(limiterOf(0, [window]))), await serve(greeter(limiterOf(1, [window])))];
    expect(await storm(urls, 150)).toEqual({ 200: 25, 429: 125 });
    shared.pass(61_000);
    expect(await storm(urls, 60)).toEqual({ 200: 25, 429: 35 });
  });
});

describe("an answer", () => {
  test.each(["/", "/raw", "/broken", "/nothing"])("of %s tells how the client stands", async (path) => {
    const limiter = limiterOf(0, [window, { name: "daily", limit: 1_000, per: "1d" }]);
    const url = await serve(greeter(limiter));
    const { headers } = await fetch(`${url}${path}`);
    expect(headers.get("RateLimit-Policy")).toBe('"25/1m";q=25;w=60, "daily";q=1000;w=86400');
    expect(read(headers.get("RateLimit"))).toEqual({
      "25/1m": { r: 24, t: 60 },
      daily: { r: 999, t: 86_314 },
    });
    expect(headers.has("Retry-After")).toBe(false);
  });

  test("to a denied request is problem+json, and no handler runs", async () => {
    const limiter = limiterOf(0, [
      { ...window, name: "short", limit: 2 },
      { ...window, name: "long", limit: 9 },
    ]);
    let calls = 0;
    const app = new Hono<Env>();
    app.use(rateLimit(limiter, { ...byUser, partitionKey: () => "user 7" }));
    app.get("/", (c) => {
      calls += 1;
      return c.text("hello");
    });
    const url = await serve(app);
    await oneByOne(url, 2);
    const denied = await fetch(url);
    expect(denied.status).toBe(429);
    expect(denied.headers.get("Content-Type")).toBe("application/problem+json");
    expect(await denied.json()).toMatchObject({
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      status: 429,
      "violated-policies": ["short"],
    });
    const limits = read(denied.headers.get("RateLimit"));
    expect(limits).toMatchObject({ short: { r: 0 }, long: { r: 7 } });
    const retryAfter = Number(denied.headers.get("Retry-After"));
    expect(retryAfter).toBeGreaterThanOrEqual(59);
    for (const { t } of Object.values(limits)) expect(t).toBeLessThanOrEqual(retryAfter);
    expect(calls).toBe(2);
    shared.backend.resetCounts();
    await oneByOne(url, 10);
    expect(shared.backend.counts.writes).toBe(0);
  });

  test("may be the application's own, and carries the fields all the same", async () => {
    const url = await serve(
      greeter(limiterOf(0, [{ ...window, limit: 1 }]), {
        onDenied: (c, { policy }) => c.text(`too much for ${policy}`, 420 as 429),
      }),
    );
    await oneByOne(url, 1);
    const denied = await fetch(url);
    expect([denied.status, await denied.text()]).toEqual([420, "too much for 1/1m"]);
    expect(read(denied.headers.get("RateLimit"))).toMatchObject({ "1/1m": { r: 0 } });
    expect(denied.headers.has("Retry-After")).toBe(true);
  });

  test("of a route with a limiter of its own tells of both", async () => {
    const app = greeter(limiterOf(0, [window]));
    const upload = shared.coordinators[0].rateLimiter("upload", {
      policies: [{ ...window, name: "uploads", limit: 1 }],
    });
    app.get("/upload", rateLimit(upload, byUser), (c) => c.text("thanks"));
    const url = await serve(app);
    const first = await fetch(`${url}/upload`);
    expect(read(first.headers.get("RateLimit"))).toMatchObject({ "25/1m": { r: 24 }, uploads: { r: 0 } });
    const second = await fetch(`${url}/upload`);
    expect(second.status).toBe(429);
    expect(read(second.headers.get("RateLimit"))).toMatchObject({ "25/1m": { r: 23 }, uploads: { r: 0 } });
    expect(second.headers.get("Retry-After")).toMatch(/^\d+$/);
  });

  test("finds the decision in the context", async () => {
    const url = await serve(greeter(limiterOf(0, [window])));
    const response = await fetch(`${url}/standing`);
    expect(await response.json()).toMatchObject({ allowed: true, remaining: 24, cost: 1 });
  });
});

describe("a request", () => {
  test("costs what the application says, from every policy or from none", async () => {
    const limiter = limiterOf(0, [
      { ...window, name: "a", limit: 10 },
      { ...window, name: "b", limit: 6 },
    ]);
    const url = await serve(greeter(limiter, { cost: async (c) => Number(c.req.query("cost") ?? 1) }));
    expect(await oneByOne(`${url}/?cost=5`, 2)).toEqual([200, 429]);
    const last = await fetch(`${url}/?cost=1`);
    expect(read(last.headers.get("RateLimit"))).toMatchObject({ a: { r: 4 }, b: { r: 0 } });
  });

  test("that can never be admitted is told so, and not to come again", async () => {
    const url = await serve(greeter(limiterOf(0, [window]), { cost: 26 }));
    const denied = await fetch(url);
    expect(denied.status).toBe(429);
    expect(denied.headers.has("Retry-After")).toBe(false);
    expect(await denied.json()).toMatchObject({
      detail: expect.stringContaining("never admits more than 25"),
    });
  });

  test("that is skipped is not limited, and not told of limits", async () => {
    const options: Partial<RateLimitOptions<Env>> = { skip: async (c) => c.req.header("x-user") === "root" };
    const url = await serve(greeter(limiterOf(0, [{ ...window, limit: 1 }]), options));
    for (let index = 0; index < 3; index += 1) {
      const response = await fetch(url, { headers: { "x-user": "root" } });
      expect([response.status, response.headers.has("RateLimit")]).toEqual([200, false]);
    }
  });

  test("of a blocked client is denied with what is said of blocks", async () => {
    const limiter = limiterOf(0, [window]);
    const url = await serve(greeter(limiter));
    await limiter.block("mallory", "1h");
    const denied = await fetch(url, { headers: { "x-user": "mallory" } });
    expect(denied.status).toBe(429);
    expect(await denied.json()).toMatchObject({ type: expect.stringContaining("#abnormal-usage-detected") });
    expect(read(denied.headers.get("RateLimit"))).toMatchObject({ "25/1m": { r: 0 } });
    expect(Number(denied.headers.get("Retry-After"))).toBeGreaterThanOrEqual(3_599);
  });

  test("waits for its turn where that is wanted", async () => {
    await using running = sharedStore({ runsByItself: true });
    const policies = [{ limit: 20, per: "1s", burst: 1 }] as const;
    const limiter = running.coordinators[0].rateLimiter("api", { policies });
    const url = await serve(greeter(limiter, { wait: "20s" }));
    expect(await storm([url], 8)).toEqual({ 200: 8 });
  });
});

describe("while the store is away", () => {
  test.each([
    ["deny", 503],
    ["allow", 200],
    ["local", 200],
  ] as const)("a limiter that is to %s answers %i", async (onUnavailable, status) => {
    const url = await serve(greeter(limiterOf(0, [window], { onUnavailable })));
    shared.setAway(true);
    const response = await fetch(url);
    expect(response.status).toBe(status);
    expect(response.headers.get("RateLimit-Policy")).toBe('"25/1m";q=25;w=60');
    expect(response.headers.has("RateLimit")).toBe(false);
    if (status !== 503) return;
    expect(response.headers.get("Retry-After")).toBe("1");
    expect(await response.json()).toMatchObject({
      type: expect.stringContaining("#temporary-reduced-capacity"),
    });
  });
});

describe("bad input", () => {
  test.each(["x".repeat(5_000), "", "r%00"])("a key is limited whatever it is", async (user) => {
    const url = await serve(greeter(limiterOf(0, [{ ...window, limit: 1 }]), { key: () => user }));
    expect(await oneByOne(url, 2)).toEqual([200, 429]);
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 41])("a cost of %d goes to the error handler", async (cost) => {
    const url = await serve(greeter(limiterOf(0, [window]), { cost }));
    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([500, expect.stringContaining("cost must be")]);
  });

  test("what cannot be is refused", () => {
    const limiter = limiterOf(0, [window]);
    const make = (...values: unknown[]) =>
      expect(() => rateLimit(...(values as [RateLimiter, RateLimitOptions])));
    make(shared.coordinators[0], byUser).toThrow("needs a limiter");
    make(limiter).toThrow("key must be a function");
    make(limiter, {}).toThrow("key must be a function");
    make(limiter, { ...byUser, limit: 5 }).toThrow('has no option "limit"');
  });
});
