// Goal: a grant tells the truth about itself, ends once, and a failing end hides nothing.
import { describe, expect, test } from "vitest";
import { everything, plant, writes } from "./faults.ts";
import { createWorld, now, track, ttlMs } from "./world.ts";

describe("the state", () => {
  test("goes from held over uncertain to lost when heartbeats fail, and back from uncertain when they do not", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    const outage = plant(backend, "lost before", everything);
    await runtime.advance(0.49 * ttlMs);
    expect(grant.state).toBe("held");
    await runtime.advance(0.02 * ttlMs);
    expect(grant.state).toBe("uncertain");
    grant.assertHeld();
    await outage.end();
    await runtime.advance(ttlMs / 6);
    expect(grant.state).toBe("held");
    plant(backend, "lost before", everything);
    await runtime.advance(ttlMs);
    expect(grant.state).toBe("lost");
  });

  test("never comes back from lost, even if the store answers again", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    const outage = plant(backend, "held back", everything);
    await runtime.advance(ttlMs);
    expect(grant.state).toBe("lost");
    await outage.end();
    await runtime.advance(ttlMs);
    expect(grant.state).toBe("lost");
  });

  test("is lost when the session's record was deleted, at the next heartbeat", async () => {
    const { runtime, store, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const { records } = await store.scan("default.session.");
    await store.commit(records.map(({ key }) => ({ kind: "delete", key })));
    await runtime.advance(ttlMs / 3);
    expect(grant.state).toBe("lost");
    expect(grant.signal.reason).toMatchObject({ message: expect.stringContaining("vanished") });
  });

  test("is lost when somebody declared the session dead, at the next heartbeat", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const waiting = track(runtime, world.client(1).lock.acquire());
    const cut = plant(world.client(0).backend, "lost before", writes("heartbeat"));
    // A machine whose clocks stand still does not notice by itself.
    world.client(0).pause();
    await runtime.advance(3 * ttlMs);
    expect(waiting.state).toBe("resolved");
    await cut.end();
    world.client(0).resume();
    await runtime.settle();
    expect(grant.state).toBe("lost");
    expect(waiting.value?.state).toBe("held");
  });
});

describe("the signal", () => {
  test("aborts once, with the loss as its reason, also through AbortSignal.any and for late listeners", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const combined = AbortSignal.any([grant.signal, new AbortController().signal]);
    let calls = 0;
    grant.signal.addEventListener("abort", () => {
      calls += 1;
    });
    plant(world.client(0).backend, "lost before", everything);
    await runtime.advance(3 * ttlMs);
    expect(calls).toBe(1);
    expect(combined.aborted).toBe(true);
    expect(combined.reason).toBe(grant.signal.reason);
    expect(grant.signal.reason).toMatchObject({ code: "LEASE_LOST" });
    expect(() => grant.signal.throwIfAborted()).toThrow(grant.signal.reason);
    expect(grant.signal).toBe(grant.signal);
    expect(grant.signal).toBeInstanceOf(AbortSignal);
  });

  test("taken only after the loss is aborted already", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    plant(world.client(0).backend, "lost before", everything);
    await runtime.advance(ttlMs);
    expect(grant.signal.aborted).toBe(true);
    expect(grant.signal.reason).toMatchObject({ code: "LEASE_LOST" });
  });

  test("does not abort after a release, whatever becomes of the session", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const { signal } = grant;
    await grant.release();
    plant(world.client(0).backend, "lost before", everything);
    await runtime.advance(3 * ttlMs);
    expect(signal.aborted).toBe(false);
    expect(grant.state).toBe("released");
    expect(grant.remainingMs()).toBe(0);
  });

  test("of every grant of the session aborts, and of no other session", async () => {
    const { runtime, ...world } = createWorld();
    const { coordinator, backend } = world.client(0);
    const grants = [];
    for (let index = 0; index < 50; index += 1)
      grants.push(await coordinator.lock(`lock-${index}`).acquire());
    const longer = await coordinator.lock("longer", { ttl: 10 * ttlMs }).acquire();
    plant(backend, "lost before", everything);
    await runtime.advance(ttlMs);
    expect(grants.map(({ signal }) => signal.aborted)).toEqual(grants.map(() => true));
    expect(longer.signal.aborted).toBe(false);
  });
});

