// Goal: permits are never more than there are, are had in order of arrival, come back from the dead, and can be changed live.
import { describe, expect, test } from "vitest";
import type { Grant, Semaphore } from "../../src/index.ts";
import { everything, plant, writes } from "./faults.ts";
import { createWorld, deathMs, now, track, ttlMs, type World } from "./world.ts";

const name = "downloads";

function semaphores(world: World, permits?: number): readonly Semaphore[] {
  return world.clients.map(({ coordinator }) =>
    coordinator.semaphore(name, permits === undefined ? {} : { permits }),
  );
}

function at(list: readonly Semaphore[], index: number): Semaphore {
  return list[index] as Semaphore;
}

describe("permits", () => {
  test("are held by as many as there are, each with a fence of its own, and the next one waits", async () => {
    const world = createWorld({ clients: 4 });
    const { runtime } = world;
    const all = semaphores(world, 3);
    const grants: Grant[] = [];
    for (const one of all.slice(0, 3)) grants.push(await now(runtime, one.acquire()));
    expect(new Set(grants.map(({ fence }) => fence)).size).toBe(3);
    const next = track(runtime, at(all, 3).acquire());
    await runtime.advance(100);
    expect(next.state).toBe("pending");
    await grants[1]?.release();
    await runtime.settle();
    expect(next.state).toBe("resolved");
    expect(next.value?.fence).toBeGreaterThan(Math.max(...grants.map(({ fence }) => fence)));
  });

  test("of one process are had together, in one write, where there is room for them", async () => {
    const world = createWorld({ clients: 1 });
    const { runtime } = world;
    const [semaphore] = semaphores(world, 100) as [Semaphore];
    const first = await now(runtime, semaphore.acquire());
    const { backend } = world.client(0);
    backend.resetCounts();
    const asked = Array.from({ length: 50 }, () => semaphore.acquire());
    const grants = await now(runtime, Promise.all(asked));
    expect(backend.counts).toMatchObject({ reads: 0, writes: 1 });
    backend.resetCounts();
    await now(runtime, Promise.all([first, ...grants].map((grant) => grant.release())));
    expect(backend.counts).toMatchObject({ reads: 0, writes: 1 });
  });

  test("are taken several at a time, and who wants many is not passed by those who want few", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = semaphores(world, 3);
    const grant = await now(runtime, at(all, 0).acquire({ permits: 2 }));
    const many = track(runtime, at(all, 1).acquire({ permits: 3 }));
    await runtime.settle();
    const few = track(runtime, at(all, 2).acquire());
    expect(await now(runtime, at(all, 2).tryAcquire())).toBeNull();
    await runtime.advance(ttlMs);
    expect([many.state, few.state]).toEqual(["pending", "pending"]);
    await grant.release();
    await runtime.settle();
    expect([many.state, few.state]).toEqual(["resolved", "pending"]);
    await many.value?.release();
    await runtime.settle();
    expect(few.state).toBe("resolved");
  });

  test("are told, free and taken", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = semaphores(world, 5);
    expect(await now(runtime, at(all, 1).available())).toBe(5);
    await now(runtime, at(all, 0).acquire({ permits: 3 }));
    expect(await now(runtime, at(all, 1).available())).toBe(2);
    expect(await now(runtime, at(all, 1).inspect())).toMatchObject({ capacity: 5, holders: [{ weight: 3 }] });
  });

  test("of several tries at once are all had, where there is room, and no more", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = semaphores(world, 3);
    const tries = [0, 1, 0, 1, 0].map((index) => at(all, index).tryAcquire());
    const granted = (await now(runtime, Promise.all(tries))).filter((grant) => grant !== null);
    expect(granted).toHaveLength(3);
    expect(await now(runtime, at(all, 0).available())).toBe(0);
  });

  test("of a process that died come back, wherever it stands among many holders", async () => {
    const holders = 70;
    const world = createWorld({ clients: holders + 1 });
    const { runtime } = world;
    const all = semaphores(world, holders);
    for (const one of all.slice(0, holders)) await now(runtime, one.acquire());
    const dead = world.client(holders - 1);
    dead.pause();
    const next = track(runtime, at(all, holders).acquire());
    await runtime.advance(3 * deathMs + ttlMs);
    expect(next.state).toBe("resolved");
    expect(await now(runtime, at(all, 0).available())).toBe(0);
  }, 30_000);

  test("that a lost answer was about are not taken twice, and not forgotten", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = semaphores(world, 2);
    await now(runtime, at(all, 0).acquire());
    const fault = plant(world.client(1).backend, "lost after", writes("roster"), 1);
    const grant = track(runtime, at(all, 1).acquire());
    await runtime.advance(ttlMs);
    expect(fault.struck).toBe(1);
    expect(grant.state).toBe("resolved");
    expect(await now(runtime, at(all, 0).available())).toBe(0);
    await grant.value?.release();
    expect(await now(runtime, at(all, 0).available())).toBe(1);
  });

  test("of a caller that gives up on the way come back", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = semaphores(world, 2);
    await now(runtime, at(all, 0).acquire());
    const fault = plant(world.client(1).backend, "held back", everything, 1);
    const abort = new AbortController();
    const gone = track(runtime, at(all, 1).acquire({ signal: abort.signal }));
    await runtime.settle();
    abort.abort();
    await runtime.settle();
    expect(gone.error).toMatchObject({ code: "ABORTED" });
    await fault.end();
    await runtime.advance(ttlMs);
    expect(await now(runtime, at(all, 0).available())).toBe(1);
  });
});

