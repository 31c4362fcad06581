// Goal: the store's clock lies within the bounds that a client is told, whatever its own clocks and the network do, and
// a client asks for it rarely.
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { StoreTime } from "../../src/core/backend.ts";
import { UnavailableError } from "../../src/core/errors.ts";
import { StoreClock } from "../../src/records/store-clock.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { type ClockWorld, createClockWorld, prompt } from "./clock-world.ts";

const roundTripMs = prompt.outboundMs + prompt.inboundMs;
const hourMs = 3_600_000;

function widthMs({ earliestMs, latestMs }: StoreTime): number {
  return latestMs - earliestMs;
}

function expectTruth(world: ClockWorld, bounds: StoreTime | undefined): asserts bounds is StoreTime {
  expect(bounds).toBeDefined();
  expect(bounds?.earliestMs).toBeLessThanOrEqual(world.truthMs());
  expect(bounds?.latestMs).toBeGreaterThanOrEqual(world.truthMs());
}

/** A world whose clock has been asked once. */
async function startedWorld(options?: Parameters<typeof createClockWorld>[0]): Promise<ClockWorld> {
  const world = createClockWorld(options);
  await world.settled(world.clock.now());
  return world;
}

describe("requests:", () => {
  test("the first use asks, with one request for all who wait; then nobody does for a minute", async () => {
    const world = createClockWorld();
    expect(world.clock.peek()).toBeUndefined();
    expect(world.requests).toBe(0);
    const answers = await world.settled(
      Promise.all([world.clock.now(), world.clock.now(), world.clock.now()]),
    );
    expect(world.requests).toBe(1);
    for (const answer of answers) expectTruth(world, answer);
    for (let second = 0; second < 59; second += 1) {
      await world.pass(1_000);
      expectTruth(world, world.clock.peek());
      expectTruth(world, await world.clock.now());
    }
    expect(world.requests).toBe(1);
  });

  test("after a minute, whoever uses the clock is answered at once, and a request is under way", async () => {
    const world = await startedWorld();
    await world.pass(10 * 60_000);
    expect(world.requests).toBe(1);
    const before = world.clock.peek();
    expectTruth(world, before);
    expectTruth(world, await world.clock.now());
    expect(world.requests).toBe(2);
    await world.pass(roundTripMs);
    const after = world.clock.peek();
    expectTruth(world, after);
    expect(widthMs(after)).toBeLessThan(widthMs(before) / 10);
    expect(world.requests).toBe(2);
  });

  test("nobody who does not use the clock asks, however long", async () => {
    const world = await startedWorld();
    await world.pass(24 * hourMs);
    expect(world.requests).toBe(1);
    // By then the bounds are too far apart to be of use.
    expect(world.clock.peek()).toBeUndefined();
    expectTruth(world, await world.settled(world.clock.now()));
    expect(world.requests).toBe(2);
  });
});

test("who tolerates more drift asks more often, at most once a second", async () => {
  const world = await startedWorld({ driftTolerance: 0.05, rate: 0.96 });
  for (let use = 0; use < 100; use += 1) {
    await world.pass(100);
    expectTruth(world, world.clock.peek());
  }
  expect(world.requests).toBeGreaterThan(8);
  expect(world.requests).toBeLessThan(12);
});