describe("a release", () => {
  test("is one write however often it is called, and answers each call alike", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    backend.resetCounts();
    await now(runtime, Promise.all([grant.release(), grant.release(), grant[Symbol.asyncDispose]()]));
    await now(runtime, grant.release());
    expect(backend.counts.writes).toBe(1);
    expect(() => grant.assertHeld()).toThrow("was released");
  });

  test("called again after another client took the lock touches nothing of it", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    await grant.release();
    const next = await now(runtime, world.client(1).lock.acquire());
    await now(runtime, grant.release());
    await runtime.advance(ttlMs);
    expect((await world.roster()).holders).toMatchObject([{ fence: next.fence }]);
  });

  test("of a lost grant rejects each time, and leaves the new holder alone", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const cut = plant(world.client(0).backend, "lost before", everything);
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(3 * ttlMs);
    await cut.end();
    expect(next.state).toBe("resolved");
    for (const call of [1, 2]) {
      const releasing = track(runtime, grant.release());
      await runtime.advance(call);
      expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
    }
    await grant[Symbol.asyncDispose]();
    await runtime.advance(ttlMs);
    expect((await world.roster()).holders).toMatchObject([{ fence: next.value?.fence }]);
  });

  test("while a heartbeat is under way leaves no heartbeat running for nothing but the session", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend, coordinator } = world.client(0);
    const grant = await lock.acquire();
    const beat = plant(backend, "answered late", writes("heartbeat"), 1);
    await runtime.advance(ttlMs / 3);
    const releasing = track(runtime, grant.release());
    await runtime.settle();
    expect(releasing.state).toBe("resolved");
    await beat.end();
    await coordinator.close();
    expect(await world.sessions()).toEqual([]);
    backend.resetCounts();
    await runtime.advance(5 * ttlMs);
    expect(backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
  });
});

describe("hold", () => {
  test("answers what the work answers, and releases", async () => {
    const { runtime, ...world } = createWorld();
    expect(
      await now(
        runtime,
        world.client(0).lock.hold(async ({ fence }) => fence > 0),
      ),
    ).toBe(true);
    expect((await world.roster()).holders).toEqual([]);
  });

  test("rejects with the work's own error, and releases, also when the release fails", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const own = new Error("mine");
    await lock.hold(() => undefined);
    const failing = track(
      runtime,
      lock.hold(() => {
        plant(backend, "lost before", everything);
        throw own;
      }),
    );
    await runtime.advance(2 * ttlMs);
    expect(failing.error).toBe(own);
  });

  test("rejects with the loss when the lease ended before the work, and with the work's error if it has one", async () => {
    const { runtime, ...world } = createWorld();
    const own = new Error("mine");
    const [quiet, loud] = [undefined, own].map((error, index) =>
      track(
        runtime,
        world
          .client(index)
          .coordinator.lock(`lock-${index}`)
          .hold(async () => {
            await new Promise<void>((resolve) => {
              runtime.schedule(2 * ttlMs, resolve);
            });
            if (error !== undefined) throw error;
          }),
      ),
    );
    await runtime.settle();
    for (const { backend } of world.clients) plant(backend, "lost before", everything);
    await runtime.advance(3 * ttlMs);
    expect(quiet?.error).toMatchObject({ code: "LEASE_LOST" });
    expect(loud?.error).toBe(own);
  });

  test("does not call it a loss when the work released early", async () => {
    const { runtime, ...world } = createWorld();
    const early = world.client(0).lock.hold(async (grant) => {
      await grant.release();
      return "done";
    });
    expect(await now(runtime, early)).toBe("done");
  });

  test("of one caller inside another's on the same lock waits, for locks are not reentrant", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const nested = track(
      runtime,
      lock.hold(() => lock.hold(() => undefined, { wait: 100 })),
    );
    await runtime.advance(100);
    expect(nested.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
  });
});
