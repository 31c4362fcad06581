// Goal: a counter with a ttl lives from its first change for that long on the store's clock, whatever the clocks of the
// clients say, and a value that is over is never seen.
import { expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import { createWorld, pass, within } from "./counter-world.ts";

test("it lives from the first change for the ttl, later changes do not make it live longer, and then it begins anew", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const counter = client(0).coordinator.counter("x", { ttl: "10s" });
  const other = client(1).coordinator.counter("x", { ttl: "10s" });
  expect(await within(runtime, other.get())).toBe(0);
  expect(await within(runtime, counter.add(5))).toBe(5);
  await runtime.advance(9_000);
  expect(await within(runtime, other.add(2))).toBe(7);
  await runtime.advance(900);
  expect(await within(runtime, counter.get())).toBe(7);
  await runtime.advance(100);
  expect(await within(runtime, counter.get())).toBe(0);
  expect(await within(runtime, other.get())).toBe(0);
  expect(await within(runtime, other.add(3))).toBe(3);
  await runtime.advance(9_800);
  expect(await within(runtime, counter.add(1))).toBe(4);
  await runtime.advance(500);
  expect(await within(runtime, counter.add(1))).toBe(1);
});

test("a value is never seen once its ttl is over, by readers and writers at any moment", async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const { runtime, client } = createWorld({ clients: 3, seed, tripMs: 4 });
    const ttlMs = 200 + Math.floor(runtime.random() * 300);
    const at = (index: number) => client(index).coordinator.counter("x", { ttl: ttlMs });
    let begunAtMs = Number.NaN;
    const begin = async () => {
      await at(0).add(1_000);
      begunAtMs = runtime.wallMs();
    };
    const look = async (index: number) => {
      await pass(runtime, ttlMs * (0.8 + 0.4 * runtime.random()));
      const askedAtMs = runtime.wallMs();
      const seen = index === 1 ? await at(1).get() : await at(2).add(0);
      if (askedAtMs >= begunAtMs + ttlMs) expect(seen).toBe(0);
      if (runtime.wallMs() <= begunAtMs + ttlMs - 20) expect(seen).toBe(1_000);
    };
    await within(runtime, Promise.all([begin(), look(1), look(2), look(1), look(2)]), 2 * ttlMs);
  }
});

test("clients whose own clocks are wrong, or jump, change nothing", async () => {
  for (const jumpMs of [30_000, -30_000]) {
    const { runtime, client } = createWorld({ clients: 2 });
    client(1).jumpWall(jumpMs);
    const [right, wrong] = [0, 1].map((index) => client(index).coordinator.counter("x", { ttl: "10s" }));
    if (right === undefined || wrong === undefined) throw new Error("two clients");
    await within(runtime, wrong.add(5));
    await runtime.advance(5_000);
    expect(await within(runtime, right.add(1))).toBe(6);
    client(1).jumpWall(-2 * jumpMs);
    expect(await within(runtime, wrong.add(1))).toBe(7);
    await runtime.advance(4_900);
    expect(await within(runtime, wrong.get())).toBe(7);
    await runtime.advance(100);
    expect(await within(runtime, wrong.get())).toBe(0);
    expect(await within(runtime, right.get())).toBe(0);
  }
});

test("set, compareAndSet and reset know of the end; reset begins anew with the next change", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x", { ttl: "10s", max: 100 });
  await within(runtime, counter.set(50));
  await runtime.advance(6_000);
  await within(runtime, counter.set(60));
  expect(await within(runtime, counter.compareAndSet(60, 61))).toBe(true);
  await runtime.advance(4_100);
  expect(await within(runtime, counter.compareAndSet(61, 62))).toBe(false);
  expect(await within(runtime, counter.compareAndSet(0, 62))).toBe(true);
  await runtime.advance(6_000);
  await within(runtime, counter.reset());
  expect(await within(runtime, counter.add(7))).toBe(7);
  await runtime.advance(6_000);
  expect(await within(runtime, counter.get())).toBe(7);
  await within(runtime, counter.set(0));
  expect(await within(runtime, counter.add(1))).toBe(1);
  await runtime.advance(4_100);
  expect(await within(runtime, counter.get())).toBe(0);
});

test("a command that waited for others is decided by the time at which it is sent", async () => {
  const { runtime, client } = createWorld({ tripMs: 10 });
  const counter = client(0).coordinator.counter("x", { ttl: "1s" });
  await within(runtime, counter.add(5), 100);
  client(0).spoil((request, send) => (request === "commit" ? pass(runtime, 2_000).then(send) : send()));
  const slow = counter.add(1);
  await runtime.advance(500);
  const waiting = counter.add(1);
  client(0).spoil(undefined);
  await runtime.advance(1_700);
  expect(await slow).toBe(6);
  expect(await within(runtime, waiting, 100)).toBe(1);
});

test("the store's clock is asked rarely, and only for a ttl", async () => {
  const { runtime, client } = createWorld();
  const { coordinator, counts } = client(0);
  await within(runtime, coordinator.counter("plain").add());
  await within(runtime, coordinator.bigintCounter("big").add());
  expect(counts.time).toBe(0);
  const counter = coordinator.counter("x", { ttl: "1h" });
  for (let round = 0; round < 100; round += 1) await within(runtime, counter.add());
  expect(counts.time).toBe(1);
  expect(counts.commit).toBe(101);
});

test("bigints live as long, and a client that knows of no ttl is refused", async () => {
  const { runtime, client } = createWorld();
  const { coordinator } = client(0);
  const big = coordinator.bigintCounter("x", { ttl: "10s" });
  await within(runtime, big.add(5n));
  await expect(within(runtime, coordinator.bigintCounter("x").add())).rejects.toThrow(
    /counter "x" has a time to live of 10000 ms, set by another client; open it with the same ttl everywhere/,
  );
  await runtime.advance(10_000);
  expect(await within(runtime, big.get())).toBe(0n);
});

test("the store may collect a record when its value is over, and the mark of a late write is of no use any more", async () => {
  const { runtime, client, store } = createWorld();
  const puts: (number | undefined)[] = [];
  const commit = store.commit.bind(store);
  store.commit = (operations) => {
    puts.push(...operations.map((operation) => (operation.kind === "put" ? operation.ttlMs : Number.NaN)));
    return commit(operations);
  };
  const timed = client(0).coordinator.counter("x", { ttl: "1m" });
  await within(runtime, timed.add());
  await within(runtime, timed.reset());
  await within(runtime, client(0).coordinator.bigintCounter("y").add());
  expect(puts).toEqual([3_660_000, 3_600_000, undefined]);
  await within(runtime, timed.add());
  await runtime.advance(3_700_000);
  // It collects when it is written to.
  await within(runtime, client(0).coordinator.counter("z").add());
  expect(await store.get([recordKey("default", "counter", "x")])).toEqual([null]);
});
