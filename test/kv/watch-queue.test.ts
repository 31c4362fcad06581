// Goal: a consumer that is slow gets the newest state of each key, and costs memory for keys and not for what happened.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Change, InvalidValueError, type Reset } from "../../src/index.ts";
import { Deadlines } from "../../src/kv/watch-deadlines.ts";
import type { News } from "../../src/kv/watch-news.ts";
import { WatchQueue } from "../../src/kv/watch-queue.ts";
import { createWatchWorld, readAll, settleAll, textOf } from "./watch-world.ts";

type Told = Change<number> | Reset;

describe("a consumer that is slow", () => {
  test("is told the newest state of each key when it asks, and what is gone as gone", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    for (const key of ["a", "b", "c"]) await entries.set(key, 0);
    const iterator = watched.watch()[Symbol.asyncIterator]();
    const next = async (): Promise<string> => textOf((await iterator.next()).value as Told);
    expect(await next()).toBe("+put a=0");
    for (let value = 1; value <= 1_000; value += 1) await entries.set("a", value);
    for (let value = 1; value <= 1_000; value += 1) await entries.set("b", value);
    await entries.delete("c");
    await entries.set("d", 1);
    await entries.delete("d");
    await runtime.settle();
    expect([await next(), await next(), await next(), await next()]).toEqual([
      "+put b=1000",
      "put a=1000",
      "delete c",
      "delete d",
    ]);
    await iterator.return?.();
  });

  test("lets nothing but keys pile up, and the reading of everything wait", async () => {
    const { runtime, entries, watched, way } = createWatchWorld();
    const keys = Array.from({ length: 1_000 }, (_, index) => `key-${index}`);
    await entries.setMany(keys.map((key) => ({ key, value: 1 })));
    const iterator = watched.watch()[Symbol.asyncIterator]();
    await settleAll(runtime);
    await runtime.advance(120_000);
    expect([way.counts.scans, way.counts.gets]).toEqual([1, 0]);
    await entries.setMany(keys.map((key) => ({ key, value: 2 })));
    await runtime.advance(120_000);
    expect([way.counts.scans, way.counts.gets]).toEqual([1, 0]);
    const values = new Map<string, number>();
    const reading = (async () => {
      for (;;) {
        const change = (await iterator.next()).value as Change<number>;
        if (change.operation === "put") values.set(change.key, change.value);
      }
    })();
    reading.catch(() => undefined);
    for (let round = 0; round < 5; round += 1) await settleAll(runtime);
    expect(values).toEqual(new Map(keys.map((key) => [key, 2])));
    await iterator.return?.();
    expect(runtime.timerCount).toBe(0);
  });

  test("has what was hinted at beyond some hundred values read when it gets to them", async () => {
    const { runtime, entries, watched, way } = createWatchWorld();
    await entries.set("a", 1);
    const iterator = watched.watch()[Symbol.asyncIterator]();
    await iterator.next();
    await settleAll(runtime);
    const keys = Array.from({ length: 350 }, (_, index) => `key-${index}`);
    for (const key of keys) await entries.set(key, 1);
    await settleAll(runtime);
    expect(way.counts.gets).toBe(0);
    const told = new Set<string>();
    while (told.size < keys.length) {
      const asked = iterator.next();
      await runtime.settle();
      told.add(textOf((await asked).value as Told));
    }
    expect(told).toEqual(new Set(keys.map((key) => `put ${key}=1`)));
    expect(way.counts.gets).toBeGreaterThanOrEqual(2);
    expect(way.counts.gets).toBeLessThanOrEqual(4);
    await iterator.return?.();
  });

  test("hears of what happened while it was away for hours, also of what is over, and is ready only then", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1);
    await entries.set("b", 1, { ttl: "1h" });
    await entries.set("c", 1, { ttl: "1h" });
    let isReady = false;
    const iterator = watched
      .watch({
        onReady: () => {
          isReady = true;
        },
      })
      [Symbol.asyncIterator]();
    expect(textOf((await iterator.next()).value as Told)).toBe("+put a=1");
    await runtime.advance(1_000);
    await entries.set("c", 2, { ttl: "1h" });
    await runtime.advance(7_200_000);
    expect(isReady).toBe(false);
    const told = [(await iterator.next()).value, (await iterator.next()).value] as Told[];
    expect(told.map(textOf).sort()).toEqual(["expire b", "expire c"]);
    expect(isReady).toBe(true);
    await iterator.return?.();
  });

  test("that asks several times at once is answered in order", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    const iterator = watched.watch()[Symbol.asyncIterator]();
    const asked = Array.from({ length: 5 }, () => iterator.next());
    await runtime.settle();
    for (const key of ["a", "b", "c"]) await entries.set(key, 1);
    await runtime.settle();
    await iterator.return?.();
    const told = await Promise.all(asked);
    expect(told.map(({ done, value }) => (done === true ? "done" : textOf(value)))).toEqual([
      "put a=1",
      "put b=1",
      "put c=1",
      "done",
      "done",
    ]);
  });

  test("with a codec that takes its time gets everything in order", async () => {
    const { runtime, entries, watcher } = createWatchWorld();
    const codec = {
      type: "json",
      encode: (value: number) => Buffer.from(String(value)),
      decode: async (bytes: Uint8Array) => Number(Buffer.from(bytes).toString()),
    };
    const reader = readAll(watcher.kv<number>("data", { codec }).watch());
    for (let value = 0; value < 20; value += 1) await entries.set(`key-${value % 3}`, value);
    await settleAll(runtime);
    expect(reader.error).not.toBeInstanceOf(InvalidValueError);
    const values = reader.changes.map((change) => ("value" in change ? change.value : -1));
    expect(values.slice(-1)).toEqual([19]);
    for (const key of [0, 1, 2]) {
      const own = values.filter((value) => value % 3 === key);
      expect(own).toEqual([...own].sort((one, other) => one - other));
      expect(own.at(-1)).toBe(18 + key - (key === 2 ? 3 : 0));
    }
  });
});

