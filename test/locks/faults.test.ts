// Goal: whichever write is lost, applied without an answer, or applied after the client gave up, no two hold the
// lock at once, fences rise, everybody is served, and nothing is left behind.
import { describe, expect, test } from "vitest";
import type { Grant } from "../../src/index.ts";
import { everything, type FaultKind, plant, type WriteKind, writes } from "./faults.ts";
import { type Client, createWorld, deathMs, now, track, ttlMs, type World } from "./world.ts";

/** Fails when critical sections overlap or a fence does not rise. */
function exclusionCheck() {
  let inside = 0;
  let lastFence = 0;
  let entered = 0;
  return {
    enter(grant: Grant): void {
      inside += 1;
      entered += 1;
      expect(inside).toBe(1);
      expect(grant.fence).toBeGreaterThan(lastFence);
      lastFence = grant.fence;
    },
    leave(): void {
      inside -= 1;
    },
    get entered() {
      return entered;
    },
  };
}

/** Acquires, works and releases again and again. */
async function workLoop(
  world: World,
  client: Client,
  check: ReturnType<typeof exclusionCheck>,
  rounds: number,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const grant = await client.lock.acquire();
    check.enter(grant);
    await new Promise<void>((resolve) => {
      world.runtime.schedule(ttlMs / 2, resolve);
    });
    check.leave();
    await grant.release();
  }
}

async function expectNothingLeft(world: World): Promise<void> {
  const roster = await world.roster();
  expect(roster.holders).toEqual([]);
  expect(roster.waiters).toEqual([]);
}

const spoilt: readonly (readonly [WriteKind, number])[] = [
  ["session open", 1],
  ["heartbeat", 1],
  ["heartbeat", 2],
  ["heartbeat", 3],
  ["roster", 1],
  ["roster", 2],
  ["roster", 3],
  ["roster", 4],
  ["roster", 5],
  ["session close", 1],
];
const faults: readonly FaultKind[] = ["lost before", "lost after", "applied late", "answered late"];

describe.each(faults)("when a write is %s", (fault) => {
  test.each(spoilt)("a %s (number %i), three clients go on taking turns", async (kind, position) => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const [victim] = world.clients as readonly [Client];
    let seen = 0;
    const planted = plant(
      victim.backend,
      fault,
      (request) => {
        if (writes(kind)(request)) seen += 1;
        return seen === position && writes(kind)(request);
      },
      1,
    );
    const check = exclusionCheck();
    const working = track(
      runtime,
      Promise.all(world.clients.map((client) => workLoop(world, client, check, 4))),
    );
    await runtime.advance(ttlMs);
    await planted.end();
    await runtime.advance(10 * ttlMs);
    expect(working).toMatchObject({ state: "resolved" });
    expect(check.entered).toBe(12);
    await expectNothingLeft(world);
    const closing = track(runtime, Promise.all(world.clients.map(({ coordinator }) => coordinator.close())));
    await runtime.advance(ttlMs);
    expect(closing.state).toBe("resolved");
    expect(runtime.timerCount).toBe(0);
  });
});

describe("when the tombstone of a dead holder", () => {
  test.each(["lost before", "lost after", "applied late"] as const)(
    "is %s, the lock is taken over all the same",
    async (fault) => {
      const world = createWorld();
      const { runtime } = world;
      const first = await world.client(0).lock.acquire();
      world.client(0).pause();
      const planted = plant(world.client(1).backend, fault, writes("tombstone"), 1);
      const waiting = track(runtime, world.client(1).lock.acquire());
      await runtime.advance(3 * ttlMs);
      expect(planted.struck).toBe(1);
      expect(waiting.state).toBe("resolved");
      expect(waiting.value?.fence).toBeGreaterThan(first.fence);
      await planted.end();
      await now(runtime, waiting.value?.release() ?? Promise.reject());
      await expectNothingLeft(world);
    },
  );
});

