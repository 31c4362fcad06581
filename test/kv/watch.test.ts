// Goal: a watch tells what is there, and then what changes, as its options say; and it ends without leaving anything behind.
import { describe, expect, test } from "vitest";
import { type Change, InvalidArgumentError, InvalidValueError } from "../../src/index.ts";
import { createWatchWorld, readAll, settleAll } from "./watch-world.ts";

describe("a watch tells", () => {
  test("what is there, that it is ready, and then what changes", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1);
    await entries.set("b", 2);
    await entries.set("gone", 3);
    await entries.delete("gone");
    const heard: string[] = [];
    const reader = readAll(watched.watch({ onReady: () => heard.push(...reader.take(), "ready") }));
    await runtime.settle();
    expect(heard).toEqual(["+put a=1", "+put b=2", "ready"]);
    await entries.set("a", 3);
    await entries.delete("b");
    await entries.set("c", 4);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=3", "delete b", "put c=4"]);
    await entries.purge("c");
    await entries.set("b", 5);
    await runtime.settle();
    expect(reader.take()).toEqual(["put b=5", "purge c"]);
    expect(heard).toHaveLength(3);
  });

  test("that it is ready, also where nothing is there", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    let ready = 0;
    const reader = readAll(watched.watch({ onReady: () => (ready += 1) }));
    await runtime.settle();
    expect(ready).toBe(1);
    await entries.set("a", 1);
    await runtime.advance(300_000);
    expect(reader.take()).toEqual(["put a=1"]);
    expect(ready).toBe(1);
  });

  test("of more entries than fit into a page each one, and of those that changed meanwhile the newest state", async () => {
    const { runtime, entries, watched, way } = createWatchWorld();
    const keys = Array.from({ length: 350 }, (_, index) => `key-${String(index).padStart(3, "0")}`);
    await entries.setMany(keys.map((key) => ({ key, value: 1 })));
    let scans = 0;
    way.onScan = async () => {
      scans += 1;
      if (scans !== 2) return;
      // One that has been told, and one that the reading has not come to.
      await entries.set("key-001", 2);
      await entries.set("key-340", 2);
      await entries.delete("key-002");
      await entries.delete("key-341");
      await entries.set("key-9", 1);
    };
    const reader = readAll(watched.watch());
    await settleAll(runtime);
    const { changes } = reader;
    const initial = changes.filter(({ isInitial }) => isInitial);
    expect(initial).toHaveLength(350);
    expect(changes.slice(0, 350)).toEqual(initial);
    expect(reader.take().slice(350)).toEqual(["put key-001=2", "delete key-002"]);
    expect(scans).toBe(4);
  });

  test("everything about a change: times, version, and what is left of its time", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1, { ttl: "10s" });
    const told: Change<number>[] = [];
    for await (const change of watched.watch()) {
      told.push(change);
      if (told.length === 1) {
        await runtime.advance(1_000);
        await entries.delete("a");
      } else break;
    }
    const [put, removal] = told;
    expect(put).toMatchObject({ operation: "put", key: "a", value: 1, isInitial: true, ttlMs: 10_000 });
    expect(removal).toMatchObject({ operation: "delete", key: "a", isInitial: false });
    // By what the writer knows of the store's clock.
    expect(Number(removal?.updatedAt) - Number(put?.updatedAt)).toBeCloseTo(1_000, -1);
    expect([put?.version, removal?.version]).toEqual([expect.any(String), expect.any(String)]);
    expect(put?.version).not.toBe(removal?.version);
  });

  test("only what changes after it was ready, with updatesOnly", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1);
    await entries.set("b", 1);
    await entries.delete("b");
    const heard: string[] = [];
    const reader = readAll(watched.watch({ updatesOnly: true, onReady: () => heard.push("ready") }));
    await runtime.settle();
    expect(heard).toEqual(["ready"]);
    await entries.delete("a");
    await entries.set("b", 2);
    await runtime.settle();
    expect(reader.take()).toEqual(["delete a", "put b=2"]);
  });

  test("of keys with a prefix, of a form, and of both", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    const readers = [
      readAll(watched.watch({ prefix: "user/" })),
      readAll(watched.watch({ match: "*/7" })),
      readAll(watched.watch({ prefix: "user/", match: "*/7" })),
      readAll(watched.watch({ match: "user/?" })),
    ];
    await entries.set("user/1", 1);
    await runtime.settle();
    for (const key of ["user/7", "group/7", "user/77", "us"]) await entries.set(key, 7);
    await entries.delete("user/7");
    await runtime.advance(100_000);
    expect(readers.map((reader) => reader.take().sort())).toEqual([
      ["+put user/1=1", "delete user/7", "put user/77=7", "put user/7=7"],
      ["delete user/7", "put group/7=7", "put user/7=7"],
      ["delete user/7", "put user/7=7"],
      ["+put user/1=1", "delete user/7", "put user/7=7"],
    ]);
  });

  test("nothing of namespaces within, or beside", async () => {
    const { runtime, entries, writer, watched } = createWatchWorld();
    const reader = readAll(watched.watch());
    await runtime.settle();
    await entries.namespace("within").set("a", 1);
    await writer.kv("data2").set("b", 1);
    await writer.kv("dat").set("a", 1);
    await runtime.advance(100_000);
    expect(reader.take()).toEqual([]);
  });

  test("no removals, with removals: false, and values that come back", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1);
    const reader = readAll(watched.watch({ removals: false }));
    await runtime.settle();
    await entries.delete("a");
    await entries.set("b", 1, { ttl: 5 });
    await entries.set("c", 1);
    await runtime.settle();
    await entries.purge("c");
    await runtime.advance(100_000);
    await entries.set("a", 2);
    await runtime.settle();
    expect(reader.take()).toEqual(["+put a=1", "put b=1", "put c=1", "put a=2"]);
  });

  test("long keys, and those of any Unicode, by their names", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    const keys = ["ключ 🗝", "x".repeat(1_000), "a.b*c>"];
    const reader = readAll(watched.watch());
    for (const key of keys) await entries.set(key, 1);
    await runtime.settle();
    for (const key of keys) await entries.purge(key);
    await runtime.settle();
    const told = reader.changes.map((change) => ("key" in change ? change.key : ""));
    expect(told).toEqual([...keys, ...keys]);
  });
});

