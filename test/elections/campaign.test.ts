// Goal: one candidate leads at a time, in rising terms, with a value that all can read; it gives up, hands over or dies,
// and the right one leads next, whichever answer is lost.
import { describe, expect, test } from "vitest";
import { AbortedError, AcquireTimeoutError, ClosedError, LeaseLostError } from "../../src/index.ts";
import { type FaultKind, plant, writes } from "../locks/faults.ts";
import { deathMs, now, track, ttlMs } from "../locks/world.ts";
import { createElectionWorld, electionName } from "./candidates.ts";

test("a leader shows its identity, value, term and machine, and the next one has a larger term", async () => {
  const world = createElectionWorld();
  expect(await world.election(1).leader()).toBe(null);
  const first = await world.election(0).campaign({ identity: "a", value: { at: "10.0.0.5" } });
  expect(first).toMatchObject({ identity: "a", value: { at: "10.0.0.5" }, term: first.fence, state: "held" });
  const shown = await world.election(1).leader();
  expect(shown).toEqual({
    ...{ identity: "a", value: { at: "10.0.0.5" }, term: first.term, since: new Date(first.acquiredAt) },
    client: { host: expect.any(String), pid: process.pid },
  });
  expect(await first.resign()).toBe("resigned");
  expect(await first.resign()).toBe("resigned");
  expect(await world.election(1).leader()).toBe(null);
  const second = await world.election(1).campaign();
  expect(second.term).toBeGreaterThan(first.term);
  expect(second.value).toBe(null);
  expect((await world.election(0).leader())?.identity).toBe(second.identity);
});

test("candidates are elected in order, and each gets its own value published", async () => {
  const world = createElectionWorld({ clients: 3 });
  const { runtime } = world;
  const first = await world.election(0).campaign({ value: 0 });
  const waiting = [1, 2].map((index) => track(runtime, world.election(index).campaign({ value: index })));
  await runtime.settle();
  await first.resign();
  await runtime.settle();
  expect(waiting.map(({ state }) => state)).toEqual(["resolved", "pending"]);
  expect((await world.election(0).leader())?.value).toBe(1);
  await waiting[0]?.value?.resign();
  await runtime.settle();
  expect((await world.election(0).leader())?.value).toBe(2);
});

test("proclaim publishes in order, and a leader that resigned or was lost cannot", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const first = await world.election(0).campaign({ value: 1 });
  await Promise.all([first.proclaim(2), first.proclaim([3])]);
  expect((await world.election(1).leader())?.value).toEqual([3]);
  expect(first.value).toEqual([3]);
  await first.resign();
  await expect(first.proclaim(4)).rejects.toThrow(LeaseLostError);
  const second = await world.election(0).campaign();
  world.client(0).pause();
  const other = track(runtime, world.election(1).campaign({ value: "other" }));
  await runtime.advance(2 * deathMs);
  expect(other.state).toBe("resolved");
  world.client(0).resume("answers");
  await expect(second.proclaim("late")).rejects.toThrow(LeaseLostError);
  await runtime.settle();
  expect((await world.election(1).leader())?.value).toBe("other");
});

test("what was published does not change with the object that it was made from", async () => {
  const world = createElectionWorld();
  const value = { at: "a" };
  const leading = world.election(0).campaign({ value });
  value.at = "b";
  const leadership = await leading;
  const proclaiming = leadership.proclaim(value);
  value.at = "c";
  await proclaiming;
  expect([leadership.value, (await world.election(1).leader())?.value]).toEqual([{ at: "b" }, { at: "b" }]);
});