describe("this machine's clocks:", () => {
  test.for([hourMs, -hourMs, 30_000, -30_000])(
    "a wall clock that jumps by %d ms changes nothing and costs no request",
    async (jumpMs) => {
      const world = await startedWorld();
      const before = world.clock.peek();
      world.machine.jumpWall(jumpMs);
      expect(world.clock.peek()).toEqual(before);
      await world.pass(30_000);
      expectTruth(world, world.clock.peek());
      expect(world.requests).toBe(1);
    },
  );

  test.for([0.0005, -0.0005])("a clock whose rate is off by %d is within the tolerance", async (off) => {
    const world = await startedWorld({ rate: 1 + off });
    world.fate = { ...prompt, end: "refused" };
    for (let minute = 0; minute < 30; minute += 1) {
      await world.pass(60_000);
      expectTruth(world, world.clock.peek());
    }
    const tolerant = await startedWorld({ rate: 1 + 100 * off, driftTolerance: 0.06 });
    tolerant.fate = { ...prompt, end: "refused" };
    for (let second = 0; second < 12; second += 1) {
      await tolerant.pass(1_000);
      expectTruth(tolerant, tolerant.clock.peek());
    }
  });

  test("a machine that slept asks again before it answers", async () => {
    const world = await startedWorld();
    await world.sleepMachine(10_000);
    expect(world.clock.peek()).toBeUndefined();
    const answer = await world.settled(world.clock.now());
    expectTruth(world, answer);
    expect(widthMs(answer)).toBeLessThanOrEqual(2 * roundTripMs);
    expect(world.requests).toBe(2);
  });

  test("a machine that slept and does not reach the store has no time", async () => {
    const world = await startedWorld();
    await world.sleepMachine(10_000);
    world.fate = { ...prompt, end: "refused" };
    await expect(world.settled(world.clock.now())).rejects.toThrow(UnavailableError);
    expect(world.clock.peek()).toBeUndefined();
  });

  test("a sleep is found out within a second although the wall clock was set back by as much", async () => {
    const world = await startedWorld();
    await world.sleepMachine(10_000);
    world.machine.jumpWall(-10_000);
    await world.pass(1_000);
    expect(world.clock.peek()).toBeUndefined();
    expectTruth(world, await world.settled(world.clock.now()));
  });

  test("bounds from before a sleep that nobody noticed do not narrow those of a new sample", async () => {
    let refreshes = 0;
    for (let phaseMs = 0; phaseMs < 1_000; phaseMs += 50) {
      const world = createClockWorld({ grainMs: 1_000 });
      await world.pass(phaseMs);
      await world.settled(world.clock.now());
      await world.pass(59_700);
      world.clock.peek();
      await world.pass(500);
      await world.sleepMachine(1_300);
      world.machine.jumpWall(-1_300);
      const { requests } = world;
      world.clock.peek();
      if (world.requests === requests) continue;
      refreshes += 1;
      await world.pass(roundTripMs);
      expectTruth(world, world.clock.peek() ?? (await world.settled(world.clock.now())));
    }
    expect(refreshes).toBeGreaterThan(10);
  });

  test("sleeps that stay hidden one by one are found out when they add up to a second", async () => {
    const world = await startedWorld();
    for (let nap = 0; nap < 4; nap += 1) {
      await world.sleepMachine(300);
      await world.pass(1_000);
      const answer = world.clock.peek() ?? (await world.settled(world.clock.now()));
      expect(answer.earliestMs).toBeLessThanOrEqual(world.truthMs());
      expect(answer.latestMs).toBeGreaterThan(world.truthMs() - 1_000);
    }
    expect(world.requests).toBe(2);
  });

  test("an answer that came while the machine slept is not used", async () => {
    const world = createClockWorld();
    world.fate = { ...prompt, inboundMs: 50 };
    const asked = world.clock.now();
    await world.pass(10);
    await world.sleepMachine(5_000);
    const answer = await world.settled(asked);
    expectTruth(world, answer);
    expect(world.requests).toBe(2);
  });

  test("a machine that falls asleep during each request is told so", async () => {
    const world = createClockWorld();
    world.fate = { ...prompt, inboundMs: 50 };
    const asked = world.clock.now();
    const sleepy = (async () => {
      for (let nap = 0; nap < 3; nap += 1) {
        await world.pass(10);
        await world.sleepMachine(5_000);
      }
    })();
    await sleepy;
    await expect(world.settled(asked)).rejects.toThrow(/slept/);
    expect(world.requests).toBe(3);
    expectTruth(world, await world.settled(world.clock.now()));
  });
});

describe("lost answers:", () => {
  test.for(["refused", "request lost", "reply lost"] as const)(
    "a first request that is %s fails with the backend's error, and the next use asks again",
    async (end) => {
      const world = createClockWorld();
      world.fate = { ...prompt, end };
      const uses = await world.settled(Promise.allSettled([world.clock.now(), world.clock.now()]));
      for (const use of uses) {
        expect(use).toMatchObject({ status: "rejected", reason: expect.any(UnavailableError) });
      }
      expect(world.requests).toBe(1);
      expect(world.clock.peek()).toBeUndefined();
      world.fate = prompt;
      expectTruth(world, await world.settled(world.clock.now()));
      expect(world.requests).toBe(2);
    },
  );

  test("an old sample goes on to answer until its bounds are 2 s apart, and asks at most every 5 s", async () => {
    const world = await startedWorld();
    world.fate = { ...prompt, end: "refused" };
    let seconds = 0;
    for (; world.clock.peek() !== undefined; seconds += 1) {
      expectTruth(world, world.clock.peek());
      await world.pass(1_000);
    }
    expect(seconds).toBeGreaterThan(1_900);
    expect(seconds).toBeLessThan(2_100);
    expect(world.requests).toBeLessThan(seconds / 5);
    await expect(world.settled(world.clock.now())).rejects.toThrow(UnavailableError);
    world.fate = prompt;
    expectTruth(world, await world.settled(world.clock.now()));
  });

  test("a late answer widens the bounds, and the next one that is prompt narrows them", async () => {
    const world = createClockWorld();
    world.fate = { ...prompt, inboundMs: 1_500 };
    const late = await world.settled(world.clock.now());
    expectTruth(world, late);
    expect(widthMs(late)).toBeGreaterThan(1_500);
    world.fate = prompt;
    await world.pass(61_000);
    const next = await world.settled(world.clock.now());
    expectTruth(world, next);
    expect(widthMs(next)).toBeLessThanOrEqual(2 * roundTripMs);
  });
});

