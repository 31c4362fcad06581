// Goal: a barrier ends with its coordinator, refuses what cannot be, and says when its record vanished.
import { describe, expect, test } from "vitest";
import type { Barrier, BarrierStay } from "../../src/index.ts";
import { createWorld, track, ttlMs } from "../locks/world.ts";
import { barrierName, barriers, enterEach, rosterOf, staysOf } from "./barrier-world.ts";

describe("closing and refusals", () => {
  test("the coordinator's close ends who waits, takes out who is in, and leaves nothing behind", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const all = barriers(world, 2);
    const entering = await enterEach(world, all);
    const [stay] = staysOf(entering);
    const leaving = track(runtime, (staysOf(entering)[1] as BarrierStay).leave());
    await runtime.settle();
    const closing = world.clients.map(({ coordinator }) => track(runtime, coordinator.close()));
    await runtime.advance(ttlMs);
    expect(closing.map(({ state }) => state)).toEqual(["resolved", "resolved", "resolved"]);
    expect(entering[2]?.error).toMatchObject({ code: "CLOSED" });
    expect(leaving.state === "resolved" || (leaving.error as { code: string }).code === "CLOSED").toBe(true);
    expect(stay?.signal.reason).toMatchObject({ code: "CLOSED" });
    expect((await rosterOf(world, "barrier")).holders).toEqual([]);
    expect(await world.sessions()).toEqual([]);
    expect(runtime.timerCount).toBe(0);
    await expect(all[0]?.enter()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("a wait to leave that is cut short has left all the same", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [first, second] = staysOf(await enterEach(world, barriers(world, 2))) as [BarrierStay, BarrierStay];
    const timed = track(runtime, first.leave({ wait: 500 }));
    await runtime.advance(500);
    expect(timed.error).toMatchObject({ code: "ACQUIRE_TIMEOUT", message: expect.stringContaining("left") });
    await second.leave();
    await first.leave();
  });

  test("another number of parties than the record's is refused", async () => {
    const world = createWorld();
    const { runtime } = world;
    await enterEach(world, [barriers(world, 3)[0] as Barrier]);
    const wrong = track(runtime, (barriers(world, 2)[1] as Barrier).enter());
    await runtime.settle();
    expect(wrong.error).toMatchObject({ code: "LIMIT_MISMATCH", limit: 3, expected: 2 });
    expect((wrong.error as Error).message).toMatch(/the barrier "start" is for 3 parties/);
    expect((await rosterOf(world, "barrier")).holders).toHaveLength(1);
  });

  test("inspect shows who is in, and what it said of itself", async () => {
    const world = createWorld();
    const [first, second] = barriers(world, 2) as [Barrier, Barrier];
    expect(await second.inspect()).toBeNull();
    track(world.runtime, first.enter({ metadata: { shard: 1 } }));
    await world.runtime.settle();
    expect((await second.inspect())?.holders[0]?.metadata).toEqual({ shard: 1 });
  });

  test.each([0, 101, 1.5, Number.NaN, "2" as never])("%s is no number of parties", (parties) => {
    const { coordinator } = createWorld().client(0);
    expect(() => coordinator.barrier("x", parties)).toThrow(/whole number from 1 to 100/);
    expect(() => coordinator.barrier("", 1)).toThrow(/barrier's name/);
  });

  test("options are checked before anything is sent", async () => {
    const { coordinator, backend } = createWorld().client(0);
    const barrier = coordinator.barrier("x", 1);
    const invalid = { code: "INVALID_ARGUMENT" };
    await expect(barrier.enter({ parties: 2 } as never)).rejects.toMatchObject(invalid);
    await expect(barrier.enter({ wait: Number.NaN })).rejects.toMatchObject(invalid);
    await expect(barrier.enter({ metadata: "x".repeat(2_000) })).rejects.toMatchObject(invalid);
    expect(backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
  });
});

describe("a record that vanished", () => {
  test("while parties wait lets them come in again", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [first, second] = barriers(world, 2) as [Barrier, Barrier];
    const entering = await enterEach(world, [first]);
    await world.store.commit([{ kind: "delete", key: `default.barrier.${barrierName}` }]);
    await runtime.advance(ttlMs);
    entering.push(...(await enterEach(world, [second])));
    await runtime.advance(ttlMs);
    expect(entering.map(({ value }) => value?.round)).toEqual([1, 1]);
  });

  test("while parties leave is reported: nobody knows who is still in", async () => {
    const world = createWorld({ clients: 2 });
    const { runtime } = world;
    const [stay] = staysOf(await enterEach(world, barriers(world, 2)));
    const leaving = track(runtime, (stay as BarrierStay).leave());
    await runtime.settle();
    await world.store.commit([{ kind: "delete", key: `default.barrier.${barrierName}` }]);
    await runtime.advance(ttlMs);
    expect(leaving.error).toMatchObject({ code: "LEASE_LOST", message: expect.stringContaining("vanished") });
  });
});
