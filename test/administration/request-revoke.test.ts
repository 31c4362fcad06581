// Goal: a holder that is asked to give up hears of it in time, once, with who and why; nothing is taken from it; and
// it costs nothing where nobody asks.
import { describe, expect, test } from "vitest";
import { plant, writes } from "../locks/faults.ts";
import { createWorld, now, track, ttlMs } from "../locks/world.ts";

const reason = "a deploy waits for it";
const quiet = { wake: false, watch: "none" } as const;

describe.each([
  ["a backend that wakes", {}, ttlMs / 30],
  ["a backend that does not", quiet, ttlMs / 3],
] as const)("over %s", (_what, capabilities, withinMs) => {
  test("the holder hears of it, keeps the lock, and gives it back when it likes", async () => {
    const { runtime, ...world } = createWorld({ clients: 3, capabilities });
    const grant = await world.client(0).lock.acquire();
    let asked: unknown;
    grant.revokeRequested.addEventListener("abort", () => {
      asked = grant.revokeRequested.reason;
    });
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(2 * ttlMs + 100);
    expect(asked).toBeUndefined();
    expect(await now(runtime, world.client(2).lock.requestRevoke({ reason }))).toBe(true);
    await runtime.advance(withinMs);
    expect(asked).toMatchObject({
      code: "ABORTED",
      message: expect.stringMatching(/asks for the release of "job" with fence \d+: a deploy waits for it$/),
      cause: { kind: "revoke", reason, by: expect.stringContaining(`/${process.pid}`), at: expect.any(Date) },
    });
    await runtime.advance(3 * ttlMs);
    expect(grant.state).toBe("held");
    expect(grant.signal.aborted).toBe(false);
    expect(next.state).toBe("pending");
    await now(runtime, grant.release());
    await runtime.advance(1_500);
    expect(next.state).toBe("resolved");
    expect(next.value?.revokeRequested.aborted).toBe(false);
  });

  test("asking again and again tells once, and leaves nothing", async () => {
    const { runtime, ...world } = createWorld({ capabilities });
    const grant = await world.client(0).lock.acquire();
    let calls = 0;
    grant.revokeRequested.addEventListener("abort", () => {
      calls += 1;
    });
    for (let round = 0; round < 10; round += 1) {
      const answer = world.client(1).lock.requestRevoke({ reason: `${reason}, ${round}` });
      expect(await now(runtime, answer)).toBe(true);
      await runtime.advance(ttlMs / 5);
    }
    expect(calls).toBe(1);
    expect(grant.revokeRequested.reason.cause.reason).toBe(`${reason}, 0`);
    await runtime.advance(ttlMs / 3);
    for (const session of await world.sessions()) expect(session).not.toHaveProperty("requests");
  });
});

describe("a request", () => {
  test("that came before anybody looked is there at the first look", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    await now(runtime, world.client(1).lock.requestRevoke({ reason }));
    await runtime.advance(ttlMs / 3);
    expect(grant.revokeRequested.aborted).toBe(true);
    expect(grant.revokeRequested).toBe(grant.revokeRequested);
  });

  test("to one's own process needs no store beyond the one read", async () => {
    const { runtime, ...world } = createWorld({ capabilities: quiet });
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    backend.resetCounts();
    expect(await now(runtime, lock.requestRevoke({ reason }))).toBe(true);
    expect(grant.revokeRequested.aborted).toBe(true);
    expect(backend.counts).toEqual({ reads: 1, writes: 0, wakes: 0 });
  });

  test("for a name that nobody holds asks nobody", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    expect(await now(runtime, lock.requestRevoke({ reason }))).toBe(false);
    await lock.hold(() => undefined);
    expect(await now(runtime, world.client(1).lock.requestRevoke({ reason }))).toBe(false);
  });

  test("that a forced release follows is told as well, and the loss is the last word", async () => {
    const { runtime, ...world } = createWorld({ capabilities: quiet });
    const grant = await world.client(0).lock.acquire();
    const { signal, revokeRequested } = grant;
    await now(runtime, world.client(1).lock.requestRevoke({ reason }));
    await now(runtime, world.client(1).lock.forceRelease({ reason: "enough" }));
    await runtime.advance(ttlMs / 3);
    expect(revokeRequested.aborted).toBe(true);
    expect(signal.reason.message).toContain("enough");
  });

  test.each(["lost before", "lost after", "applied late"] as const)(
    "whose write is struck (%s) arrives once",
    async (fault) => {
      const { runtime, ...world } = createWorld({ capabilities: quiet });
      const grant = await world.client(0).lock.acquire();
      const planted = plant(world.client(1).backend, fault, writes("heartbeat"), 1);
      const asking = track(runtime, world.client(1).lock.requestRevoke({ reason }));
      await runtime.advance(100);
      await planted.end();
      await runtime.advance(ttlMs / 3);
      expect(asking.value).toBe(true);
      expect(grant.revokeRequested.aborted).toBe(true);
      await runtime.advance(5 * ttlMs);
      expect(grant.state).toBe("held");
    },
  );

  test("to a holder that reads nothing any more is refused when too many wait, and takes nothing", async () => {
    const { runtime, ...world } = createWorld({ capabilities: quiet });
    const pool = world.client(0).coordinator.semaphore("pool", { permits: 40 });
    await Promise.all(Array.from({ length: 33 }, () => pool.acquire()));
    world.client(0).pause();
    const admin = world.client(1).coordinator;
    const asking = track(runtime, admin.requestRevoke("pool", { kind: "semaphore", reason }));
    for (let turn = 0; turn < 10; turn += 1) await runtime.settle();
    await runtime.advance(1.1 * ttlMs);
    expect(asking.error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect((await admin.inspect("pool", { kind: "semaphore" }))?.holders).toHaveLength(33);
  });

  test("to several names as one reaches the joint grant", async () => {
    const { runtime, ...world } = createWorld();
    const joint = await now(runtime, world.client(0).coordinator.lockAll(["a", "b"]).acquire());
    expect(joint.revokeRequested.aborted).toBe(false);
    await now(runtime, world.client(1).coordinator.requestRevoke("b", { reason }));
    await runtime.advance(ttlMs / 3);
    expect(joint.revokeRequested.reason.cause).toMatchObject({ reason });
    expect(joint.state).toBe("held");
  });
});
