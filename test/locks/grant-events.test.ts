// Goal: a grant tells those who listen what becomes of it, once, and costs no timer while nobody listens; it names
// itself wherever it ends, and ends by itself where its holder said so.
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { Grant, GrantState } from "../../src/index.ts";
import { everything, plant } from "./faults.ts";
import { createWorld, deathMs, lockName, now, track, ttlMs } from "./world.ts";

const states: readonly GrantState[] = ["held", "uncertain", "lost", "released"];

/** Everything that a grant tells, in order. */
function listen(grant: Grant): { readonly told: string[]; readonly stop: () => void } {
  const told: string[] = [];
  const stops = states.map((state) =>
    grant.on(state, (change) => {
      expect(change.grant).toBe(grant);
      expect(change.grant.state).toBe(change.state);
      told.push(change.state);
    }),
  );
  return { told, stop: () => void stops.map((stop) => stop()) };
}

describe("events", () => {
  test("tell of uncertain when a renewal is overdue, of held when it came after all, of lost once", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    const { told } = listen(grant);
    await runtime.advance(5 * ttlMs);
    expect(told).toEqual([]);
    const outage = plant(backend, "lost before", everything);
    await runtime.advance(0.55 * ttlMs);
    expect(told).toEqual(["uncertain"]);
    await outage.end();
    await runtime.advance(ttlMs / 6);
    expect(told).toEqual(["uncertain", "held"]);
    plant(backend, "lost before", everything);
    await runtime.advance(5 * ttlMs);
    expect(told).toEqual(["uncertain", "held", "uncertain", "lost"]);
    expect(runtime.timerCount).toBe(0);
  });

  test("tell of the release when it begins, and of nothing after it", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    const { told } = listen(grant);
    const releasing = grant.release();
    expect(told).toEqual(["released"]);
    await now(runtime, releasing);
    await grant.release();
    plant(backend, "lost before", everything);
    await runtime.advance(3 * ttlMs);
    expect(told).toEqual(["released"]);
  });

  test("tell a late listener of an end, right after the call, and nobody who has left by then", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    plant(world.client(0).backend, "lost before", everything);
    await runtime.advance(ttlMs);
    const { told } = listen(grant);
    const gone = listen(grant);
    gone.stop();
    expect(told).toEqual([]);
    await runtime.settle();
    expect(told).toEqual(["lost"]);
    expect(gone.told).toEqual([]);
    let reason: unknown;
    grant.on("lost", (change) => {
      reason = change.reason;
    });
    await runtime.settle();
    expect(reason).toBe(grant.signal.reason);
  });

  test("cost one timer for each session while somebody listens for uncertain, and none before and after", async () => {
    const { runtime, ...world } = createWorld();
    const { coordinator, backend } = world.client(0);
    const grants = await Promise.all(["a", "b", "c"].map((name) => coordinator.lock(name).acquire()));
    const timers = runtime.timerCount;
    const ends = grants.map((grant) => grant.on("lost", () => undefined));
    expect(runtime.timerCount).toBe(timers);
    const listening = grants.map(listen);
    expect(runtime.timerCount).toBe(timers + 1);
    plant(backend, "lost before", everything);
    await runtime.advance(0.55 * ttlMs);
    for (const { told, stop } of listening) {
      expect(told).toEqual(["uncertain"]);
      stop();
    }
    await runtime.advance(ttlMs / 3);
    expect(listening.flatMap(({ told }) => told)).toEqual(["uncertain", "uncertain", "uncertain"]);
    for (const stop of ends) stop();
  });

  test("that throw are uncaught exceptions, and keep nobody else from hearing", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    const uncaught: unknown[] = [];
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error));
    try {
      const own = new Error("mine");
      grant.on("released", () => {
        throw own;
      });
      const { told } = listen(grant);
      await grant.release();
      await new Promise((resolve) => setImmediate(resolve));
      expect(told).toEqual(["released"]);
      expect(uncaught).toEqual([own]);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of before) process.on("uncaughtException", listener);
    }
    await runtime.settle();
  });

  test("of another name, or for what is no function, are refused", async () => {
    const grant = await createWorld().client(0).lock.acquire();
    expect(() => grant.on("losed" as "lost", () => undefined)).toThrow(
      /held, uncertain, lost, released.*losed/,
    );
    expect(() => grant.on("lost", 5 as unknown as () => void)).toThrow(/a function; got "lost" and 5/);
  });

  test("of several grants as one are those of the whole", async () => {
    const { runtime, ...world } = createWorld();
    const { coordinator, backend } = world.client(0);
    const all = coordinator.lockAll(["a", "b"]);
    const released = await now(runtime, all.acquire());
    const first = listen(released);
    await now(runtime, released.release());
    expect(first.told).toEqual(["released"]);
    const lost = await now(runtime, all.acquire());
    const second = listen(lost);
    const outage = plant(backend, "lost before", everything);
    await runtime.advance(0.55 * ttlMs);
    await outage.end();
    await runtime.advance(ttlMs / 6);
    expect(second.told).toEqual(["uncertain", "held"]);
    plant(backend, "lost before", everything);
    await runtime.advance(ttlMs);
    expect(second.told).toEqual(["uncertain", "held", "uncertain", "lost"]);
  });
});

