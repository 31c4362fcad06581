// Goal: `lead` runs its work only while it leads, waits for the end of the work before anybody else is let in, and leads
// again after a loss where that is asked for.
import { expect, test } from "vitest";
import {
  AbortedError,
  ClosedError,
  FenceRejectedError,
  InvalidArgumentError,
  type Leadership,
  LeaseLostError,
} from "../../src/index.ts";
import { deathMs, track, ttlMs } from "../locks/world.ts";
import { createElectionWorld } from "./candidates.ts";

/** Resolves when the term is to end; what it then throws is the reason. */
const untilAborted = ({ signal }: Leadership): Promise<never> =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

test("it answers what the work answers, or throws what it throws, and resigns then", async () => {
  const world = createElectionWorld();
  const answer = await world.election(0).lead(({ value, state }) => [value, state], { value: "v" });
  expect(answer).toEqual(["v", "held"]);
  expect((await world.electionRoster()).holders).toEqual([]);
  const failing = world.election(0).lead(() => Promise.reject(new RangeError("work")), { again: true });
  await expect(failing).rejects.toThrow(RangeError);
  expect((await world.electionRoster()).holders).toEqual([]);
  await expect(world.election(0).lead(undefined as never)).rejects.toThrow(InvalidArgumentError);
  await expect(world.election(0).lead(() => 1, { again: 1 as never })).rejects.toThrow(InvalidArgumentError);
  await expect(world.election(0).campaign({ again: true } as object)).rejects.toThrow(InvalidArgumentError);
});

test("its signal asks the work to stop, and the next leads only when the work has stopped", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const abort = new AbortController();
  const { promise: finished, resolve: finish } = Promise.withResolvers<string>();
  let isStopping = false;
  const leading = track(
    runtime,
    world.election(0).lead(
      async ({ signal }) => {
        signal.addEventListener("abort", () => {
          isStopping = true;
        });
        return finished;
      },
      { signal: abort.signal, again: true },
    ),
  );
  await runtime.settle();
  const next = track(runtime, world.election(1).campaign());
  await runtime.settle();
  abort.abort();
  await runtime.advance(3 * ttlMs);
  expect(isStopping).toBe(true);
  expect([leading.state, next.state]).toEqual(["pending", "pending"]);
  finish("done");
  await runtime.settle();
  expect([leading.value, next.state]).toEqual(["done", "resolved"]);
});

test("after a loss it waits for the work, and throws the loss", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  let isOver = false;
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const leading = track(
    runtime,
    world.election(0).lead(async () => {
      await finished;
      isOver = true;
    }),
  );
  const next = track(runtime, world.election(1).campaign());
  await runtime.settle();
  world.client(0).pause();
  await runtime.advance(2 * deathMs);
  expect(next.state).toBe("resolved");
  world.client(0).resume("timers");
  await runtime.advance(ttlMs);
  expect(leading.state).toBe("pending");
  finish();
  await runtime.settle();
  expect(isOver).toBe(true);
  expect(leading.error).toBeInstanceOf(LeaseLostError);
  expect((await world.electionRoster()).holders).toMatchObject([{ fence: next.value?.term }]);
});

test("with again it campaigns anew after each loss, in a larger term, until its signal fires", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const abort = new AbortController();
  const terms: number[] = [];
  const leading = track(
    runtime,
    world.election(0).lead(
      (leadership) => {
        terms.push(leadership.term);
        return untilAborted(leadership);
      },
      { again: true, signal: abort.signal, identity: "a" },
    ),
  );
  await runtime.settle();
  for (let loss = 1; loss <= 3; loss += 1) {
    const other = track(runtime, world.election(1).campaign());
    await runtime.settle();
    world.client(0).pause();
    await runtime.advance(2 * deathMs);
    expect(other.state).toBe("resolved");
    world.client(0).resume(loss === 1 ? "answers" : "timers");
    await runtime.advance(ttlMs / 10);
    await other.value?.resign();
    await runtime.settle();
    expect(terms).toHaveLength(loss + 1);
    expect(terms[loss]).toBeGreaterThan(other.value?.term ?? Number.NaN);
  }
  abort.abort();
  await runtime.settle();
  expect(leading.error).toBeInstanceOf(AbortedError);
  expect((await world.electionRoster()).holders).toEqual([]);
});

test("with again, an error of the work itself ends it, also after a loss", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const work = async (leadership: Leadership): Promise<void> => {
    await untilAborted(leadership).catch(() => undefined);
    throw new RangeError("could not flush");
  };
  const leading = track(runtime, world.election(0).lead(work, { again: true }));
  await runtime.settle();
  world.client(0).pause();
  await runtime.advance(2 * ttlMs);
  world.client(0).resume("timers");
  await runtime.advance(ttlMs);
  expect(leading.error).toBeInstanceOf(RangeError);
});

test("with again, a resource that refuses the term's fence after a loss is no more than the loss", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const terms: number[] = [];
  const work = async ({ term, signal }: Leadership): Promise<void> => {
    terms.push(term);
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    throw new FenceRejectedError("a test refuses it", { fence: term, seenFence: term + 1 });
  };
  const leading = track(runtime, world.election(0).lead(work, { again: true }));
  await runtime.settle();
  await world.client(1).coordinator.forceRelease("scheduler", { kind: "election", reason: "a test" });
  await runtime.advance(ttlMs);
  expect([terms.length, leading.state]).toEqual([2, "pending"]);
});

test("a forced release ends the term alone, and with again it stands in line anew", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const terms: number[] = [];
  const work = (leadership: Leadership): Promise<void> => {
    terms.push(leadership.term);
    return untilAborted(leadership);
  };
  track(runtime, world.election(0).lead(work, { again: true, identity: "a", resume: true }));
  await runtime.settle();
  const lock = await world.client(0).lock.acquire();
  await world.client(1).coordinator.forceRelease("scheduler", { kind: "election", reason: "a test" });
  await runtime.advance(ttlMs);
  expect(terms).toHaveLength(2);
  expect(lock.state).toBe("held");
});

test("closing the coordinator asks the work to stop, waits for it, and ends the loop", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const leading = track(runtime, world.election(0).lead(untilAborted, { again: true }));
  const waiting = track(runtime, world.election(1).lead(untilAborted, { again: true }));
  await runtime.settle();
  await world.client(0).coordinator.close();
  await runtime.settle();
  expect(leading.error).toBeInstanceOf(ClosedError);
  expect((await world.electionRoster()).holders).toHaveLength(1);
  await world.client(1).coordinator.close();
  await runtime.settle();
  expect(waiting.error).toBeInstanceOf(ClosedError);
  expect(runtime.timerCount).toBe(0);
});
