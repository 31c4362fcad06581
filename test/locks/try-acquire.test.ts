// Goal: a try never waits for anybody, leaves nothing behind, and called now and then takes over from the dead.
import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { createCoordinator, type Grant } from "../../src/index.ts";
import { everything, plant, writes } from "./faults.ts";
import { createWorld, deathMs, lockName, now, track, ttlMs } from "./world.ts";

describe("a try", () => {
  test("answers null while another process holds the lock, or waits for it", async () => {
    const { runtime, ...world } = createWorld({ clients: 3 });
    const grant = await world.client(0).lock.acquire();
    expect(await now(runtime, world.client(1).lock.tryAcquire())).toBeNull();
    const waiting = track(runtime, world.client(2).lock.acquire());
    await runtime.settle();
    await grant.release();
    await runtime.settle();
    expect(waiting.state).toBe("resolved");
    expect(await now(runtime, world.client(1).lock.tryAcquire())).toBeNull();
    await waiting.value?.release();
    expect(await now(runtime, world.client(1).lock.tryAcquire())).not.toBeNull();
  });

  test("answers null while its own process holds it or waits for it, and asks the store nothing", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    backend.resetCounts();
    expect(await now(runtime, lock.tryAcquire())).toBeNull();
    track(runtime, lock.acquire());
    expect(await now(runtime, lock.tryAcquire())).toBeNull();
    expect(backend.counts).toMatchObject({ reads: 0, writes: 0 });
    expect(grant.state).toBe("held");
  });

  test("that is repeated without a pause lets its own process go on, which holds the lock", async () => {
    await using coordinator = createCoordinator(memoryBackend());
    const lock = coordinator.lock("job");
    const holding = lock.hold(() => new Promise((resolve) => setImmediate(resolve)));
    let grant: Grant | null = null;
    for (let tries = 0; grant === null && tries < 100_000; tries += 1) grant = await lock.tryAcquire();
    expect(grant?.state).toBe("held");
    await holding;
  });

  test("that was answered null has no more to do with its signal, which may fire later", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const abort = new AbortController();
    const grant = await lock.acquire();
    expect(await now(runtime, lock.tryAcquire({ signal: abort.signal }))).toBeNull();
    const impatient = track(runtime, lock.acquire({ wait: 0, signal: abort.signal }));
    await runtime.settle();
    expect(impatient.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
    // An error that nobody listens for would end the process.
    abort.abort();
    await runtime.settle();
    await grant.release();
  });

  test("of 20 callers of one process and 5 of others at once wins for exactly one", async () => {
    const { runtime, ...world } = createWorld({ clients: 6 });
    const asking = world.clients.flatMap(({ lock }, index) =>
      Array.from({ length: index === 0 ? 20 : 1 }, () => lock.tryAcquire()),
    );
    const grants = (await now(runtime, Promise.all(asking))).filter((grant) => grant !== null);
    expect(grants).toHaveLength(1);
    expect((await world.roster()).holders).toHaveLength(1);
  });

  test("with wait 0 is what acquire does, with an error instead of null", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire({ wait: 0 });
    const refused = track(runtime, world.client(1).lock.acquire({ wait: 0 }));
    await runtime.settle();
    expect(refused.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    await grant.release();
    expect((await now(runtime, world.client(1).lock.acquire({ wait: 0 }))).state).toBe("held");
  });

  test("beside an acquire of the same process spoils neither", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const [tried, first, second] = [lock.tryAcquire(), lock.acquire(), lock.acquire()];
    const grant = await now(runtime, tried);
    expect(grant).not.toBeNull();
    await grant?.release();
    const next = await now(runtime, first);
    await next.release();
    await (await now(runtime, second)).release();
    expect(await world.roster()).toMatchObject({ holders: [], waiters: [] });
  });

  test("that is aborted while its write is under way gives back what it got", async () => {
    const { runtime, ...world } = createWorld();
    const abort = new AbortController();
    const planted = plant(world.client(0).backend, "answered late", writes("roster"), 1);
    const trying = track(runtime, world.client(0).lock.tryAcquire({ signal: abort.signal }));
    await runtime.settle();
    expect((await world.roster()).holders).toHaveLength(1);
    abort.abort();
    await runtime.settle();
    expect(trying.error).toMatchObject({ code: "ABORTED" });
    await planted.end();
    await runtime.settle();
    expect((await world.roster()).holders).toEqual([]);
  });

  test("fails with the store's error, and the next one may succeed", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const planted = plant(backend, "lost before", everything);
    const trying = track(runtime, lock.tryAcquire());
    await runtime.settle();
    expect(trying.error).toMatchObject({ code: "UNAVAILABLE" });
    await planted.end();
    expect(await now(runtime, lock.tryAcquire())).not.toBeNull();
  });
});

