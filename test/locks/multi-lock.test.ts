// Goal: several locks are had together or not at all, nobody waits in a ring, and they are lost and released as one.
import { describe, expect, test } from "vitest";
import type { MultiLock } from "../../src/index.ts";
import { plant, writes } from "./faults.ts";
import { createWorld, deathMs, now, track, ttlMs, type World } from "./world.ts";

function accounts(world: World, index: number, ...names: string[]): MultiLock {
  return world.client(index).coordinator.lockAll(names);
}

describe("several locks", () => {
  test("that are free are had in one write, and each has its fence", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { backend, coordinator } = world.client(0);
    await now(runtime, coordinator.lock("other").acquire());
    backend.resetCounts();
    const grant = await now(runtime, accounts(world, 0, "b", "a", "c").acquire());
    expect(backend.counts).toMatchObject({ reads: 1, writes: 1 });
    expect([...grant.fences.keys()]).toEqual(["a", "b", "c"]);
    expect(grant.fence).toBe(Math.max(...grant.fences.values()));
    for (const name of ["a", "b", "c"]) {
      expect(await now(runtime, world.client(1).coordinator.lock(name).tryAcquire())).toBeNull();
    }
    await now(runtime, grant.release());
    backend.resetCounts();
    await now(runtime, accounts(world, 0, "c", "b", "a").acquire());
    expect(backend.counts).toMatchObject({ reads: 0, writes: 1 });
  });

  test("of which one is held are not had, and none of them is kept", async () => {
    const world = createWorld();
    const { runtime } = world;
    const held = await now(runtime, world.client(1).coordinator.lock("b").acquire());
    const all = accounts(world, 0, "a", "b", "c");
    expect(await now(runtime, all.tryAcquire())).toBeNull();
    for (const name of ["a", "c"]) {
      const free = await now(runtime, world.client(1).coordinator.lock(name).tryAcquire());
      expect(free).not.toBeNull();
      await free?.release();
    }
    const waiting = track(runtime, all.acquire());
    await runtime.settle();
    await now(runtime, held.release());
    await runtime.settle();
    expect(waiting.value?.fences.size).toBe(3);
  });

  test("are had in one order by all: nobody waits in a ring", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const orders = [
      ["a", "b", "c"],
      ["c", "a", "b"],
      ["b", "c", "a"],
    ];
    let inside = 0;
    const rounds = 20;
    const loop = async (index: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) {
        await accounts(world, index, ...(orders[index] ?? [])).hold(async () => {
          inside += 1;
          expect(inside).toBe(1);
          await Promise.resolve();
          inside -= 1;
        });
      }
    };
    const done = track(runtime, Promise.all([0, 1, 2].map(loop)));
    await runtime.advance(5 * ttlMs);
    expect(done.state).toBe("resolved");
  });

  test.each([
    ["times out", "ACQUIRE_TIMEOUT"],
    ["is aborted", "ABORTED"],
  ])("for which one waits and %s leave nothing behind", async (how, code) => {
    const world = createWorld();
    const { runtime } = world;
    await now(runtime, world.client(1).coordinator.lock("c").acquire());
    const abort = new AbortController();
    const options = how === "times out" ? { wait: 50 } : { signal: abort.signal };
    const waiting = track(runtime, accounts(world, 0, "a", "b", "c").acquire(options));
    await runtime.settle();
    expect(await now(runtime, world.client(1).coordinator.lock("a").tryAcquire())).toBeNull();
    if (how === "is aborted") abort.abort();
    await runtime.advance(50);
    expect(waiting.error).toMatchObject({ code });
    const inspected = await now(runtime, world.client(1).coordinator.lock("c").inspect());
    expect(inspected?.waiters).toEqual([]);
    expect(await now(runtime, world.client(1).coordinator.lock("a").tryAcquire())).not.toBeNull();
  });

  test("are lost together, by one signal, and said so by the release", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await now(runtime, accounts(world, 0, "a", "b").acquire());
    const { signal } = grant;
    plant(world.client(0).backend, "lost before", () => true);
    await runtime.advance(ttlMs);
    expect([signal.aborted, grant.state, grant.remainingMs()]).toEqual([true, "lost", 0]);
    expect(() => grant.assertHeld()).toThrow(/lease lost/);
    await expect(grant.release()).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  test.each(["lost before", "lost after"] as const)(
    "whose one write is %s are had in the end, each once",
    async (kind) => {
      const world = createWorld();
      const { runtime } = world;
      const { backend, coordinator } = world.client(0);
      await now(runtime, coordinator.lock("x").acquire());
      const fault = plant(backend, kind, writes("roster"), 1);
      const tried = track(runtime, accounts(world, 0, "a", "b").tryAcquire());
      await runtime.advance(ttlMs);
      expect(tried.error).toMatchObject({ code: kind === "lost before" ? "UNAVAILABLE" : "OUTCOME_UNKNOWN" });
      const again = plant(backend, kind, writes("roster"), 1);
      const waited = track(runtime, accounts(world, 0, "a", "b").acquire());
      await runtime.advance(ttlMs);
      expect([fault.struck, again.struck, waited.value?.fences.size]).toEqual([1, 1, 2]);
      await now(runtime, waited.value?.release() ?? Promise.reject(waited.error));
      const next = await now(runtime, accounts(world, 1, "a", "b").tryAcquire());
      expect(next?.fences.size).toBe(2);
    },
  );

  test("of a holder that died are had by the next one", async () => {
    const world = createWorld();
    const { runtime } = world;
    await now(runtime, accounts(world, 0, "a", "b").acquire());
    world.client(0).pause();
    const next = track(runtime, accounts(world, 1, "b", "a").acquire());
    await runtime.advance(2 * deathMs);
    expect(next.state).toBe("resolved");
  });

  test("are waited for while a part of them is lost on the way, and had whole", async () => {
    const world = createWorld();
    const { runtime } = world;
    const held = await now(runtime, world.client(1).coordinator.lock("b").acquire());
    const waiting = track(runtime, accounts(world, 0, "a", "b").acquire());
    await runtime.settle();
    const fault = plant(world.client(0).backend, "lost before", () => true);
    await runtime.advance(ttlMs);
    await fault.end();
    await runtime.advance(2 * ttlMs);
    await held.release();
    await runtime.advance(2 * ttlMs);
    expect(waiting.state).toBe("resolved");
    expect([waiting.value?.state, waiting.value?.fences.size]).toEqual(["held", 2]);
  });

  test("that were entered with a session which was lost before the answer are entered anew", async () => {
    const world = createWorld({ capabilities: { watch: "none", wake: false } });
    const { runtime } = world;
    const all = accounts(world, 0, "a", "b");
    await now(runtime, (await now(runtime, all.acquire())).release());
    // What the first one knows of "a" is old from here on.
    const other = world.client(1).coordinator.lock("a");
    await now(runtime, (await now(runtime, other.acquire())).release());
    const fault = plant(world.client(0).backend, "held back", () => true);
    const taking = track(runtime, all.acquire());
    await runtime.advance(ttlMs + 500);
    await fault.end();
    await runtime.settle();
    expect(taking.state).toBe("resolved");
    const waiting = track(runtime, other.acquire());
    await runtime.advance(3 * ttlMs);
    expect([taking.value?.state, waiting.state]).toEqual(["held", "pending"]);
  });

  test("of a store that takes one key at a time are had one after the other", async () => {
    const world = createWorld({ capabilities: { commitOperationsMax: 1 } });
    const { runtime } = world;
    const grant = await now(runtime, accounts(world, 0, "a", "b").acquire());
    expect(grant.fences.size).toBe(2);
    expect(await now(runtime, accounts(world, 1, "b", "c").tryAcquire())).toBeNull();
    expect(await now(runtime, world.client(1).coordinator.lock("c").tryAcquire())).not.toBeNull();
  });

  test("end with their coordinator", async () => {
    const world = createWorld();
    const { runtime } = world;
    const held = await now(runtime, accounts(world, 0, "a", "b").acquire());
    await now(runtime, world.client(1).coordinator.lock("d").acquire());
    const waiting = track(runtime, accounts(world, 0, "c", "d").acquire());
    await runtime.settle();
    await now(runtime, world.client(0).coordinator.close());
    expect(waiting.error).toMatchObject({ code: "CLOSED" });
    expect(held.signal.reason).toMatchObject({ code: "CLOSED" });
    const after = await now(runtime, accounts(world, 1, "a", "b", "c").tryAcquire());
    expect(after?.fences.size).toBe(3);
  });
});

