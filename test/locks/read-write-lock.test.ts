// Goal: many read or one writes, in order of arrival; a writer may stay as a reader, and a reader may become the writer.
import { describe, expect, test } from "vitest";
import type { ReadWriteLock } from "../../src/index.ts";
import { plant, writes } from "./faults.ts";
import { createWorld, deathMs, now, track, ttlMs, type World } from "./world.ts";

function locks(world: World): readonly ReadWriteLock[] {
  return world.clients.map(({ coordinator }) => coordinator.readWriteLock("catalogue"));
}

function at(list: readonly ReadWriteLock[], index: number): ReadWriteLock {
  return list[index] as ReadWriteLock;
}

describe("readers and writers", () => {
  test("read together, and write alone", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = locks(world);
    const readers = [
      await now(runtime, at(all, 0).read.acquire()),
      await now(runtime, at(all, 1).read.acquire()),
    ];
    expect(await now(runtime, at(all, 2).write.tryAcquire())).toBeNull();
    const writer = track(runtime, at(all, 2).write.acquire());
    await runtime.settle();
    await readers[0]?.release();
    await runtime.settle();
    expect(writer.state).toBe("pending");
    await readers[1]?.release();
    await runtime.settle();
    expect(writer.state).toBe("resolved");
    expect(await now(runtime, at(all, 0).read.tryAcquire())).toBeNull();
    expect(writer.value?.fence).toBeGreaterThan(Math.max(...readers.map(({ fence }) => fence)));
  });

  test("are served as they came: a reader behind a writer waits, and is let in together with the next ones", async () => {
    const world = createWorld({ clients: 4 });
    const { runtime } = world;
    const all = locks(world);
    const first = await now(runtime, at(all, 0).read.acquire());
    const writer = track(runtime, at(all, 1).write.acquire());
    await runtime.settle();
    const second = track(runtime, at(all, 2).read.acquire());
    await runtime.settle();
    const third = track(runtime, at(all, 3).read.acquire());
    await runtime.settle();
    expect([writer.state, second.state]).toEqual(["pending", "pending"]);
    await first.release();
    await runtime.settle();
    expect([writer.state, second.state, third.state]).toEqual(["resolved", "pending", "pending"]);
    await writer.value?.release();
    await runtime.settle();
    expect([second.state, third.state]).toEqual(["resolved", "resolved"]);
  });

  test("of one process keep to it too", async () => {
    const world = createWorld({ clients: 1 });
    const { runtime } = world;
    const lock = at(locks(world), 0);
    const reader = await now(runtime, lock.read.acquire());
    const writer = track(runtime, lock.write.acquire());
    const late = track(runtime, lock.read.acquire());
    await runtime.advance(10);
    expect([writer.state, late.state]).toEqual(["pending", "pending"]);
    await reader.release();
    await runtime.settle();
    expect([writer.state, late.state]).toEqual(["resolved", "pending"]);
    await writer.value?.release();
    await runtime.settle();
    expect(late.state).toBe("resolved");
  });
});

describe("a writer that stays as a reader", () => {
  test("lets the readers in, in the same write, and no writer before it leaves", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = locks(world);
    const grant = await now(runtime, at(all, 0).write.acquire());
    const reader = track(runtime, at(all, 1).read.acquire());
    await runtime.settle();
    const writer = track(runtime, at(all, 2).write.acquire());
    await runtime.settle();
    await now(runtime, grant.downgrade());
    await runtime.settle();
    expect([grant.mode, reader.state, writer.state]).toEqual(["read", "resolved", "pending"]);
    const { backend } = world.client(0);
    backend.resetCounts();
    await now(runtime, grant.downgrade());
    expect(backend.counts.writes).toBe(0);
    await grant.release();
    await reader.value?.release();
    await runtime.settle();
    expect(writer.state).toBe("resolved");
  });

  test("costs one write", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await now(runtime, at(locks(world), 0).write.acquire());
    const { backend } = world.client(0);
    backend.resetCounts();
    await now(runtime, grant.downgrade());
    expect(backend.counts).toMatchObject({ reads: 0, writes: 1 });
  });

  test("and whose answer was lost may ask again", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await now(runtime, at(locks(world), 0).write.acquire());
    plant(world.client(0).backend, "lost after", writes("roster"), 1);
    const first = track(runtime, grant.downgrade());
    await runtime.advance(10);
    expect(first.error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await now(runtime, grant.downgrade());
    expect(grant.mode).toBe("read");
    expect(await now(runtime, at(locks(world), 1).read.tryAcquire())).not.toBeNull();
  });
});

