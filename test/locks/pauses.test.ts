// Goal: wherever a process stops for longer than its lease, it learns of the loss before it does anything else,
// nobody else is harmed when it goes on, and nobody takes over early.
import { describe, expect, test } from "vitest";
import type { Grant } from "../../src/index.ts";
import { everything, plant, writes } from "./faults.ts";
import { createWorld, deathMs, now, track, ttlMs } from "./world.ts";

const resumptions = ["timers", "answers"] as const;

describe.each(resumptions)("a process that goes on with its %s first", (first) => {
  test("after a stop between join and delivery gets no grant of the lost session, but a later one", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const [stopped, other] = [world.client(0), world.client(1)];
    await stopped.coordinator.lock("another").acquire();
    const joining = plant(stopped.backend, "answered late", writes("roster"), 1);
    const acquiring = track(runtime, stopped.lock.acquire());
    await runtime.settle();
    expect((await world.roster()).holders).toHaveLength(1);
    stopped.pause();
    await joining.end();
    const waiting = track(runtime, other.lock.acquire());
    await runtime.advance(2 * deathMs);
    expect(waiting.state).toBe("resolved");
    stopped.resume(first);
    await runtime.settle();
    expect(acquiring.state).toBe("pending");
    await waiting.value?.release();
    await runtime.advance(deathMs);
    expect(acquiring.state).toBe("resolved");
    expect(acquiring.value?.fence).toBeGreaterThan(waiting.value?.fence ?? Number.NaN);
    expect(acquiring.value?.state).toBe("held");
  });

  test("after a stop while it waits joins again behind those who came meanwhile", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const served: string[] = [];
    void world.client(1).lock.hold(() => served.push("stopped"));
    await runtime.settle();
    void world.client(2).lock.hold(() => served.push("patient"));
    await runtime.settle();
    world.client(1).pause();
    await runtime.advance(3 * deathMs);
    await grant.release();
    await runtime.settle();
    expect(served).toEqual(["patient"]);
    world.client(1).resume(first);
    await runtime.advance(2 * deathMs);
    expect(served).toEqual(["patient", "stopped"]);
  });

  test("after a stop in the middle of its release frees nobody else's lock", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const planted = plant(world.client(0).backend, "applied late", writes("roster"), 1);
    const releasing = track(runtime, grant.release());
    await Promise.resolve();
    world.client(0).pause();
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(3 * deathMs);
    expect(next.state).toBe("resolved");
    void planted.end();
    await runtime.settle();
    world.client(0).resume(first);
    await runtime.advance(1_000);
    expect(releasing.state).not.toBe("pending");
    expect(await now(runtime, world.client(2).lock.tryAcquire())).toBeNull();
    expect(next.value?.state).toBe("held");
  });

  test("after a stop before its heartbeat's answer does not revive the lease", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const planted = plant(world.client(0).backend, "answered late", writes("heartbeat"), 1);
    await runtime.advance(ttlMs / 3);
    expect(planted.struck).toBe(1);
    world.client(0).pause();
    await planted.end();
    // The heartbeat was applied, so others wait a TTL from then; it was sent a third of a TTL after the first.
    await runtime.advance(ttlMs + 1);
    world.client(0).resume(first);
    await runtime.settle();
    expect(grant.state).toBe("lost");
    expect(grant.signal.reason).toMatchObject({ code: "LEASE_LOST" });
  });

  test("after a stop shorter than its lease holds on", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs / 3 + 1);
    world.client(0).pause();
    await runtime.advance(0.95 * ttlMs);
    world.client(0).resume(first);
    await runtime.advance(5 * ttlMs);
    expect(grant.state).toBe("held");
    expect(waiting.state).toBe("pending");
  });
});

