// Goal: close() ends everything that a coordinator holds, waits for and runs, whatever the store does meanwhile.
import { describe, expect, test } from "vitest";
import { everything, plant, writes } from "./faults.ts";
import { createWorld, deathMs, now, track, ttlMs } from "./world.ts";

describe("close", () => {
  test("releases what is held, which the next in line gets at once, and deletes the session's record", async () => {
    const { runtime, ...world } = createWorld();
    const { coordinator, lock, backend } = world.client(0);
    const grant = await lock.acquire();
    for (let index = 0; index < 20; index += 1) await coordinator.lock(`lock-${index}`).acquire();
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.settle();
    const { signal } = grant;
    await now(runtime, coordinator.close());
    expect(next.state).toBe("resolved");
    expect(signal.reason).toMatchObject({ code: "CLOSED" });
    expect(await world.sessions()).toHaveLength(1);
    backend.resetCounts();
    await runtime.advance(5 * ttlMs);
    expect(backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
    expect(next.value?.state).toBe("held");
  });

  test("ends waiters, local and first in line, with CLOSED, and leaves nothing of them in the queue", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const { lock, coordinator } = world.client(1);
    const waiting = [lock.acquire(), lock.acquire({ wait: "1h" }), lock.hold(() => 1)].map((call) =>
      track<unknown>(runtime, call),
    );
    await runtime.settle();
    await now(runtime, coordinator.close());
    for (const { error } of waiting) expect(error).toMatchObject({ code: "CLOSED" });
    expect((await world.roster()).waiters).toEqual([]);
    expect(grant.state).toBe("held");
  });

  test("waits for the work of hold, which still holds the lock meanwhile", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, coordinator } = world.client(0);
    let finish = (): void => undefined;
    let seen: unknown;
    const holding = track(
      runtime,
      lock.hold(async ({ signal }) => {
        signal.addEventListener("abort", () => {
          seen = signal.reason;
        });
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return "finished";
      }),
    );
    await runtime.settle();
    const closing = track(runtime, coordinator.close());
    await runtime.advance(ttlMs / 2);
    expect(seen).toMatchObject({ code: "CLOSED" });
    expect(closing.state).toBe("pending");
    expect(await now(runtime, world.client(1).lock.tryAcquire())).toBeNull();
    finish();
    await runtime.settle();
    expect(holding).toMatchObject({ state: "resolved", value: "finished" });
    expect(closing.state).toBe("resolved");
    expect(await now(runtime, world.client(1).lock.tryAcquire())).not.toBeNull();
  });

  test("waits for work no longer than a TTL, and does not release the lock under it", async () => {
    const { runtime, ...world } = createWorld();
    track(
      runtime,
      world.client(0).lock.hold(() => new Promise(() => undefined)),
    );
    await runtime.settle();
    const closing = track(runtime, world.client(0).coordinator.close());
    await runtime.advance(ttlMs);
    expect(closing.state).toBe("resolved");
    expect((await world.roster()).holders).toHaveLength(1);
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    expect(next.state).toBe("pending");
    await runtime.advance(deathMs);
    expect(next.state).toBe("resolved");
  });

  test("in whichever turn between the grant and the work keeps the work from starting", async () => {
    for (let turns = 0; turns < 40; turns += 1) {
      const { runtime, ...world } = createWorld();
      const { lock, coordinator, backend } = world.client(0);
      let isClosed = false;
      let startedClosed = false;
      const joining = plant(backend, "answered late", writes("roster"), 1);
      const holding = track(
        runtime,
        lock.hold(() => {
          startedClosed = isClosed;
        }),
      );
      await runtime.settle();
      void joining.end();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      isClosed = true;
      const closing = track(runtime, coordinator.close());
      await runtime.settle();
      expect(closing.state).toBe("resolved");
      expect(holding.state).not.toBe("pending");
      expect(startedClosed).toBe(false);
      expect((await world.roster()).holders).toEqual([]);
    }
  });

  test.each(["lost before", "lost after", "hangs before", "hangs after", "lost slowly"] as const)(
    "ends in bounded time when every request is %s, and leaves no heartbeat",
    async (fault) => {
      const { runtime, ...world } = createWorld();
      const { lock, coordinator, backend } = world.client(0);
      await lock.acquire();
      track(runtime, coordinator.lock("another").acquire());
      const planted = plant(
        backend,
        fault,
        (request) => request.kind === "commit" || !fault.endsWith("after"),
      );
      track(runtime, coordinator.lock("third").acquire());
      const closing = track(runtime, coordinator.close());
      await runtime.advance(2 * ttlMs);
      expect(closing.state).toBe("resolved");
      await planted.end();
      backend.resetCounts();
      await runtime.advance(5 * ttlMs);
      expect(backend.counts.writes).toBe(0);
      expect(runtime.timerCount).toBe(0);
    },
  );

  test("while the first session is being opened opens no other afterwards", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, coordinator, backend } = world.client(0);
    const reading = plant(backend, "held back", everything, 1);
    const trying = track(runtime, lock.tryAcquire());
    await runtime.settle();
    const closing = track(runtime, coordinator.close());
    await runtime.advance(2 * ttlMs);
    expect(closing.state).toBe("resolved");
    expect(trying.error).toMatchObject({ code: "CLOSED" });
    await reading.end();
    await runtime.advance(5 * ttlMs);
    expect(await world.sessions()).toEqual([]);
    expect(runtime.timerCount).toBe(0);
  });

  test("leaves no session record when a heartbeat was applied whose answer has not come", async () => {
    const { runtime, ...world } = createWorld();
    await world.client(0).lock.acquire();
    const beat = plant(world.client(0).backend, "answered late", writes("heartbeat"), 1);
    await runtime.advance(ttlMs / 3);
    expect(beat.struck).toBe(1);
    await now(runtime, world.client(0).coordinator.close());
    expect(await world.sessions()).toEqual([]);
  });

  test("is idempotent, and everything after it rejects with CLOSED", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, coordinator } = world.client(0);
    const grant = await lock.acquire();
    await now(
      runtime,
      Promise.all([coordinator.close(), coordinator.close(), coordinator[Symbol.asyncDispose]()]),
    );
    for (const call of [lock.acquire(), lock.tryAcquire(), lock.inspect(), lock.hold(() => 1)]) {
      const outcome = track<unknown>(runtime, call);
      await runtime.settle();
      expect(outcome.error).toMatchObject({ code: "CLOSED" });
    }
    await now(runtime, grant.release());
    expect(grant.state).toBe("released");
  });

  test("of a coordinator that never did anything asks the store nothing", async () => {
    const { runtime, ...world } = createWorld();
    await now(runtime, world.client(0).coordinator.close());
    expect(world.client(0).backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
    expect(runtime.timerCount).toBe(0);
  });
});
