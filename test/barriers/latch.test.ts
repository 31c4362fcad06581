// Goal: a latch opens after so many counts, each of which counts once whatever happens to its requests.
import { describe, expect, test } from "vitest";
import type { Latch } from "../../src/index.ts";
import { plant, writes } from "../locks/faults.ts";
import { createWorld, now, track, ttlMs, type World } from "../locks/world.ts";
import { barrierName, rosterOf } from "./barrier-world.ts";

const latches = (world: World, count: number): readonly Latch[] =>
  world.clients.map(({ coordinator }) => coordinator.latch(barrierName, count));

describe("counting", () => {
  test("opens after so many counts, of whichever process, and stays open", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 3) as [Latch, Latch];
    expect(await second.remaining()).toBe(3);
    expect(await first.countDown()).toBe(2);
    expect(await second.countDown()).toBe(1);
    const waiting = track(world.runtime, second.wait());
    await world.runtime.settle();
    expect(waiting.state).toBe("pending");
    expect(await first.countDown()).toBe(0);
    await world.runtime.settle();
    expect(waiting.state).toBe("resolved");
    expect(await second.countDown()).toBe(0);
    expect(await first.remaining()).toBe(0);
    await now(world.runtime, first.wait());
  });

  test("the same id counts once, from anywhere", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 2) as [Latch, Latch];
    expect(await first.countDown({ id: "a" })).toBe(1);
    expect(await first.countDown({ id: "a" })).toBe(1);
    expect(await second.countDown({ id: "a" })).toBe(1);
    expect(await second.countDown({ id: "b" })).toBe(0);
  });

  test("many counts at once all count, in few writes of each process", async () => {
    const world = createWorld();
    const all = latches(world, 100);
    const counts = Array.from({ length: 100 }, (_, index) => all[index % 2]?.countDown());
    const done = track(world.runtime, Promise.all(counts));
    await world.runtime.advance(1_000);
    expect(done.state).toBe("resolved");
    expect(await all[0]?.remaining()).toBe(0);
    expect(world.client(0).backend.counts.writes + world.client(1).backend.counts.writes).toBeLessThan(10);
  });

  test("costs one read and one write, and one write where the record is known", async () => {
    const world = createWorld();
    const [first] = latches(world, 5) as [Latch];
    await first.countDown();
    expect(world.client(0).backend.counts).toEqual({ reads: 1, writes: 1, wakes: 0 });
    await first.countDown();
    expect(world.client(0).backend.counts).toEqual({ reads: 1, writes: 2, wakes: 0 });
  });

  test.each(["lost before", "lost after", "applied late"] as const)(
    "a write that is %s counts once",
    async (kind) => {
      const world = createWorld();
      const [first, second] = latches(world, 3) as [Latch, Latch];
      const fault = plant(world.client(0).backend, kind, writes("roster"), 1);
      const counting = track(world.runtime, first.countDown());
      await world.runtime.advance(5_000);
      await fault.end();
      expect(fault.struck).toBe(1);
      expect(counting.value).toBe(2);
      expect(await second.remaining()).toBe(2);
    },
  );

  test("gives up when its time is over, and says what is not known", async () => {
    const world = createWorld();
    const [first] = latches(world, 3) as [Latch];
    const fault = plant(world.client(0).backend, "lost before", writes("roster"));
    const failing = track(world.runtime, first.countDown({ wait: 500 }));
    await world.runtime.advance(1_000);
    expect(failing.error).toMatchObject({ code: "ACQUIRE_TIMEOUT", cause: { code: "UNAVAILABLE" } });
    await fault.end();
    const unknown = plant(world.client(0).backend, "applied late", writes("roster"));
    const lost = track(world.runtime, first.countDown({ wait: 500, id: "me" }));
    await world.runtime.advance(1_000);
    expect(lost.error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await unknown.end();
    await world.runtime.advance(5_000);
    expect(await first.countDown({ id: "me" })).toBe(2);
  });

  test("an abort ends it at once", async () => {
    const world = createWorld();
    const [first] = latches(world, 3) as [Latch];
    plant(world.client(0).backend, "hangs before", writes("roster"));
    const abort = new AbortController();
    const counting = track(world.runtime, first.countDown({ signal: abort.signal }));
    await world.runtime.advance(100);
    abort.abort(new Error("enough"));
    await world.runtime.settle();
    expect(counting.error).toMatchObject({ code: "ABORTED", cause: { message: "enough" } });
    expect(world.runtime.timerCount).toBe(0);
    const before = track(world.runtime, first.countDown({ signal: abort.signal }));
    await world.runtime.settle();
    expect(before.error).toMatchObject({ code: "ABORTED" });
  });

  test("the record is small again once it is open, however long the ids were", async () => {
    const world = createWorld();
    const [first] = latches(world, 1_000) as [Latch];
    for (let index = 0; index < 999; index += 1) await first.countDown({ id: `${index}`.padStart(64, "x") });
    const [full] = await world.store.get([`default.latch.${barrierName}`]);
    expect(full?.value.length).toBeLessThan(world.store.capabilities.valueBytesMax);
    expect(full?.value.length).toBeGreaterThan(64_000);
    expect(full?.value.length).toBeLessThan(131_072);
    expect(await first.countDown({ id: "last" })).toBe(0);
    expect(await rosterOf(world, "latch")).toMatchObject({
      capacity: 1_000,
      note: { counted: [], isOpen: true },
    });
  });
});

