// Goal: locks cost the requests that the design promises, and no more.
import { describe, expect, test } from "vitest";
import type { Capabilities } from "../../src/core/backend.ts";
import { plant, writes } from "./faults.ts";
import { type Client, createWorld, now, track, ttlMs, type World } from "./world.ts";

/** What a client asked for while `action` ran. */
async function costOf(client: Client, action: () => Promise<unknown>) {
  client.backend.resetCounts();
  await action();
  return { ...client.backend.counts };
}

const totals = ({ clients }: World) => ({
  reads: clients.reduce((sum, { backend }) => sum + backend.counts.reads, 0),
  writes: clients.reduce((sum, { backend }) => sum + backend.counts.writes, 0),
  wakes: clients.reduce((sum, { backend }) => sum + backend.counts.wakes, 0),
});

const resetAll = ({ clients }: World): void => {
  for (const { backend } of clients) backend.resetCounts();
};

describe("without contention", () => {
  test("the first acquire and release of a name take one read and two writes", async () => {
    const world = createWorld();
    const { coordinator, lock } = world.client(0);
    await coordinator.lock("opens the session").hold(() => undefined);
    const cost = await costOf(world.client(0), async () => (await lock.acquire()).release());
    expect(cost).toEqual({ reads: 1, writes: 2, wakes: 0 });
  });

  test("acquire and release of a name that was released before take two writes", async () => {
    const world = createWorld();
    const { lock } = world.client(0);
    await lock.hold(() => undefined);
    const cost = await costOf(world.client(0), async () => {
      for (let round = 0; round < 10; round += 1) await (await lock.acquire()).release();
      for (let round = 0; round < 10; round += 1) await (await lock.tryAcquire())?.release();
      for (let round = 0; round < 10; round += 1) await lock.hold(() => undefined);
    });
    expect(cost).toEqual({ reads: 0, writes: 60, wakes: 0 });
  });

  test("a failed try takes one read, the first and every later one", async () => {
    const world = createWorld();
    await world.client(0).lock.acquire();
    for (let call = 0; call < 3; call += 1) {
      const cost = await costOf(world.client(1), () => world.client(1).lock.tryAcquire());
      expect(cost).toEqual({ reads: 1, writes: 0, wakes: 0 });
    }
  });

  test.each([1, 10_000])("%i held locks take one write in a third of the TTL", async (count) => {
    const world = createWorld({ clients: 1 });
    const { coordinator, backend } = world.client(0);
    for (let index = 0; index < count; index += 1) await coordinator.lock(`lock-${index}`).acquire();
    backend.resetCounts();
    await world.runtime.advance(10 * ttlMs);
    expect(backend.counts).toEqual({ reads: 0, writes: 30, wakes: 0 });
  });
});

describe("a handoff", () => {
  test("to a caller of the same process is one write for both", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { lock } = world.client(0);
    const grants = [await lock.acquire()];
    const waiting = Array.from({ length: 10 }, () => track(runtime, lock.acquire()));
    const cost = await costOf(world.client(0), async () => {
      for (const next of waiting) {
        await grants.at(-1)?.release();
        await runtime.settle();
        if (next.value !== undefined) grants.push(next.value);
      }
    });
    expect(grants).toHaveLength(11);
    expect(cost).toEqual({ reads: 0, writes: 10, wakes: 0 });
  });

  test.each([1, 2, 10, 60])(
    "to the first of %i waiting processes is one write, whoever else waits",
    async (waiters) => {
      const world = createWorld({ clients: waiters + 1 });
      const { runtime } = world;
      let grant = await world.client(0).lock.acquire();
      const waiting = [];
      for (const { lock } of world.clients.slice(1)) {
        waiting.push(track(runtime, lock.acquire()));
        await runtime.settle();
      }
      for (const [round, next] of waiting.slice(0, 5).entries()) {
        resetAll(world);
        await grant.release();
        await runtime.settle();
        expect(next.state).toBe("resolved");
        const cost = totals(world);
        // A holder that never waited has not seen who queued up: its release meets a conflict first.
        expect(cost.writes).toBe(round === 0 ? 2 : 1);
        // The one who is admitted, and the one who is first in line since, who reads once as it begins to watch.
        expect(cost.wakes).toBeLessThanOrEqual(2);
        expect(cost.reads).toBeLessThanOrEqual(1);
        if (next.value !== undefined) grant = next.value;
      }
    },
  );
});

