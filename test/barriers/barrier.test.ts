// Goal: a barrier lets its parties begin together and end together, round after round, whoever dies or gives up.
import { describe, expect, test } from "vitest";
import type { Barrier, BarrierStay } from "../../src/index.ts";
import { everything, plant, writes } from "../locks/faults.ts";
import { createWorld, deathMs, track, ttlMs } from "../locks/world.ts";
import { barriers, enterEach, requests, rosterOf, staysOf } from "./barrier-world.ts";

describe("a round", () => {
  test("begins when all are in, and ends when all have left", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const [first, second, third] = barriers(world, 3) as [Barrier, Barrier, Barrier];
    const entering = await enterEach(world, [first, second]);
    expect(entering.map(({ state }) => state)).toEqual(["pending", "pending"]);
    entering.push(track(runtime, third.enter()));
    await runtime.settle();
    const stays = staysOf(entering);
    expect(stays.map(({ round }) => round)).toEqual([1, 1, 1]);
    expect(new Set(stays.map(({ fence }) => fence)).size).toBe(3);
    const leaving = [
      track(runtime, (stays[0] as BarrierStay).leave()),
      track(runtime, (stays[1] as BarrierStay).leave()),
    ];
    await runtime.settle();
    expect(leaving.map(({ state }) => state)).toEqual(["pending", "pending"]);
    await stays[2]?.leave();
    await runtime.settle();
    expect(leaving.map(({ state }) => state)).toEqual(["resolved", "resolved"]);
    expect(await rosterOf(world, "barrier")).toMatchObject({ holders: [], waiters: [], note: { round: 1 } });
  });

  test("follows another, among many parties of several processes", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = barriers(world, 9);
    let inside = 0;
    const overlaps: number[] = [];
    const party = async (barrier: Barrier): Promise<readonly number[]> => {
      const rounds: number[] = [];
      for (let round = 0; round < 5; round += 1) {
        const stay = await barrier.enter();
        inside += 1;
        rounds.push(stay.round);
        await stay.leave();
        // Everybody came in before anybody could have left.
        overlaps.push(inside);
      }
      return rounds;
    };
    const parties = Array.from({ length: 9 }, (_, index) => track(runtime, party(all[index % 3] as Barrier)));
    await runtime.advance(20_000);
    expect(parties.map(({ value }) => value)).toEqual(parties.map(() => [1, 2, 3, 4, 5]));
    for (const [index, seen] of overlaps.entries())
      expect(seen).toBeGreaterThanOrEqual(9 * (Math.floor(index / 9) + 1));
  });

  test("takes no more parties than it is for: the next ones wait for the next round, in order", async () => {
    const world = createWorld({ clients: 4 });
    const { runtime } = world;
    const all = barriers(world, 2);
    const entering = await enterEach(world, all);
    expect(entering.map(({ state }) => state)).toEqual(["resolved", "resolved", "pending", "pending"]);
    const [first, second] = staysOf(entering.slice(0, 2)) as [BarrierStay, BarrierStay];
    await first.release();
    await runtime.settle();
    expect(entering.slice(2).map(({ state }) => state)).toEqual(["pending", "pending"]);
    await second.leave();
    await runtime.settle();
    expect(entering.slice(2).map(({ value }) => value?.round)).toEqual([2, 2]);
  });

  test("of one party alone needs nobody", async () => {
    const world = createWorld({ clients: 1 });
    const [only] = barriers(world, 1) as [Barrier];
    const entering = track(world.runtime, only.enter());
    await world.runtime.settle();
    expect(entering.value?.round).toBe(1);
    await entering.value?.leave();
    await entering.value?.leave();
  });

  test("costs each party one write and one read to come in, and one write for all to begin", async () => {
    const world = createWorld({ clients: 4 });
    for (const { coordinator } of world.clients)
      await coordinator.lock("opens the session").hold(() => undefined);
    for (const { backend } of world.clients) backend.resetCounts();
    const entering = await enterEach(world, barriers(world, 4));
    expect(entering.every(({ state }) => state === "resolved")).toBe(true);
    // Each reads once before its first write, and once when it begins to wait.
    expect(requests(world)).toEqual({ reads: 8, writes: 5 });
    for (const { backend } of world.clients) backend.resetCounts();
    for (const stay of staysOf(entering)) void stay.leave();
    await world.runtime.settle();
    const { reads, writes: written } = requests(world);
    // All four leave at once, over one record: some meet a conflict first.
    expect(written).toBeLessThanOrEqual(10);
    expect(reads).toBeLessThanOrEqual(12);
  });

  test("a party that waits reads at most three times in a TTL where changes are told", async () => {
    const world = createWorld({ clients: 3 });
    await enterEach(world, barriers(world, 4));
    for (const { backend } of world.clients) backend.resetCounts();
    await world.runtime.advance(10 * ttlMs);
    for (const { backend } of world.clients) expect(backend.counts.reads).toBeLessThanOrEqual(30);
    expect(requests(world).writes).toBe(90);
  });

  test("works where the store tells nothing", async () => {
    const world = createWorld({ clients: 3, capabilities: { watch: "none", wake: false } });
    const entering = await enterEach(world, barriers(world, 3));
    await world.runtime.advance(5_000);
    expect(entering.map(({ value }) => value?.round)).toEqual([1, 1, 1]);
    const leaving = staysOf(entering).map((stay) => track(world.runtime, stay.leave()));
    await world.runtime.advance(5_000);
    expect(leaving.map(({ state }) => state)).toEqual(["resolved", "resolved", "resolved"]);
  });
});

