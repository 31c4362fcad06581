// Goal: partitions are shared evenly among those who live, each owned by one at a time, and move as little as possible.
import { describe, expect, test } from "vitest";
import type { StoredRecord } from "../../src/core/backend.ts";
import { recordKey } from "../../src/core/names.ts";
import { quotaOf, searchOrder } from "../../src/groups/quota.ts";
import type { OwnedPartition, RunPartitionsOptions } from "../../src/index.ts";
import { plant } from "../locks/faults.ts";
import { createWorld, deathMs, now, type Outcome, track, ttlMs, type World } from "../locks/world.ts";

/** One member's run, and what it owns by its own account. */
interface Runner {
  readonly owned: Map<number, number>;
  readonly outcome: Outcome<void>;
  readonly stop: AbortController;
}

/** Everything that was ever owned, as the members tell it: a partition, its fence, by whom. */
interface Fleet {
  readonly world: World;
  readonly taken: { readonly partition: number; readonly fence: number; readonly by: number }[];
  readonly violations: string[];
  readonly halted: Set<number>;
  start(index: number, options?: RunPartitionsOptions): Runner;
}

const count = 8;

function fleet(clients: number, options: Parameters<typeof createWorld>[0] = {}): Fleet {
  const world = createWorld({ ...options, clients });
  const owners = new Map<number, { readonly by: number; readonly fence: number }>();
  /** Stopped, and not told since of what it lost meanwhile. */
  const halted = new Set<number>();
  const runners = new Map<number, Runner>();
  const taken: { partition: number; fence: number; by: number }[] = [];
  const violations: string[] = [];
  const { runtime } = world;
  return {
    ...{ world, taken, violations, halted },
    start(index, more = {}) {
      const stop = new AbortController();
      const owned = new Map<number, number>();
      const work = async ({ partition, fence, signal }: OwnedPartition): Promise<void> => {
        const last = owners.get(partition);
        if (last !== undefined && last.fence >= fence)
          violations.push(`${partition}: ${fence} after ${last.fence}`);
        owners.set(partition, { by: index, fence });
        taken.push({ partition, fence, by: index });
        owned.set(partition, fence);
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        owned.delete(partition);
        halted.delete(index);
      };
      const run = world.client(index).coordinator.group("workers").partitions(count);
      const runner = {
        owned,
        stop,
        outcome: track(runtime, run.run(work, { signal: stop.signal, ...more })),
      };
      runners.set(index, runner);
      return runner;
    },
  };
}

function shares(...runners: readonly Runner[]): readonly number[] {
  return runners.map(({ owned }) => owned.size);
}

function all(...runners: readonly Runner[]): readonly number[] {
  return runners.flatMap(({ owned }) => [...owned.keys()]).sort((left, right) => left - right);
}

const everything = [0, 1, 2, 3, 4, 5, 6, 7];

