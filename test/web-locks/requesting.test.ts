// Goal: requests of web locks cost what is told, end in the standard's way when a lease or a coordinator does, and leave nothing behind.
import { describe, expect, test } from "vitest";
import { everything, plant, writes } from "../locks/faults.ts";
import { createWorld, deathMs, now, track, ttlMs } from "../locks/world.ts";
import { broken, errorOf, key, locksOf, name, request, rosterOf } from "./requests.ts";

describe("a request", () => {
  test("costs a write to get the lock and one to release it, and a read more the first time", async () => {
    const world = createWorld({ clients: 1 });
    const { runtime } = world;
    const { backend } = world.client(0);
    await now(
      runtime,
      locksOf(world, 0).request("another", () => undefined),
    );
    backend.resetCounts();
    await now(
      runtime,
      locksOf(world, 0).request(name, () => undefined),
    );
    expect(backend.counts).toMatchObject({ reads: 1, writes: 2 });
    backend.resetCounts();
    for (const mode of ["shared", "exclusive"] as const) {
      await now(
        runtime,
        locksOf(world, 0).request(name, { mode }, () => undefined),
      );
    }
    expect(backend.counts).toMatchObject({ reads: 0, writes: 4 });
  });

  test("that is told null costs a read, and nothing behind a request of its own process", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const waiting = request(world, 0);
    await runtime.settle();
    for (const { backend } of world.clients) backend.resetCounts();
    for (const index of [0, 1]) {
      const tried = request(world, index, { ifAvailable: true });
      await runtime.settle();
      expect(tried.lock).toBeNull();
      tried.end();
    }
    expect(world.client(0).backend.counts).toMatchObject({ reads: 0, writes: 0 });
    expect(world.client(1).backend.counts).toMatchObject({ reads: 1, writes: 0 });
    holder.end();
    waiting.end();
    await runtime.settle();
    expect(waiting.outcome.state).toBe("resolved");
  });

  test("with ifAvailable tells of a store that does not answer", async () => {
    const world = createWorld();
    const { runtime } = world;
    plant(world.client(0).backend, "lost before", everything);
    const tried = request(world, 0, { ifAvailable: true });
    await runtime.advance(ttlMs);
    expect(tried.outcome.error).toMatchObject({ code: "UNAVAILABLE" });
    expect(tried.lock).toBeUndefined();
  });

  test("that waits is there with its next session when one was lost", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const waiting = request(world, 1);
    await runtime.settle();
    const planted = plant(world.client(1).backend, "lost before", everything);
    await runtime.advance(2 * ttlMs);
    await planted.end();
    await runtime.advance(ttlMs);
    expect(waiting.outcome.state).toBe("pending");
    holder.end();
    await runtime.advance(ttlMs);
    expect(waiting.lock?.mode).toBe("exclusive");
    waiting.end("served");
    await runtime.settle();
    expect(waiting.outcome.value).toBe("served");
  });

  test.each(["lost after", "applied late"] as const)(
    "that is aborted while its join is %s leaves nothing behind",
    async (fault) => {
      const world = createWorld();
      const { runtime } = world;
      const opener = request(world, 0);
      await runtime.settle();
      opener.end();
      await runtime.settle();
      const abort = new AbortController();
      const planted = plant(world.client(0).backend, fault, writes("roster"), 1);
      const aborted = request(world, 0, { signal: abort.signal });
      await Promise.resolve();
      abort.abort("enough");
      await runtime.settle();
      expect(aborted.outcome).toMatchObject({ state: "rejected", error: "enough" });
      await runtime.advance(ttlMs / 4);
      await planted.end();
      await runtime.advance(ttlMs);
      expect(aborted.lock).toBeUndefined();
      expect(await rosterOf(world)).toMatchObject({ holders: [], waiters: [] });
      const next = request(world, 1);
      await runtime.settle();
      expect(next.lock?.mode).toBe("exclusive");
      next.end();
      await runtime.settle();
    },
  );
});

describe("a lock that is held", () => {
  test("is lost with its lease, at once and with an AbortError, while its callback runs on", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const { signal, fence } = holder.lock ?? {};
    plant(world.client(0).backend, "lost before", everything);
    const next = request(world, 1);
    await runtime.advance(ttlMs);
    expect(errorOf(holder.outcome)).toEqual(broken);
    expect(signal?.aborted).toBe(true);
    expect(next.lock).toBeUndefined();
    await runtime.advance(deathMs);
    expect(next.lock?.fence).toBeGreaterThan(fence ?? Number.NaN);
    // Nobody hears of that: the promise was settled long ago.
    holder.fail(new Error("the callback found out, too"));
    next.end();
    await runtime.settle();
    expect(errorOf(holder.outcome)).toEqual(broken);
  });

  test("is lost for a callback that ends after a pause beyond the lease", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    world.client(0).pause();
    await runtime.advance(2 * ttlMs);
    holder.end("as if no time had passed");
    world.client(0).resume("answers");
    await runtime.settle();
    expect(errorOf(holder.outcome)).toEqual(broken);
  });

  test("was held, if its lease ends only while it is being released", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    plant(world.client(0).backend, "lost before", everything);
    holder.end("done in time");
    await runtime.advance(2 * ttlMs);
    expect(holder.outcome).toMatchObject({ state: "resolved", value: "done in time" });
  });

  test("is lost with its record, which the release tells", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [holder, failing] = [
      request(world, 0, { mode: "shared" }),
      request(world, 0, { mode: "shared" }),
    ] as const;
    await runtime.settle();
    await world.store.commit([{ kind: "delete", key }]);
    holder.end();
    const own = new Error("of the callback");
    failing.fail(own);
    await runtime.settle();
    expect(errorOf(holder.outcome)).toEqual(broken);
    expect(failing.outcome.error).toBe(own);
  });

  test("is released by force like any other", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const { coordinator } = world.client(1);
    await now(runtime, coordinator.forceRelease(name, { kind: "web-lock", reason: "stuck" }));
    await runtime.settle();
    expect(errorOf(holder.outcome)).toEqual(broken);
    expect((holder.outcome.error as Error).cause).toMatchObject({ cause: { reason: "stuck" } });
  });
});

