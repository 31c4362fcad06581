// Goal: whatever becomes of hints and reads, a watch tells the newest state of each key, and never an older one after it.
import { describe, expect, test } from "vitest";
import { PermissionDeniedError, UnsupportedError } from "../../src/index.ts";
import { createWatchWorld, readAll, settleAll, type WatchWorld } from "./watch-world.ts";

async function watching(world: WatchWorld = createWatchWorld()) {
  await world.entries.set("a", 1);
  await world.entries.set("b", 1);
  const reader = readAll(world.watched.watch());
  await world.runtime.settle();
  expect(reader.take()).toEqual(["+put a=1", "+put b=1"]);
  Object.assign(world.way.counts, { scans: 0, gets: 0, commits: 0 });
  return { ...world, reader };
}

describe("hints", () => {
  test("that carry the record cost no request", async () => {
    const { runtime, entries, way, reader } = await watching();
    for (let value = 2; value < 100; value += 1) {
      await entries.set("a", value);
      await runtime.settle();
    }
    expect(reader.take()).toHaveLength(98);
    expect(way.counts).toEqual({ scans: 0, gets: 0, commits: 0 });
  });

  test("without the record are followed by a read", async () => {
    const { runtime, entries, way, reader } = await watching();
    way.hints = "without record";
    await entries.set("a", 2);
    await entries.delete("b");
    await runtime.settle();
    expect(reader.take().sort()).toEqual(["delete b", "put a=2"]);
    expect(way.counts.scans).toBe(0);
  });

  test("that are lost are made up for by reading everything again", async () => {
    const { runtime, entries, way, reader } = await watching();
    way.hints = "lose";
    await entries.set("a", 2);
    await entries.delete("b");
    await entries.set("c", 1);
    await runtime.advance(33_000);
    expect(reader.take()).toEqual(["put a=2", "delete b", "put c=1"]);
    await entries.purge("a");
    await runtime.advance(33_000);
    expect(reader.take()).toEqual(["purge a"]);
    await runtime.advance(3_600_000);
    expect(reader.take()).toEqual([]);
  });

  test("that come twice, late and in any order tell each state at most once, and none after a newer one", async () => {
    const { runtime, entries, way, reader } = await watching();
    way.hints = "hold";
    for (let value = 2; value <= 6; value += 1) await entries.set("a", value);
    await entries.delete("b");
    await entries.set("b", 7);
    const [two, three, four, five, six, deleted, seven] = way.held.splice(0) as never[];
    way.release([three, two, three] as never);
    await runtime.settle();
    // What is not newer than what is known makes it look, and so find the newest.
    expect(reader.take()).toEqual(["put a=3", "put a=6"]);
    way.release([six, four, five, six, two, seven, deleted, seven] as never);
    await runtime.settle();
    expect(reader.take()).toEqual(["put b=7"]);
    way.release([deleted, three] as never);
    await runtime.advance(100_000);
    expect(reader.take()).toEqual([]);
  });

  test("of a key that was purged, and come after that, tell nothing", async () => {
    const { runtime, entries, way, reader } = await watching();
    way.hints = "hold";
    await entries.set("a", 2);
    await entries.purge("a");
    const [put, purge] = way.held.splice(0) as never[];
    way.release([put, purge] as never);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=2", "purge a"]);
    for (const pauseMs of [0, 33_000, 33_000, 4_000_000]) {
      await runtime.advance(pauseMs);
      way.release([put, purge, put] as never);
      await runtime.settle();
      expect(reader.take()).toEqual([]);
    }
  });
});

describe("a key", () => {
  test("that was removed in any way and comes back is told as put", async () => {
    const { runtime, entries, writer, reader } = await watching();
    await entries.delete("a");
    await entries.purge("b");
    await entries.set("c", 1, { ttl: 5 });
    await runtime.advance(10);
    expect(reader.take().sort()).toEqual(["delete a", "expire c", "purge b", "put c=1"]);
    for (const key of ["a", "b", "c"]) await entries.set(key, 2);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=2", "put b=2", "put c=2"]);
    await writer.kv("data").destroy();
    await runtime.settle();
    expect(reader.take().sort()).toEqual(["purge a", "purge b", "purge c"]);
  });

  test("that came back with an earlier time than it had is told once the store has confirmed it", async () => {
    const { runtime, store, entries, way, reader } = await watching();
    const old = await way.snapshot();
    for (let value = 2; value < 50; value += 1) await entries.set("a", value);
    await runtime.settle();
    reader.take();
    // As after a restore: what stood there before stands there again.
    const [record] = [...old.values()].filter(({ key }) => key.endsWith("..a"));
    if (record === undefined) throw new Error("expected the record");
    await store.commit([{ kind: "put", key: record.key, value: record.value }]);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=1"]);
    await entries.set("a", 2);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=2"]);
  });

  test("whose deletion was collected unseen is told as purged, and one that was seen deleted is not told again", async () => {
    const { runtime, entries, way, reader } = await watching();
    await entries.delete("a");
    await runtime.settle();
    expect(reader.take()).toEqual(["delete a"]);
    way.hints = "lose";
    way.isAway = true;
    await entries.delete("b");
    await runtime.advance(3_700_000);
    await entries.set("other", 1);
    await entries.set("another", 1);
    way.isAway = false;
    await runtime.advance(40_000);
    expect(reader.take().sort()).toEqual(["purge b", "put another=1", "put other=1"]);
    await runtime.advance(3_700_000);
    expect(reader.take()).toEqual([]);
  });
});