describe("after a stall of the event loop past the lease", () => {
  const questions: readonly (readonly [string, (grant: Grant, signal: AbortSignal) => unknown, unknown])[] = [
    ["state", (grant) => grant.state, "lost"],
    ["remainingMs", (grant) => grant.remainingMs(), 0],
    ["signal.aborted", (grant) => grant.signal.aborted, true],
    ["aborted of a signal taken before", (_grant, signal) => signal.aborted, true],
    [
      "throwIfAborted of a signal taken before",
      (_grant, signal) => codeOf(() => signal.throwIfAborted()),
      "LEASE_LOST",
    ],
    ["assertHeld", (grant) => codeOf(() => grant.assertHeld()), "LEASE_LOST"],
  ];
  test.each(questions)("%s tells of the loss before any timer runs", async (_name, ask, answer) => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const { signal } = grant;
    runtime.stall(ttlMs);
    expect(ask(grant, signal)).toBe(answer);
  });

  test("a millisecond short of it, everything still holds", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    runtime.stall(ttlMs - 1);
    expect(grant.state).toBe("uncertain");
    expect(grant.remainingMs()).toBe(1);
    expect(grant.signal.aborted).toBe(false);
    grant.assertHeld();
  });

  test("a release says so and leaves the roster to those who hold it now", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    runtime.stall(ttlMs);
    const releasing = track(runtime, grant.release());
    await runtime.settle();
    expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
    // It says that it has stopped, so nobody needs to wait for its expiry.
    expect((await world.roster()).holders).toEqual([]);
  });

  test("the next acquire opens another session", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, coordinator } = world.client(0);
    const grant = await lock.acquire();
    runtime.stall(2 * ttlMs);
    const next = await now(runtime, coordinator.lock("another").acquire());
    expect(next.state).toBe("held");
    expect(grant.state).toBe("lost");
  });
});

describe("clocks", () => {
  test("a machine that slept past the lease loses it, although its monotonic clock stood still", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    runtime.sleepMachine(ttlMs);
    expect(grant.signal.aborted).toBe(true);
  });

  test("a sleep that the wall clock does not show is found by the uptime at the next heartbeat", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    runtime.sleepMachine(ttlMs);
    runtime.jumpWall(-ttlMs);
    const { backend } = world.client(0);
    backend.resetCounts();
    await runtime.advance(ttlMs / 3);
    expect(grant.state).toBe("lost");
    expect(backend.counts.writes).toBe(0);
  });

  test("a wall clock that jumps forward past the lease costs it, which is safe", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    runtime.jumpWall(ttlMs);
    expect(grant.state).toBe("lost");
  });

  test.each([-1, -60_000, -86_400_000])(
    "a wall clock that jumps by %i ms changes nothing",
    async (jumpMs) => {
      const { runtime, ...world } = createWorld();
      const grant = await world.client(0).lock.acquire();
      runtime.jumpWall(jumpMs);
      await runtime.advance(5 * ttlMs);
      expect(grant.state).toBe("held");
      const outage = plant(world.client(0).backend, "lost before", everything);
      await runtime.advance(ttlMs);
      expect(grant.state).toBe("lost");
      await outage.end();
    },
  );

  test("a wall clock that went back before a grant gives larger fences all the same", async () => {
    const { runtime, ...world } = createWorld();
    const first = await world.client(0).lock.acquire();
    await first.release();
    runtime.jumpWall(-86_400_000);
    const second = await now(runtime, world.client(1).lock.acquire());
    expect(second.fence).toBe(first.fence + 1);
  });
});