describe("a watch ends", () => {
  test.each([
    ["break", (world: World) => world.reader.stop()],
    ["the signal", async (world: World) => world.controller.abort()],
    ["close()", (world: World) => world.watcher.close()],
  ])("by %s, and leaves neither timers nor subscriptions", async (_by, end) => {
    const { reader, runtime, way, entries, ...world } = await reading();
    expect([way.listeners, runtime.timerCount]).toEqual([1, 1]);
    await end({ reader, ...world });
    await runtime.settle();
    expect(reader.state).toBe("done");
    expect([way.listeners, runtime.timerCount]).toEqual([0, 0]);
    Object.assign(way.counts, { scans: 0, gets: 0, commits: 0 });
    await entries.set("a", 5);
    await runtime.advance(300_000);
    expect(reader.take()).toEqual([]);
    expect(way.counts).toEqual({ scans: 0, gets: 0, commits: 0 });
  });

  test("while the store does not answer, and while it fails", async () => {
    const { reader, runtime, way } = await reading();
    way.isAway = true;
    await runtime.advance(60_000);
    expect(reader.state).toBe("reading");
    await reader.stop();
    await runtime.settle();
    expect(reader.state).toBe("done");
    expect([way.listeners, runtime.timerCount]).toEqual([0, 0]);
  });

  test("before it begins, where the signal has fired or the coordinator is closed", async () => {
    const { runtime, watched, watcher, way } = createWatchWorld();
    const aborted = readAll(watched.watch({ signal: AbortSignal.abort() }));
    await watcher.close();
    const closed = readAll(watched.watch());
    await runtime.settle();
    expect([aborted.state, closed.state]).toEqual(["done", "done"]);
    expect([way.listeners, runtime.timerCount, way.counts.scans]).toEqual([0, 0, 0]);
  });

  test("for each iteration by itself: one of two goes on", async () => {
    const { runtime, entries, watched, way } = createWatchWorld();
    const changes = watched.watch();
    const [first, second] = [readAll(changes), readAll(changes)];
    await entries.set("a", 1);
    await runtime.settle();
    await first.stop();
    await entries.set("b", 1);
    await runtime.settle();
    expect([first.take().length, second.take().length]).toEqual([1, 2]);
    expect(way.listeners).toBe(1);
  });

  test("with what a codec refuses, what onReady throws, and what cannot be waited out", async () => {
    const { runtime, entries, watched, watcher, way } = createWatchWorld();
    const throwing = readAll(
      watched.watch({
        onReady() {
          throw new RangeError("the user's own");
        },
      }),
    );
    await runtime.settle();
    expect(throwing.error).toBeInstanceOf(RangeError);
    await entries.set("a", 1);
    const schema = {
      "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "no" }] }) },
    } as const;
    const refusing = readAll(watcher.kv<number>("data", { schema: schema as never }).watch());
    await runtime.settle();
    expect(refusing.error).toBeInstanceOf(InvalidValueError);
    way.onScan = async () => {
      throw new TypeError("a bug");
    };
    const broken = readAll(watched.watch());
    await runtime.settle();
    expect(broken.error).toBeInstanceOf(TypeError);
    expect([way.listeners, runtime.timerCount]).toEqual([0, 0]);
  });

  interface World extends Pick<Awaited<ReturnType<typeof reading>>, "reader" | "controller" | "watcher"> {}

  async function reading() {
    const world = createWatchWorld();
    const controller = new AbortController();
    await world.entries.set("a", 1);
    await world.entries.set("b", 1, { ttl: "1h" });
    const reader = readAll(world.watched.watch({ signal: controller.signal }));
    await world.runtime.settle();
    expect(reader.take()).toHaveLength(2);
    return { ...world, reader, controller };
  }
});

test("options that cannot be used are refused at once", () => {
  const { watched, entries } = createWatchWorld();
  const refused: readonly object[] = [
    { resync: 99 },
    { resync: "never" },
    { prefix: 1 },
    { match: "\ud800" },
    { since: "abc" },
    { since: 7 },
    { removals: "no" },
    { updatesOnly: 1 },
    { onReady: true },
    { signal: {} },
    { key: "a" },
  ];
  for (const options of refused)
    expect(() => watched.watch(options), JSON.stringify(options)).toThrow(InvalidArgumentError);
  expect(() => entries.watch({ resync: 100, since: undefined })).not.toThrow();
});