test("the queue keeps the newest of each key in the place of the first, and says what has been told", () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant("put" as const), id: fc.integer({ min: 0, max: 5 }) }),
    fc.record({ kind: fc.constant("remove" as const), id: fc.integer({ min: 0, max: 5 }) }),
    fc.record({ kind: fc.constant("drop" as const), id: fc.integer({ min: 0, max: 5 }) }),
    fc.record({ kind: fc.constant("take" as const) }),
    fc.record({ kind: fc.constant("mark" as const) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const queue = new WatchQueue({ atMs: 0, isComplete: false });
      let model: { id: string; text: string }[] = [];
      let marks: { atMs: number; ids: Set<string> }[] = [];
      operations.forEach((each, index) => {
        if (each.kind === "mark") {
          queue.mark(index + 1);
          marks.push({ atMs: index + 1, ids: new Set(model.map(({ id }) => id)) });
        } else if (each.kind === "take") {
          const first = model.shift();
          for (const { ids } of marks) ids.delete(first?.id ?? "");
          expect(named(queue.take())).toBe(first?.text);
        } else {
          const id = `${each.id}`;
          const text = `${id} ${index}`;
          const known = model.find((item) => item.id === id);
          if (each.kind === "drop") {
            queue.drop(id);
            model = model.filter((item) => item !== known);
            for (const { ids } of marks) ids.delete(id);
          } else {
            queue.put(id, newsOf(each.kind, text));
            if (known === undefined) model.push({ id, text });
            else known.text = text;
          }
        }
        // What is said to be covered is: everything that waited when it was marked has been told.
        const { atMs } = queue.covered;
        const open = marks.filter(({ ids }) => ids.size > 0);
        expect(open.every((mark) => mark.atMs > atMs)).toBe(true);
        marks = open;
      });
    }),
    { numRuns: 300 },
  );
});

test("deadlines come soonest first, whatever was added when, and those that do not count are passed over", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.nat(1_000)), { maxLength: 200 }),
      (added) => {
        const newest = new Map<string, number>();
        const deadlines = new Deadlines((id, atMs) => newest.get(id) === atMs);
        for (const [id, atMs] of added) {
          newest.set(`${id}`, atMs);
          deadlines.add(`${id}`, atMs);
        }
        const expected = [...newest.values()].sort((one, other) => one - other);
        const told: number[] = [];
        for (let next = deadlines.next; next !== undefined; next = deadlines.next) {
          told.push(next.atMs);
          newest.delete(next.id);
          deadlines.drop();
        }
        expect(told).toEqual(expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("deadlines of entries that are written again and again take no more room than entries", () => {
  const newest = new Map<string, number>();
  const deadlines = new Deadlines((id, atMs) => newest.get(id) === atMs);
  for (let round = 0; round < 100_000; round += 1) {
    const id = `${round % 10}`;
    newest.set(id, round);
    deadlines.add(id, round);
  }
  expect(deadlines.size).toBeLessThan(2_000);
  expect(deadlines.next).toEqual({ id: "0", atMs: 99_990 });
});

function newsOf(kind: "put" | "remove", text: string): News {
  if (kind === "put") return { kind: "put", key: text, record: {} as never, isInitial: false };
  return {
    kind: "removal",
    removal: { operation: "delete", key: text, version: null, updatedAt: new Date(0) },
  };
}

function named(news: News | undefined): string | undefined {
  if (news === undefined || news.kind === "reset") return undefined;
  return news.kind === "put" ? news.key : news.removal.key;
}