describe("a waiter", () => {
  test.each([1, 2, 10])(
    "of %i reads at most three times in a TTL where the backend notifies",
    async (waiters) => {
      const world = createWorld({ clients: waiters + 1 });
      const { runtime } = world;
      await world.client(0).lock.acquire();
      for (const { lock } of world.clients.slice(1)) {
        track(runtime, lock.acquire());
        await runtime.settle();
      }
      await runtime.advance(ttlMs);
      resetAll(world);
      const ttls = 20;
      await runtime.advance(ttls * ttlMs);
      for (const { backend } of world.clients.slice(1)) {
        expect(backend.counts.reads).toBeLessThanOrEqual(3 * ttls);
        expect(backend.counts.reads).toBeGreaterThanOrEqual(2 * ttls);
        expect(backend.counts.writes).toBe(3 * ttls);
      }
    },
  );

  test("reads no more when the queue behind it moves", async () => {
    const world = createWorld({ clients: 12 });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    resetAll(world);
    for (let index = 2; index < 12; index += 1) {
      track(runtime, world.client(index).lock.acquire({ wait: 10 }));
      await runtime.advance(20);
    }
    expect(world.client(1).backend.counts.reads).toBeLessThanOrEqual(1);
  });
});

const polled: Partial<Capabilities> = { wake: false, watch: "none" };

describe("on a backend without wakes and watches", () => {
  test("the first in line polls fast, the others about every quarter of a TTL", async () => {
    const world = createWorld({ clients: 5, capabilities: polled, ttlMs: 20_000 });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    for (const { lock } of world.clients.slice(1)) {
      track(runtime, lock.acquire());
      await runtime.settle();
    }
    await runtime.advance(20_000);
    resetAll(world);
    await runtime.advance(10 * 20_000);
    const [, head, ...others] = world.clients.map(({ backend }) => backend.counts.reads);
    expect(head).toBeGreaterThan(150);
    expect(head).toBeLessThan(300);
    for (const reads of others) {
      expect(reads).toBeGreaterThanOrEqual(40);
      expect(reads).toBeLessThanOrEqual(70);
    }
  });

  test("a hundred callers of one process poll like one", async () => {
    const world = createWorld({ capabilities: polled });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    for (let call = 0; call < 100; call += 1) track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    resetAll(world);
    await runtime.advance(10 * ttlMs);
    expect(world.client(1).backend.counts.reads).toBeLessThan(150);
  });

  test("the lock is handed over within a second or so, and one write frees and grants", async () => {
    const world = createWorld({ clients: 3, capabilities: polled });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(3 * ttlMs);
    const cost = await costOf(world.client(0), () => grant.release());
    // It has not seen who queued up: a conflict, which carries the record, and the write over it.
    expect(cost.writes).toBeLessThanOrEqual(2);
    expect(cost.reads).toBe(0);
    await runtime.advance(1_250);
    expect(waiting.state).toBe("resolved");
  });
});

describe("where a change comes between the join and the watch", () => {
  test("a waiter that was watching already learns of it with the answer to its join", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = [world.client(0), world.client(1)];
    const other = await second.lock.acquire();
    const holding = track(runtime, first.lock.acquire());
    await runtime.settle();
    await other.release();
    await runtime.settle();
    // Both have waited, so both watch: one hands over, and joins again for its next caller in the same write.
    const between = track(runtime, second.lock.acquire());
    const next = track(runtime, first.lock.acquire());
    await runtime.settle();
    const planted = plant(first.backend, "answered late", writes("roster"), 1);
    const releasing = track(runtime, holding.value?.release() ?? Promise.reject());
    await runtime.settle();
    await between.value?.release();
    await runtime.settle();
    expect((await world.roster()).holders).toHaveLength(1);
    const startMs = runtime.monotonicMs();
    await planted.end();
    await runtime.advance(ttlMs);
    expect(releasing.state).toBe("resolved");
    expect(next.state).toBe("resolved");
    expect(next.atMs).toBe(startMs);
  });

  const watched: Partial<Capabilities> = { wake: false };

  test("a waiter without wakes learns of it at once, not when its own timer fires", async () => {
    const world = createWorld({ capabilities: watched });
    const { runtime } = world;
    const { lock, backend } = world.client(1);
    const grant = await world.client(0).lock.acquire();
    await lock.tryAcquire();
    // The lock is released in the moment in which the join has been applied and its answer is on its way.
    let isReleased = false;
    backend.intercept(async (request, send) => {
      const answer = await send();
      if (request.kind === "commit" && (await world.roster()).waiters.length > 0 && !isReleased) {
        isReleased = true;
        await grant.release();
      }
      return answer;
    });
    const startMs = runtime.monotonicMs();
    const waiting = track(runtime, lock.acquire());
    await runtime.advance(ttlMs);
    expect(isReleased).toBe(true);
    expect(waiting.state).toBe("resolved");
    expect(waiting.atMs - startMs).toBeLessThan(100);
    await now(runtime, waiting.value?.release() ?? Promise.reject());
  });
});
