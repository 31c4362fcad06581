// Goal: a value is never seen once its time to live is over on the store's clock, by whoever looks and whatever the clocks
// of the clients say; and what changes an entry says what becomes of its time.
import { expect, test } from "vitest";
import type { KeyValue } from "../../src/index.ts";
import { createWorld, pass, within } from "../counters/counter-world.ts";

test("a value is never seen once its time is over, by readers and writers at any moment", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const { runtime, client } = createWorld({ clients: 3, seed, tripMs: 4 });
    client(1).jumpWall(30_000);
    client(2).jumpWall(-30_000);
    const ttl = 200 + Math.floor(runtime.random() * 300);
    const at = (index: number) => client(index).coordinator.kv<number>("x");
    let begunAtMs = Number.NaN;
    const begin = async () => {
      await at(0).set("a", 1_000, { ttl });
      begunAtMs = runtime.wallMs();
    };
    const looks = [
      async () => (await at(1).get("a"))?.value,
      async () => (await at(2).has("a")) && 1_000,
      async () => (await at(1).update("a", (value = 1) => value)).committed && (await at(1).get("a"))?.value,
      async () => (await at(2).list().page()).items[0]?.value,
      async () => (await at(1).setIfPresent("a", 1_000, { ttl: 1 })).committed && 1_000,
    ];
    const look = async (nth: number) => {
      await pass(runtime, ttl * (0.8 + 0.4 * runtime.random()));
      const askedAtMs = runtime.wallMs();
      const seen = await looks[nth % looks.length]?.();
      if (askedAtMs >= begunAtMs + ttl) expect(seen, `seed ${seed}`).not.toBe(1_000);
    };
    await within(runtime, Promise.all([begin(), look(seed), look(seed + 2)]), 2 * ttl);
  }
});

test("set and setIfAbsent begin a time anew, update and increment leave it, expire and touch change it", async () => {
  const { runtime, client } = createWorld();
  const kv = client(0).coordinator.kv<number>("x", { ttl: "10s" });
  const at = <T>(promise: Promise<T>): Promise<T> => within(runtime, promise, 5);
  const left = async (): Promise<number> => Math.round(Number(await at(kv.ttl("a"))) / 1_000);
  await at(kv.set("a", 1));
  expect(await left()).toBe(10);
  await runtime.advance(4_000);
  await at(kv.update("a", (value = 0) => value + 1));
  await at(kv.increment("a", 1, { ttl: "1h" }));
  expect(await left()).toBe(6);
  await at(kv.update("a", (value = 0) => value + 1, { ttl: "20s" }));
  expect(await left()).toBe(20);
  await runtime.advance(5_000);
  await at(kv.touch("a"));
  expect(await left()).toBe(20);
  await at(kv.expire("a", "3s"));
  expect(await left()).toBe(3);
  await at(kv.set("a", 1, { ttl: null }));
  expect(await at(kv.ttl("a"))).toBeNull();
  expect(await at(kv.touch("a"))).toBe(true);
  expect(await at(kv.ttl("a"))).toBeNull();
  await at(kv.set("a", 7));
  await runtime.advance(10_000);
  expect(await at(kv.expire("a", "1h"))).toBe(false);
  expect(await at(kv.increment("a", 1, { initial: 5, ttl: "2s" }))).toBe(6);
  expect(await left()).toBe(2);
  const created = await at(kv.get("a"));
  expect(created?.createdAt).toEqual(created?.updatedAt);
});

test("what expired is collected by the store at least an hour later, and a deletion is remembered for an hour", async () => {
  const { runtime, client, store } = createWorld();
  const kv = client(0).coordinator.kv<number>("x");
  const at = <T>(promise: Promise<T>): Promise<T> => within(runtime, promise, 5);
  await at(kv.set("a", 1, { ttl: "1s" }));
  await at(kv.set("b", 1));
  await at(kv.delete("b"));
  const count = async () => (await at(store.scan("default.kv."))).records.length;
  await runtime.advance(3_590_000);
  await at(kv.set("other", 1));
  expect(await count()).toBe(3);
  await runtime.advance(20_000);
  for (let nth = 0; nth < 5; nth += 1) await at(kv.set("other", nth));
  expect(await count()).toBe(1);
});

test("an update that creates an entry may give it no time to live, whatever the store's is", async () => {
  const { runtime, client } = createWorld();
  const kv = client(0).coordinator.kv<number>("x", { ttl: "10s" });
  const at = <T>(promise: Promise<T>): Promise<T> => within(runtime, promise, 5);
  await at(kv.update("a", () => 1, { ttl: null }));
  expect(await at(kv.ttl("a"))).toBeNull();
  await at(kv.update("b", () => 1));
  expect(await at(kv.ttl("b"))).toBeGreaterThan(9_900);
});

test("a machine that slept during a write decides by what time it is then, not by what time it was", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const { runtime, client } = createWorld({ clients: 2, seed, tripMs: 4 });
    const [one, two] = [0, 1].map((index) => client(index).coordinator.kv<number>("x")) as [
      KeyValue<number>,
      KeyValue<number>,
    ];
    await within(runtime, Promise.all([two.set("clock", 1), one.set("a", 1_000, { ttl: 500 })]), 50);
    const seen: (number | undefined)[] = [];
    const added = two.update("a", (value) => {
      seen.push(value);
      return (value ?? 0) + 1;
    });
    // It reads for 4 ms, and then writes.
    void pass(runtime, 3.9 * runtime.random()).then(() => runtime.sleepMachine(60_000));
    expect(await within(runtime, added, 1_000)).toMatchObject({ committed: true, value: 1 });
    expect(seen).toEqual([undefined]);
    expect((await within(runtime, two.get("a")))?.value).toBe(1);
  }
});