describe("maxHold", () => {
  test("ends the grant, gives it to the next one, and leaves its session and its other grants alone", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, coordinator } = world.client(0);
    const other = await coordinator.lock("other").acquire();
    const grant = await lock.acquire({ maxHold: "20s" });
    const { told } = listen(grant);
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(19_999);
    expect(grant.state).toBe("held");
    expect(grant.remainingMs()).toBe(1);
    await runtime.advance(1);
    expect(told).toEqual(["lost"]);
    expect(grant.signal.reason).toMatchObject({ code: "LEASE_LOST" });
    expect(grant.signal.reason.message).toMatch(
      /"job" with fence \d+ was held for longer than its maxHold of 20000 ms/,
    );
    expect(next.state).toBe("resolved");
    expect(other.state).toBe("held");
    expect(grant.remainingMs()).toBe(0);
    await expect(grant.release()).rejects.toBe(grant.signal.reason);
    expect(next.value?.state).toBe("held");
  });

  test("of a grant that is released in time leaves no timer", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    await lock.hold(() => undefined);
    const timers = runtime.timerCount;
    const grant = await lock.acquire({ maxHold: 1_000 });
    expect(runtime.timerCount).toBe(timers + 1);
    await now(runtime, grant.release());
    expect(runtime.timerCount).toBe(timers);
    await runtime.advance(2_000);
    expect(grant.state).toBe("released");
    expect(grant.signal.aborted).toBe(false);
  });

  test("is noticed at the first question of a process that stood still", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire({ maxHold: 1_000 });
    runtime.stall(1_000);
    expect(grant.signal.aborted).toBe(true);
    expect(() => grant.assertHeld()).toThrow("maxHold");
  });

  test("of a hold rejects it, and of a try counts as well", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const holding = track(
      runtime,
      lock.hold(
        ({ signal }) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
        {
          maxHold: 500,
        },
      ),
    );
    await runtime.advance(500);
    expect(holding.error).toMatchObject({ code: "LEASE_LOST", message: expect.stringContaining("maxHold") });
    const tried = await now(runtime, lock.tryAcquire({ maxHold: 500 }));
    await runtime.advance(500);
    expect(tried?.state).toBe("lost");
    expect((await world.roster()).holders).toEqual([]);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5x", null])(
    "of %s is refused",
    async (maxHold) => {
      const { lock } = createWorld().client(0);
      await expect(lock.acquire({ maxHold: maxHold as number })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("maxHold"),
      });
    },
  );
});

describe("words", () => {
  test("of a loss name the lock, and tell a release from a loss", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const released = await lock.acquire();
    await released.release();
    expect(() => released.assertHeld()).toThrow(`the grant of "${lockName}" was released by its holder`);
    const grant = await lock.acquire();
    const { signal } = await lock.tryAcquire().then(() => grant);
    plant(backend, "lost before", everything);
    await runtime.advance(deathMs);
    expect(() => grant.assertHeld()).toThrow(
      new RegExp(
        `^lease lost: "${lockName}" with fence ${grant.fence}: session .* not renewed within its TTL`,
      ),
    );
    expect(() => grant.assertHeld()).toThrow(signal.reason);
    expect(signal.reason.cause).toMatchObject({ code: "UNAVAILABLE" });
    await expect(grant.release()).rejects.toBe(signal.reason);
  });

  test("of a release that the session's loss overtook name it as well", async () => {
    const { runtime, ...world } = createWorld();
    const { lock, backend } = world.client(0);
    const grant = await lock.acquire();
    plant(backend, "lost before", everything);
    const releasing = track(runtime, grant.release());
    await runtime.advance(2 * ttlMs);
    expect(releasing.error).toMatchObject({
      code: "LEASE_LOST",
      message: expect.stringContaining(`"${lockName}"`),
    });
  });

  test("of a grant that is printed tell what matters", async () => {
    const grant = await createWorld().client(0).lock.acquire();
    expect(inspect(grant)).toMatch(
      /^Grant \{\s+name: 'job',\s+fence: \d+,\s+state: 'held',\s+remainingMs: 9000,\s+acquiredAt: 2026-01-01T/,
    );
  });
});
