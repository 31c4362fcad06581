// Goal: what compares and sets (set, compareAndSet, reset, adds with bounds or a ttl, bigints) happens once, also when
// answers get lost, beside adds of the backend's own on the same record, and costs what the page says.
import { expect, test } from "vitest";
import { receiptsMax } from "../../src/core/counter-record.ts";
import { recordKey } from "../../src/core/names.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { createWorld, ending, first, type World, within } from "./counter-world.ts";

const lost = new OutcomeUnknownError("a test lost the answer");
const away = new UnavailableError("a test refused the request");

test("a change costs one write where the value is known, one read more where not, and none that changes nothing", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const { coordinator, counts, resetCounts } = client(0);
  const counter = coordinator.counter("x", { max: 100 });
  const costs = async (call: () => Promise<unknown>) => {
    resetCounts();
    await within(runtime, call());
    return { ...counts };
  };
  const [known, unknown, nothing] = [
    { add: 0, commit: 1, get: 0, time: 0 },
    { add: 0, commit: 1, get: 1, time: 0 },
    { add: 0, commit: 0, get: 1, time: 0 },
  ];
  expect(await costs(() => counter.set(5))).toEqual(unknown);
  expect(await costs(() => counter.set(6))).toEqual(known);
  expect(await costs(() => counter.add(1))).toEqual(known);
  expect(await costs(() => counter.compareAndSet(7, 8))).toEqual(known);
  expect(await costs(() => counter.compareAndSet(7, 8))).toEqual(nothing);
  expect(await costs(() => counter.set(8))).toEqual(nothing);
  expect(await costs(() => ending(counter.add(93)))).toEqual(nothing);
  expect(await costs(() => counter.reset())).toEqual(known);
  expect(await costs(() => counter.reset())).toEqual(nothing);
  expect(await costs(() => counter.get())).toEqual(nothing);
  expect(await costs(() => coordinator.counter("x").add(3))).toEqual({ add: 1, commit: 0, get: 0, time: 0 });
  expect(await costs(() => counter.set(7))).toEqual(unknown);
  expect(
    await costs(() => Promise.all([counter.add(1), counter.add(2), counter.set(3), counter.add(4)])),
  ).toEqual(known);
});

test("nobody is told from memory that nothing changes", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const [mine, other] = [client(0).coordinator.counter("x", { max: 5 }), client(1).coordinator.counter("x")];
  await within(runtime, mine.set(5));
  await within(runtime, other.set(1));
  expect(await within(runtime, mine.add(1))).toBe(2);
  await within(runtime, other.set(9));
  expect(await within(runtime, mine.compareAndSet(2, 3))).toBe(false);
  expect(await within(runtime, mine.compareAndSet(9, 4))).toBe(true);
});

const kinds = {
  "with bounds": ({ client }: World) => client(0).coordinator.counter("x", { max: 1_000 }),
  "of bigints": ({ client }: World) => client(0).coordinator.bigintCounter("x"),
  "with a ttl": ({ client }: World) => client(0).coordinator.counter("x", { ttl: "1h" }),
} as const;

test.each(Object.entries(kinds))("a counter %s counts once when answers are lost", async (kind, make) => {
  const world = createWorld();
  const { runtime, client } = world;
  const counter = make(world) as ReturnType<(typeof kinds)["with bounds"]>;
  const of = (value: number) => (kind === "of bigints" ? BigInt(value) : value) as number;
  const after = first("commit", 2, async (_request, send) => {
    await send();
    throw lost;
  });
  client(0).spoil(after);
  expect(await within(runtime, Promise.all([counter.add(of(1)), counter.add(of(2))]), 1_000)).toEqual([
    of(1),
    of(3),
  ]);
  client(0).spoil(
    first("commit", 1, async () => {
      throw lost;
    }),
  );
  expect(await within(runtime, counter.add(of(4)), 1_000)).toBe(of(7));
  client(0).spoil(
    first("commit", 1, async (_request, send) => {
      await send();
      throw lost;
    }),
  );
  expect(await within(runtime, counter.compareAndSet(of(7), of(8)), 1_000)).toBe(true);
  client(0).spoil(
    first("commit", 1, async () => {
      throw away;
    }),
  );
  expect(await within(runtime, ending(counter.add(of(1))), 1_000)).toBe("UNAVAILABLE");
  client(0).spoil(async () => {
    throw lost;
  });
  expect(await within(runtime, ending(counter.add(of(1))), 20_000)).toBe("OUTCOME_UNKNOWN");
  client(0).spoil(undefined);
  expect(await within(runtime, counter.get())).toBe(of(8));
});

test("an add whose answer was lost counts once, also when the counter was set before it is sent again", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const counter = client(0).coordinator.counter("x");
  const setting: Promise<void>[] = [];
  client(0).spoil(
    first("add", 1, async (_request, send) => {
      await send();
      setting.push(client(1).coordinator.counter("x").set(100));
      await Promise.all(setting);
      throw lost;
    }),
  );
  expect(await within(runtime, counter.add(5), 2_000)).toBe(5);
  expect(await within(runtime, counter.get())).toBe(100);
});

test("a set whose answer was lost does not undo what was added since", async () => {
  const { runtime, client } = createWorld({ clients: 2 });
  const counter = client(0).coordinator.counter("x");
  const other = client(1).coordinator.counter("x");
  client(0).spoil(
    first("commit", 1, async (_request, send) => {
      await send();
      await other.add(5);
      throw lost;
    }),
  );
  await within(runtime, counter.set(100), 2_000);
  expect(await within(runtime, counter.get())).toBe(105);
  await within(runtime, counter.set(100), 2_000);
  expect(await within(runtime, other.add(1))).toBe(101);
});

