// Goal: a process that comes back under its identity leads on at once in a larger term, its earlier life learns of that at
// its next heartbeat, and nobody who is somebody else is touched.
import { describe, expect, test } from "vitest";
import { AbortedError, AcquireTimeoutError, InvalidArgumentError, LeaseLostError } from "../../src/index.ts";
import { everything, type FaultKind, plant, writes } from "../locks/faults.ts";
import { now, track, ttlMs } from "../locks/world.ts";
import { createElectionWorld } from "./candidates.ts";

const asA = { identity: "a", resume: true } as const;

test("after a crash the new life leads without waiting, before those who stand in line", async () => {
  const world = createElectionWorld({ clients: 3 });
  const { runtime } = world;
  const before = await world.election(0).campaign({ identity: "a" });
  const other = track(runtime, world.election(1).campaign({ identity: "b" }));
  await runtime.settle();
  world.client(0).pause();
  const after = await now(runtime, world.election(2).campaign({ ...asA, value: "again" }));
  expect(after.term).toBeGreaterThan(before.term);
  expect(other.state).toBe("pending");
  expect(await world.election(1).leader()).toMatchObject({ identity: "a", value: "again", term: after.term });
  const roster = await world.electionRoster();
  expect([roster.holders.length, roster.waiters.length]).toEqual([1, 1]);
  expect((await world.sessions()).filter(({ state }) => state === "dead")).toMatchObject([{ by: "a" }]);
});

test("an earlier life that goes on learns at its next heartbeat, and harms nobody", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const before = await world.election(0).campaign({ identity: "a" });
  const lock = await world.client(0).lock.acquire();
  const after = await now(runtime, world.election(1).campaign(asA));
  expect(before.state).toBe("held");
  await runtime.advance(ttlMs / 3 + ttlMs / 9);
  expect([before.state, lock.state]).toEqual(["lost", "lost"]);
  expect(before.signal.reason).toBeInstanceOf(LeaseLostError);
  await expect(before.proclaim("late")).rejects.toThrow(LeaseLostError);
  await expect(before.resign()).rejects.toThrow(LeaseLostError);
  await runtime.advance(ttlMs);
  expect(after.state).toBe("held");
  expect((await world.electionRoster()).holders).toMatchObject([{ fence: after.term, identity: "a" }]);
});

test("a candidate that comes back keeps its place in line", async () => {
  const world = createElectionWorld({ clients: 5 });
  const { runtime } = world;
  const leader = await world.election(0).campaign({ identity: "leader" });
  for (const [index, identity] of ["b", "a", "c"].entries()) {
    track(runtime, world.election(index + 1).campaign({ identity }));
    await runtime.settle();
  }
  world.client(2).pause();
  track(runtime, world.election(4).campaign(asA));
  await runtime.settle();
  const roster = await world.electionRoster();
  expect(roster.holders).toMatchObject([{ identity: "leader", fence: leader.term }]);
  expect(roster.waiters.map(({ identity }) => identity)).toEqual(["b", "a", "c"]);
});

test("without an earlier life it costs no request more, and nobody else is touched", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  await now(runtime, world.client(0).coordinator.lock("opens the session").acquire());
  world.client(0).backend.resetCounts();
  const leader = await now(runtime, world.election(0).campaign({ ...asA, identity: "b" }));
  expect(world.client(0).backend.counts).toMatchObject({ reads: 1, writes: 1 });
  const waiting = track(runtime, world.election(1).campaign(asA));
  await runtime.advance(3 * ttlMs);
  expect([leader.state, waiting.state]).toEqual(["held", "pending"]);
});

test("with an earlier life it costs one read and one write more", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  await world.election(0).campaign({ identity: "a" });
  await now(runtime, world.client(1).coordinator.lock("opens the session").acquire());
  world.client(1).backend.resetCounts();
  await now(runtime, world.election(1).campaign(asA));
  expect(world.client(1).backend.counts).toMatchObject({ reads: 2, writes: 2 });
});

test("what this process itself holds or waits for is no earlier life", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const first = await world.election(0).campaign({ identity: "a" });
  const second = track(runtime, world.election(0).campaign(asA));
  await runtime.advance(ttlMs);
  expect([first.state, second.state]).toEqual(["held", "pending"]);
  await first.resign();
  await runtime.settle();
  expect(second.value?.term).toBeGreaterThan(first.term);
});

test("two that resume at once take turns, and terms rise", async () => {
  const world = createElectionWorld({ clients: 4 });
  const { runtime } = world;
  const before = await world.election(0).campaign({ identity: "a" });
  const racers = [1, 2, 3].map((index) => track(runtime, world.election(index).campaign(asA)));
  await runtime.advance(4 * ttlMs);
  const terms = racers.flatMap(({ value }) => (value === undefined ? [] : [value.term]));
  expect(new Set([before.term, ...terms]).size).toBe(terms.length + 1);
  expect(Math.min(...terms)).toBeGreaterThan(before.term);
  const held = racers.filter(({ value }) => value?.state === "held");
  expect(held).toHaveLength(1);
  expect((await world.electionRoster()).fence).toBe(held[0]?.value?.term);
});