describe("when the eviction of a dead holder", () => {
  test.each(["lost before", "lost after", "applied late"] as const)(
    "is %s, the lock is taken over all the same",
    async (fault) => {
      const world = createWorld();
      const { runtime } = world;
      await world.client(0).lock.acquire();
      const waiting = track(runtime, world.client(1).lock.acquire());
      await runtime.settle();
      world.client(0).pause();
      const planted = plant(world.client(1).backend, fault, writes("roster"), 1);
      await runtime.advance(3 * ttlMs);
      expect(planted.struck).toBe(1);
      expect(waiting.state).toBe("resolved");
      await planted.end();
      await now(runtime, waiting.value?.release() ?? Promise.reject());
      await expectNothingLeft(world);
    },
  );
});

describe("a zombie write", () => {
  test("of a join whose caller gave up never makes it stand in the roster", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = [world.client(0), world.client(1)];
    const held = await second.lock.acquire();
    const planted = plant(first.backend, "applied late", writes("roster"), 1);
    const waiting = track(runtime, first.lock.acquire({ wait: 10 }));
    await runtime.advance(5_000);
    expect(waiting.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    await planted.end();
    await runtime.advance(5_000);
    expect((await world.roster()).waiters).toEqual([]);
    await held.release();
    await expectNothingLeft(world);
  });

  test("of a try whose caller got an error never makes it hold the lock", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = [world.client(0), world.client(1)];
    const planted = plant(first.backend, "applied late", writes("roster"), 1);
    const trying = track(runtime, first.lock.tryAcquire());
    await runtime.settle();
    expect(trying.error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await runtime.advance(5_000);
    await planted.end();
    const grant = await now(runtime, second.lock.tryAcquire());
    expect(grant).not.toBeNull();
    await grant?.release();
    await expectNothingLeft(world);
  });

  test("of a release does not free the lock that the same client took again", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = [world.client(0), world.client(1)];
    const grant = await first.lock.acquire();
    const planted = plant(first.backend, "applied late", writes("roster"), 1);
    const releasing = track(runtime, grant.release());
    await runtime.advance(5_000);
    expect(releasing.state).toBe("resolved");
    const again = await now(runtime, first.lock.acquire());
    await planted.end();
    expect(await now(runtime, second.lock.tryAcquire())).toBeNull();
    expect(again.state).toBe("held");
    await again.release();
    await expectNothingLeft(world);
  });

  test("of a heartbeat does not revive a session that was declared dead", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = [world.client(0), world.client(1)];
    const grant = await first.lock.acquire();
    const planted = plant(first.backend, "applied late", writes("heartbeat"));
    const taking = track(runtime, second.lock.acquire());
    await runtime.advance(3 * ttlMs);
    expect(taking.state).toBe("resolved");
    await planted.end();
    await runtime.advance(100);
    expect(grant.state).toBe("lost");
    expect(taking.value?.state).toBe("held");
    expect((await world.sessions()).map(({ state }) => state).sort()).toEqual(["dead", "live"]);
  });

  test("of a session's opening cannot come back over a tombstone", async () => {
    const world = createWorld();
    const { runtime } = world;
    const planted = plant(world.client(0).backend, "applied late", writes("session open"), 1);
    expect(track(runtime, world.client(0).lock.acquire()).state).toBe("pending");
    await runtime.advance(2_000);
    expect((await world.roster()).holders).toHaveLength(1);
    await planted.end();
    await runtime.advance(3 * ttlMs);
    // The second session holds the lock; the first one is a record that nothing refers to.
    expect((await world.roster()).holders).toHaveLength(1);
  });
});