test("what comes while the store confirms an end is told, and the end is not", async () => {
  const { runtime, entries, way, reader } = await watching();
  way.hints = "lose";
  await entries.purge("a");
  way.onChecked = async () => {
    way.onChecked = undefined;
    way.hints = "pass";
    await entries.set("a", 9);
  };
  await runtime.advance(100_000);
  expect(reader.take()).toEqual(["put a=9"]);
});

describe("stale reads", () => {
  test("of everything tell nothing that is over", async () => {
    const { runtime, entries, way, reader } = await watching();
    const old = await way.snapshot();
    await entries.set("a", 2);
    await entries.delete("b");
    await entries.set("c", 3);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=2", "delete b", "put c=3"]);
    way.stale = old;
    await runtime.advance(100_000);
    expect(way.counts.commits).toBeGreaterThan(0);
    expect(reader.take()).toEqual([]);
    way.stale = undefined;
    await entries.set("b", 4);
    await runtime.advance(100_000);
    expect(reader.take()).toEqual(["put b=4"]);
  });

  test("at the beginning are made up for by the next ones", async () => {
    const { runtime, entries, watched, way } = createWatchWorld();
    await entries.set("a", 1);
    way.stale = await way.snapshot();
    way.hints = "lose";
    await entries.set("a", 2);
    await entries.set("b", 2);
    const reader = readAll(watched.watch());
    await runtime.advance(10_000);
    expect(reader.take()).toEqual(["+put a=1"]);
    way.stale = undefined;
    await runtime.advance(33_000);
    expect(reader.take()).toEqual(["put a=2", "put b=2"]);
  });

  test.each([
    ["not supported", new UnsupportedError("a test has an old server")],
    ["not permitted", new PermissionDeniedError("a test has a reader")],
  ])("are told from the end of a key by a second reading where checks are %s", async (_why, refusal) => {
    const { runtime, entries, way, reader } = await watching();
    way.checkRefusal = refusal;
    const old = await way.snapshot();
    await entries.set("c", 1);
    await runtime.settle();
    expect(reader.take()).toEqual(["put c=1"]);
    // Once stale, and then not any more: c is still there.
    way.stale = old;
    await runtime.advance(33_000);
    way.stale = undefined;
    await runtime.advance(66_000);
    expect(reader.take()).toEqual([]);
    await entries.purge("c");
    await runtime.settle();
    expect(reader.take()).toEqual([]);
    await runtime.advance(33_000);
    expect(reader.take()).toEqual(["purge c"]);
  });
});

