// Goal: what a small TypeScript key-value store with times to live and atomic operations offers is had here, as
// docs/coverage.md says: namespaces, injection, increments with a time to live, set-if-absent, errors, the store in memory.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import {
  type Coordinator,
  connect,
  createCoordinator,
  type KeyValue,
  UnavailableError,
} from "../../src/index.ts";
import { createWorld, ending, within } from "../counters/counter-world.ts";

interface User {
  readonly name: string;
  readonly tags: string[];
}

/** As a framework with dependency injection makes it: what it stands on is handed in. */
class CacheService {
  readonly #users: KeyValue<User>;

  constructor(coordinator: Coordinator) {
    this.#users = coordinator.kv<User>("cache").namespace("users", { ttl: "1h" });
  }

  async getUser(id: string): Promise<User | undefined> {
    return (await this.#users.get(id))?.value;
  }

  async setUser(id: string, user: User): Promise<void> {
    await this.#users.set(id, user);
  }
}

test("a service gets the coordinator injected: one in memory for tests, and no value is shared with it", async () => {
  await using coordinator = createCoordinator(memoryBackend());
  const service = new CacheService(coordinator);
  expect(await service.getUser("1")).toBeUndefined();
  const user = { name: "Ada", tags: ["admin"] };
  await service.setUser("1", user);
  user.tags.push("changed later");
  const found = await service.getUser("1");
  expect(found).toEqual({ name: "Ada", tags: ["admin"] });
  found?.tags.push("changed by a reader");
  expect(await service.getUser("1")).toEqual({ name: "Ada", tags: ["admin"] });
});

test("namespaces keep their keys apart, however they are nested and named", async () => {
  await using coordinator = await connect("memory:");
  const [users, sessions] = [coordinator.kv<string>("users"), coordinator.kv<string>("sessions")];
  const admins = sessions.namespace("admin");
  const all = [
    users,
    sessions,
    admins,
    coordinator.kv<string>("sessions.admin"),
    coordinator.kv<string>("sessions/admin"),
  ];
  for (const [nth, store] of all.entries()) await store.set("admin", String(nth));
  for (const [nth, store] of all.entries()) expect((await store.get("admin"))?.value).toBe(String(nth));
  expect(admins.name).toBe("sessions/admin");
  expect(await sessions.clear()).toBe(1);
  expect(await admins.has("admin")).toBe(true);
  // What was deleted is remembered for an hour, and erased with the rest.
  expect(await sessions.destroy()).toBe(2);
  expect(await admins.has("admin")).toBe(false);
  expect(await users.has("admin")).toBe(true);
});

test("an increment with a time to live counts in windows: the first one begins it, the others leave it", async () => {
  const { runtime, client } = createWorld();
  const kv = client(0).coordinator.kv<number>("requests");
  const count = () => within(runtime, kv.increment("client-1", 1, { ttl: "60s" }));
  expect([await count(), await count()]).toEqual([1, 2]);
  await runtime.advance(50_000);
  expect(await count()).toBe(3);
  await runtime.advance(10_000);
  expect(await count()).toBe(1);
  expect(await within(runtime, kv.increment("client-1", 5))).toBe(6);
  expect(await within(runtime, kv.delete("client-1"))).toEqual({ committed: true, existed: true });
});

test("set if absent is done by one, keeps its time to live, and says who stands there", async () => {
  const { runtime, clients } = createWorld({ clients: 5 });
  const stores = clients.map(({ coordinator }) => coordinator.kv<number>("first"));
  const tries = stores.map((store, nth) => store.setIfAbsent("key", nth, { ttl: "30s" }));
  const ends = await within(runtime, Promise.all(tries), 100);
  const winner = ends.findIndex(({ committed }) => committed);
  const others = ends.filter((_, nth) => nth !== winner);
  expect(others).toHaveLength(4);
  for (const end of others) expect(end).toMatchObject({ committed: false, current: { value: winner } });
  await runtime.advance(30_000);
  expect(await within(runtime, (stores[0] as KeyValue<number>).setIfAbsent("key", 9))).toMatchObject({
    committed: true,
  });
});

test("errors have codes: for times to live, namespaces, values, and a store that fails", async () => {
  const { runtime, client } = createWorld();
  const { coordinator } = client(0);
  const kv = coordinator.kv<unknown>("errors");
  const at = <T>(promise: Promise<T>) => within(runtime, ending(promise), 60_000);
  const message = expect.stringMatching(/^ttl must be a duration from 1 ms.*got -1/);
  await expect(kv.set("key", 1, { ttl: -1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message });
  for (const name of ["", undefined as never, 7 as never]) {
    expect(() => coordinator.kv(name)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => kv.namespace(name)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  for (const value of [undefined, () => 1, new Date(), Number.NaN]) {
    expect(await at(kv.set("key", value))).toBe("INVALID_VALUE");
  }
  client(0).spoil(() => Promise.reject(new UnavailableError("the store is away")));
  expect(await at(kv.get("key"))).toBe("UNAVAILABLE");
  expect(await at(kv.set("key", 1))).toBe("UNAVAILABLE");
});

test("requests are limited by a rate limiter, and a lock is a lock", async () => {
  await using coordinator = await connect("memory:");
  const limiter = coordinator.rateLimiter("api", { policies: [{ limit: 2, per: "60s" }] });
  const decisions = [
    await limiter.take("client-1"),
    await limiter.take("client-1"),
    await limiter.take("client-1"),
  ];
  expect(decisions.map(({ allowed }) => allowed)).toEqual([true, true, false]);
  await using held = await coordinator.lock("resource").acquire();
  expect(await coordinator.lock("resource").tryAcquire()).toBeNull();
  expect(held.state).toBe("held");
});

test("the store in memory collects what is over with the writes that come, so that it does not grow", async () => {
  const { runtime, client, store } = createWorld();
  const kv = client(0).coordinator.kv<number>("cache");
  const entries = (from: number) =>
    Array.from({ length: 500 }, (_, nth) => ({ key: `key ${from + nth}`, value: nth }));
  const count = async () =>
    (await within(runtime, store.scan("default.kv.", { limit: 5_000 }))).records.length;
  await within(runtime, kv.setMany(entries(0), { ttl: "1m" }), 1_000);
  expect(await count()).toBe(500);
  await runtime.advance(61 * 60_000 + 1_000);
  await within(runtime, kv.setMany(entries(500), { ttl: "1m" }), 1_000);
  expect(await count()).toBe(500);
});
