// Goal: real Nest applications with @nestjs/throttler share their limits over HTTP, to the exact request, and blocks last
// as long as the module says.
import "reflect-metadata";
import type { Server } from "node:http";
import { Controller, Get, type INestApplication, Module, type Type } from "@nestjs/common";
import { APP_GUARD, NestFactory } from "@nestjs/core";
import {
  SkipThrottle,
  Throttle,
  ThrottlerGuard,
  ThrottlerModule,
  type ThrottlerOptions,
  type ThrottlerStorage,
} from "@nestjs/throttler";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HitStoreOptions, throttlerStorage } from "../../src/adapters/nestjs-throttler.ts";
import { oneByOne, type SharedStore, sharedStore, storm, urlOf } from "./limited-service.ts";

let shared: SharedStore;
const apps: INestApplication[] = [];

beforeEach(() => {
  shared = sharedStore();
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await shared[Symbol.asyncDispose]();
});

/** Decorators as functions: the sources are plain JavaScript when their types are erased. */
function decorate(type: Type, method: string, ...decorators: readonly MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, method) as PropertyDescriptor;
  for (const apply of decorators) apply(type.prototype, method, descriptor);
}

async function serve(
  instance: 0 | 1,
  throttlers: ThrottlerOptions[],
  options: Partial<HitStoreOptions> = {},
): Promise<string> {
  class Greetings {
    hello(): string {
      return "hello";
    }
    own(): string {
      return "own";
    }
    free(): string {
      return "free";
    }
  }
  decorate(Greetings, "hello", Get("/"));
  decorate(Greetings, "own", Get("/own"), Throttle({ default: { limit: 1, ttl: 3_600_000 } }));
  decorate(Greetings, "free", Get("/free"), SkipThrottle());
  Controller()(Greetings);
  class App {}
  const storage: ThrottlerStorage = throttlerStorage(shared.coordinators[instance], {
    name: "api",
    ...options,
  });
  Module({
    imports: [ThrottlerModule.forRoot({ throttlers, storage })],
    controllers: [Greetings],
    providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  })(App);
  const app = await NestFactory.create(App, { logger: false, forceCloseConnections: true });
  apps.push(app);
  await app.listen(0, "127.0.0.1");
  return urlOf(app.getHttpServer() as Server);
}

const minute: ThrottlerOptions = { limit: 25, ttl: 60_000 };

describe("two instances of a service", () => {
  test("let through exactly the limit, however many ask at once, and again after the block", async () => {
    const urls = [await serve(0, [minute]), await serve(1, [minute])];
    expect(await storm(urls, 150)).toEqual({ 200: 25, 429: 125 });
    shared.pass(61_000);
    expect(await storm(urls, 60)).toEqual({ 200: 25, 429: 35 });
  });

  test("are not told of limits by one another's routes", async () => {
    const url = await serve(0, [{ ...minute, limit: 2 }]);
    expect(await oneByOne(`${url}/own`, 2)).toEqual([200, 429]);
    expect(await oneByOne(url, 3)).toEqual([200, 200, 429]);
    expect(await oneByOne(`${url}/free`, 5)).toEqual([200, 200, 200, 200, 200]);
  });
});

describe("an answer", () => {
  test("tells what remains, and how long a block lasts", async () => {
    const url = await serve(0, [{ ...minute, limit: 2, blockDuration: 300_000 }]);
    const first = await fetch(url);
    expect(first.headers.get("X-RateLimit-Limit")).toBe("2");
    expect(first.headers.get("X-RateLimit-Remaining")).toBe("1");
    expect(first.headers.get("X-RateLimit-Reset")).toBe("60");
    await fetch(url);
    const denied = await fetch(url);
    expect([denied.status, denied.headers.get("Retry-After")]).toEqual([429, "300"]);
  });

  test("tells of several throttlers by their names", async () => {
    const url = await serve(0, [
      { ...minute, name: "short", limit: 5 },
      { ...minute, name: "long", limit: 9, ttl: 3_600_000 },
    ]);
    const { headers } = await fetch(url);
    expect(headers.get("X-RateLimit-Remaining-short")).toBe("4");
    expect(headers.get("X-RateLimit-Remaining-long")).toBe("8");
  });
});