describe("a try now and then", () => {
  test.each([0.1, 0.5, 1, 3])("every %d TTL takes over from a dead holder", async (ttls) => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    expect(await now(runtime, world.client(1).lock.tryAcquire())).toBeNull();
    world.client(0).pause();
    const diedAtMs = runtime.monotonicMs();
    let taken = null;
    for (let tries = 1; taken === null; tries += 1) {
      await runtime.advance(ttls * ttlMs);
      taken = await now(runtime, world.client(1).lock.tryAcquire());
      expect(tries).toBeLessThan(20);
    }
    expect(taken.fence).toBeGreaterThan(grant.fence);
    expect(runtime.monotonicMs() - diedAtMs).toBeGreaterThanOrEqual(deathMs);
    expect(runtime.monotonicMs() - diedAtMs).toBeLessThanOrEqual(deathMs + 5 * ttls * ttlMs);
  });

  test("also by a process that tries far more names than it remembers", async () => {
    const { runtime, ...world } = createWorld();
    const others = Array.from({ length: 3_000 }, (_, index) => `other-${index}`);
    await world.client(0).lock.acquire();
    for (const name of others) await world.client(0).coordinator.lock(name).acquire();
    world.client(0).pause();
    const { coordinator, lock } = world.client(1);
    let taken = null;
    for (let tries = 1; taken === null; tries += 1) {
      for (const name of others) await coordinator.lock(name).tryAcquire();
      await runtime.advance(ttlMs / 2);
      taken = await lock.tryAcquire();
      expect(tries).toBeLessThan(8);
    }
  });

  test("takes over where a whole fleet of a holder and ten waiters crashed", async () => {
    const { runtime, ...world } = createWorld({ clients: 12 });
    await world.client(0).lock.acquire();
    for (const { lock } of world.clients.slice(1, -1)) {
      track(runtime, lock.acquire());
      await runtime.settle();
    }
    for (const client of world.clients.slice(0, -1)) client.pause();
    const { lock } = world.client(11);
    let taken = null;
    for (let tries = 1; taken === null; tries += 1) {
      await runtime.advance(ttlMs / 4);
      taken = await now(runtime, lock.tryAcquire());
      expect(tries).toBeLessThan(16);
    }
    expect(await world.roster()).toMatchObject({ waiters: [] });
  });

  test("never takes over from a live holder", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    for (let tries = 0; tries < 50; tries += 1) {
      await runtime.advance(0.7 * ttlMs);
      expect(await now(runtime, world.client(1).lock.tryAcquire())).toBeNull();
    }
    expect(grant.state).toBe("held");
  });
});

describe("inspect", () => {
  test("shows who holds, who waits and since when, and null for a name that nobody asked for", async () => {
    const { runtime, ...world } = createWorld();
    const { coordinator, lock } = world.client(0);
    expect(await coordinator.lock("unknown").inspect()).toBeNull();
    const grant = await lock.acquire({ metadata: { job: 7 } });
    track(runtime, world.client(1).lock.acquire({ metadata: "next" }));
    await runtime.settle();
    const inspection = await lock.inspect();
    expect(inspection).toMatchObject({
      ...{ name: lockName, fence: grant.fence, capacity: 1 },
      holders: [{ fence: grant.fence, ttlMs, isOverdue: false, metadata: { job: 7 } }],
      waiters: [{ ttlMs, isOverdue: false, metadata: "next" }],
    });
    expect(inspection?.holders[0]?.client?.pid).toBe(process.pid);
    world.client(0).pause();
    await runtime.advance(ttlMs + 1);
    expect((await now(runtime, world.client(1).lock.inspect()))?.holders[0]?.isOverdue).toBe(true);
  });
});