describe("parties that go", () => {
  test("who gives up leaves nothing behind, and does not count", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const [first, second, third] = barriers(world, 2) as [Barrier, Barrier, Barrier];
    const abort = new AbortController();
    const timed = track(runtime, first.enter({ wait: "2s" }));
    await runtime.advance(2_000);
    expect(timed.error).toMatchObject({
      code: "ACQUIRE_TIMEOUT",
      message: expect.stringContaining("not all parties"),
    });
    expect((await rosterOf(world, "barrier")).holders).toEqual([]);
    const aborted = track(runtime, second.enter({ signal: abort.signal }));
    await runtime.settle();
    abort.abort(new Error("enough"));
    await runtime.settle();
    expect(aborted.error).toMatchObject({ code: "ABORTED" });
    expect((await rosterOf(world, "barrier")).holders).toEqual([]);
    const entering = await enterEach(world, [third]);
    await runtime.advance(100);
    expect(entering[0]?.state).toBe("pending");
    const others = await enterEach(world, [first]);
    expect([...entering, ...others].map(({ value }) => value?.round)).toEqual([1, 1]);
    expect(await rosterOf(world, "barrier")).toMatchObject({ waiters: [], capacity: 2 });
  });

  test("who died while waiting does not count, whichever place it had", async () => {
    for (const dead of [0, 1, 2]) {
      const world = createWorld({ clients: 4 });
      const { runtime } = world;
      const all = barriers(world, 4);
      const entering = await enterEach(world, all.slice(0, 3));
      world.client(dead).pause();
      await runtime.advance(2 * deathMs);
      expect((await rosterOf(world, "barrier")).holders).toHaveLength(2);
      entering.push(...(await enterEach(world, [all[3] as Barrier])));
      await runtime.advance(1_000);
      expect(entering.map(({ state }) => state)).toEqual(entering.map(() => "pending"));
    }
  });

  test("who died long ago, watched by nobody, is not counted by those who come now", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = barriers(world, 3);
    await enterEach(world, all.slice(0, 1));
    world.client(0).pause();
    await runtime.advance(100 * ttlMs);
    const entering = await enterEach(world, all.slice(1));
    await runtime.advance(3 * deathMs);
    expect(entering.map(({ state }) => state)).toEqual(["pending", "pending"]);
    expect((await rosterOf(world, "barrier")).holders).toHaveLength(2);
  });

  test("who died inside is not waited for by those who leave", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const stays = staysOf(await enterEach(world, barriers(world, 3)));
    world.client(1).pause();
    const leaving = [
      track(runtime, (stays[0] as BarrierStay).leave()),
      track(runtime, (stays[2] as BarrierStay).leave()),
    ];
    await runtime.advance(ttlMs);
    expect(leaving.map(({ state }) => state)).toEqual(["pending", "pending"]);
    await runtime.advance(deathMs);
    expect(leaving.map(({ state }) => state)).toEqual(["resolved", "resolved"]);
    world.client(1).resume();
    await runtime.settle();
    expect(stays[1]?.signal.aborted).toBe(true);
    await expect(stays[1]?.leave()).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  test("who died inside keeps the next round waiting for no longer than its lease", async () => {
    const world = createWorld({ clients: 4 });
    const { runtime } = world;
    const all = barriers(world, 2);
    const [first] = staysOf(await enterEach(world, all.slice(0, 2)));
    world.client(1).pause();
    await first?.release();
    const next = await enterEach(world, all.slice(2));
    await runtime.advance(2 * deathMs);
    expect(next.map(({ value }) => value?.round)).toEqual([2, 2]);
  });

  test("who was paused past its lease while waiting comes in again by itself", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [first, second] = barriers(world, 3) as [Barrier, Barrier];
    const entering = await enterEach(world, [first, second]);
    world.client(0).pause();
    await runtime.advance(3 * deathMs);
    world.client(0).resume();
    await runtime.settle();
    const last = track(runtime, second.enter());
    await runtime.advance(1_000);
    expect([...entering, last].map(({ value }) => value?.round)).toEqual([1, 1, 1]);
  });

  test("who was paused past its lease is let through by no round that began without it", async () => {
    for (const first of ["timers", "answers"] as const) {
      const world = createWorld({ clients: 2 });
      const { runtime } = world;
      const [stopped, other] = barriers(world, 2);
      const entering = track(runtime, (stopped as Barrier).enter());
      await runtime.advance(100);
      world.client(0).pause();
      await runtime.advance(100);
      const others = await enterEach(world, [other as Barrier, other as Barrier]);
      await runtime.advance(3 * deathMs);
      expect(staysOf(others).map(({ round }) => round)).toEqual([1, 1]);
      world.client(0).resume(first);
      await runtime.settle();
      expect(entering.value?.state).not.toBe("lost");
    }
  });

  test("who was paused past its lease and its wait is told when it goes on, before it asks the store", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [stopped, other] = barriers(world, 2);
    const entering = track(runtime, (stopped as Barrier).enter({ wait: 2 * ttlMs }));
    await runtime.advance(100);
    world.client(0).pause();
    await runtime.advance(5 * ttlMs);
    const hanging = plant(world.client(0).backend, "hangs before", everything);
    world.client(0).resume("timers");
    await runtime.settle();
    expect(entering.error).toMatchObject({ code: "ACQUIRE_TIMEOUT" });
    await hanging.end();
    // And it is not counted.
    const waiting = track(runtime, (other as Barrier).enter());
    await runtime.advance(2 * deathMs);
    expect(waiting.state).toBe("pending");
  });

  test("who comes in again before its first entry was taken out is one party, not two", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = barriers(world, 3);
    const entering = await enterEach(world, all.slice(0, 2));
    const fault = plant(world.client(1).backend, "lost before", () => true);
    await runtime.advance(ttlMs + 50);
    await fault.end();
    const places: number[] = [];
    for (let lookedMs = 0; lookedMs < 2 * deathMs; lookedMs += 100) {
      await runtime.advance(100);
      places.push((await rosterOf(world, "barrier")).holders.length);
    }
    // Both stood there at the same time, until the first one was found dead.
    expect([Math.max(...places), places.at(-1)]).toEqual([3, 2]);
    expect(entering.map(({ state }) => state)).toEqual(["pending", "pending"]);
    entering.push(...(await enterEach(world, all.slice(2))));
    expect(entering.map(({ value }) => value?.round)).toEqual([1, 1, 1]);
  });

  test("who may have been counted before its session was lost is told so", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [first, second] = barriers(world, 2) as [Barrier, Barrier];
    const entering = [track(runtime, first.enter())];
    await runtime.settle();
    entering.push(track(runtime, second.enter()));
    // The second one stops right after it came in; the first one begins the round.
    for (let turn = 0; turn < 20 && (await rosterOf(world, "barrier")).holders.length < 2; turn += 1) {
      await Promise.resolve();
    }
    world.client(1).pause();
    await runtime.settle();
    expect(entering.map(({ state }) => state)).toEqual(["resolved", "pending"]);
    const [stay] = entering.map(({ value }) => value) as [BarrierStay];
    const leaving = track(runtime, stay.leave());
    await runtime.advance(3 * deathMs);
    expect(leaving.state).toBe("resolved");
    world.client(1).resume();
    await runtime.advance(1_000);
    expect(entering[1]?.error).toMatchObject({ code: "LEASE_LOST" });
    expect((await rosterOf(world, "barrier")).holders).toEqual([]);
  });
});