describe("closing the coordinator", () => {
  test("waits for callbacks, whose locks say why they should end", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const closing = track(runtime, world.client(0).coordinator.close());
    await runtime.settle();
    expect(closing.state).toBe("pending");
    expect(holder.lock?.signal.reason).toMatchObject({ code: "CLOSED" });
    holder.end("finished");
    await runtime.settle();
    expect(holder.outcome.value).toBe("finished");
    expect(closing.state).toBe("resolved");
    expect(await rosterOf(world)).toMatchObject({ holders: [] });
  });

  test("waits no longer than a TTL, and then the lock is lost", async () => {
    const world = createWorld();
    const { runtime } = world;
    const holder = request(world, 0);
    await runtime.settle();
    const closing = track(runtime, world.client(0).coordinator.close());
    await runtime.advance(2 * ttlMs);
    expect(closing.state).toBe("resolved");
    expect(errorOf(holder.outcome)).toEqual(broken);
  });

  test("tells those who wait, also behind one who looks at what is free", async () => {
    const world = createWorld();
    const { runtime } = world;
    const planted = plant(world.client(0).backend, "lost slowly", writes("roster"));
    const asked = [{}, { ifAvailable: true }, { steal: true }, {}].map((options) =>
      request(world, 0, options),
    );
    await runtime.settle();
    const closing = world.client(0).coordinator.close();
    await runtime.settle();
    await planted.end();
    await runtime.advance(2 * ttlMs);
    await closing;
    const closed = [true, "InvalidStateError", "CLOSED"];
    expect(asked.map(({ outcome }) => errorOf(outcome))).toEqual([closed, closed, closed, closed]);
    expect(await rosterOf(world)).toMatchObject({ holders: [], waiters: [] });
  });
});

test("a lock that is lost, and given up, before its callback begins is told to the caller alone", async () => {
  const world = createWorld({ clients: 1 });
  const { runtime } = world;
  const { backend, coordinator } = world.client(0);
  const unheard: unknown[] = [];
  const hear = (error: unknown): void => void unheard.push(error);
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  coordinator.wrapHold(async (_subject, work) => {
    await begun;
    return work();
  });
  const abort = new AbortController();
  const asked = request(world, 0, { signal: abort.signal });
  await runtime.settle();
  plant(backend, "lost before", everything);
  await runtime.advance(2 * ttlMs);
  abort.abort(new Error("enough"));
  process.on("unhandledRejection", hear);
  begin();
  await runtime.settle();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
  expect(asked).toMatchObject({ lock: undefined, outcome: { error: { message: "enough" } } });
});

describe("query", () => {
  test("shows own requests that do not stand in the store yet, and others as the store has them", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = [{}, {}, { mode: "shared" }, {}].map((options) =>
      request(world, 0, options as { mode?: "shared" }),
    );
    await runtime.settle();
    const own = await now(runtime, locksOf(world, 0).query());
    expect(own.held.map(({ mode }) => mode)).toEqual(["exclusive"]);
    expect(own.pending.map(({ mode }) => mode)).toEqual(["exclusive", "shared", "exclusive"]);
    const seen = await now(runtime, locksOf(world, 1).query());
    expect(seen).toEqual({ held: own.held, pending: own.pending.slice(0, 1) });
    expect((await rosterOf(world)).waiters).toHaveLength(1);
    for (const each of all) each.end();
    await runtime.advance(ttlMs);
    expect(all.map(({ outcome }) => outcome.state)).toEqual(all.map(() => "resolved"));
    expect(await now(runtime, locksOf(world, 1).query())).toEqual({ held: [], pending: [] });
  });

  test("shows the same client after its session was lost, and a dead one until its place is taken", async () => {
    const world = createWorld();
    const { runtime } = world;
    const dying = request(world, 0);
    await runtime.settle();
    const [before] = (await now(runtime, locksOf(world, 0).query())).held;
    world.client(0).pause();
    await runtime.advance(3 * ttlMs);
    expect((await now(runtime, locksOf(world, 1).query())).held).toEqual([before]);
    world.client(0).resume();
    await runtime.settle();
    expect(errorOf(dying.outcome)).toEqual(broken);
    expect((await now(runtime, locksOf(world, 0).query())).held).toEqual([]);
    const again = request(world, 0);
    await runtime.advance(3 * ttlMs);
    expect((await now(runtime, locksOf(world, 1).query())).held).toEqual([before]);
    again.end();
    await runtime.settle();
  });

  test("reads page after page, and tells of a record that leasehold did not write", async () => {
    const world = createWorld({ clients: 1 });
    const { runtime } = world;
    const locks = locksOf(world, 0);
    const { promise, resolve } = Promise.withResolvers<void>();
    const asked = Array.from({ length: 230 }, (_, index) => locks.request(`many ${index}`, () => promise));
    await runtime.settle();
    const { held } = await now(runtime, locks.query());
    expect(new Set(held.map((info) => info.name)).size).toBe(230);
    resolve();
    await now(runtime, Promise.all(asked));
    await world.store.commit([{ kind: "put", key, value: Buffer.from("no roster") }]);
    const failing = track(runtime, locks.query());
    await runtime.settle();
    expect(failing.error).toMatchObject({ code: "CORRUPT_RECORD" });
  });
});