describe("waiting", () => {
  test("begins before anybody counted, and leaves nothing in the store", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    const waiting = track(world.runtime, first.wait());
    await world.runtime.settle();
    expect(world.client(0).backend.counts.writes).toBe(0);
    await second.countDown();
    await world.runtime.settle();
    expect(waiting.state).toBe("resolved");
    expect(world.client(0).backend.counts).toEqual({ reads: 1, writes: 0, wakes: 0 });
    expect(world.runtime.timerCount).toBe(0);
    expect(await world.sessions()).toEqual([]);
  });

  test("reads at most three times in a TTL where changes are told", async () => {
    const world = createWorld();
    const waiting = track(world.runtime, latches(world, 1)[0]?.wait() as Promise<void>);
    await world.runtime.advance(10 * ttlMs);
    expect(waiting.state).toBe("pending");
    expect(world.client(0).backend.counts.reads).toBeLessThanOrEqual(30);
  });

  test("sees it within its own pace when every hint is lost", async () => {
    const world = createWorld();
    const watching = world.client(0).backend;
    watching.watch = () => () => undefined;
    const [first, second] = latches(world, 1) as [Latch, Latch];
    const waiting = track(world.runtime, first.wait());
    await world.runtime.settle();
    await second.countDown();
    await world.runtime.advance(0.4 * ttlMs);
    expect(waiting.state).toBe("resolved");
  });

  test("polls where the store tells nothing, one poller for all of a process", async () => {
    const world = createWorld({ capabilities: { watch: "none", wake: false } });
    const [first, second] = latches(world, 1) as [Latch, Latch];
    const waiting = Array.from({ length: 20 }, () => track(world.runtime, first.wait()));
    await world.runtime.advance(60_000);
    // One a second in the long run, and each looks once for itself.
    expect(world.client(0).backend.counts.reads).toBeLessThan(150);
    await second.countDown();
    await world.runtime.advance(1_300);
    expect(waiting.map(({ state }) => state)).toEqual(waiting.map(() => "resolved"));
  });

  test("ends when its time is over, by an abort, or when the coordinator closes", async () => {
    const world = createWorld();
    const [first] = latches(world, 1) as [Latch];
    const abort = new AbortController();
    const timed = track(world.runtime, first.wait({ wait: "2s" }));
    const aborted = track(world.runtime, first.wait({ signal: abort.signal }));
    const closed = track(world.runtime, first.wait());
    await world.runtime.advance(2_000);
    expect(timed.error).toMatchObject({
      code: "ACQUIRE_TIMEOUT",
      message: expect.stringContaining("2000 ms"),
    });
    abort.abort();
    await world.runtime.settle();
    expect(aborted.error).toMatchObject({ code: "ABORTED" });
    await world.client(0).coordinator.close();
    await world.runtime.settle();
    expect(closed.error).toMatchObject({ code: "CLOSED" });
    expect(world.runtime.timerCount).toBe(0);
    await expect(first.wait()).rejects.toMatchObject({ code: "CLOSED" });
    await expect(first.countDown()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("goes on through an outage of the store", async () => {
    const world = createWorld({ capabilities: { watch: "none" } });
    const [first, second] = latches(world, 1) as [Latch, Latch];
    const waiting = track(world.runtime, first.wait());
    const fault = plant(world.client(0).backend, "lost before", () => true);
    await second.countDown();
    await world.runtime.advance(60_000);
    expect(waiting.state).toBe("pending");
    await fault.end();
    await world.runtime.advance(2_500);
    expect(waiting.state).toBe("resolved");
  });

  test("counts that wait for a store that does not answer end with the coordinator", async () => {
    const world = createWorld();
    const [first] = latches(world, 1) as [Latch];
    plant(world.client(0).backend, "lost before", () => true);
    const counting = track(world.runtime, first.countDown());
    await world.runtime.advance(30_000);
    expect(counting.state).toBe("pending");
    const closing = track(world.runtime, world.client(0).coordinator.close());
    await world.runtime.advance(3_000);
    expect(counting.error).toMatchObject({ code: "CLOSED" });
    expect(closing.state).toBe("resolved");
    expect(world.runtime.timerCount).toBe(0);
  });
});

describe("another round", () => {
  test("begins with a reset, which lets through who still waits", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    expect(await first.reset()).toBe(false);
    const [asleep] = latches(createWorld(), 1);
    expect(asleep).toBeDefined();
    world.client(1).backend.watch = () => () => undefined;
    const waiting = track(world.runtime, second.wait());
    await world.runtime.settle();
    await first.countDown();
    expect(await first.reset()).toBe(true);
    expect(await first.remaining()).toBe(1);
    await world.runtime.advance(ttlMs);
    expect(waiting.state).toBe("resolved");
    const next = track(world.runtime, second.wait());
    await world.runtime.settle();
    expect(next.state).toBe("pending");
    await first.countDown();
    await world.runtime.advance(ttlMs);
    expect(next.state).toBe("resolved");
  });

  test("begins once, when many reset it at once, or an answer is lost", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    await first.countDown();
    const fault = plant(world.client(0).backend, "lost after", writes("roster"), 1);
    const resets = track(world.runtime, Promise.all([first.reset(), first.reset(), second.reset()]));
    await world.runtime.advance(5_000);
    await fault.end();
    expect(resets.value).toContain(true);
    expect((await rosterOf(world, "latch")).note).toEqual({ round: 2, counted: [], isOpen: false });
  });

  test("is counted for by who knows only the last one, without a hint", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    await second.countDown();
    expect(await first.reset()).toBe(true);
    expect(await second.countDown()).toBe(0);
    expect(await first.remaining()).toBe(0);
  });

  test("is closed by who knows only the last one, and not said to be when it is not open", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    await second.countDown();
    expect(await first.reset()).toBe(true);
    await first.countDown();
    expect(await second.reset()).toBe(true);
    expect(await first.remaining()).toBe(1);
    await first.countDown();
    expect(await first.reset()).toBe(true);
    expect(await second.reset()).toBe(false);
  });

  test("of which nobody knows whether a count was for it says so", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    await second.countDown();
    await first.reset();
    const fault = plant(world.client(1).backend, "applied late", writes("roster"), 1);
    const counting = track(world.runtime, second.countDown());
    await world.runtime.advance(5_000);
    await fault.end();
    expect(counting.error).toMatchObject({
      code: "OUTCOME_UNKNOWN",
      message: expect.stringContaining("another round"),
    });
    expect(await first.remaining()).toBe(1);
    expect(await second.countDown()).toBe(0);
  });

  test("a count whose write is abandoned never counts in a later round", async () => {
    const world = createWorld();
    const [first, second] = latches(world, 1) as [Latch, Latch];
    const fault = plant(world.client(0).backend, "applied late", writes("roster"));
    const counting = track(world.runtime, first.countDown());
    await world.runtime.settle();
    await second.countDown();
    await second.reset();
    await fault.end();
    await world.runtime.advance(5_000);
    expect(counting.value).toBe(0);
    expect(await second.remaining()).toBe(1);
  });
});