describe("the number of permits", () => {
  test("stands in the store: another one is refused, and none follows it", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    await now(runtime, at(semaphores(world, 3), 0).acquire());
    const other = track(runtime, at(semaphores(world, 4), 1).acquire());
    const tried = track(runtime, at(semaphores(world, 4), 1).tryAcquire());
    await runtime.advance(10);
    const refused = { code: "LIMIT_MISMATCH", limit: 3, expected: 4 };
    expect(other.error).toMatchObject(refused);
    expect(tried.error).toMatchObject(refused);
    await now(runtime, at(semaphores(world), 2).acquire({ permits: 2 }));
    expect(await now(runtime, at(semaphores(world), 2).available())).toBe(0);
  });

  test("that nobody has set yet is asked for", async () => {
    const world = createWorld();
    const { runtime } = world;
    const asked = track(runtime, at(semaphores(world), 0).acquire());
    await runtime.settle();
    expect(asked.error).toMatchObject({ code: "LIMIT_MISMATCH" });
    expect((await world.store.scan("default.semaphore.", { limit: 1 })).records).toEqual([]);
  });

  test("that is raised lets waiters in at once, of old clients too", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = semaphores(world, 1);
    await now(runtime, at(all, 0).acquire());
    const waiting = track(runtime, at(all, 1).acquire());
    await runtime.settle();
    await now(runtime, at(all, 2).resize(2));
    await runtime.settle();
    expect(waiting.state).toBe("resolved");
    await waiting.value?.release();
    await now(runtime, at(all, 1).acquire());
    expect(await now(runtime, at(all, 2).available())).toBe(0);
  });

  test("that is changed is followed by who has set it, also when its own view of it is lost", async () => {
    const world = createWorld();
    const { runtime } = world;
    const all = semaphores(world, 2);
    const grant = await now(runtime, at(all, 0).acquire());
    await now(runtime, at(all, 1).resize(3));
    const fault = plant(world.client(0).backend, "lost before", everything, 1);
    const releasing = track(runtime, grant.release());
    await runtime.advance(1_000);
    await fault.end();
    expect([fault.struck, releasing.state]).toEqual([1, "resolved"]);
    await now(runtime, at(all, 0).acquire());
    expect(await now(runtime, at(all, 0).available())).toBe(2);
  });

  test("that is lowered below what is held takes nothing away, and gives no more until enough came back", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [one, two] = semaphores(world, 3) as [Semaphore, Semaphore];
    const grants: Grant[] = [];
    for (let index = 0; index < 3; index += 1) grants.push(await now(runtime, one.acquire()));
    const many = track(runtime, two.acquire({ permits: 2 }));
    await runtime.settle();
    const single = track(runtime, two.acquire());
    await now(runtime, one.resize(1));
    await runtime.advance(ttlMs);
    expect(many.error).toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(grants.map(({ state }) => state)).toEqual(["held", "held", "held"]);
    for (const grant of grants) {
      expect(single.state).toBe("pending");
      await grant.release();
      await runtime.settle();
    }
    expect(single.state).toBe("resolved");
  });

  test("bounds what one may ask for", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [semaphore] = semaphores(world, 2) as [Semaphore];
    for (const permits of [0, -1, 1.5, 3, Number.NaN, "1" as unknown as number]) {
      await expect(semaphore.acquire({ permits })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await now(runtime, semaphore.acquire());
    const follower = at(semaphores(world), 1);
    const asked = track(runtime, follower.acquire({ permits: 3 }));
    await runtime.settle();
    expect(asked.error).toMatchObject({ code: "LIMIT_EXCEEDED" });
    for (const permits of [0, 1.5, 1_000_001]) {
      await expect(semaphore.resize(permits)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(() => world.client(0).coordinator.semaphore("x", { permits })).toThrow(/whole number from 1/);
    }
  });
});