test.each([true, false])(
  "a life that crashed while it took over itself is taken over as well, at once; there was one before it: %s",
  async (isThird) => {
    const world = createElectionWorld({ clients: 4 });
    const { runtime } = world;
    const first = isThird ? await world.election(0).campaign({ identity: "a" }) : undefined;
    world.client(0).pause();
    // The write by which the second one comes in is on its way when it crashes.
    const late = plant(world.client(1).backend, "applied late", writes("roster"), 1);
    track(runtime, world.election(1).campaign(asA));
    await runtime.settle();
    world.client(1).pause();
    // The next one has looked who there was, and comes in after it.
    const slow = plant(world.client(2).backend, "held back", writes("roster"), 1);
    const third = track(runtime, world.election(2).campaign(asA));
    await runtime.settle();
    await late.end();
    const [second] = (await world.electionRoster()).holders;
    const other = track(runtime, world.election(3).campaign({ identity: "b" }));
    await runtime.settle();
    await slow.end();
    await runtime.settle();
    expect([late.struck, slow.struck, third.state, other.state]).toEqual([1, 1, "resolved", "pending"]);
    expect(third.value?.term).toBeGreaterThan(second?.fence ?? Number.NaN);
    expect(second?.fence).toBeGreaterThan(first?.term ?? 0);
    await runtime.advance(ttlMs);
    expect(third.value?.state).toBe("held");
  },
);

describe.each<FaultKind>(["lost before", "lost after", "applied late", "answered late"])(
  "a %s write",
  (fault) => {
    test.each(["tombstone", "roster", "heartbeat of the earlier life"] as const)(
      "of the %s",
      async (what) => {
        const world = createElectionWorld({ clients: 3 });
        const { runtime } = world;
        const before = await world.election(0).campaign({ identity: "a" });
        const next = track(runtime, world.election(1).campaign({ identity: "b" }));
        await now(runtime, world.client(2).coordinator.lock("opens the session").acquire());
        const planted =
          what === "heartbeat of the earlier life"
            ? plant(world.client(0).backend, fault, writes("heartbeat"), 1)
            : plant(world.client(2).backend, fault, writes(what), 1);
        if (what === "heartbeat of the earlier life") await runtime.advance(ttlMs / 3);
        const resuming = track(runtime, world.election(2).campaign(asA));
        await runtime.advance(ttlMs / 4);
        await planted.end();
        expect(planted.struck).toBe(1);
        await runtime.advance(ttlMs / 4);
        // The next in line saw the tombstone while the one who wrote it did not know of it yet.
        if (fault === "answered late" && what === "tombstone") {
          expect([next.state, resuming.state]).toEqual(["resolved", "pending"]);
          await next.value?.resign();
          await runtime.settle();
        } else expect(next.state).toBe("pending");
        expect(resuming.state).toBe("resolved");
        expect(resuming.value?.term).toBeGreaterThan(before.term);
        await runtime.advance(ttlMs);
        expect([before.state, resuming.value?.state]).toEqual(["lost", "held"]);
      },
    );
  },
);

test("it gives up in time, when its signal fires, and with what cannot be used", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  await world.election(0).campaign({ identity: "a" });
  const fault = plant(world.client(1).backend, "held back", everything);
  const abort = new AbortController();
  const aborted = track(runtime, world.election(1).campaign({ ...asA, signal: abort.signal }));
  const timed = track(runtime, world.election(1).campaign({ ...asA, wait: "1s" }));
  await runtime.advance(1_001);
  abort.abort();
  await runtime.settle();
  expect(timed.error).toBeInstanceOf(AcquireTimeoutError);
  expect(aborted.error).toBeInstanceOf(AbortedError);
  await fault.end();
  await runtime.settle();
  expect((await world.sessions()).map(({ state }) => state)).toEqual(["live"]);
  for (const options of [
    { resume: true },
    { ...asA, wait: 0 },
    { identity: "" },
    { identity: "x".repeat(257) },
    { resume: 1 as unknown as boolean },
    { value: 1n as unknown as string },
    { value: (() => 1) as unknown as string },
    { value: "x".repeat(1_023) },
    { vaule: 1 } as object,
    { signal: {} as AbortSignal },
    { wait: -1 },
  ]) {
    await expect(world.election(1).campaign(options)).rejects.toThrow(InvalidArgumentError);
  }
  const leadership = await world
    .client(1)
    .coordinator.election("other")
    .campaign({ value: "x".repeat(1_022) });
  await expect(leadership.proclaim(undefined as unknown as string)).rejects.toThrow(InvalidArgumentError);
  await expect(leadership.resign({ to: "" })).rejects.toThrow(InvalidArgumentError);
  await expect(leadership.resign({ too: "b" } as object)).rejects.toThrow(InvalidArgumentError);
  expect(leadership.state).toBe("held");
  expect(() => world.client(1).coordinator.election("")).toThrow(InvalidArgumentError);
  expect(() => world.client(1).coordinator.election("x", { ttl: 1 })).toThrow(InvalidArgumentError);
  expect(() => world.election(1).observe({ signal: 1 as unknown as AbortSignal })).toThrow(
    InvalidArgumentError,
  );
});
