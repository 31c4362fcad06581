// Goal: a counter does what its page says in plain use: values, bounds, conditions, bad input, and how many requests
// each call costs.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { type Counter, createCoordinator } from "../../src/index.ts";
import { createWorld, ending, within } from "./counter-world.ts";

const edge = Number.MAX_SAFE_INTEGER;

function open() {
  return createCoordinator(memoryBackend());
}

test("a counter begins at 0, goes up and down, and is the same for all of its name", async () => {
  await using coordinator = open();
  const visits = coordinator.counter("visits");
  expect(visits.name).toBe("visits");
  expect(await visits.get()).toBe(0);
  expect(await visits.add()).toBe(1);
  expect(await visits.add(41)).toBe(42);
  expect(await coordinator.counter("visits").add(-50)).toBe(-8);
  expect(await visits.add(0)).toBe(-8);
  expect(await visits.get()).toBe(-8);
  expect(await coordinator.counter("others").get()).toBe(0);
});

test("set, compareAndSet and reset mix with adds, with and without bounds", async () => {
  await using coordinator = open();
  const counter = coordinator.counter("mixed");
  const bounded = coordinator.counter("mixed", { min: 0, max: 100 });
  await counter.set(10);
  expect(await counter.add(5)).toBe(15);
  expect(await bounded.add(5)).toBe(20);
  expect(await counter.compareAndSet(19, 1)).toBe(false);
  expect(await counter.compareAndSet(20, 30)).toBe(true);
  expect(await counter.compareAndSet(30, 30)).toBe(true);
  expect(await counter.add()).toBe(31);
  await bounded.reset();
  expect(await counter.add()).toBe(1);
  expect(await bounded.get()).toBe(1);
});

test("a reading says how true it is", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("read");
  await within(runtime, counter.add(7));
  expect(await within(runtime, counter.read())).toEqual({ value: 7, isMomentary: true, ageMaxMs: 1 });
});

test.each([
  ["numbers", (options: object) => open().counter("x", options), Number],
  ["bigints", (options: object) => open().bigintCounter("x", options), BigInt],
  ["numbers with a ttl", (options: object) => open().counter("x", { ...options, ttl: "1h" }), Number],
] as const)(
  "bounds of %s are held exactly, and a refusal changes nothing and says why",
  async (_, make, of) => {
    const counter = make({ min: of(-2), max: of(3) }) as Counter<never>;
    const n = (value: number): never => of(value) as never;
    expect(await counter.add(n(3))).toBe(of(3));
    await expect(counter.add(n(2))).rejects.toMatchObject({
      code: "OUT_OF_BOUNDS",
      retryable: false,
      value: of(5),
      bound: of(3),
      message: "the counter stays as it is: 3 + 2 is above its max, 3",
    });
    expect(await counter.get()).toBe(of(3));
    expect(await counter.add(n(-5))).toBe(of(-2));
    await expect(counter.add(n(-1))).rejects.toMatchObject({
      code: "OUT_OF_BOUNDS",
      value: of(-3),
      bound: of(-2),
    });
    await expect(counter.set(n(4))).rejects.toMatchObject({
      code: "OUT_OF_BOUNDS",
      value: of(4),
      bound: of(3),
    });
    await expect(counter.compareAndSet(n(-2), n(-3))).rejects.toMatchObject({ code: "OUT_OF_BOUNDS" });
    expect(await counter.get()).toBe(of(-2));
    await counter.set(n(3));
    expect(await counter.get()).toBe(of(3));
  },
);

test("of many adds at a bound as many go through as fit, in one write", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("stock", { min: 0 });
  await within(runtime, counter.set(5));
  client(0).resetCounts();
  const all = Array.from({ length: 10 }, () => ending(counter.add(-1)));
  const ends = await within(runtime, Promise.all(all));
  expect(ends).toEqual([4, 3, 2, 1, 0, ...Array.from({ length: 5 }, () => "OUT_OF_BOUNDS")]);
  expect(client(0).counts).toEqual({ add: 0, commit: 1, get: 0, time: 0 });
});

test("who stands beyond a bound may come back, also step by step", async () => {
  await using coordinator = open();
  await coordinator.counter("over").set(10);
  const bounded = coordinator.counter("over", { max: 5 });
  await expect(bounded.add(1)).rejects.toMatchObject({ code: "OUT_OF_BOUNDS" });
  expect(await bounded.add(0)).toBe(10);
  expect(await bounded.add(-2)).toBe(8);
  const risen = coordinator.counter("under", { min: 5, max: 9 });
  expect(await risen.add(3)).toBe(3);
  expect(await risen.add(3)).toBe(6);
  await expect(risen.add(-2)).rejects.toMatchObject({ code: "OUT_OF_BOUNDS", value: 4, bound: 5 });
  await risen.reset();
  expect(await risen.get()).toBe(0);
});