describe("a leader that", () => {
  test.each(["crashes", "is paused"] as const)(
    "%s is replaced after its TTL, and not before",
    async (how) => {
      const world = createElectionWorld();
      const { runtime } = world;
      const first = await world.election(0).campaign({ identity: "a" });
      const second = track(runtime, world.election(1).campaign({ identity: "b" }));
      await runtime.settle();
      world.client(0).pause();
      const pausedAtMs = runtime.monotonicMs();
      await runtime.advance(3 * deathMs);
      expect(second.state).toBe("resolved");
      expect(second.atMs - pausedAtMs).toBeGreaterThan(ttlMs * 0.9);
      expect(second.value?.term).toBeGreaterThan(first.term);
      if (how === "crashes") return;
      world.client(0).resume("answers");
      expect(first.signal.aborted).toBe(true);
      expect(first.state).toBe("lost");
      await expect(first.resign({ to: "c" })).rejects.toThrow(LeaseLostError);
      await runtime.settle();
      expect((await world.election(0).leader())?.identity).toBe("b");
    },
  );
});

describe("what ends a campaign leaves nothing in line:", () => {
  test("the time is up, the signal fires, the coordinator is closed", async () => {
    const world = createElectionWorld({ clients: 4 });
    const { runtime } = world;
    await world.election(0).campaign();
    const abort = new AbortController();
    const timed = track(runtime, world.election(1).campaign({ wait: "1s" }));
    const tried = track(runtime, world.election(1).campaign({ wait: 0 }));
    const aborted = track(runtime, world.election(2).campaign({ signal: abort.signal }));
    const closed = track(runtime, world.election(3).campaign());
    await runtime.settle();
    expect(tried.error).toBeInstanceOf(AcquireTimeoutError);
    abort.abort();
    const closing = world.client(3).coordinator.close();
    await runtime.advance(1_500);
    await closing;
    expect(timed.error).toBeInstanceOf(AcquireTimeoutError);
    expect(aborted.error).toBeInstanceOf(AbortedError);
    expect(closed.error).toBeInstanceOf(ClosedError);
    expect((await world.electionRoster()).waiters).toEqual([]);
    await expect(world.election(3).campaign()).rejects.toThrow(ClosedError);
    await expect(world.election(3).leader()).rejects.toThrow(ClosedError);
  });
});

describe.each<FaultKind>(["lost before", "lost after", "applied late", "answered late"])(
  "a write that is %s",
  (fault) => {
    test.each(["campaign", "proclaim", "resign", "hand-over"] as const)(
      "at the %s harms nobody",
      async (step) => {
        const world = createElectionWorld({ clients: 3 });
        const { runtime } = world;
        await now(runtime, world.client(0).coordinator.lock("opens the session").acquire());
        const strike = () => plant(world.client(0).backend, fault, writes("roster"), 1);
        let planted = step === "campaign" ? strike() : undefined;
        const campaigning = track(runtime, world.election(0).campaign({ value: "first" }));
        await runtime.advance(ttlMs / 4);
        await planted?.end();
        await runtime.advance(ttlMs / 4);
        const leadership = campaigning.value;
        if (leadership === undefined) throw new Error("expected to lead by now");
        const [next, named] = [1, 2].map((index) =>
          track(runtime, world.election(index).campaign({ identity: `node-${index}` })),
        );
        await runtime.settle();
        if (step === "proclaim") {
          planted = strike();
          const proclaiming = track(runtime, leadership.proclaim("second"));
          await runtime.advance(ttlMs / 4);
          await planted.end();
          await runtime.settle();
          expect(proclaiming.state).toBe(fault === "answered late" ? "resolved" : "rejected");
          await leadership.proclaim("third");
          expect((await world.election(1).leader())?.value).toBe("third");
        }
        planted = step === "resign" || step === "hand-over" ? strike() : undefined;
        const resigning = track(
          runtime,
          leadership.resign(step === "hand-over" ? { to: "node-2" } : undefined),
        );
        await runtime.advance(ttlMs / 4);
        await planted?.end();
        await runtime.advance(ttlMs / 2);
        expect(resigning).toMatchObject({
          state: "resolved",
          value: step === "hand-over" ? "handed-over" : "resigned",
        });
        const [winner, loser] = step === "hand-over" ? [named, next] : [next, named];
        expect([winner?.state, loser?.state]).toEqual(["resolved", "pending"]);
        expect(winner?.value?.term).toBeGreaterThan(leadership.term);
        const roster = await world.electionRoster();
        expect([roster.holders.length, roster.waiters.length]).toEqual([1, 1]);
      },
    );
  },
);