describe("a fleet", () => {
  test.each([
    ["pushes changes", {}],
    ["is polled", { capabilities: { watch: "none", wake: false } as const }],
  ])(
    "over a store that %s shares evenly as members come and go, and moves no more than it must",
    async (_how, options) => {
      const { world, start, taken, violations } = fleet(3, options);
      const { runtime } = world;
      const first = start(0);
      await runtime.advance(ttlMs);
      expect([shares(first), all(first)]).toEqual([[8], everything]);
      const second = start(1);
      await runtime.advance(2 * ttlMs);
      expect([shares(first, second), all(first, second)]).toEqual([[4, 4], everything]);
      expect(taken).toHaveLength(8 + 4);
      const third = start(2);
      await runtime.advance(2 * ttlMs);
      expect([shares(first, second, third), all(first, second, third)]).toEqual([[3, 3, 2], everything]);
      expect(taken).toHaveLength(8 + 4 + 2);
      first.stop.abort();
      await runtime.advance(2 * ttlMs);
      expect([shares(first, second, third), all(second, third)]).toEqual([[0, 4, 4], everything]);
      expect(taken).toHaveLength(8 + 4 + 2 + 3);
      expect(first.outcome.state).toBe("resolved");
      expect(violations).toEqual([]);
    },
  );

  test("gives what a dead member had to the others, and takes it back in when it comes again", async () => {
    const { world, start, violations, halted } = fleet(3);
    const { runtime } = world;
    const runners = [start(0), start(1), start(2)] as const;
    await runtime.advance(3 * ttlMs);
    expect([...shares(...runners)].sort()).toEqual([2, 3, 3]);
    world.client(1).pause();
    halted.add(1);
    await runtime.advance(2 * deathMs + 2 * ttlMs);
    expect(shares(runners[0], runners[2])).toEqual([4, 4]);
    expect(all(runners[0], runners[2])).toEqual(everything);
    world.client(1).resume();
    await runtime.advance(4 * ttlMs);
    expect([...shares(...runners)].sort()).toEqual([2, 3, 3]);
    expect(all(...runners)).toEqual(everything);
    expect(violations).toEqual([]);
  });

  test("takes what a member gave up before the record was rolled back, although it is still there", async () => {
    const { start, world, violations } = fleet(2);
    const { runtime, store } = world;
    const first = start(0);
    await runtime.advance(ttlMs);
    const keys = everything.map((partition) => recordKey("default", "partition", `workers/${partition}`));
    const earlier = await store.get(keys);
    const second = start(1);
    await runtime.advance(ttlMs);
    const moved = all(second);
    expect(moved).toHaveLength(4);
    second.stop.abort();
    first.stop.abort();
    await runtime.advance(ttlMs);
    const [third, fourth] = [start(0), start(1)];
    await runtime.advance(ttlMs);
    for (const partition of all(fourth)) {
      const { key, value } = earlier[partition] as StoredRecord;
      await store.commit([{ kind: "put", key, value }]);
    }
    fourth.stop.abort();
    await runtime.advance(3 * ttlMs);
    expect(all(third)).toEqual(everything);
    expect(violations).toEqual([]);
  });

  test("takes what a dead member had also where its next life has the same identity", async () => {
    const { world, start, violations, halted } = fleet(2);
    const { runtime } = world;
    const before = start(0, { identity: "node-a" });
    await runtime.advance(ttlMs);
    expect(shares(before)).toEqual([8]);
    world.client(0).pause();
    halted.add(0);
    const after = start(1, { identity: "node-a" });
    await runtime.advance(2 * deathMs + 2 * ttlMs);
    expect(all(after)).toEqual(everything);
    expect(violations).toEqual([]);
  });

  test("waits for the work of what moves to end", async () => {
    const world = createWorld();
    const { runtime } = world;
    const groups = world.clients.map(({ coordinator }) => coordinator.group("workers").partitions(2));
    const slow: (() => void)[] = [];
    const running: string[] = [];
    const start = (index: number) =>
      track(
        runtime,
        groups[index]?.run(async ({ partition, signal }) => {
          running.push(`${index}:${partition}`);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          await new Promise<void>((resolve) => slow.push(resolve));
          running.push(`${index}:${partition} ends`);
        }) ?? Promise.reject(new Error("no such member")),
      );
    start(0);
    await runtime.advance(ttlMs);
    start(1);
    await runtime.advance(3 * ttlMs);
    expect(slow).toHaveLength(1);
    expect(running).toEqual(["0:0", "0:1"]);
    slow.pop()?.();
    await runtime.advance(ttlMs);
    expect(running.slice(2)).toEqual(["0:1 ends", "1:1"]);
  });

  test("loses what its lease covers, stops, and joins again as the last one", async () => {
    const { world, start, violations } = fleet(2);
    const { runtime } = world;
    const runners = [start(0), start(1)] as const;
    await runtime.advance(2 * ttlMs);
    const fault = plant(world.client(0).backend, "lost before", () => true);
    await runtime.advance(ttlMs);
    expect(shares(runners[0])).toEqual([0]);
    await fault.end();
    await runtime.advance(4 * ttlMs);
    expect([shares(...runners), all(...runners)]).toEqual([[4, 4], everything]);
    const members = await now(runtime, world.client(1).coordinator.group("workers").members());
    expect(members).toHaveLength(2);
    expect(violations).toEqual([]);
  });

  test("tells who stood still of the loss at its first question", async () => {
    const { runtime, client } = createWorld({ clients: 1 });
    const partitions = client(0).coordinator.group("workers").partitions(2);
    const asked: AbortSignal[] = [];
    void track(
      runtime,
      partitions.run(({ signal }) => {
        asked.push(signal);
      }),
    );
    await runtime.advance(ttlMs);
    expect(asked.map(({ aborted }) => aborted)).toEqual([false, false]);
    runtime.stall(ttlMs);
    expect(() => asked[0]?.throwIfAborted()).toThrow("lease");
    expect(asked[1]?.aborted).toBe(true);
    expect(asked[1]?.reason).toMatchObject({ code: "LEASE_LOST" });
  });

  test("costs each member no more than its vigil when nothing changes", async () => {
    const { world, start } = fleet(2);
    const { runtime } = world;
    start(0);
    start(1);
    await runtime.advance(4 * ttlMs);
    const { backend } = world.client(0);
    backend.resetCounts();
    await runtime.advance(10 * ttlMs);
    // Heartbeats, and looks at the group: its own, and those of its observation.
    expect(backend.counts.writes).toBeLessThanOrEqual(31);
    expect(backend.counts.reads).toBeLessThanOrEqual(60);
  });

  test.each(Array.from({ length: 12 }, (_, seed) => seed))(
    "that is paused, cut off and joined at random ends even, and never had two owners (seed %i)",
    async (seed) => {
      const { world, start, violations, halted } = fleet(4);
      const { runtime } = world;
      const draw = random(seed);
      const runners = [0, 1, 2, 3].map((index) => start(index));
      for (let step = 0; step < 12; step += 1) {
        const index = Math.floor(draw() * 4);
        const { backend, pause, resume } = world.client(index);
        if (draw() < 0.5) {
          pause();
          halted.add(index);
          await runtime.advance(draw() * 3 * ttlMs);
          resume(draw() < 0.5 ? "timers" : "answers");
        } else {
          const kind = draw() < 0.5 ? "lost before" : "lost after";
          const fault = plant(backend, kind, () => draw() < 0.3);
          await runtime.advance(draw() * 2 * ttlMs);
          await fault.end();
        }
        await runtime.advance(draw() * ttlMs);
        halted.clear();
      }
      await runtime.advance(8 * ttlMs);
      expect(violations).toEqual([]);
      expect([shares(...runners), all(...runners)]).toEqual([[2, 2, 2, 2], everything]);
    },
  );
});

