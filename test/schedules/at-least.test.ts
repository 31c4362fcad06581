// Goal: `atLeast` keeps other slots away for so long, whatever wall clocks say, and for people who have no slot times.
import { describe, expect, test } from "vitest";
import type { Schedule } from "../../src/index.ts";
import { createWorld, track, ttlMs } from "../locks/world.ts";
import { endlessWork, refused, schedulesOf, slot } from "./schedule-world.ts";

type Pair = [Schedule, Schedule];
const minuteMs = 60_000;
const dayMs = 86_400_000;

describe("after a run", () => {
  test("nobody runs before the time is over, counted from its beginning", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atLeast: "10m" }) as Pair;
    expect((await first.run(null, () => "ran")).ran).toBe(true);
    expect(await second.run(null, () => undefined)).toEqual(refused("closed"));
    expect(await first.run(null, () => undefined)).toEqual(refused("closed"));
    await runtime.advance(10 * minuteMs - 1);
    expect(await second.run(null, () => undefined)).toEqual(refused("closed"));
    await runtime.advance(2);
    expect((await second.run(null, () => undefined)).ran).toBe(true);
    expect(await first.run(null, () => undefined)).toEqual(refused("closed"));
  });

  test("the time counts while the work goes on", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atLeast: "10m" }) as Pair;
    const long = endlessWork();
    void first.run(null, long.work);
    await runtime.advance(11 * minuteMs);
    expect(await second.run(null, () => undefined)).toEqual(refused("running"));
    world.client(0).backend.resetCounts();
    long.end();
    await runtime.settle();
    expect(world.client(0).backend.counts.writes).toBe(1);
    expect((await second.run(null, () => undefined)).ran).toBe(true);
  });

  test("no wall clock matters, whichever way it jumps", async () => {
    for (const jumpMs of [dayMs, -dayMs, 400 * dayMs]) {
      const world = createWorld();
      const { runtime } = world;
      const [first, second] = schedulesOf(world, { atLeast: "10m" }) as Pair;
      await first.run(null, () => undefined);
      expect(await second.run(null, () => undefined)).toEqual(refused("closed"));
      runtime.jumpWall(jumpMs);
      await runtime.advance(9 * minuteMs);
      expect(await second.run(null, () => undefined)).toEqual(refused("closed"));
      await runtime.advance(2 * minuteMs);
      const outcome = track(
        runtime,
        second.run(null, () => undefined),
      );
      await runtime.advance(1_000);
      expect(outcome.value?.ran).toBe(true);
    }
  });

  test("slots with times are kept away too, but not the attempts of the same slot", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atLeast: "10m", attempts: 2 }) as Pair;
    await expect(first.run(slot(1), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await second.run(slot(2), () => undefined)).toEqual(refused("closed"));
    expect(await second.run(slot(1), ({ attempt }) => attempt)).toMatchObject({ result: 2 });
    await runtime.advance(10 * minuteMs + 1);
    expect((await first.run(slot(2), () => undefined)).ran).toBe(true);
  });

  test("a run without a slot leaves the memory of slots as it was", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atLeast: "1s", attempts: 5 }) as Pair;
    await first.run(slot(3), () => undefined);
    await runtime.advance(1_001);
    await expect(second.run(null, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await runtime.advance(1_001);
    expect(await first.run(slot(2), () => undefined)).toEqual(refused("older"));
    expect(await first.run(slot(3), () => undefined)).toEqual(refused("taken"));
    expect((await first.run(slot(4), () => undefined)).ran).toBe(true);
  });
});

describe("a process that did not see the run", () => {
  test("goes on as soon as the runner, while it lives, has written that the time is over", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, newcomer] = schedulesOf(world, { atLeast: "10m" }) as Pair;
    await first.run(null, () => undefined);
    await runtime.advance(10 * minuteMs + 1);
    expect((await newcomer.run(null, () => undefined)).ran).toBe(true);
  });

  test("waits for the whole time from its first look, where the runner has gone", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, newcomer] = schedulesOf(world, { atLeast: "10m" }) as Pair;
    await first.run(null, () => undefined);
    await world.client(0).coordinator.close();
    await runtime.advance(60 * minuteMs);
    expect(await newcomer.run(null, () => undefined)).toEqual(refused("closed"));
    await runtime.advance(10 * minuteMs);
    expect((await newcomer.run(null, () => undefined)).ran).toBe(true);
  });

  test("goes by its wall clock where it is told by how much they may differ", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, newcomer] = schedulesOf(world, { atLeast: "10m", clockDifference: "1m" }) as Pair;
    await first.run(null, () => undefined);
    await world.client(0).coordinator.close();
    await runtime.advance(10.5 * minuteMs);
    expect(await newcomer.run(null, () => undefined)).toEqual(refused("closed"));
    await runtime.advance(minuteMs);
    expect((await newcomer.run(null, () => undefined)).ran).toBe(true);
  });

  test("takes no write of the runner where the work lasts for longer", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first] = schedulesOf(world, { atLeast: "5m" }) as Pair;
    await first.run(null, () => undefined);
    world.client(0).backend.resetCounts();
    await runtime.advance(6 * minuteMs);
    const heartbeats = Math.floor((6 * minuteMs) / (ttlMs / 3));
    // One write opens it; the rest are heartbeats.
    expect(world.client(0).backend.counts.writes).toBe(heartbeats + 1);
  });

  test("the runner's death keeps it closed for those who saw it no longer than for itself", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atLeast: "10m" }) as Pair;
    void first.run(null, endlessWork().work);
    await runtime.settle();
    expect(await second.run(null, () => undefined)).toEqual(refused("running"));
    world.client(0).pause();
    for (let tick = 0; tick < 40; tick += 1) {
      await runtime.advance(minuteMs / 4);
      const outcome = track(
        runtime,
        second.run(null, () => "mine"),
      );
      await runtime.settle();
      if (outcome.value?.ran === true) expect(tick).toBeGreaterThanOrEqual(39);
    }
    expect(await second.last()).toMatchObject({ attempt: 1 });
  });
});