test("numbers count to 2^53 - 1 both ways and say so at the edge; bigints go on", async () => {
  await using coordinator = open();
  const counter = coordinator.counter("edge");
  expect(await counter.add(edge)).toBe(edge);
  await expect(counter.add(1)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(await counter.add(-edge)).toBe(0);
  expect(await counter.add(-edge)).toBe(-edge);
  await expect(counter.add(-1)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  await counter.set(edge);
  await expect(coordinator.counter("edge", { min: 0 }).add(1)).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
  });
  expect(await counter.get()).toBe(edge);
  const big = coordinator.bigintCounter("big");
  expect(await big.add(BigInt(edge))).toBe(BigInt(edge));
  expect(await big.add()).toBe(2n ** 53n);
  expect(await big.add(-(10n ** 100n))).toBe(2n ** 53n - 10n ** 100n);
  const largest = 10n ** 1_000n - 1n;
  await big.set(largest);
  await expect(big.add(1n)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  await expect(big.set(largest + 1n)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(await big.get()).toBe(largest);
});

test.each([
  ["a fraction", 1.5],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["2^53", 2 ** 53],
  ["text", "1"],
  ["null", null],
  ["a bigint", 1n],
])("%s is no number for a counter, and asks nothing of the store", async (_, value) => {
  const { client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  for (const call of [
    counter.add(value as number),
    counter.set(value as number),
    counter.compareAndSet(value as number, 1),
    counter.compareAndSet(1, value as number),
  ]) {
    await expect(call).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  expect(client(0).counts).toEqual({ add: 0, commit: 0, get: 0, time: 0 });
});

test.each([
  ["min above max", { min: 2, max: 1 }, /min must not be above max; got min 2 and max 1/],
  ["a min that is no integer", { min: 0.5 }, /min must be a whole number/],
  ["a max that is null", { max: null }, /max must be a whole number/],
  ["a ttl of 0", { ttl: 0 }, /ttl must be a duration from 1 ms/],
  ["a ttl without end", { ttl: Number.POSITIVE_INFINITY }, /ttl must be a duration/],
  ["a ttl that is a word", { ttl: "soon" }, /ttl must be a duration/],
  ["no shards", { shards: 0 }, /shards must be a whole number from 1 to 64; got 0/],
  ["half a shard", { shards: 1.5 }, /shards must be a whole number/],
  ["too many shards", { shards: 65 }, /shards must be a whole number/],
  ["shards that are text", { shards: "4" }, /shards must be a whole number/],
  ["shards with a bound", { shards: 4, max: 5 }, /in 4 shards cannot have a max/],
  ["shards with a ttl", { shards: 4, ttl: "1m" }, /in 4 shards cannot have a ttl/],
  ["a misspelt option", { maximum: 5 }, /counter has no option "maximum"; it has min, max, ttl, shards/],
  ["no object", 5, /the options of counter must be an object/],
])("%s is refused at once", async (_, options, message) => {
  await using coordinator = open();
  expect(() => coordinator.counter("x", options as object)).toThrow(message);
});

test("names, bigint options and signals are checked too", async () => {
  await using coordinator = open();
  expect(() => coordinator.counter("")).toThrow(/a counter's name must be a non-empty string/);
  expect(() => coordinator.bigintCounter("x", { min: 1 as unknown as bigint })).toThrow(
    /min must be a bigint/,
  );
  expect(() => coordinator.bigintCounter("x", { shards: 2 } as object)).toThrow(
    /bigintCounter has no option/,
  );
  const counter = coordinator.counter("x");
  await expect(counter.add(1, { signal: 5 } as object)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(counter.add(1, { wait: 5 } as object)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(counter.reset({ signal: 5 } as object)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(coordinator.bigintCounter("x").add(1 as unknown as bigint)).rejects.toThrow(
    /must be a bigint/,
  );
});

test("a record that is no counter, or one with other options, is refused and stays", async () => {
  await using coordinator = open();
  await coordinator.counter("plain").add(1);
  await coordinator.counter("timed", { ttl: "1h" }).add(1);
  await coordinator.bigintCounter("big").add(1n);
  for (const call of [
    coordinator.counter("plain", { ttl: "1h" }).add(1),
    coordinator.counter("plain", { ttl: "1h" }).get(),
    coordinator.bigintCounter("plain").add(1n),
    coordinator.counter("timed").add(1),
    coordinator.counter("timed").get(),
    coordinator.counter("timed").set(1),
    coordinator.bigintCounter("timed", { ttl: "1h" }).add(1n),
    coordinator.counter("big").add(1),
    coordinator.counter("big", { ttl: "1h" }).add(1),
  ]) {
    await expect(call).rejects.toMatchObject({
      code: "CORRUPT_RECORD",
      message: expect.stringMatching(/same options/),
    });
  }
  expect(await coordinator.counter("plain").get()).toBe(1);
  expect(await coordinator.counter("timed", { ttl: "1h" }).get()).toBe(1);
  expect(await coordinator.bigintCounter("big").get()).toBe(1n);
});
