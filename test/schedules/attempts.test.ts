// Goal: with several attempts a slot runs at least once as long as somebody waits, and never more often than allowed; a run
// that lasts for too long gives its slot back.
import { describe, expect, test } from "vitest";
import type { Schedule, SlotGrant } from "../../src/index.ts";
import { plant, writes } from "../locks/faults.ts";
import { createWorld, deathMs, track, ttlMs } from "../locks/world.ts";
import { endlessWork, refused, rosterIn, schedulesOf, slot } from "./schedule-world.ts";

type Pair = [Schedule, Schedule];
type Triple = [Schedule, Schedule, Schedule];

describe("attempts", () => {
  test("a slot whose runner died is taken over by one of those who wait", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const [first, second, third] = schedulesOf(world, { attempts: 3 }) as Triple;
    void first.run(slot(1), endlessWork().work);
    await runtime.settle();
    const attempts: number[] = [];
    const work = ({ attempt }: SlotGrant) => attempts.push(attempt);
    const waiting = [track(runtime, second.run(slot(1), work)), track(runtime, third.run(slot(1), work))];
    await runtime.advance(0.9 * ttlMs);
    expect(waiting.map(({ state }) => state)).toEqual(["pending", "pending"]);
    world.client(0).pause();
    await runtime.advance(2 * deathMs);
    expect(attempts).toEqual([2]);
    const outcomes = waiting.map(({ value }) => value);
    expect(outcomes).toContainEqual({ ran: true, result: 1, attempt: 2 });
    expect(outcomes).toContainEqual(refused("taken"));
    expect((await rosterIn(world)).holders).toEqual([]);
  });

  test("who waits is told at once when the slot was run well", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { attempts: 2 }) as Pair;
    const long = endlessWork();
    void first.run(slot(1), long.work);
    await runtime.settle();
    const waiting = track(
      runtime,
      second.run(slot(1), () => expect.unreachable("twice")),
    );
    await runtime.advance(ttlMs);
    long.end();
    await runtime.settle();
    expect(waiting.value).toEqual(refused("taken"));
    world.client(0).backend.resetCounts();
    expect(runtime.timerCount).toBeLessThanOrEqual(4);
  });

  test("a slot that fails is begun so often, and no more", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world, { attempts: 3 }) as Pair;
    let runs = 0;
    const work = (): never => {
      runs += 1;
      throw new Error(`attempt ${runs}`);
    };
    for (const schedule of [first, second, first])
      await expect(schedule.run(slot(1), work)).rejects.toThrow(/attempt/);
    expect(await second.run(slot(1), work)).toEqual(refused("taken"));
    expect(runs).toBe(3);
    expect(await first.last()).toMatchObject({ slot: slot(1), attempt: 3, state: "failed" });
    expect((await second.run(slot(2), () => undefined)).ran).toBe(true);
    expect(await first.run(slot(1), work)).toEqual(refused("older"));
  });

  test("a newer slot ends the attempts of an older one", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world, { attempts: 9 }) as Pair;
    await expect(first.run(slot(1), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await second.run(slot(2), () => undefined);
    expect(await first.run(slot(1), () => undefined)).toEqual(refused("older"));
  });

  test.each(["lost before", "lost after", "applied late"] as const)(
    "a write at the end that is %s makes no finished slot run again",
    async (kind) => {
      const world = createWorld();
      const { runtime } = world;
      const [first, second] = schedulesOf(world, { attempts: 9 }) as Pair;
      const long = endlessWork();
      const running = track(runtime, first.run(slot(1), long.work));
      await runtime.settle();
      const waiting = track(
        runtime,
        second.run(slot(1), () => "twice"),
      );
      await runtime.settle();
      const fault = plant(world.client(0).backend, kind, writes("roster"), 2);
      long.end();
      await runtime.advance(0.5 * ttlMs);
      await fault.end();
      await runtime.advance(ttlMs);
      expect(running.value).toMatchObject({ ran: true });
      expect(waiting.value).toEqual(refused("taken"));
    },
  );

  test("a waiter reads at most three times in a TTL where changes are told", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { attempts: 2 }) as Pair;
    void first.run(slot(1), endlessWork().work);
    await runtime.settle();
    void second.run(slot(1), () => undefined);
    await runtime.settle();
    world.client(1).backend.resetCounts();
    await runtime.advance(10 * ttlMs);
    expect(world.client(1).backend.counts.reads).toBeLessThanOrEqual(30);
    expect(world.client(1).backend.counts.writes).toBe(0);
  });
});

describe("atMost", () => {
  test("tells the work to stop, and gives the slot back whether it obeys or not", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atMost: "1m" }) as Pair;
    const long = endlessWork();
    let signal: AbortSignal | undefined;
    const running = track(
      runtime,
      first.run(slot(1), (grant) => {
        ({ signal } = grant);
        return long.work();
      }),
    );
    await runtime.advance(59_000);
    expect(signal?.aborted).toBe(false);
    expect(await second.run(slot(2), () => undefined)).toEqual(refused("running"));
    await runtime.advance(1_000);
    expect(signal?.reason).toMatchObject({ code: "LEASE_LOST" });
    expect(await second.last()).toMatchObject({ slot: slot(1), state: "failed", isRunning: false });
    expect((await second.run(slot(2), () => undefined)).ran).toBe(true);
    long.end();
    await runtime.settle();
    expect(running.error).toMatchObject({ code: "LEASE_LOST" });
    expect(await second.last()).toMatchObject({ slot: slot(2), state: "finished" });
  });

  test("lets others take the same slot over, where there are attempts left", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world, { atMost: "1m", attempts: 2 }) as Pair;
    void first.run(slot(1), endlessWork().work);
    await runtime.settle();
    const waiting = track(
      runtime,
      second.run(slot(1), ({ attempt }) => attempt),
    );
    await runtime.advance(61_000);
    expect(waiting.value).toEqual({ ran: true, result: 2, attempt: 2 });
  });

  test("leaves no timer behind when the work ends before", async () => {
    const world = createWorld({ clients: 1 });
    const [first] = schedulesOf(world, { atMost: "1h" }) as Pair;
    await first.run(slot(1), () => undefined);
    await world.client(0).coordinator.close();
    expect(world.runtime.timerCount).toBe(0);
  });
});