describe("faults", () => {
  test.each(["lost before", "lost after", "applied late"] as const)(
    "a write that is %s spoils no round",
    async (kind) => {
      for (let struck = 1; struck <= 6; struck += 1) {
        const world = createWorld({ clients: 2 });
        const { runtime } = world;
        const faults = world.clients.map(({ backend }) => plant(backend, kind, writes("roster"), struck));
        const run = async (barrier: Barrier): Promise<number> => {
          const stay = await barrier.enter();
          await stay.leave();
          const again = await barrier.enter();
          await again.leave();
          return again.round;
        };
        const running = barriers(world, 2).map((barrier) => track(runtime, run(barrier)));
        await runtime.advance(8_000);
        for (const fault of faults) await fault.end();
        await runtime.advance(8_000);
        expect(running.map(({ value }) => value)).toEqual([2, 2]);
        expect((await rosterOf(world, "barrier")).holders).toEqual([]);
      }
    },
  );

  test("a party that goes while the beginning is on its way is not counted", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const [first, second, third] = barriers(world, 2) as [Barrier, Barrier, Barrier];
    const entering = await enterEach(world, [first]);
    const fault = plant(world.client(0).backend, "held back", writes("roster"), 1);
    const abort = new AbortController();
    const gone = track(runtime, second.enter({ signal: abort.signal }));
    await runtime.settle();
    expect(fault.struck).toBe(1);
    abort.abort();
    await runtime.settle();
    await fault.end();
    await runtime.settle();
    expect([gone.state, entering[0]?.state]).toEqual(["rejected", "pending"]);
    entering.push(...(await enterEach(world, [third])));
    expect(entering.map(({ value }) => value?.round)).toEqual([1, 1]);
  });

  test("an outage of the store delays a round, and no more", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [first, second] = barriers(world, 2) as [Barrier, Barrier];
    const entering = await enterEach(world, [first]);
    const faults = world.clients.map(({ backend }) => plant(backend, "lost before", () => true));
    entering.push(track(runtime, second.enter()));
    await runtime.advance(5 * ttlMs);
    for (const fault of faults) await fault.end();
    await runtime.advance(3 * deathMs);
    expect(entering.map(({ value }) => value?.round)).toEqual([1, 1]);
  });

  test("who leaves while the store is away waits no longer than it wants to", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const stays = staysOf(await enterEach(world, barriers(world, 2))) as [BarrierStay, BarrierStay];
    const fault = plant(world.client(0).backend, "lost before", () => true);
    const abort = new AbortController();
    const timed = track(runtime, stays[0].leave({ wait: "1s" }));
    const aborted = track(runtime, stays[0].leave({ signal: abort.signal }));
    await runtime.advance(1_000);
    abort.abort();
    await runtime.settle();
    expect(timed.error).toMatchObject({ code: "ACQUIRE_TIMEOUT", message: expect.stringContaining("left") });
    expect(aborted.error).toMatchObject({ code: "ABORTED" });
    await fault.end();
    await runtime.advance(2_500);
    expect((await rosterOf(world, "barrier")).holders).toHaveLength(1);
    await stays[1].leave();
    await stays[0].leave();
  });
});