describe("an outage", () => {
  test.each([
    ["a moment", 0.1],
    ["half a TTL", 0.5],
  ])("of %s costs no lease, and nobody is declared dead after it", async (_what, ttls) => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    const outages = world.clients.map(({ backend }) => plant(backend, "lost before", everything));
    await runtime.advance(ttls * ttlMs);
    for (const outage of outages) await outage.end();
    await runtime.advance(5 * ttlMs);
    expect(grant.state).toBe("held");
    expect(waiting.state).toBe("pending");
    await grant.release();
    await runtime.settle();
    expect(waiting.state).toBe("resolved");
  });

  test("longer than the TTL costs every lease, and the waiters join again and are served at once", async () => {
    const world = createWorld({ clients: 8 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const waiting = world.clients.slice(1).map(({ lock }) =>
      track(
        runtime,
        lock.hold(() => undefined),
      ),
    );
    await runtime.advance(ttlMs);
    const outages = world.clients.map(({ backend }) => plant(backend, "lost before", everything));
    await runtime.advance(1.5 * ttlMs);
    expect(grant.state).toBe("lost");
    for (const outage of outages) await outage.end();
    await runtime.advance(3 * deathMs);
    expect(waiting.map(({ state }) => state)).toEqual(waiting.map(() => "resolved"));
  });

  test("that begins before the first write only delays an acquire without a limit", async () => {
    const world = createWorld();
    const { runtime } = world;
    const outage = plant(world.client(0).backend, "lost before", everything);
    const waiting = track(runtime, world.client(0).lock.acquire());
    await runtime.advance(10 * ttlMs);
    expect(waiting.state).toBe("pending");
    await outage.end();
    await runtime.advance(ttlMs);
    expect(waiting.state).toBe("resolved");
  });

  test("of the roster alone, longer than the session, only delays an acquire without a limit", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { lock, backend, coordinator } = world.client(0);
    await coordinator.lock("another").acquire();
    const outage = plant(backend, "lost before", everything);
    const waiting = track(runtime, lock.acquire());
    await runtime.advance(5 * ttlMs);
    expect(waiting.error).toBeUndefined();
    expect(waiting.state).toBe("pending");
    await outage.end();
    await runtime.advance(ttlMs);
    expect(waiting.state).toBe("resolved");
  });

  test("tells a caller with a limit what the store last failed with", async () => {
    const world = createWorld();
    const { runtime } = world;
    plant(world.client(0).backend, "lost before", everything);
    const waiting = track(runtime, world.client(0).lock.acquire({ wait: 3_000 }));
    await runtime.advance(3_000);
    expect(waiting.error).toMatchObject({ code: "ACQUIRE_TIMEOUT", cause: { code: "UNAVAILABLE" } });
  });

  test("that is over is not blamed for a time-out", async () => {
    const world = createWorld();
    const { runtime } = world;
    await now(runtime, world.client(1).lock.acquire());
    const outage = plant(world.client(0).backend, "lost before", everything);
    const waiting = track(runtime, world.client(0).lock.acquire({ wait: 8_000 }));
    await runtime.advance(1_000);
    await outage.end();
    await runtime.advance(7_000);
    expect(waiting.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    expect(waiting.error).not.toHaveProperty("cause");
  });

  test("that fails slowly, past the session's end, only delays an acquire without a limit", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { lock, backend, coordinator } = world.client(0);
    await coordinator.lock("another").acquire();
    const outage = plant(backend, "lost slowly", everything);
    const waiting = track(runtime, lock.acquire());
    await runtime.advance(ttlMs + 100);
    await outage.end();
    await runtime.advance(ttlMs);
    expect(waiting).toMatchObject({ state: "resolved", error: undefined });
  });

  test("that fails slowly, past the session's end, ends a release with the loss of the lease", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const outage = plant(world.client(0).backend, "lost slowly", everything);
    const releasing = track(runtime, grant.release());
    await runtime.advance(ttlMs + 100);
    await outage.end();
    await runtime.advance(1_000);
    expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
  });

  test("during a release ends it with the loss of the lease", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const outage = plant(world.client(0).backend, "lost before", everything);
    const releasing = track(runtime, grant.release());
    await runtime.advance(2 * ttlMs);
    expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
    await outage.end();
  });
});