describe("a hand-over", () => {
  test("elects the named candidate in the write that resigns, before those who came first", async () => {
    const world = createElectionWorld({ clients: 4 });
    const { runtime } = world;
    const leader = await world.election(0).campaign({ identity: "a" });
    const candidates = ["b", "c", "d"].map((identity, index) =>
      track(runtime, world.election(index + 1).campaign({ identity })),
    );
    await runtime.settle();
    expect(await leader.resign({ to: "d" })).toBe("handed-over");
    expect(await leader.resign()).toBe("handed-over");
    expect(leader.state).toBe("released");
    await runtime.settle();
    expect(candidates.map(({ state }) => state)).toEqual(["pending", "pending", "resolved"]);
    expect((await world.electionRoster()).waiters.map(({ identity }) => identity)).toEqual(["b", "c"]);
    // Who had to wait watches the record since, and writes over what it shows now.
    world.client(3).backend.resetCounts();
    expect(await candidates[2]?.value?.resign({ to: "c" })).toBe("handed-over");
    expect(world.client(3).backend.counts).toMatchObject({ reads: 0, writes: 1 });
  });

  test("to nobody who stands in line says so, and the next in line leads", async () => {
    const world = createElectionWorld();
    const { runtime } = world;
    const leader = await world.election(0).campaign({ identity: "a" });
    const next = track(runtime, world.election(1).campaign({ identity: "b" }));
    await runtime.settle();
    expect(await leader.resign({ to: "a" })).toBe("absent");
    await runtime.settle();
    expect(next.state).toBe("resolved");
    expect(await next.value?.resign({ to: "a" })).toBe("absent");
    expect((await world.electionRoster()).holders).toEqual([]);
  });

  test("reaches a candidate of the same process", async () => {
    const world = createElectionWorld();
    const { runtime } = world;
    const leader = await world.election(0).campaign({ identity: "a" });
    track(runtime, world.election(1).campaign({ identity: "b" }));
    await runtime.settle();
    const local = track(runtime, world.election(0).campaign({ identity: "c" }));
    await runtime.settle();
    expect(await leader.resign({ to: "c" })).toBe("handed-over");
    await runtime.settle();
    expect(local.state).toBe("resolved");
  });

  test("elects exactly one while candidates come and go", async () => {
    const world = createElectionWorld({ clients: 5 });
    const { runtime } = world;
    let term = 0;
    let leader = await world.election(0).campaign({ identity: "node-0" });
    for (let round = 1; round <= 12; round += 1) {
      const abort = new AbortController();
      const [heir, other] = [(round % 4) + 1, ((round + 1) % 4) + 1];
      const leaving = track(runtime, world.election(other).campaign({ signal: abort.signal }));
      const staying = track(runtime, world.election(heir).campaign({ identity: `node-${round}` }));
      await runtime.settle();
      abort.abort();
      expect(await leader.resign({ to: `node-${round}` })).toBe("handed-over");
      await runtime.advance(ttlMs / 10);
      expect([leaving.state, staying.state]).toEqual(["rejected", "resolved"]);
      expect(leader.term).toBeGreaterThan(term);
      term = leader.term;
      leader = staying.value as typeof leader;
      expect((await world.electionRoster()).waiters).toEqual([]);
    }
  });
});

test("a coordinator that is closed gives up leading, and says so", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const leader = await world.election(0).campaign();
  const next = track(runtime, world.election(1).campaign());
  await runtime.settle();
  await world.client(0).coordinator.close();
  await runtime.settle();
  expect(next.state).toBe("resolved");
  expect(leader.signal.reason).toBeInstanceOf(ClosedError);
  expect(await world.client(1).coordinator.inspect(electionName, { kind: "election" })).toMatchObject({
    kind: "election",
    holders: [{ fence: next.value?.term }],
  });
});