describe("refusals", () => {
  test("another count than the record's is refused everywhere, and changes nothing", async () => {
    const world = createWorld();
    const [first] = latches(world, 3) as [Latch];
    const [, wrong] = latches(world, 4) as [Latch, Latch];
    await first.countDown();
    const error = { code: "LIMIT_MISMATCH", limit: 3, expected: 4 };
    await expect(wrong.countDown()).rejects.toMatchObject(error);
    await expect(wrong.wait()).rejects.toMatchObject(error);
    await expect(wrong.remaining()).rejects.toMatchObject(error);
    await expect(wrong.reset()).rejects.toMatchObject(error);
    expect(await first.remaining()).toBe(2);
    expect(world.runtime.timerCount).toBe(0);
  });

  test.each([0, -1, 1.5, 1_001, Number.NaN, "3" as never])("%s is no count", (count) => {
    const { coordinator } = createWorld().client(0);
    expect(() => coordinator.latch("x", count)).toThrow(/whole number from 1 to 1000/);
  });

  test("names, ids and options are checked before anything is sent", async () => {
    const { coordinator, backend } = createWorld().client(0);
    expect(() => coordinator.latch("", 1)).toThrow(/latch's name/);
    const latch = coordinator.latch("x", 1);
    const invalid = { code: "INVALID_ARGUMENT" };
    await expect(latch.countDown({ id: "" })).rejects.toMatchObject(invalid);
    await expect(latch.countDown({ id: "x".repeat(65) })).rejects.toMatchObject(invalid);
    await expect(latch.countDown({ id: "\u0000".repeat(11) })).rejects.toMatchObject(invalid);
    await expect(latch.countDown({ id: 1 as never })).rejects.toMatchObject(invalid);
    await expect(latch.wait({ wiat: 1 } as never)).rejects.toMatchObject(invalid);
    await expect(latch.wait({ wait: -1 })).rejects.toMatchObject(invalid);
    await expect(latch.wait({ signal: {} as never })).rejects.toMatchObject(invalid);
    expect(backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
  });

  test("a record of something else is reported and left alone", async () => {
    const world = createWorld();
    const [first] = latches(world, 1) as [Latch];
    const value = Buffer.from(
      JSON.stringify({
        format: "roster/1",
        name: barrierName,
        fence: 0,
        capacity: 1,
        holders: [],
        waiters: [],
        note: 7,
      }),
    );
    await world.store.commit([{ kind: "put", key: `default.latch.${barrierName}`, value }]);
    await expect(first.countDown()).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
    await expect(first.wait()).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
    const [record] = await world.store.get([`default.latch.${barrierName}`]);
    expect(Buffer.from(record?.value ?? []).toString()).toContain('"note":7');
  });
});