describe("a run", () => {
  test("rejects with what its work throws, once everything was given back", async () => {
    const world = createWorld();
    const { runtime } = world;
    const partitions = world.client(0).coordinator.group("workers").partitions(3);
    const run = track(
      runtime,
      partitions.run(({ partition }) => {
        if (partition === 1) throw new Error("no disk");
      }),
    );
    await runtime.advance(ttlMs);
    expect(run.error).toMatchObject({ message: "no disk" });
    expect(await now(runtime, partitions.owners())).toEqual([null, null, null]);
    expect(await now(runtime, world.client(0).coordinator.group("workers").members())).toEqual([]);
  });

  test("ends with its coordinator", async () => {
    const { world, start } = fleet(1);
    const { runtime } = world;
    const runner = start(0);
    await runtime.advance(ttlMs);
    await now(runtime, world.client(0).coordinator.close());
    await runtime.advance(ttlMs);
    expect(runner.outcome.error).toMatchObject({ code: "CLOSED" });
    expect(shares(runner)).toEqual([0]);
  });

  test("ends when it is asked to, also where no request of it is ever answered again, whatever it was about", async () => {
    for (let answered = 0; answered < 60; answered += 1) {
      const { world, start } = fleet(3, { capabilities: { watch: "none", wake: false } });
      const { runtime } = world;
      let requests = 0;
      world
        .client(1)
        .backend.intercept((_request, send) =>
          requests++ < answered ? send() : new Promise(() => undefined),
        );
      const runners = [start(0), start(1), start(2)] as const;
      await runtime.advance(deathMs * 4);
      expect([answered, shares(...runners)]).toEqual([answered, [4, 0, 4]]);
      runners[1].stop.abort();
      await runtime.advance(ttlMs);
      expect([answered, runners[1].outcome.state]).toEqual([answered, "resolved"]);
    }
  });

  test("tells who owns what", async () => {
    const { world, start } = fleet(2);
    const { runtime } = world;
    start(0, { identity: "a" });
    start(1, { identity: "b" });
    await runtime.advance(3 * ttlMs);
    const owners = await now(
      runtime,
      world.client(0).coordinator.group("workers").partitions(count).owners(),
    );
    expect(owners.map((owner) => owner?.identity).sort()).toEqual(["a", "a", "a", "a", "b", "b", "b", "b"]);
  });

  test("refuses what makes no sense", async () => {
    const { coordinator } = createWorld().client(0);
    const group = coordinator.group("workers");
    for (const wrong of [0, -1, 1.5, 10_001, Number.NaN, "3" as unknown as number]) {
      expect(() => group.partitions(wrong)).toThrow(/from 1 to 10000 partitions/);
    }
    const partitions = group.partitions(1);
    const refused = { code: "INVALID_ARGUMENT" };
    await expect(partitions.run("x" as never)).rejects.toMatchObject(refused);
    await expect(partitions.run(() => undefined, { until: 1 } as object)).rejects.toMatchObject(refused);
    await expect(partitions.run(() => undefined, { signal: 1 as never })).rejects.toMatchObject(refused);
    await expect(partitions.run(() => undefined, { identity: "" })).rejects.toMatchObject(refused);
  });
});

describe("quotas", () => {
  test("differ by one at most, and add up", () => {
    for (let members = 1; members <= 20; members += 1) {
      for (const partitions of [1, 2, 7, 8, 64]) {
        const quotas = Array.from({ length: members }, (_, rank) => quotaOf(rank, members, partitions));
        expect(quotas.reduce((sum, quota) => sum + quota, 0)).toBe(partitions);
        expect(Math.max(...quotas) - Math.min(...quotas)).toBeLessThanOrEqual(1);
      }
    }
    expect(quotaOf(-1, 3, 8)).toBe(0);
  });

  test("are looked for everywhere, from different places", () => {
    expect(searchOrder(0, 2, 4)).toEqual([0, 1, 2, 3]);
    expect(searchOrder(1, 2, 4)).toEqual([2, 3, 0, 1]);
  });
});

/** A small generator: the tests need no more than differing, repeatable numbers. */
function random(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}