describe("a reader that may become the writer", () => {
  test("reads beside others, is the only one of its kind, and writes when they have left, before who waits", async () => {
    const world = createWorld({ clients: 4 });
    const { runtime } = world;
    const all = locks(world);
    const reader = await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    expect(await now(runtime, at(all, 2).upgradeable.tryAcquire())).toBeNull();
    const writer = track(runtime, at(all, 2).write.acquire());
    await runtime.settle();
    const upgrading = track(runtime, grant.upgrade());
    await runtime.settle();
    expect(await now(runtime, at(all, 3).read.tryAcquire())).toBeNull();
    expect([upgrading.state, grant.mode]).toEqual(["pending", "upgradeable"]);
    const { fence } = grant;
    await reader.release();
    await runtime.settle();
    expect([upgrading.state, grant.mode, writer.state]).toEqual(["resolved", "write", "pending"]);
    expect(grant.fence).toBeGreaterThan(fence);
    await now(runtime, grant.downgrade());
    expect(grant.mode).toBe("upgradeable");
    await now(runtime, grant.downgrade());
    expect(grant.mode).toBe("read");
    await expect(grant.upgrade()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await grant.release();
    await runtime.settle();
    expect(writer.state).toBe("resolved");
  });

  test.each(["times out", "is aborted"])("and %s goes on reading, and lets others in again", async (how) => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = locks(world);
    await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    const abort = new AbortController();
    const options = how === "times out" ? { wait: 50 } : { signal: abort.signal };
    const upgrading = track(runtime, grant.upgrade(options));
    await runtime.settle();
    const reader = track(runtime, at(all, 2).read.acquire());
    await runtime.settle();
    expect(reader.state).toBe("pending");
    if (how === "times out") await runtime.advance(50);
    else abort.abort();
    await runtime.settle();
    expect(upgrading.error).toMatchObject({ code: how === "times out" ? "ACQUIRE_TIMEOUT" : "ABORTED" });
    expect([grant.state, grant.mode, reader.state]).toEqual(["held", "upgradeable", "resolved"]);
  });

  test("waits for no dead reader longer than for its TTL and the margin", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = locks(world);
    await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    world.client(0).pause();
    const upgrading = track(runtime, grant.upgrade());
    await runtime.advance(deathMs + ttlMs);
    expect([upgrading.state, grant.mode]).toEqual(["resolved", "write"]);
  });

  test("is told of the loss of its lease while it waits", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = locks(world);
    await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    const upgrading = track(runtime, grant.upgrade());
    await runtime.settle();
    plant(world.client(1).backend, "lost before", () => true);
    await runtime.advance(ttlMs);
    expect(upgrading.error).toMatchObject({ code: "LEASE_LOST" });
    await expect(grant.upgrade()).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  test("that closes is told so", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = locks(world);
    await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    const upgrading = track(runtime, grant.upgrade());
    await runtime.settle();
    await now(runtime, world.client(1).coordinator.close());
    expect(upgrading.error).toMatchObject({ code: "CLOSED" });
    expect((await now(runtime, at(all, 0).inspect()))?.holders).toHaveLength(1);
  });

  test.each(["lost before", "lost after"] as const)("gets there when a request is %s", async (kind) => {
    const world = createWorld();
    const { runtime } = world;
    const all = locks(world);
    const reader = await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    const fault = plant(world.client(1).backend, kind, writes("roster"), 1);
    const upgrading = track(runtime, grant.upgrade());
    await runtime.advance(ttlMs);
    expect([fault.struck, upgrading.state]).toEqual([1, "pending"]);
    await reader.release();
    await runtime.settle();
    expect(grant.mode).toBe("write");
  });

  test("may not be upgraded twice at once, nor with options that nobody knows", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = locks(world);
    await now(runtime, at(all, 0).read.acquire());
    const grant = await now(runtime, at(all, 1).upgradeable.acquire());
    const upgrading = track(runtime, grant.upgrade({ wait: 100 }));
    const refused = { code: "INVALID_ARGUMENT" };
    await expect(grant.upgrade()).rejects.toMatchObject(refused);
    await runtime.advance(100);
    expect(upgrading.state).toBe("rejected");
    await expect(grant.upgrade({ wait: -1 })).rejects.toMatchObject(refused);
    await expect(grant.upgrade({ patience: 1 } as object)).rejects.toMatchObject(refused);
    await expect(grant.upgrade({ signal: {} as AbortSignal })).rejects.toMatchObject(refused);
  });
});

describe("somebody who looks after it", () => {
  test("asks readers and writer to give it back, and takes it from all of them or from one", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = locks(world);
    const readers = [
      await now(runtime, at(all, 0).read.acquire()),
      await now(runtime, at(all, 1).read.acquire()),
    ];
    const reason = "a migration waits for it";
    expect(await now(runtime, at(all, 2).requestRevoke({ reason }))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect(readers.map(({ revokeRequested }) => revokeRequested.aborted)).toEqual([true, true]);
    const { fence } = readers[0] ?? { fence: Number.NaN };
    expect(await now(runtime, at(all, 2).forceRelease({ reason, fence }))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect(readers.map(({ state }) => state)).toEqual(["lost", "held"]);
    expect(await now(runtime, at(all, 2).forceRelease({ reason }))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect(readers.map(({ state }) => state)).toEqual(["lost", "lost"]);
    expect(await now(runtime, at(all, 2).forceRelease({ reason }))).toBe(false);
    expect(await now(runtime, at(all, 2).write.tryAcquire())).not.toBeNull();
  });
});