describe("a block", () => {
  test("that is longer than the window lasts on, and the limit is whole after it", async () => {
    const url = await serve(0, [{ ...minute, limit: 2, blockDuration: 300_000 }]);
    expect(await oneByOne(url, 3)).toEqual([200, 200, 429]);
    shared.pass(290_000);
    expect(await oneByOne(url, 1)).toEqual([429]);
    shared.pass(12_000);
    expect(await oneByOne(url, 3)).toEqual([200, 200, 429]);
  });

  test("that is shorter than the window ends it", async () => {
    const url = await serve(0, [{ ...minute, limit: 2, blockDuration: 5_000 }]);
    expect(await oneByOne(url, 3)).toEqual([200, 200, 429]);
    shared.pass(5_200);
    expect(await oneByOne(url, 3)).toEqual([200, 200, 429]);
  });

  test("of nothing leaves it at the window", async () => {
    const url = await serve(0, [{ ...minute, limit: 2, blockDuration: 0 }]);
    shared.pass(30_000);
    expect(await oneByOne(url, 2)).toEqual([200, 200]);
    shared.pass(40_000);
    const denied = await fetch(url);
    expect(denied.status).toBe(429);
    expect(denied.headers.get("Retry-After")).toMatch(/^2[01]$/);
    shared.backend.resetCounts();
    await oneByOne(url, 5);
    expect(shared.backend.counts.writes).toBe(0);
    shared.pass(21_000);
    expect(await oneByOne(url, 1)).toEqual([200]);
  });

  test("is written once, and denied requests write nothing while it lasts", async () => {
    const url = await serve(0, [{ ...minute, limit: 1 }]);
    await oneByOne(url, 2);
    shared.backend.resetCounts();
    expect(await oneByOne(url, 10)).toEqual(Array.from({ length: 10 }, () => 429));
    expect(shared.backend.counts.writes).toBe(0);
  });
});

describe("while the store is away", () => {
  test("nobody is let through, or as the storage is told", async () => {
    const strict = await serve(0, [minute]);
    const open = await serve(1, [{ ...minute, limit: 1 }], { onUnavailable: "allow" });
    shared.setAway(true);
    expect(await oneByOne(strict, 2)).toEqual([500, 500]);
    expect(await oneByOne(open, 3)).toEqual([200, 200, 200]);
  });

  test("a storage that is to deny does", async () => {
    const url = await serve(0, [minute], { onUnavailable: "deny" });
    shared.setAway(true);
    expect(await oneByOne(url, 2)).toEqual([429, 429]);
  });
});

describe("as a storage", () => {
  const increment = (limit: number, block = 0, key = "a", ttl = 60_000) =>
    throttlerStorage(shared.coordinators[0], { name: "api" }).increment(key, ttl, limit, block, "default");

  test("it counts, each key for itself", async () => {
    expect(await increment(2)).toEqual({
      ...{ totalHits: 1, timeToExpire: 60, isBlocked: false, timeToBlockExpire: 0 },
    });
    expect(await increment(2)).toMatchObject({ totalHits: 2, isBlocked: false });
    expect(await increment(2, 0, "b")).toMatchObject({ totalHits: 1 });
    expect(await increment(2, 10_000)).toMatchObject({
      totalHits: 3,
      isBlocked: true,
      timeToBlockExpire: 10,
    });
  });

  test("it blocks everybody where the limit is 0, and takes any key", async () => {
    expect(await increment(0)).toMatchObject({ isBlocked: true });
    expect(await increment(1, 0, "")).toMatchObject({ totalHits: 1, isBlocked: false });
    expect(await increment(1, 0, "x".repeat(9_999))).toMatchObject({ totalHits: 1, isBlocked: false });
  });

  test("it refuses windows that cannot be", async () => {
    await expect(increment(1, 0, "a", 0)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(increment(1, 0, "a", Number.NaN)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
