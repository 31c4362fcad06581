// Goal: a watch that goes on from a cursor misses nothing that its store remembers, and says so where it cannot know.
import { describe, expect, test } from "vitest";
import { type Change, createCoordinator, InvalidArgumentError, type Reset } from "../../src/index.ts";
import { createWatchWorld, readAll, settleAll, textOf, type WatchWorld } from "./watch-world.ts";

const slackMs = 60_000;

/** The cursor of the last change that a watch tells until it has nothing more to tell. */
async function cursorOf({ runtime, watched }: WatchWorld, options: object = {}): Promise<string> {
  const reader = readAll(watched.watch(options));
  await runtime.advance(33_000);
  const cursor = reader.changes.at(-1)?.cursor;
  await reader.stop();
  if (cursor === undefined) throw new Error("expected a change");
  return cursor;
}

async function resume(
  { runtime, watched }: WatchWorld,
  since: string,
  options: object = {},
): Promise<string[]> {
  const reader = readAll(watched.watch({ ...options, since }));
  await settleAll(runtime);
  await reader.stop();
  return reader.take();
}

describe("a watch from a cursor", () => {
  test("tells puts, deletions and expiries since then, none of them as initial, and nothing from before", async () => {
    const world = createWatchWorld();
    const { runtime, entries } = world;
    for (const key of ["same", "changed", "deleted", "erased"]) await entries.set(key, 1);
    await entries.set("over", 1, { ttl: "10m" });
    await entries.set("deleted before", 1);
    await entries.delete("deleted before");
    await entries.set("over before", 1, { ttl: "1s" });
    await runtime.advance(2 * slackMs);
    const cursor = await cursorOf(world);
    await runtime.advance(20 * 60_000);
    await entries.set("changed", 2);
    await entries.set("new", 1);
    await entries.delete("deleted");
    await entries.purge("erased");
    await runtime.advance(1_000);
    expect((await resume(world, cursor)).sort()).toEqual([
      "delete deleted",
      "expire over",
      "put changed=2",
      "put new=1",
    ]);
    expect((await resume(world, cursor, { removals: false })).sort()).toEqual(["put changed=2", "put new=1"]);
  });

  test("goes on with what changes, and says when it is ready", async () => {
    const world = createWatchWorld();
    const { runtime, entries, watched } = world;
    await entries.set("a", 1);
    await runtime.advance(2 * slackMs);
    const since = await cursorOf(world);
    const heard: string[] = [];
    const reader = readAll(watched.watch({ since, onReady: () => heard.push("ready") }));
    await entries.set("b", 1);
    await runtime.settle();
    await entries.delete("a");
    await runtime.settle();
    expect([...reader.take(), ...heard]).toEqual(["put b=1", "delete a", "ready"]);
  });

  test("of another process, which knows the store's clock otherwise, misses nothing of writers who are late", async () => {
    const world = createWatchWorld();
    const { runtime, store, entries, watched } = world;
    // What this writer knows of the store's clock is some seconds behind.
    const late = createCoordinator(
      {
        ...store,
        kind: "late",
        capabilities: store.capabilities,
        get: store.get.bind(store),
        commit: store.commit.bind(store),
        scan: store.scan.bind(store),
        watch: store.watch.bind(store),
        time: async () => {
          const { earliestMs } = await store.time();
          return { earliestMs: earliestMs - 5_000, latestMs: earliestMs };
        },
      } as never,
      { runtime },
    ).kv<number>("data");
    await entries.set("a", 1);
    const reader = readAll(watched.watch());
    await runtime.advance(100_000);
    await entries.set("b", 1);
    await runtime.settle();
    const cursor = reader.changes.at(-1)?.cursor ?? "";
    await reader.stop();
    await late.set("c", 1);
    expect(await resume(world, cursor)).toEqual(["put b=1", "put c=1"]);
  });

  test("that was given among the initial values tells those that were not told, and deletions since", async () => {
    const world = createWatchWorld();
    const { runtime, entries, watched } = world;
    const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`);
    await entries.setMany(keys.map((key) => ({ key, value: 1 })));
    await runtime.advance(2 * slackMs);
    let cursor = "";
    let seen = 0;
    const known = new Set<string>();
    for await (const change of watched.watch()) {
      cursor = change.cursor;
      known.add(change.key);
      seen += 1;
      if (seen === 10) break;
    }
    await entries.delete([...known][0] as string);
    await runtime.advance(60_000);
    const told = await resume(world, cursor);
    expect(told).toHaveLength(300);
    expect(told.filter((text) => text.startsWith("delete"))).toEqual([`delete ${[...known][0]}`]);
    expect(told.filter((text) => text.startsWith("+put"))).toHaveLength(299);
    // Its own cursors are no further than it is.
    const [first] = await iterate(watched.watch({ since: cursor }), 1);
    expect(await resume(world, first?.cursor ?? "")).toHaveLength(300);
  });

  test("of any change leads to the same end, whatever happens between", async () => {
    const world = createWatchWorld();
    const { runtime, entries, watched, way } = world;
    let model = new Map<string, number>();
    let cursor: string | undefined;
    for (let round = 0; round < 60; round += 1) {
      way.hints = round % 3 === 0 ? "lose" : "pass";
      const iterator = watched.watch(cursor === undefined ? {} : { since: cursor })[Symbol.asyncIterator]();
      const steps = round % 7;
      for (let step = 0; step < steps; step += 1) {
        const key = `key-${Math.floor(runtime.random() * 12)}`;
        if (runtime.random() < 0.3) await entries.delete(key);
        else await entries.set(key, round * 10 + step, runtime.random() < 0.3 ? { ttl: "5m" } : {});
        const next = iterator.next() as Promise<IteratorResult<Change<number> | Reset>>;
        let result: IteratorResult<Change<number> | Reset> | undefined;
        next.then((told) => {
          result = told;
        });
        await runtime.advance(3_000);
        if (result === undefined) break;
        ({ cursor } = result.value);
        model = apply(model, result.value);
      }
      await iterator.return?.();
      await runtime.advance(Math.floor(runtime.random() * 10 * 60_000));
    }
    const reader = readAll(watched.watch(cursor === undefined ? {} : { since: cursor }));
    await runtime.advance(400_000);
    for (const change of reader.changes) model = apply(model, change);
    const expected = new Map<string, number>();
    for await (const { key, value } of entries.list()) expected.set(key, value);
    expect([...model].sort()).toEqual([...expected].sort());
    expect(expected.size).toBeGreaterThan(0);
  });
});

describe("a cursor that is too old", () => {
  test("brings a reset, and what is there as initial values", async () => {
    const world = createWatchWorld();
    const { runtime, entries } = world;
    await entries.set("a", 1);
    await entries.set("b", 1);
    const cursor = await cursorOf(world);
    await entries.delete("a");
    await runtime.advance(3_600_000);
    expect(await resume(world, cursor)).toEqual(["reset", "+put b=1"]);
    expect(await resume(world, cursor, { updatesOnly: true, removals: false })).toEqual(["reset"]);
  });

  test("is so only once a deletion may be forgotten", async () => {
    const world = createWatchWorld();
    const { runtime, entries, writer } = world;
    await entries.set("a", 1);
    await entries.set("b", 1);
    const cursor = await cursorOf(world);
    await entries.delete("a");
    await runtime.advance(3_600_000 - slackMs - 40_000);
    // Has the store collect what it may.
    for (let write = 0; write < 100; write += 1) await writer.kv("other").set("x", write);
    const told = await resume(world, cursor);
    expect(told.filter((text) => text !== "put b=1")).toEqual(["delete a"]);
  });

  test("becomes so during a reading that takes too long", async () => {
    const world = createWatchWorld();
    const { runtime, entries, watched } = world;
    await entries.set("zzz", 1);
    const cursor = await cursorOf(world);
    for (let index = 0; index < 250; index += 1) await entries.set(`key-${index}`, 1);
    const iterator = watched.watch({ since: cursor })[Symbol.asyncIterator]();
    await runtime.settle();
    expect(textOf((await iterator.next()).value)).toMatch(/^put/);
    await entries.delete("zzz");
    await runtime.advance(7_200_000);
    const told: string[] = [];
    const reading = (async () => {
      for (;;) told.push(textOf((await iterator.next()).value));
    })();
    reading.catch(() => undefined);
    await settleAll(runtime);
    expect(told.filter((text) => text === "reset")).toHaveLength(1);
    const after = told.slice(told.indexOf("reset") + 1);
    expect(after).toHaveLength(250);
    expect(after.every((text) => text.startsWith("+put key-"))).toBe(true);
    await iterator.return?.();
  });

  test("and one from the future, as of a store whose clock was set back, are the same", async () => {
    const world = createWatchWorld();
    const { runtime, entries } = world;
    await entries.set("a", 1);
    const cursor = await cursorOf(world);
    runtime.jumpWall(-3_600_000);
    const elsewhere = createCoordinator(world.store, { runtime }).kv<number>("data");
    expect(await resume({ ...world, watched: elsewhere }, cursor)).toEqual(["reset", "+put a=1"]);
  });
});

test("a cursor of another namespace, prefix or form is refused, as is that of a list", async () => {
  const world = createWatchWorld();
  const { entries, watched, watcher } = world;
  await entries.set("user/1", 1);
  await entries.set("user/2", 1);
  const plain = await cursorOf(world);
  const prefixed = await cursorOf(world, { prefix: "user/" });
  const formed = await cursorOf(world, { match: "user/*" });
  const { cursor: listed } = await watched.list({ pageSize: 1 }).page();
  const refused: readonly (readonly [object, string | undefined])[] = [
    [{}, prefixed],
    [{}, formed],
    [{}, listed],
    [{ prefix: "user/" }, plain],
    [{ prefix: "user/" }, formed],
    [{ prefix: "user" }, prefixed],
    [{ match: "user/?" }, formed],
  ];
  for (const [options, since] of refused)
    expect(() => watched.watch({ ...options, since }), JSON.stringify(options)).toThrow(InvalidArgumentError);
  expect(() => watcher.kv("other").watch({ since: plain })).toThrow(/another watch/);
  expect(() => watched.list({ cursor: plain })).toThrow(/another list/);
  expect(() => watched.watch({ prefix: "user/", since: prefixed })).not.toThrow();
});

async function iterate(changes: AsyncIterable<Change<number> | Reset>, count: number) {
  const told: (Change<number> | Reset)[] = [];
  for await (const change of changes) {
    told.push(change);
    if (told.length === count) break;
  }
  return told;
}

function apply(model: Map<string, number>, change: Change<number> | Reset): Map<string, number> {
  if (change.operation === "reset") return new Map();
  if (change.operation === "put") model.set(change.key, change.value);
  else model.delete(change.key);
  return model;
}
