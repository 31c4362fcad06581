// Goal: adds of one process ride together, one write at a time, and each counts once and gets a value of its own,
// whatever becomes of requests, and whenever its caller gives up or the coordinator closes.
import { expect, test } from "vitest";
import { InvariantError } from "../../src/core/invariant.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { createWorld, ending, first, pass, within } from "./counter-world.ts";

const edge = Number.MAX_SAFE_INTEGER;
const lost = new OutcomeUnknownError("a test lost the answer");
const away = new UnavailableError("a test refused the request");
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

test.each([1, 2, 1_000])(
  "%i adds at the same time cost one write, and get the sums in order",
  async (count) => {
    const { runtime, client } = createWorld();
    const { coordinator, counts } = client(0);
    const sums = await within(runtime, Promise.all(times(count, () => coordinator.counter("x").add())));
    expect(sums).toEqual(times(count, (index) => index + 1));
    expect(counts).toEqual({ add: 1, commit: 0, get: 0, time: 0 });
  },
);

test("what comes while a write is on its way goes with the next one, all together", async () => {
  const { runtime, client } = createWorld({ tripMs: 10 });
  const counter = client(0).coordinator.counter("x");
  const one = counter.add(5);
  await runtime.advance(3);
  const more = times(500, (index) => counter.add(index % 2 === 0 ? -1 : 3));
  await runtime.advance(3);
  const last = counter.add(7);
  expect(client(0).counts.add).toBe(1);
  expect(await within(runtime, Promise.all([one, ...more, last]), 20)).toEqual([
    5,
    ...times(500, (index) => 5 + (index + 1) + (index % 2 === 0 ? -2 : 0)),
    5 + 500 + 7,
  ]);
  expect(client(0).counts.add).toBe(2);
});

test("callers who ask again as soon as they are answered keep riding together, also through async functions", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  const wrapped = async () => await (async () => await counter.add())();
  const loop = async (add: () => Promise<number>) => {
    for (let round = 0; round < 10; round += 1) await add();
  };
  const all = times(64, (index) => loop(index % 2 === 0 ? () => counter.add() : wrapped));
  await within(runtime, Promise.all(all), 20);
  expect(client(0).counts.add).toBe(10);
  expect(await within(runtime, counter.get())).toBe(640);
});

test("an add whose answer was lost counts once, also when it was lost several times and others add meanwhile", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const counter = client(0).coordinator.counter("x");
  const other = client(1).coordinator.counter("x");
  const others: Promise<number>[] = [];
  client(0).spoil(
    first("add", 3, async (_request, send) => {
      await send();
      others.push(other.add(1_000));
      throw lost;
    }),
  );
  const sums = await within(runtime, Promise.all([counter.add(1), counter.add(2)]), 2_000);
  expect(sums).toEqual([1, 3]);
  expect(client(0).counts.add).toBe(4);
  expect(await Promise.all(others)).toEqual([1_003, 2_003, 3_003]);
  expect(await within(runtime, counter.get())).toBe(3_003);
});

test("an add that never reached the store, and nobody knows, counts once", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  client(0).spoil(
    first("add", 2, async () => {
      throw lost;
    }),
  );
  expect(await within(runtime, counter.add(5), 2_000)).toBe(5);
  expect(client(0).counts.add).toBe(3);
});

test("an add that was refused changes nothing and says so at once, to all who rode together; the next one is a new one", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  client(0).spoil(
    first("add", 1, async () => {
      throw away;
    }),
  );
  const ends = await within(runtime, Promise.all([ending(counter.add(1)), ending(counter.add(2))]), 0);
  expect(ends).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
  expect(await within(runtime, counter.add(5))).toBe(5);
});

test("after a lost answer, a store that is away for a while is waited for", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  client(0).spoil(async (_request, send, nth) => {
    if (runtime.monotonicMs() > 5_000) return send();
    if (nth > 1) throw away;
    await send();
    throw lost;
  });
  const adding = counter.add(5);
  expect(await within(runtime, adding, 6_000)).toBe(5);
  expect(await within(runtime, counter.get())).toBe(5);
});

test("a store that stays away ends in OUTCOME_UNKNOWN after ten seconds; a later add counts beside what was left", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  const held: (() => Promise<unknown>)[] = [];
  client(0).spoil(async (_request, send) => {
    held.push(send);
    throw lost;
  });
  const startedAtMs = runtime.monotonicMs();
  let endedAtMs = 0;
  const doomed = ending(counter.add(1)).finally(() => {
    endedAtMs = runtime.monotonicMs();
  });
  expect(await within(runtime, doomed, 12_000)).toBe("OUTCOME_UNKNOWN");
  expect(endedAtMs - startedAtMs).toBeGreaterThanOrEqual(10_000);
  expect(endedAtMs - startedAtMs).toBeLessThan(11_000);
  client(0).spoil(undefined);
  expect(await within(runtime, counter.add(10))).toBe(10);
  // The copies land after all: once, for they are one operation, and no add of now can be taken for one of them.
  for (const send of held) {
    const landed = send();
    await runtime.advance(5);
    expect(await landed).toBe(11);
  }
  expect(await within(runtime, counter.add(0))).toBe(11);
});

test("a failure that is no accident is told at once, also after a lost answer, as unknown", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  client(0).spoil(async (_request, _send, nth) => {
    throw nth === 1 ? lost : new InvariantError("a test");
  });
  expect(await within(runtime, ending(counter.add(1)), 1_000)).toBe("OUTCOME_UNKNOWN");
  client(0).spoil(async () => {
    throw new InvariantError("a test");
  });
  expect(await within(runtime, ending(counter.add(1)), 0)).toBe("InvariantError: a test");
});

