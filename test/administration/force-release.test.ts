// Goal: a forced release takes a name from whoever holds it, alive, paused or dead; tells who lives, in time and why;
// never shortens or revives anything else; and leaves rising fences and a note behind.
import { describe, expect, test } from "vitest";
import type { Intervention } from "../../src/index.ts";
import { everything, plant } from "../locks/faults.ts";
import { createWorld, deathMs, lockKey, lockName, now, track, ttlMs } from "../locks/world.ts";

const reason = "stuck since noon";
const quiet = { wake: false, watch: "none" } as const;
const backends = [
  ["a backend that wakes", {}],
  ["a backend that does not", quiet],
] as const;

describe.each(backends)("over %s", (_what, capabilities) => {
  test("tells a live holder who and why, in a third of its TTL, and lets the next one in at once", async () => {
    const { runtime, ...world } = createWorld({ clients: 3, capabilities });
    const { lock, coordinator } = world.client(0);
    const other = await coordinator.lock("other").acquire();
    const grant = await lock.acquire();
    const { signal } = grant;
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(100);
    expect(await now(runtime, world.client(2).lock.forceRelease({ reason }))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect(next.state).toBe("resolved");
    expect(next.value?.fence).toBeGreaterThan(grant.fence);
    expect(signal.aborted).toBe(true);
    expect(signal.reason.message).toMatch(
      new RegExp(
        `^lease lost: "${lockName}" with fence ${grant.fence} was released by force by .*/${process.pid}: ${reason}`,
      ),
    );
    const intervention = signal.reason.cause as Intervention;
    expect(intervention).toMatchObject({ kind: "force-release", reason, at: expect.any(Date) });
    expect(grant.state).toBe("lost");
    await expect(grant.release()).rejects.toBe(signal.reason);
    // Its session lives on with everything else.
    await runtime.advance(3 * ttlMs);
    expect(other.state).toBe("held");
    expect(next.value?.state).toBe("held");
    expect((await world.roster()).holders).toMatchObject([{ fence: next.value?.fence }]);
    expect(await world.client(0).lock.tryAcquire()).toBeNull();
  });

  test("leaves nothing that costs: no message, no timer, no request beyond the heartbeats", async () => {
    const { runtime, ...world } = createWorld({ clients: 2, capabilities });
    const grant = await world.client(0).lock.acquire();
    const { backend, coordinator } = world.client(0);
    const timers = runtime.timerCount;
    await now(runtime, world.client(1).lock.forceRelease({ reason }));
    await runtime.advance(ttlMs);
    expect(grant.state).toBe("lost");
    const [session] = await world.sessions();
    expect(session).not.toHaveProperty("requests");
    expect(runtime.timerCount).toBe(timers);
    backend.resetCounts();
    await runtime.advance(10 * ttlMs);
    expect(backend.counts).toEqual({ reads: 0, writes: 30, wakes: 0 });
    await coordinator.close();
    await world.client(1).coordinator.close();
    expect(await world.sessions()).toEqual([]);
  });

  test("does not wait for a paused holder, who learns it when it goes on", async () => {
    const { runtime, ...world } = createWorld({ clients: 3, capabilities });
    const grant = await world.client(0).lock.acquire();
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(100);
    world.client(0).pause();
    expect(await now(runtime, world.client(2).lock.forceRelease({ reason }))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect(next.state).toBe("resolved");
    world.client(0).resume();
    await runtime.advance(ttlMs / 3);
    expect(grant.signal.reason.message).toContain(reason);
  });

  test("does not wait for a dead holder, whose session ends in its own time", async () => {
    const { runtime, ...world } = createWorld({ clients: 3, capabilities });
    await world.client(0).lock.acquire();
    plant(world.client(0).backend, "hangs before", everything);
    world.client(0).pause();
    expect(await now(runtime, world.client(1).lock.forceRelease({ reason }))).toBe(true);
    const next = await now(runtime, world.client(2).lock.acquire());
    await runtime.advance(3 * deathMs);
    expect(next.state).toBe("held");
  });
});

describe("a forced release", () => {
  test("of a free name, and of one that never was, takes nothing and leaves nothing", async () => {
    const { runtime, store, ...world } = createWorld();
    expect(await now(runtime, world.client(0).lock.forceRelease({ reason }))).toBe(false);
    expect(await store.get([lockKey])).toEqual([null]);
    const { fence } = await world.client(0).lock.hold(async (grant) => grant);
    expect(await now(runtime, world.client(1).lock.forceRelease({ reason }))).toBe(false);
    expect((await world.roster()).fence).toBe(fence);
    expect((await world.client(1).lock.inspect())?.forcedReleases).toEqual([]);
  });

  test("costs two reads and two writes, one more of each for each further holder", async () => {
    const { runtime, ...world } = createWorld({ clients: 2 });
    await world.client(0).lock.acquire();
    const { backend, lock } = world.client(1);
    backend.resetCounts();
    await now(runtime, lock.forceRelease({ reason }));
    expect(backend.counts).toMatchObject({ reads: 2, writes: 2 });
  });

  test("raises the fence also when nobody waits, and is remembered, the last five", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const fences: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const grant = await now(runtime, lock.acquire());
      fences.push(grant.fence);
      await now(runtime, world.client(1).lock.forceRelease({ reason: `round ${round}` }));
      await runtime.advance(ttlMs / 3);
      const { fence } = await world.roster();
      expect(fence).toBeGreaterThan(grant.fence);
      fences.push(fence);
    }
    expect(fences).toEqual([...fences].sort((left, right) => left - right));
    const inspection = await lock.inspect();
    expect(inspection?.forcedReleases.map((each) => each.reason)).toEqual(
      [2, 3, 4, 5, 6].map((round) => `round ${round}`),
    );
    expect(inspection?.forcedReleases.at(-1)).toMatchObject({
      fences: [fences.at(-2)],
      by: expect.stringContaining(`/${process.pid}`),
      at: expect.any(Date),
    });
  });

  test("by the holder's own process ends the grant at once", async () => {
    const { runtime, ...world } = createWorld({ capabilities: quiet });
    const { lock } = world.client(0);
    const grant = await lock.acquire();
    const waiting = track(runtime, lock.acquire());
    expect(await now(runtime, lock.forceRelease({ reason }))).toBe(true);
    expect(grant.signal.reason.message).toContain(reason);
    expect(waiting.state).toBe("resolved");
  });

  test("with a fence takes that holder only", async () => {
    const { runtime, ...world } = createWorld();
    const pool = (index: number) => world.client(index).coordinator.semaphore("pool", { permits: 2 });
    const [first, second] = [await pool(0).acquire(), await pool(0).acquire()];
    const options = { kind: "semaphore", reason, fence: second.fence } as const;
    expect(await now(runtime, world.client(1).coordinator.forceRelease("pool", options))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect([first.state, second.state]).toEqual(["held", "lost"]);
    expect(await now(runtime, world.client(1).coordinator.forceRelease("pool", options))).toBe(false);
    expect(first.state).toBe("held");
  });

  test("of a semaphore takes every holder, also more than fit into one session's messages", async () => {
    const { runtime, ...world } = createWorld({ capabilities: quiet });
    const pool = world.client(0).coordinator.semaphore("pool", { permits: 100 });
    const grants = await Promise.all(Array.from({ length: 50 }, () => pool.acquire()));
    const forcing = track(
      runtime,
      world.client(1).coordinator.forceRelease("pool", { kind: "semaphore", reason }),
    );
    await runtime.advance(ttlMs);
    expect(forcing.value).toBe(true);
    expect(new Set(grants.map(({ state }) => state))).toEqual(new Set(["lost"]));
    expect((await pool.inspect())?.holders).toEqual([]);
    await now(runtime, pool.acquire());
  });

  test("waits at most one TTL for a dead holder's messages, and takes it out all the same", async () => {
    const { runtime, ...world } = createWorld({ capabilities: quiet });
    const pool = world.client(0).coordinator.semaphore("pool", { permits: 100 });
    await Promise.all(Array.from({ length: 33 }, () => pool.acquire()));
    world.client(0).pause();
    const admin = world.client(1).coordinator;
    const forcing = track(runtime, admin.forceRelease("pool", { kind: "semaphore", reason }));
    // Thirty-two messages one after the other take many turns.
    for (let turn = 0; turn < 10; turn += 1) await runtime.settle();
    await runtime.advance(0.9 * ttlMs);
    expect(forcing.state).toBe("pending");
    await runtime.advance(0.2 * ttlMs);
    expect(forcing.value).toBe(true);
    expect((await admin.inspect("pool", { kind: "semaphore" }))?.holders).toEqual([]);
  });

  test("of all locks of a joint grant, or of one of them, ends it", async () => {
    const { runtime, ...world } = createWorld();
    const joint = await now(runtime, world.client(0).coordinator.lockAll(["a", "b"]).acquire());
    await now(runtime, world.client(1).coordinator.forceRelease("a", { reason }));
    await runtime.advance(ttlMs / 3);
    expect(joint.state).toBe("lost");
    expect(joint.signal.reason.message).toContain(reason);
  });

  test("of a leader ends its term, and makes the next candidate the leader", async () => {
    const { runtime, ...world } = createWorld({ clients: 3 });
    const [first, second, admin] = world.clients.map(({ coordinator }) => coordinator);
    const term = await now(
      runtime,
      first?.election("primary").campaign() ?? Promise.reject(new Error("one")),
    );
    const next = track(runtime, second?.election("primary").campaign() ?? Promise.reject(new Error("two")));
    await runtime.advance(100);
    const forced = admin?.forceRelease("primary", { kind: "election", reason });
    expect(await now(runtime, forced ?? Promise.resolve(false))).toBe(true);
    await runtime.advance(ttlMs / 3);
    expect(term.signal.reason.message).toContain(reason);
    expect(next.state).toBe("resolved");
    expect(next.value?.fence).toBeGreaterThan(term.fence);
  });

  test("before its holder knows that it holds makes that one wait on, and no grant comes of it", async () => {
    const { runtime, ...world } = createWorld({ clients: 3, capabilities: quiet });
    const first = await world.client(0).lock.acquire();
    const slow = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(100);
    // The write that admits it goes through, and what it reads about that is held back.
    const lag = plant(world.client(1).backend, "answered late", ({ kind }) => kind === "get");
    await now(runtime, first.release());
    expect((await world.roster()).holders).toHaveLength(1);
    await runtime.advance(1_500);
    expect(lag.struck).toBe(1);
    await now(runtime, world.client(2).lock.forceRelease({ reason }));
    await runtime.advance(ttlMs / 3);
    expect(slow.state).toBe("pending");
    await lag.end();
    await runtime.advance(ttlMs);
    expect(slow.state).toBe("resolved");
    expect(slow.value?.state).toBe("held");
    expect((await world.roster()).holders).toMatchObject([{ fence: slow.value?.fence }]);
  });

  test("that races with the holder's release ends with one of both, and nobody is left", async () => {
    for (const isReleaseFirst of [true, false]) {
      const { runtime, ...world } = createWorld({ capabilities: quiet });
      const grant = await world.client(0).lock.acquire();
      const steps = [
        () => track(runtime, grant.release() as Promise<unknown>),
        () => track(runtime, world.client(1).lock.forceRelease({ reason }) as Promise<unknown>),
      ];
      const outcomes = (isReleaseFirst ? steps : steps.reverse()).map((step) => step());
      await runtime.advance(ttlMs);
      for (const { state, error } of outcomes) {
        if (state === "rejected") expect(error).toMatchObject({ code: "LEASE_LOST" });
        else expect(state).toBe("resolved");
      }
      expect((await world.roster()).holders).toEqual([]);
      const next = await now(runtime, world.client(1).lock.acquire());
      expect(next.fence).toBeGreaterThan(grant.fence);
    }
  });

  test("of options that cannot be used is refused", async () => {
    const { lock, coordinator } = createWorld().client(0);
    const bad = [undefined, {}, { reason: "" }, { reason: " " }, { reason: 5 }, { reason: "x".repeat(513) }];
    for (const options of bad) {
      await expect(lock.forceRelease(options as { reason: string })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("reason"),
      });
    }
    const wrong = coordinator.forceRelease("x", { reason, kind: "lokc" as "lock" });
    await expect(wrong).rejects.toMatchObject({
      message: expect.stringContaining("kind must be one of lock,"),
    });
    await expect(lock.forceRelease({ reason, fence: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await coordinator.close();
    await expect(lock.forceRelease({ reason })).rejects.toMatchObject({ code: "CLOSED" });
  });
});