describe("the deadline", () => {
  test.each(["hangs before", "hangs after", "lost before", "lost after"] as const)(
    "comes on time when heartbeats are %s",
    async (fault) => {
      const { runtime, ...world } = createWorld();
      const grant = await world.client(0).lock.acquire();
      const startMs = runtime.monotonicMs();
      plant(world.client(0).backend, fault, everything);
      let lostAtMs = 0;
      let calls = 0;
      grant.signal.addEventListener("abort", () => {
        lostAtMs = runtime.monotonicMs();
        calls += 1;
      });
      await runtime.advance(10 * ttlMs);
      expect(calls).toBe(1);
      expect(lostAtMs - startMs).toBe(ttlMs);
    },
  );

  test("counts from before the heartbeat was sent, never from its answer", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const planted = plant(world.client(0).backend, "answered late", writes("heartbeat"), 1);
    const startMs = runtime.monotonicMs();
    await runtime.advance(ttlMs / 3);
    await runtime.advance(ttlMs / 6 - 1);
    await planted.end();
    plant(world.client(0).backend, "lost before", everything);
    await runtime.settle();
    expect(grant.remainingMs()).toBeCloseTo(startMs + ttlMs / 3 + ttlMs - runtime.monotonicMs());
    await runtime.advance(ttlMs);
    expect(grant.state).toBe("lost");
  });

  test("is not moved by an open that took most of the TTL", async () => {
    const { runtime, ...world } = createWorld();
    const planted = plant(world.client(0).backend, "answered late", writes("session open"), 1);
    const acquiring = track(runtime, world.client(0).lock.acquire());
    await runtime.advance(0.9 * ttlMs);
    await planted.end();
    plant(world.client(0).backend, "hangs before", writes("heartbeat"));
    await runtime.settle();
    expect(acquiring.value?.remainingMs()).toBeCloseTo(0.1 * ttlMs);
    await runtime.advance(0.1 * ttlMs);
    expect(acquiring.value?.state).toBe("lost");
  });

  test("one failing heartbeat, of whatever error, ends nothing", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    for (const error of [new Error("bug"), new TypeError("x"), "text", undefined]) {
      let failed = 0;
      backend.intercept((_request, send) => {
        failed += 1;
        return failed === 1 ? Promise.reject(error) : send();
      });
      await runtime.advance(2 * ttlMs);
      expect(grant.state).toBe("held");
    }
  });
});

describe("nobody takes over early", () => {
  test("from a live holder, however slow or seldom the observer reads", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    // Every request of the observer takes long, so that its readings overlap with many heartbeats.
    const { backend, lock } = world.client(1);
    backend.intercept(async (_request, send) => {
      const answer = await send();
      await new Promise<void>((resolve) => {
        runtime.schedule(ttlMs * 0.9, resolve);
      });
      return answer;
    });
    const waiting = track(runtime, lock.acquire());
    await runtime.advance(30 * ttlMs);
    expect(grant.state).toBe("held");
    expect(waiting.state).toBe("pending");
  });

  test("from a holder whose TTL is longer than the observer's: the one in its record counts", async () => {
    const world = createWorld({ ttlMs: (index) => (index === 0 ? 60_000 : 1_000) });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    world.client(0).pause();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(65_000);
    expect(waiting.state).toBe("pending");
    await runtime.advance(20_000);
    expect(waiting.state).toBe("resolved");
  });

  test("from a holder whose TTL is shorter than the observer's: it is not waited for longer", async () => {
    const world = createWorld({ ttlMs: (index) => (index === 0 ? 1_000 : 60_000) });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    world.client(0).pause();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(3_000);
    expect(waiting.state).toBe("resolved");
  });

  test("before TTL and drift margin have passed, whichever moment the holder died in", async () => {
    for (let deathAt = 0; deathAt < 10; deathAt += 1) {
      const world = createWorld();
      const { runtime } = world;
      const grant = await world.client(0).lock.acquire();
      const waiting = track(runtime, world.client(1).lock.acquire());
      await runtime.advance((deathAt * ttlMs) / 10);
      const validUntilMs = runtime.monotonicMs() + grant.remainingMs();
      world.client(0).pause();
      await runtime.advance(3 * deathMs);
      expect(waiting.state).toBe("resolved");
      expect(waiting.atMs).toBeGreaterThan(validUntilMs);
      expect(waiting.atMs).toBeLessThanOrEqual(validUntilMs + deathMs);
    }
  });
});

function codeOf(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