describe("a store that tells whole seconds:", () => {
  test("four requests within some seconds of use leave less than 200 ms between the bounds", async () => {
    const world = await startedWorld({ grainMs: 1_000 });
    for (let use = 0; use < 300; use += 1) {
      await world.pass(10 + (use % 7));
      expectTruth(world, world.clock.peek());
    }
    expect(world.requests).toBe(4);
    expect(widthMs(await world.clock.now())).toBeLessThan(200);
  });

  test("bounds stay narrow for an hour, at no more than two requests a minute", async () => {
    const world = await startedWorld({ grainMs: 1_000 });
    for (let use = 0; use < 36_000; use += 1) {
      await world.pass(100);
      if (use % 100 === 0) expectTruth(world, world.clock.peek());
      else world.clock.peek();
    }
    expect(widthMs(await world.clock.now())).toBeLessThan(400);
    expect(world.requests).toBeLessThanOrEqual(4 + 2 * 60);
  }, 60_000);
});

describe("a store's clock that is set:", () => {
  test("forward is followed with the next sample", async () => {
    const world = await startedWorld();
    world.setStoreClock(hourMs);
    await world.pass(61_000);
    world.clock.peek();
    await world.pass(roundTripMs);
    const answer = world.clock.peek();
    expectTruth(world, answer);
    expect(widthMs(answer)).toBeLessThanOrEqual(2 * roundTripMs + 1);
  });

  test("back lets the earliest stand still until it has caught up", async () => {
    const world = await startedWorld();
    await world.pass(60_000);
    world.setStoreClock(-100_000);
    const before = world.clock.peek();
    await world.pass(roundTripMs);
    const after = await world.clock.now();
    expect(after.earliestMs).toBe(before?.earliestMs);
    expect(after.latestMs).toBe(after.earliestMs);
    await world.pass(50_000);
    expect(world.clock.peek()).toEqual(after);
    await world.pass(60_000);
    expectTruth(world, world.clock.peek());
  });
});

test("after the delay until a time of the store, its earliest is there", async () => {
  const world = await startedWorld({ rate: 1.0005 });
  const bounds = await world.clock.now();
  const untilMs = bounds.earliestMs + 50_000;
  const delayMs = world.clock.delayUntil(untilMs, bounds);
  expect(delayMs).toBeGreaterThan(50_000);
  expect(delayMs).toBeLessThan(50_030);
  await world.pass(delayMs / 1.0005);
  expect((await world.clock.now()).earliestMs).toBeGreaterThanOrEqual(untilMs - 1e-3);
  expect(world.clock.delayUntil(bounds.earliestMs - 1, bounds)).toBe(0);
});

test("in memory the clock is the runtime's, to the millisecond", async () => {
  const runtime = createVirtualRuntime();
  const clock = new StoreClock({ backend: memoryBackend({ runtime }), runtime });
  expect(await clock.now()).toEqual({ earliestMs: runtime.wallMs(), latestMs: runtime.wallMs() });
});

test("a store whose bounds are out of order is a bug, and said to be one", async () => {
  const runtime = createVirtualRuntime();
  for (const bounds of [
    { earliestMs: 2, latestMs: 1 },
    { earliestMs: Number.NaN, latestMs: 1 },
  ]) {
    const clock = new StoreClock({ backend: { time: async () => bounds }, runtime });
    await expect(clock.now()).rejects.toThrow("a store's bounds are in order");
  }
  const refuse = () => new StoreClock({ backend: memoryBackend(), runtime, driftTolerance: 1 });
  expect(refuse).toThrow("a drift tolerance of 1 is none");
});
