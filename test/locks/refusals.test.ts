// Goal: what the store refuses for good is told to the caller, costs nobody else anything, and leaves no lock
// behind that nobody can take.
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { LimitExceededError, PermissionDeniedError } from "../../src/core/errors.ts";
import { createCoordinator } from "../../src/index.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { kindOf, plant, type Strikes, writes } from "./faults.ts";
import { createWorld, lockKey, now, track, ttlMs } from "./world.ts";

describe("a refused release", () => {
  test("rejects with the refusal, and is tried again behind it for as long as the session lives", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = [world.client(0), world.client(1)];
    const grant = await first.lock.acquire();
    first.backend.intercept((request, send) =>
      kindOf(request) === "roster" ? Promise.reject(new PermissionDeniedError("not today")) : send(),
    );
    const releasing = track(runtime, grant.release());
    await runtime.settle();
    expect(releasing.error).toMatchObject({ code: "PERMISSION_DENIED" });
    await runtime.advance(ttlMs);
    first.backend.intercept(undefined);
    await runtime.advance(3_000);
    expect(await now(runtime, second.lock.tryAcquire())).not.toBeNull();
  });

  test("is not tried any more after close", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend, coordinator } = world.client(0);
    const grant = await lock.acquire();
    backend.intercept((request, send) =>
      kindOf(request) === "roster" ? Promise.reject(new PermissionDeniedError("not today")) : send(),
    );
    track(runtime, grant.release());
    await runtime.settle();
    const closing = track(runtime, coordinator.close());
    await runtime.advance(3_000);
    expect(closing.state).toBe("resolved");
    backend.resetCounts();
    await runtime.advance(ttlMs);
    expect(backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
    expect(runtime.timerCount).toBe(0);
  });
});

describe("a refused join", () => {
  test("does not take down the release that rides in the same write", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    // As a store does whose largest value is smaller than this roster would be.
    backend.intercept((request, send) => {
      const [operation] = request.kind === "commit" ? request.operations : [];
      const isTooLarge = operation?.kind === "put" && operation.value.length > 500;
      return isTooLarge ? Promise.reject(new LimitExceededError("too large")) : send();
    });
    const next = track(runtime, lock.acquire({ metadata: "x".repeat(500) }));
    const releasing = track(runtime, grant.release());
    await runtime.settle();
    expect(releasing).toMatchObject({ state: "resolved", error: undefined });
    expect(next.error).toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(await now(runtime, world.client(1).lock.tryAcquire())).not.toBeNull();
  });

  test("is told to its caller at once, and the next caller is served when the store takes it", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    backend.intercept((request, send) =>
      kindOf(request) === "roster" ? Promise.reject(new PermissionDeniedError("not today")) : send(),
    );
    const refused = track(runtime, lock.acquire());
    await runtime.settle();
    expect(refused.error).toMatchObject({ code: "PERMISSION_DENIED" });
    backend.intercept(undefined);
    expect((await now(runtime, lock.acquire())).state).toBe("held");
  });
});

describe("a wake that throws", () => {
  test("spoils neither the release nor the grant it was about", async () => {
    const runtime = createVirtualRuntime();
    const store = memoryBackend({ runtime });
    const deaf = {
      ...{ kind: "memory", capabilities: store.capabilities, setup: store.setup.bind(store) },
      ...{ get: store.get.bind(store), scan: store.scan.bind(store), commit: store.commit.bind(store) },
      ...{ add: store.add.bind(store), watch: store.watch.bind(store), close: store.close.bind(store) },
      ...{ time: store.time.bind(store), onWake: store.onWake.bind(store) },
      wake(): void {
        throw new Error("no connection");
      },
    };
    const [first, second] = [deaf, store].map((backend) =>
      createCoordinator(backend, { runtime, ttl: ttlMs }),
    );
    const grant = await first?.lock("job").acquire();
    const waiting = track(runtime, second?.lock("job").acquire() ?? Promise.reject());
    await runtime.settle();
    const releasing = track(runtime, grant?.release() ?? Promise.reject());
    await runtime.advance(ttlMs);
    expect(releasing).toMatchObject({ state: "resolved", error: undefined });
    expect(waiting.state).toBe("resolved");
  });
});