test.each([
  ["", {}, "add"],
  [" with a ttl", { ttl: "1h" }, "commit"],
] as const)(
  "a counter%s tells what became of an add after 63 other writers, and after 64 that it cannot: no add counts twice",
  async (_, options, kind) => {
    for (const [others, told] of [
      [receiptsMax - 1, 1],
      [receiptsMax, "OUTCOME_UNKNOWN"],
    ] as const) {
      const { runtime, client } = createWorld({ clients: receiptsMax + 1 });
      const at = (index: number) => client(index).coordinator.counter("x", options);
      client(0).spoil(
        first(kind, 1, async (_request, send) => {
          await send();
          for (let index = 1; index <= others; index += 1) await at(index).add();
          throw lost;
        }),
      );
      expect(await within(runtime, ending(at(0).add()), 2_000)).toBe(told);
      expect(await within(runtime, at(0).get())).toBe(others + 1);
      expect(await within(runtime, at(0).add())).toBe(others + 2);
    }
  },
);

test("the record of a counter is small, and its form is kept: others read it", async () => {
  const { runtime, client, store } = createWorld();
  const { coordinator } = client(0);
  const text = async (name: string) => {
    const [record] = await store.get([recordKey("default", "counter", name)]);
    return Buffer.from(record?.value ?? []).toString();
  };
  await within(runtime, coordinator.counter("plain").add(5));
  await within(runtime, coordinator.counter("plain").set(7));
  expect(await text("plain")).toMatch(
    /^\{"counter":7,"receipts":\[\["[-\w]{22}",1,5\],\["[-\w]{22}",1,7\]\]\}$/,
  );
  await within(runtime, coordinator.bigintCounter("big").add(-(2n ** 70n)));
  expect(await text("big")).toMatch(/^\{"value":"-1180591620717411303424","stamps":\[\["[-\w]{22}",1\]\]\}$/);
  await within(runtime, coordinator.counter("timed", { ttl: "1m" }).add(5));
  expect(await text("timed")).toMatch(
    /^\{"value":5,"ends":\d{13},"ttl":60000,"stamps":\[\["[-\w]{22}",1\]\]\}$/,
  );
});

test.each([
  "[]",
  "null",
  "7",
  '{"value":1}',
  '{"value":1.5,"stamps":[]}',
  '{"value":"01","stamps":[]}',
  '{"value":1,"stamps":[],"ends":5}',
  '{"value":1,"stamps":[[1]]}',
])("a damaged record %s is refused, and stays", async (text) => {
  const { runtime, client, store } = createWorld();
  const { coordinator } = client(0);
  const key = recordKey("default", "counter", "x");
  await store.commit([{ kind: "put", key, value: Buffer.from(text) }]);
  for (const counter of [coordinator.counter("x"), coordinator.counter("x", { ttl: "1m" })]) {
    for (const call of [counter.add(1), counter.get(), counter.set(1), counter.reset()]) {
      expect(await within(runtime, ending(call as Promise<unknown>))).toBe("CORRUPT_RECORD");
    }
  }
  expect(await within(runtime, ending(coordinator.bigintCounter("x").add(1n)))).toBe("CORRUPT_RECORD");
  expect(Buffer.from((await store.get([key]))[0]?.value ?? []).toString()).toBe(text);
});

test.each(Object.entries(kinds))(
  "a counter %s ends what waits when its signal fires, and tells what was sent",
  async (kind, make) => {
    const world = createWorld({ tripMs: 100 });
    const { runtime, client } = world;
    const counter = make(world) as ReturnType<(typeof kinds)["with bounds"]>;
    const of = (value: number) => (kind === "of bigints" ? BigInt(value) : value) as number;
    const { signal } = { signal: AbortSignal.abort("too late") };
    expect(await within(runtime, ending(counter.add(of(1), { signal })), 200)).toBe("ABORTED");
    expect(client(0).counts).toMatchObject({ commit: 0, add: 0 });
    const controller = new AbortController();
    const sent = counter.set(of(5), { signal: controller.signal });
    await runtime.advance(150);
    expect(client(0).counts.commit).toBe(1);
    const waiting = ending(counter.add(of(1), { signal: controller.signal }));
    const beside = counter.add(of(10));
    await runtime.advance(10);
    controller.abort();
    expect(await within(runtime, waiting, 0)).toBe("ABORTED");
    await within(runtime, sent, 200);
    expect(await within(runtime, beside, 200)).toBe(of(15));
  },
);

test.each(Object.entries(kinds))("close waits for what a counter %s was asked before", async (kind, make) => {
  const world = createWorld({ clients: 2, tripMs: 100 });
  const { runtime, client } = world;
  const counter = make(world) as ReturnType<(typeof kinds)["with bounds"]>;
  const of = (value: number) => (kind === "of bigints" ? BigInt(value) : value) as number;
  const sent = counter.add(of(1));
  await runtime.advance(150);
  const waiting = counter.add(of(2));
  await runtime.advance(10);
  const closing = client(0).coordinator.close();
  expect(await within(runtime, ending(counter.add(of(4))), 0)).toBe("CLOSED");
  expect(await within(runtime, Promise.all([sent, waiting]), 400)).toEqual([of(1), of(3)]);
  await within(runtime, closing, 0);
});