test("names that stand there twice are taken once, and what cannot be is refused", async () => {
  const world = createWorld();
  const { coordinator } = world.client(0);
  expect(coordinator.lockAll(["a", "b", "a"]).names).toEqual(["a", "b"]);
  const refused = /1 to 100 names|array of names|non-empty string|no option/;
  expect(() => coordinator.lockAll([])).toThrow(refused);
  expect(() => coordinator.lockAll("a" as unknown as string[])).toThrow(refused);
  expect(() => coordinator.lockAll(["a", ""])).toThrow(refused);
  expect(() => coordinator.lockAll(Array.from({ length: 101 }, (_, index) => `${index}`))).toThrow(refused);
  expect(() => coordinator.lockAll(["a"], { wait: 1 } as object)).toThrow(refused);
  const all = coordinator.lockAll(["a"]);
  await expect(all.acquire({ wait: -1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(all.tryAcquire({ wait: 1 } as object)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(all.hold({} as () => void)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a signal that was kept says at its first question after a standstill that the lease is over", async () => {
  const { runtime, client } = createWorld();
  const { signal } = await now(runtime, client(0).coordinator.lockAll(["a", "b"]).acquire());
  expect(signal.aborted).toBe(false);
  runtime.stall(ttlMs);
  expect(signal.aborted).toBe(true);
});
