// Goal: who waits is served in order, whoever dies, gives up or is cut off on the way, and leaves nothing behind.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { waitersMax } from "../../src/roster/roster.ts";
import { everything, plant, writes } from "./faults.ts";
import { createWorld, deathMs, lockKey, now, track, ttlMs, type World } from "./world.ts";

describe("the order", () => {
  test("is that of arrival across processes", async () => {
    const world = createWorld({ clients: 12 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const served: number[] = [];
    const arrivals = [7, 3, 11, 1, 9, 2, 5, 10, 4, 8, 6];
    for (const index of arrivals) {
      void world.client(index).lock.hold(() => served.push(index));
      await runtime.settle();
    }
    await grant.release();
    await runtime.settle();
    expect(served).toEqual(arrivals);
  });

  test("is that of the calls within a process, also while processes take turns", async () => {
    const world = createWorld();
    const { runtime } = world;
    const served: string[] = [];
    const grant = await world.client(0).lock.acquire();
    for (let call = 0; call < 5; call += 1) {
      for (const [index, client] of world.clients.entries()) {
        void client.lock.hold(() => served.push(`${index}:${call}`));
      }
    }
    await runtime.settle();
    await grant.release();
    await runtime.advance(100);
    for (const index of [0, 1]) {
      const own = served.filter((entry) => entry.startsWith(`${index}:`));
      expect(own).toEqual([0, 1, 2, 3, 4].map((call) => `${index}:${call}`));
    }
    expect(served.slice(0, 4).map((entry) => entry[0])).toEqual(["1", "0", "1", "0"]);
  });

  test("holds for more waiters than stand in the roster: all of them get it", async () => {
    const world = createWorld({ clients: 101 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const fences: number[] = [];
    const waiting = world.clients.slice(1).map(({ lock }) =>
      track(
        runtime,
        lock.hold(({ fence }) => fences.push(fence)),
      ),
    );
    await quiesce(world);
    expect((await world.roster()).waiters).toHaveLength(waitersMax);
    await grant.release();
    await runtime.advance(2 * ttlMs);
    expect(waiting.filter(({ state }) => state === "resolved")).toHaveLength(100);
    expect(fences).toEqual([...fences].sort((left, right) => left - right));
    expect(new Set(fences).size).toBe(100);
    expect(await world.roster()).toMatchObject({ holders: [], waiters: [] });
  });

  test("has no place for who stands outside a full queue and gives up: nothing is written for it", async () => {
    const world = createWorld({ clients: waitersMax + 2 });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    for (const { lock } of world.clients.slice(1, -1)) track(runtime, lock.acquire());
    await quiesce(world);
    const last = world.client(waitersMax + 1);
    const outside = track(runtime, last.lock.acquire({ wait: ttlMs }));
    await runtime.settle();
    last.backend.resetCounts();
    await runtime.advance(ttlMs - 1);
    const writesBefore = last.backend.counts.writes;
    await runtime.advance(1);
    expect(outside.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    // Its session is renewed; the roster is left alone.
    expect(last.backend.counts.writes - writesBefore).toBeLessThanOrEqual(1);
    expect((await world.roster()).waiters).toHaveLength(waitersMax);
  });
});

describe("who gives up", () => {
  test.each([
    ["times out", { wait: 50 }, "ACQUIRE_TIMEOUT"],
    ["is aborted", { signal: abortAfter(50) }, "ABORTED"],
  ] as const)("and %s leaves the queue, and those behind move up", async (_how, options, code) => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const { signal, start } =
      "signal" in options ? options.signal(runtime) : { signal: undefined, start() {} };
    const middle = track(
      runtime,
      world.client(1).lock.acquire("wait" in options ? options : { signal: signal as AbortSignal }),
    );
    await runtime.settle();
    const last = track(runtime, world.client(2).lock.acquire());
    start();
    await runtime.advance(50);
    expect(middle.error).toMatchObject({ code });
    expect((await world.roster()).waiters).toHaveLength(1);
    await grant.release();
    await runtime.settle();
    expect(last.state).toBe("resolved");
  });

  test("with an aborted signal is answered at once, and asks the store nothing", async () => {
    const { runtime, ...world } = createWorld();
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const { lock, backend } = world.client(0);
    for (const asking of [lock.acquire({ signal }), lock.tryAcquire({ signal })]) {
      const outcome = track(runtime, asking);
      await runtime.settle();
      expect(outcome.error).toMatchObject({ code: "ABORTED", cause: reason });
    }
    expect(backend.counts).toMatchObject({ reads: 0, writes: 0 });
  });

  test.each(["held back", "lost after", "answered late", "applied late"] as const)(
    "while its join is %s never stays in the roster",
    async (fault) => {
      const world = createWorld();
      const { runtime } = world;
      const [first, second] = [world.client(0), world.client(1)];
      const abort = new AbortController();
      const planted = plant(first.backend, fault, writes("roster"), 1);
      const joining = track(runtime, first.lock.acquire({ signal: abort.signal }));
      await runtime.settle();
      abort.abort();
      await runtime.settle();
      expect(joining.error).toMatchObject({ code: "ABORTED" });
      await planted.end();
      await runtime.advance(5_000);
      expect(await world.roster()).toMatchObject({ holders: [], waiters: [] });
      expect(await now(runtime, second.lock.tryAcquire())).not.toBeNull();
    },
  );

  test("in the moment of the handoff passes the lock on", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const abort = new AbortController();
    const second = track(runtime, world.client(1).lock.acquire({ signal: abort.signal }));
    await runtime.settle();
    const third = track(runtime, world.client(2).lock.acquire());
    await runtime.settle();
    world.client(1).pause();
    await grant.release();
    await runtime.settle();
    abort.abort();
    world.client(1).resume();
    await runtime.settle();
    expect(second.error).toMatchObject({ code: "ABORTED" });
    expect(third.state).toBe("resolved");
    await third.value?.release();
    expect(await world.roster()).toMatchObject({ holders: [], waiters: [] });
  });

  test("behind its own process leaves the others of the process in order", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const grant = await lock.acquire();
    const served: string[] = [];
    void lock.hold(() => served.push("first"));
    const second = track(runtime, lock.acquire({ wait: 10 }));
    void lock.hold(() => served.push("third"));
    await runtime.advance(10);
    expect(second.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    await grant.release();
    await runtime.settle();
    expect(served).toEqual(["first", "third"]);
  });

  test("behind a lock that its own process holds for long leaves nothing in memory", async () => {
    const { runtime, ...world } = createWorld();
    const { lock } = world.client(0);
    const grant = await lock.acquire();
    const abort = new AbortController();
    const giveUp = (options: object): WeakRef<object> => {
      const metadata = { large: "request" };
      track(runtime, lock.acquire({ ...options, metadata }));
      return new WeakRef(metadata);
    };
    const wishes = [giveUp({ signal: abort.signal }), giveUp({ wait: 10 })];
    abort.abort();
    await runtime.advance(10);
    await collectGarbage();
    expect(wishes.map((wish) => wish.deref())).toEqual([undefined, undefined]);
    expect(grant.state).toBe("held");
  });

  test("leaves no listener at a signal that lives on, and no timer", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { lock } = world.client(0);
    let listeners = 0;
    const { signal } = new AbortController();
    const counted = new Proxy(signal, {
      get(target, property) {
        if (property === "addEventListener") listeners += 1;
        if (property === "removeEventListener") listeners -= 1;
        const value = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await (await lock.acquire({ signal: counted, wait: "1h" })).release();
    await (await lock.tryAcquire({ signal: counted }))?.release();
    const grant = await world.client(1).lock.acquire();
    expect(await lock.tryAcquire({ signal: counted })).toBeNull();
    track(runtime, lock.acquire({ signal: counted, wait: 10 }));
    await runtime.advance(10);
    await grant.release();
    await runtime.settle();
    expect(listeners).toBe(0);
    await Promise.all(world.clients.map(({ coordinator }) => coordinator.close()));
    expect(runtime.timerCount).toBe(0);
  });
});

describe("a chain of crashed waiters", () => {
  test.each([1, 5, 15])(
    "of %i is healed by one live waiter within three lives of a session",
    async (crashed) => {
      const world = createWorld({ clients: crashed + 2 });
      const { runtime } = world;
      await world.client(0).lock.acquire();
      for (const { lock } of world.clients.slice(1, -1)) {
        track(runtime, lock.acquire());
        await runtime.settle();
      }
      const last = track(runtime, world.client(crashed + 1).lock.acquire());
      await runtime.settle();
      for (const client of world.clients.slice(0, -1)) client.pause();
      await runtime.advance(3 * deathMs);
      expect(last.state).toBe("resolved");
      expect((await world.roster()).waiters).toEqual([]);
    },
  );

  test("of 60 is healed within ten lives of a session", async () => {
    const world = createWorld({ clients: 62 });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    for (const { lock } of world.clients.slice(1)) {
      track(runtime, lock.acquire());
      await runtime.settle();
    }
    for (const client of world.clients.slice(0, -1)) client.pause();
    await runtime.advance(10 * deathMs);
    const { holders, waiters } = await world.roster();
    expect(waiters).toEqual([]);
    expect(holders).toHaveLength(1);
    expect(holders[0]?.fence).toBe((await world.client(61).lock.inspect())?.fence);
  });

  test("that fills the whole queue is healed by those who stand outside", async () => {
    const world = createWorld({ clients: waitersMax + 3 });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    for (const { lock } of world.clients.slice(1, -2)) {
      track(runtime, lock.acquire());
      await runtime.settle();
    }
    const outside = world.clients.slice(-2).map(({ lock }) =>
      track(
        runtime,
        lock.hold(() => undefined),
      ),
    );
    await runtime.settle();
    expect((await world.roster()).waiters).toHaveLength(waitersMax);
    for (const client of world.clients.slice(0, -2)) client.pause();
    await runtime.advance(12 * deathMs);
    expect(outside.map(({ state }) => state)).toEqual(["resolved", "resolved"]);
  });

  test("with live waiters among them is passed in the order of arrival", async () => {
    const world = createWorld({ clients: 9 });
    const { runtime } = world;
    await world.client(0).lock.acquire();
    const served: number[] = [];
    for (const [index, { lock }] of world.clients.entries()) {
      if (index > 0) void lock.hold(() => served.push(index));
      await runtime.settle();
    }
    for (const index of [0, 1, 2, 4, 6, 7]) world.client(index).pause();
    await runtime.advance(6 * deathMs);
    expect(served).toEqual([3, 5, 8]);
  });
});

describe("a waiter that loses its own session", () => {
  test("joins again at the end, within its own time limit", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const served: number[] = [];
    void world.client(1).lock.hold(() => served.push(1));
    await runtime.settle();
    void world.client(2).lock.hold(() => served.push(2));
    await runtime.advance(ttlMs);
    const cut = plant(world.client(1).backend, "lost before", everything);
    await runtime.advance(1.5 * ttlMs);
    await cut.end();
    await runtime.advance(ttlMs / 2);
    await grant.release();
    await runtime.advance(ttlMs);
    expect(served).toEqual([2, 1]);
  });

  test("while it evicts a dead holder joins again, and its caller sees nothing of it", async () => {
    const world = createWorld();
    const { runtime } = world;
    await world.client(0).lock.acquire();
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    world.client(0).pause();
    let isEvicting = false;
    const evicting = plant(world.client(1).backend, "held back", (request) => {
      isEvicting ||= writes("roster")(request);
      return isEvicting;
    });
    await runtime.advance(3 * ttlMs);
    expect(evicting.struck).toBeGreaterThan(0);
    // Something else moves the record on, so that the eviction that is let go meets a conflict.
    const [record] = await world.store.get([lockKey]);
    await world.store.commit([{ kind: "put", key: lockKey, value: record?.value ?? new Uint8Array() }]);
    await evicting.end();
    await runtime.advance(5 * ttlMs);
    expect(waiting).toMatchObject({ state: "resolved", error: undefined });
  });

  test("never takes longer than its caller wants to wait", async () => {
    const world = createWorld();
    const { runtime } = world;
    await world.client(0).lock.acquire();
    const startMs = runtime.monotonicMs();
    const waiting = track(runtime, world.client(1).lock.acquire({ wait: 2 * ttlMs }));
    await runtime.advance(100);
    plant(world.client(1).backend, "lost before", everything);
    await runtime.advance(3 * ttlMs);
    expect(waiting.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    expect(waiting.atMs - startMs).toBe(2 * ttlMs);
  });
});

/** Lets a crowd have its turns: a hundred clients that race for one record need many. */
async function quiesce({ runtime }: World): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await runtime.settle();
}

function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { execution: "async" }) => Promise<void>;
  return collect({ execution: "async" });
}

function abortAfter(ms: number) {
  return (runtime: { schedule(delayMs: number, callback: () => void): unknown }) => {
    const controller = new AbortController();
    return { signal: controller.signal, start: () => void runtime.schedule(ms, () => controller.abort()) };
  };
}