describe("a handoff whose answer is lost", () => {
  test("wakes the next one as soon as the outcome is known, not when its own timer fires", async () => {
    const world = createWorld({ clients: 3, capabilities: { watch: "none" } });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const second = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    // The first write meets a conflict, for the holder has not seen who queued up.
    let rosterWrites = 0;
    const isSecond: Strikes = (request) => writes("roster")(request) && ++rosterWrites === 2;
    const planted = plant(world.client(0).backend, "lost after", isSecond);
    const startMs = runtime.monotonicMs();
    const releasing = track(runtime, grant.release());
    await runtime.advance(ttlMs);
    expect(planted.struck).toBe(1);
    expect(releasing.state).toBe("resolved");
    expect(second.state).toBe("resolved");
    expect(second.atMs - startMs).toBeLessThanOrEqual(50);
  });
});

describe("a record that leasehold did not write", () => {
  const garbage = Buffer.from("garbage");

  test("is told as CORRUPT_RECORD by everything that reads it, and nothing of it is overwritten", async () => {
    const { runtime, store, ...world } = createWorld();
    const { lock } = world.client(0);
    await store.commit([{ kind: "put", key: lockKey, value: garbage }]);
    const calls = [
      () => lock.acquire(),
      () => lock.tryAcquire(),
      () => lock.inspect(),
      () => lock.hold(() => 1),
    ];
    for (const call of calls) {
      const outcome = track<unknown>(runtime, call());
      await runtime.settle();
      expect(outcome.error).toMatchObject({ code: "CORRUPT_RECORD" });
    }
    expect(Buffer.from((await store.get([lockKey]))[0]?.value ?? [])).toEqual(garbage);
  });

  test("that appears under a held lock is told by the release, and under a waiter by its acquire", async () => {
    const { runtime, store, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.settle();
    await store.commit([{ kind: "put", key: lockKey, value: garbage }]);
    const releasing = track(runtime, grant.release());
    await runtime.advance(ttlMs);
    expect(releasing.error).toMatchObject({ code: "CORRUPT_RECORD" });
    expect(waiting.error).toMatchObject({ code: "CORRUPT_RECORD" });
    expect(Buffer.from((await store.get([lockKey]))[0]?.value ?? [])).toEqual(garbage);
    // Somebody repairs it: everything goes on.
    await store.commit([{ kind: "delete", key: lockKey }]);
    await runtime.advance(3_000);
    const next = await now(runtime, world.client(1).lock.acquire());
    expect(next.fence).toBeGreaterThan(grant.fence);
    await next.release();
    const [record] = await store.get([lockKey]);
    expect(record && decodeRoster(lockKey, record.value).roster.holders).toEqual([]);
  });
});

describe("a wait that was too short", () => {
  test.each([0, 500])("says whether it is this process that holds it (wait %i)", async (wait) => {
    const { runtime, ...world } = createWorld();
    const [first, second] = [world.client(0), world.client(1)];
    await now(runtime, first.lock.acquire());
    const own = track(runtime, first.lock.acquire({ wait }));
    const other = track(runtime, second.lock.acquire({ wait }));
    await runtime.advance(500);
    expect(own.error).toMatchObject({ code: "ACQUIRE_TIMEOUT", name: "AcquireTimeoutError" });
    expect((own.error as Error).message).toMatch(
      /this same coordinator holds it, and it is not reentrant: .*again$/,
    );
    expect((other.error as Error).message).toMatch(/: others hold it$/);
    const pool = first.coordinator.semaphore("pool", { permits: 2 });
    await Promise.all([pool.acquire(), pool.acquire()]);
    const third = track(runtime, pool.acquire({ wait }));
    await runtime.advance(500);
    expect((third.error as Error).message).toContain("this same coordinator holds 2 of it");
  });
});
