// Goal: a counter in shards takes the adds of each process in one record, and says truly what the sum of all is worth.
import { expect, test } from "vitest";
import { OutcomeUnknownError } from "../../src/index.ts";
import { createWorld, ending, first, pass, within } from "./counter-world.ts";

test("a process adds to one shard, in one write for all who ask at the same time, and get reads all in one request", async () => {
  const { runtime, client } = createWorld();
  const { coordinator, counts, resetCounts } = client(0);
  const sums = await within(
    runtime,
    Promise.all(Array.from({ length: 100 }, () => coordinator.counter("x", { shards: 64 }).add(2))),
  );
  expect(sums).toEqual(Array.from({ length: 100 }, (_, index) => 2 * (index + 1)));
  expect(counts).toEqual({ add: 1, commit: 0, get: 0, time: 0 });
  resetCounts();
  expect(await within(runtime, coordinator.counter("x", { shards: 64 }).get())).toBe(200);
  expect(counts).toEqual({ add: 0, commit: 0, get: 1, time: 0 });
});

test("processes spread over the shards, and the sum is that of all", async () => {
  const { runtime, client, clients, store } = createWorld({ clients: 40 });
  for (const { coordinator } of clients)
    await within(runtime, coordinator.counter("x", { shards: 8 }).add(3));
  expect((await store.scan("default.counter.x")).records.length).toBeGreaterThan(4);
  const counter = client(0).coordinator.counter("x", { shards: 8 });
  expect(await within(runtime, counter.read())).toEqual({ value: 120, isMomentary: false, ageMaxMs: 1 });
});

test("a counter without shards is the first of them: more may be used later", async () => {
  const { runtime, client, clients } = createWorld({ clients: 10 });
  await within(runtime, client(0).coordinator.counter("x").add(100));
  for (const { coordinator } of clients) await within(runtime, coordinator.counter("x", { shards: 4 }).add());
  expect(await within(runtime, client(0).coordinator.counter("x", { shards: 4 }).get())).toBe(110);
  expect(await within(runtime, client(0).coordinator.counter("x", { shards: 16 }).get())).toBe(110);
});

test("of a counter that only rises, a sum lies between its values at the beginning and the end of the call", async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const { runtime, client } = createWorld({ clients: 8, seed, tripMs: 5 });
    let told = 0;
    let asked = 0;
    const loop = async (index: number) => {
      const counter = client(index).coordinator.counter("x", { shards: 4 });
      for (let round = 0; round < 20; round += 1) {
        const delta = Math.floor(runtime.random() * 10);
        asked += delta;
        await counter.add(delta);
        told += delta;
      }
    };
    const look = async () => {
      const counter = client(7).coordinator.counter("x", { shards: 4 });
      for (let round = 0; round < 30; round += 1) {
        const least = told;
        const value = await counter.get();
        expect(value).toBeGreaterThanOrEqual(least);
        expect(value).toBeLessThanOrEqual(asked);
        await pass(runtime, runtime.random() * 5);
      }
    };
    await within(runtime, Promise.all([...[0, 1, 2, 3, 4, 5, 6].map(loop), look()]), 2_000);
  }
});

test("what no write could do is refused with UNSUPPORTED, and reset makes all shards 0", async () => {
  const { runtime, client, clients } = createWorld({ clients: 12 });
  for (const { coordinator } of clients)
    await within(runtime, coordinator.counter("x", { shards: 4 }).add(5));
  const counter = client(0).coordinator.counter("x", { shards: 4 });
  await expect(counter.set(1)).rejects.toThrow(
    'counter "x" stands in 4 records, and no write changes all of them at once: it has no set. Use one shard, or reset',
  );
  await expect(counter.compareAndSet(1, 2)).rejects.toMatchObject({ code: "UNSUPPORTED" });
  await within(runtime, counter.reset());
  expect(await within(runtime, counter.get())).toBe(0);
  await within(runtime, counter.add(1));
  expect(await within(runtime, counter.get())).toBe(1);
  expect(await ending(counter.add(0.5))).toBe("INVALID_ARGUMENT");
  expect(await ending(counter.reset({ signal: AbortSignal.abort() }))).toBe("ABORTED");
});

test("shards count once as well, and a sum beyond the integers says so", async () => {
  const { runtime, client, clients } = createWorld({ clients: 12 });
  client(0).spoil(
    first("add", 1, async (_request, send) => {
      await send();
      throw new OutcomeUnknownError("a test lost the answer");
    }),
  );
  const counter = client(0).coordinator.counter("x", { shards: 4 });
  await within(runtime, counter.add(5), 1_000);
  expect(await within(runtime, counter.get())).toBe(5);
  const most = clients.map(({ coordinator }) => coordinator.counter("x", { shards: 4 }).add(2 ** 52));
  await within(runtime, Promise.all(most.map(ending)), 1_000);
  await expect(within(runtime, counter.get())).rejects.toThrow(
    /the sum of the 4 shards of counter "x" is beyond 2\^53 - 1/,
  );
});
