// Goal: a theft takes a lock from all who hold it once, whatever becomes of the requests, and all of them learn of it.
import { describe, expect, test } from "vitest";
import { everything, plant, writes } from "../locks/faults.ts";
import { createWorld, deathMs, ttlMs } from "../locks/world.ts";
import { broken, errorOf, request, rosterOf } from "./requests.ts";

describe("a theft", () => {
  test("costs one write, and for each holder elsewhere a read, a write and one of the holder's own", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const robbed = [request(world, 0, { mode: "shared" }), request(world, 1, { mode: "shared" })];
    await runtime.settle();
    const warm = request(world, 2, { mode: "shared" });
    await runtime.settle();
    warm.end();
    await runtime.settle();
    for (const { backend } of world.clients) backend.resetCounts();
    const thief = request(world, 2, { steal: true });
    await runtime.settle();
    expect(thief.lock?.fence).toBeGreaterThan(Math.max(...robbed.map(({ lock }) => lock?.fence ?? 0)));
    expect(world.client(2).backend.counts).toMatchObject({ reads: 2, writes: 3 });
    for (const [index, { outcome }] of robbed.entries()) {
      expect(errorOf(outcome)).toEqual(broken);
      // A heartbeat that takes the message out of the session's record, and the write that leaves the roster.
      expect(world.client(index).backend.counts.writes).toBeLessThanOrEqual(3);
    }
    expect((await rosterOf(world)).holders).toHaveLength(1);
    thief.end("mine");
    await runtime.settle();
    expect(thief.outcome.value).toBe("mine");
    expect((await rosterOf(world)).holders).toEqual([]);
  });

  test.each(["lost before", "lost after", "applied late"] as const)(
    "of which the write is %s takes the lock once",
    async (fault) => {
      const world = createWorld();
      const { runtime } = world;
      const robbed = request(world, 0);
      await runtime.settle();
      const opener = request(world, 1, { ifAvailable: true });
      await runtime.settle();
      expect(opener.lock).toBeNull();
      opener.end();
      const planted = plant(world.client(1).backend, fault, writes("roster"), 1);
      const thief = request(world, 1, { steal: true });
      await runtime.advance(ttlMs / 2);
      await planted.end();
      await runtime.advance(ttlMs);
      expect(planted.struck).toBe(1);
      expect(errorOf(robbed.outcome)).toEqual(broken);
      expect((await rosterOf(world)).holders.map(({ fence }) => fence)).toEqual([thief.lock?.fence]);
      expect(thief.outcome.state).toBe("pending");
      thief.end("mine");
      await runtime.settle();
      expect(thief.outcome.value).toBe("mine");
      expect(await rosterOf(world)).toMatchObject({ holders: [], waiters: [] });
    },
  );

  test("goes before a queue that is full, and leaves it as it was", async () => {
    const world = createWorld({ clients: 67 });
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const waiting = Array.from({ length: 65 }, (_, index) => request(world, index + 1));
    await runtime.settle();
    expect((await rosterOf(world)).waiters).toHaveLength(64);
    const thief = request(world, 66, { steal: true });
    await runtime.settle();
    expect(thief.lock?.mode).toBe("exclusive");
    expect(errorOf(holder.outcome)).toEqual(broken);
    expect((await rosterOf(world)).waiters).toHaveLength(64);
    for (const each of [thief, ...waiting]) each.end("served");
    await runtime.advance(ttlMs);
    expect(waiting.map(({ outcome }) => outcome.value)).toEqual(waiting.map(() => "served"));
  });

  test("from a process that is paused is told when it goes on, and its callback does not count", async () => {
    const world = createWorld();
    const { runtime } = world;
    const robbed = request(world, 0);
    await runtime.settle();
    world.client(0).pause();
    const thief = request(world, 1, { steal: true });
    await runtime.advance(ttlMs / 4);
    expect(thief.lock).toBeDefined();
    expect(robbed.outcome.state).toBe("pending");
    world.client(0).resume();
    await runtime.advance(ttlMs / 2);
    expect(errorOf(robbed.outcome)).toEqual(broken);
    robbed.end("too late");
    thief.end();
    await runtime.settle();
    expect(errorOf(robbed.outcome)).toEqual(broken);
  });

  test("is told with the next heartbeat where the store wakes nobody", async () => {
    const world = createWorld({ capabilities: { wake: false, watch: "none" } });
    const { runtime } = world;
    const robbed = request(world, 0);
    await runtime.settle();
    const thief = request(world, 1, { steal: true });
    await runtime.advance(ttlMs / 2);
    expect(errorOf(robbed.outcome)).toEqual(broken);
    expect(robbed.lock?.signal.aborted).toBe(true);
    thief.end();
    await runtime.settle();
    expect(thief.outcome.state).toBe("resolved");
  });

  test("by a process that died before it told anybody is learnt of at the release", async () => {
    const world = createWorld();
    const { runtime } = world;
    const robbed = request(world, 0);
    await runtime.settle();
    const opener = request(world, 1, { ifAvailable: true });
    await runtime.settle();
    opener.end();
    const { backend } = world.client(1);
    let isDone = false;
    backend.intercept((asked, send) => {
      const isRoster = asked.kind === "commit" && asked.operations[0]?.key.includes(".web-lock.") === true;
      if (isDone) return new Promise(() => undefined);
      isDone = isRoster;
      return send();
    });
    request(world, 1, { steal: true });
    await runtime.settle();
    world.client(1).pause();
    expect((await rosterOf(world)).holders).toHaveLength(1);
    await runtime.advance(ttlMs / 2);
    expect(robbed.outcome.state).toBe("pending");
    robbed.end("as if nothing had happened");
    await runtime.settle();
    expect(errorOf(robbed.outcome)).toEqual(broken);
    const next = request(world, 0);
    await runtime.advance(2 * deathMs);
    expect(next.lock?.mode, "the thief's lock comes back from the dead").toBe("exclusive");
    next.end();
    await runtime.settle();
  });

  test("waits for a store that does not answer, and is over with its coordinator", async () => {
    const world = createWorld();
    const { runtime } = world;
    const robbed = request(world, 0);
    await runtime.settle();
    const planted = plant(world.client(1).backend, "lost before", everything);
    const thief = request(world, 1, { steal: true });
    await runtime.advance(10 * ttlMs);
    expect(thief.outcome.state).toBe("pending");
    const closing = world.client(1).coordinator.close();
    await runtime.advance(ttlMs);
    await closing;
    expect(errorOf(thief.outcome)).toEqual([true, "InvalidStateError", "CLOSED"]);
    await planted.end();
    await runtime.advance(ttlMs);
    expect(robbed.outcome.state).toBe("pending");
    robbed.end("held all the time");
    await runtime.settle();
    expect(robbed.outcome.value).toBe("held all the time");
  });

  test("from many locks of one process tells each of them, although a record has room for 32 messages", async () => {
    const world = createWorld();
    const { runtime } = world;
    const robbed = Array.from({ length: 40 }, () => request(world, 0, { mode: "shared" }));
    await runtime.settle();
    expect((await rosterOf(world)).holders).toHaveLength(40);
    world.client(0).pause();
    const thief = request(world, 1, { steal: true });
    await runtime.advance(ttlMs / 4);
    world.client(0).resume();
    await runtime.advance(2 * ttlMs);
    expect(robbed.map(({ outcome }) => errorOf(outcome))).toEqual(robbed.map(() => broken));
    thief.end();
    await runtime.settle();
    expect(thief.outcome.state).toBe("resolved");
  });
});