test("an add that would overflow fails alone; those that ride with it go through", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  await within(runtime, counter.add(edge - 10));
  const deltas = [4, 20, 5, edge, -3, 3, 2];
  const ends = await within(runtime, Promise.all(deltas.map((delta) => ending(counter.add(delta)))), 50);
  const base = edge - 10;
  expect(ends).toEqual([
    base + 4,
    "LIMIT_EXCEEDED",
    base + 9,
    "LIMIT_EXCEEDED",
    base + 6,
    base + 9,
    "LIMIT_EXCEEDED",
  ]);
  expect(await within(runtime, counter.get())).toBe(edge - 1);
});

test("deltas that leave the integers only on the way are all told sums that can be", async () => {
  const { runtime, client } = createWorld();
  const counter = client(0).coordinator.counter("x");
  await within(runtime, counter.add(10));
  client(0).resetCounts();
  const sums = await within(runtime, Promise.all([counter.add(edge - 5), counter.add(-edge)]));
  expect(sums).toEqual([5, 10 - edge]);
  expect(client(0).counts.add).toBe(1);
  const far = await within(
    runtime,
    Promise.all([edge, edge, -edge, -edge].map((delta) => ending(counter.add(delta)))),
    50,
  );
  expect(far.filter((end) => end !== "LIMIT_EXCEEDED").every((end) => Number.isSafeInteger(end))).toBe(true);
});

test("a signal that fired before, or while the add waits for its turn, ends it with nothing added", async () => {
  const { runtime, client } = createWorld({ tripMs: 100 });
  const counter = client(0).coordinator.counter("x");
  const before = counter.add(1, { signal: AbortSignal.abort("too late") });
  await expect(before).rejects.toMatchObject({ code: "ABORTED", cause: "too late" });
  expect(client(0).counts.add).toBe(0);
  const sent = counter.add(10);
  await runtime.advance(10);
  const controller = new AbortController();
  const waiting = ending(counter.add(100, { signal: controller.signal }));
  const beside = counter.add(1_000);
  await runtime.advance(10);
  controller.abort("enough");
  expect(await within(runtime, waiting, 0)).toBe("ABORTED");
  expect(await within(runtime, Promise.all([sent, beside]), 300)).toEqual([10, 1_010]);
  expect(client(0).counts.add).toBe(2);
});

test("a signal that fires once the add was sent changes nothing: its outcome is told", async () => {
  const { runtime, client } = createWorld({ tripMs: 100 });
  const counter = client(0).coordinator.counter("x");
  const controller = new AbortController();
  const sent = counter.add(10, { signal: controller.signal });
  await runtime.advance(50);
  controller.abort();
  expect(await within(runtime, sent, 100)).toBe(10);
});

test("close waits for what was asked before, and refuses what comes after it", async () => {
  const { runtime, client } = createWorld({ tripMs: 100 });
  const { coordinator } = client(0);
  const counter = coordinator.counter("x");
  const idle = coordinator.counter("idle");
  const sent = counter.add(1);
  await runtime.advance(10);
  const queued = counter.add(2);
  const closing = coordinator.close();
  const late = [
    ...[
      counter.add(),
      counter.get(),
      counter.read(),
      counter.set(1),
      counter.compareAndSet(1, 2),
      counter.reset(),
    ],
    ...[idle.add(), idle.get(), coordinator.counter("new", { max: 5, ttl: "1s" }).add()],
    ...[coordinator.bigintCounter("big").add(1n), coordinator.counter("y", { shards: 2 }).add()],
  ].map((call) => ending(call as Promise<unknown>));
  expect(new Set(await within(runtime, Promise.all(late), 0))).toEqual(new Set(["CLOSED"]));
  expect(await within(runtime, Promise.all([sent, queued]), 300)).toEqual([1, 3]);
  await within(runtime, closing, 0);
});

test("close does not wait for ever for a store that does not answer", async () => {
  const { runtime, client } = createWorld();
  const { coordinator } = client(0);
  client(0).spoil(async () => {
    throw lost;
  });
  const adding = ending(coordinator.counter("x").add());
  await runtime.advance(1);
  await within(runtime, coordinator.close(), 16_000);
  expect(await within(runtime, adding, 1_000)).toBe("OUTCOME_UNKNOWN");
  expect(runtime.timerCount).toBe(0);
});

test.each(["timers", "answers"] as const)(
  "a process that stands still on the way counts once (%s first)",
  async (order) => {
    const { runtime, client } = createWorld({ clients: 2, tripMs: 10 });
    const counter = client(0).coordinator.counter("x");
    const other = client(1).coordinator.counter("x");
    const adding = Promise.all([counter.add(1), counter.add(2)]);
    await runtime.advance(4);
    client(0).pause();
    const late = counter.add(3);
    for (let round = 0; round < 100; round += 1) await within(runtime, other.add(10), 20);
    client(0).resume(order);
    const sums = await within(runtime, Promise.all([adding, late]), 100);
    expect(sums.flat()[2]).toBe(1_006);
    expect(await within(runtime, other.get(), 20)).toBe(1_006);
  },
);

test("two clients at the same time each count, and no sum is told twice", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const sums: number[] = [];
  const loop = async (index: number) => {
    for (let round = 0; round < 25; round += 1) {
      sums.push(
        await client(index % 2)
          .coordinator.counter("x")
          .add(),
      );
      await pass(runtime, runtime.random());
    }
  };
  await within(runtime, Promise.all(times(8, loop)), 500);
  expect(sums.sort((a, b) => a - b)).toEqual(times(200, (index) => index + 1));
});