describe("a store that is away", () => {
  test("makes hints doubtful: everything is read again once one request has failed", async () => {
    const { runtime, entries, way, reader } = await watching();
    Object.assign(way, { isAway: true, hints: "without record" });
    await entries.set("a", 2);
    await runtime.advance(1_000);
    way.hints = "lose";
    await entries.set("b", 2);
    await runtime.advance(1_000);
    way.isAway = false;
    await runtime.advance(2_100);
    expect(reader.take().sort()).toEqual(["put a=2", "put b=2"]);
  });

  test("is waited for, with pauses that grow, and what happened meanwhile is told then", async () => {
    const { runtime, entries, way, reader } = await watching();
    Object.assign(way, { isAway: true, hints: "lose" });
    await entries.set("a", 2);
    await entries.delete("b");
    await runtime.advance(600_000);
    expect(way.counts.scans).toBeGreaterThan(200);
    expect(way.counts.scans).toBeLessThan(1_500);
    expect(reader.take()).toEqual([]);
    Object.assign(way, { isAway: false, hints: "pass" });
    await runtime.advance(2_100);
    expect(reader.take()).toEqual(["put a=2", "delete b"]);
    await entries.set("a", 3);
    await runtime.settle();
    expect(reader.take()).toEqual(["put a=3"]);
  });

  test("from the very beginning, and in the middle of a reading, changes nothing", async () => {
    const { runtime, entries, watched, way } = createWatchWorld();
    const keys = Array.from({ length: 250 }, (_, index) => `key-${index}`);
    await entries.setMany(keys.map((key) => ({ key, value: 1 })));
    way.isAway = true;
    let ready = 0;
    const reader = readAll(watched.watch({ onReady: () => (ready += 1) }));
    await runtime.advance(30_000);
    let scans = 0;
    way.isAway = false;
    way.onScan = async () => {
      scans += 1;
      way.isAway = scans >= 2 && scans < 6;
    };
    for (let second = 0; second < 30; second += 1) await runtime.advance(1_000);
    const told = reader.take();
    expect(new Set(told)).toEqual(new Set(keys.map((key) => `+put ${key}=1`)));
    expect([told.length, ready]).toEqual([250, 1]);
  });

  test("does not keep a value from being over in time", async () => {
    const world = createWatchWorld();
    await world.entries.set("short", 1, { ttl: "20s" });
    const reader = readAll(world.watched.watch());
    await world.runtime.settle();
    reader.take();
    world.way.isAway = true;
    await world.runtime.advance(23_000);
    expect(reader.take()).toEqual(["expire short"]);
  });
});

describe("a value whose time is over", () => {
  test("is told then, once, however many there are, by one timer", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    const keys = Array.from({ length: 90 }, (_, index) => index);
    for (const index of keys)
      await entries.set(`key-${index}`, index, { ttl: 1_000 * (1 + ((index * 37) % 90)) });
    const reader = readAll(watched.watch({ resync: "1h" }));
    await settleAll(runtime);
    expect(reader.take()).toHaveLength(90);
    for (let second = 1; second <= 90; second += 1) {
      await runtime.advance(1_000 + (second === 1 ? 100 : 0));
      const index = keys.find((each) => (each * 37) % 90 === second - 1);
      expect(reader.take()).toEqual([`expire key-${index}`]);
      expect(runtime.timerCount).toBe(1);
    }
    await runtime.advance(10_000_000);
    expect(reader.take()).toEqual([]);
  });

  test("is not told while it is prolonged, and not before its time", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1, { ttl: "10s" });
    const reader = readAll(watched.watch());
    await runtime.advance(9_000);
    await entries.touch("a");
    await runtime.advance(9_000);
    expect(reader.take()).toEqual(["+put a=1", "put a=1"]);
    await entries.set("a", 2, { ttl: null });
    await runtime.advance(20_000);
    await entries.expire("a", "5s");
    await runtime.advance(4_900);
    expect(reader.take()).toEqual(["put a=2", "put a=2"]);
    await runtime.advance(200);
    expect(reader.take()).toEqual(["expire a"]);
    await runtime.advance(4_000_000);
    await entries.delete("a");
    await entries.set("b", 1);
    await entries.set("c", 1);
    await runtime.advance(100_000);
    expect(reader.take()).toEqual(["put b=1", "put c=1"]);
  });

  test("tells when that was", async () => {
    const { runtime, entries, watched } = createWatchWorld();
    await entries.set("a", 1, { ttl: "10s" });
    const reader = readAll(watched.watch());
    await runtime.advance(11_000);
    const [put, expiry] = reader.changes as { version: string; updatedAt: Date }[];
    expect(expiry?.version).toBe(put?.version);
    expect(Number(expiry?.updatedAt) - Number(put?.updatedAt)).toBe(10_000);
  });
});

describe("a store that tells no changes", () => {
  test("is read again every 2 s, or as often as resync says", async () => {
    const { runtime, entries, way, watched, reader } = await watching(createWatchWorld({ watch: "none" }));
    await entries.set("a", 2);
    await entries.delete("b");
    await runtime.advance(2_200);
    expect(reader.take()).toEqual(["put a=2", "delete b"]);
    way.counts.scans = 0;
    await runtime.advance(60_000);
    expect(way.counts.scans).toBeGreaterThan(26);
    expect(way.counts.scans).toBeLessThan(34);
    await reader.stop();
    const rare = readAll(watched.watch({ resync: "10s", updatesOnly: true }));
    await runtime.settle();
    await entries.set("c", 1);
    await runtime.advance(8_900);
    expect(rare.take()).toEqual([]);
    await runtime.advance(2_200);
    expect(rare.take()).toEqual(["put c=1"]);
  });
});
