// Goal: an observer is told who leads now and then each newest state, whatever hints are lost, and ends without a trace.
import { describe, expect, test } from "vitest";
import type { Capabilities } from "../../src/core/backend.ts";
import { PermissionDeniedError } from "../../src/index.ts";
import { everything, plant } from "../locks/faults.ts";
import { deathMs, track, ttlMs } from "../locks/world.ts";
import { createElectionWorld, listen } from "./candidates.ts";

const stores: readonly (readonly [string, Partial<Capabilities> | undefined, number])[] = [
  ["reports changes", undefined, 0],
  ["only wakes", { watch: "none" }, 2_000],
  ["has no hints at all", { watch: "none", wake: false }, 2_000],
  ["loses every hint", { watch: "push" }, 0.5 * ttlMs],
];

describe.each(stores)("over a store that %s", (title, capabilities, delayMs) => {
  const create = () => {
    const world = createElectionWorld({ clients: 3, ...(capabilities && { capabilities }) });
    const [observer] = [world.client(2)];
    // A backend that promises hints and brings none.
    if (title.startsWith("loses")) Object.assign(observer.backend, { watch: () => () => undefined });
    return world;
  };

  test("who leads is told at first, and then what changes: value, resignation, successor", async () => {
    const world = create();
    const { runtime } = world;
    const told = listen(world.election(2).observe());
    await runtime.settle();
    expect(told.states).toEqual([null]);
    const first = await world.election(0).campaign({ identity: "a", value: 1 });
    await runtime.advance(delayMs);
    expect(told.states[1]).toMatchObject({
      identity: "a",
      value: 1,
      term: first.term,
      client: { pid: process.pid },
    });
    await first.proclaim(2);
    await runtime.advance(delayMs);
    expect(told.states[2]).toMatchObject({ identity: "a", value: 2, client: { pid: process.pid } });
    const second = track(runtime, world.election(1).campaign({ identity: "b" }));
    await runtime.settle();
    await first.resign();
    await runtime.advance(delayMs);
    await second.value?.resign();
    await runtime.advance(delayMs);
    expect(told.identities()).toEqual([null, "a", "a", "b", null]);
    const late = listen(world.election(2).observe());
    await runtime.advance(ttlMs);
    expect(late.states).toEqual([null]);
    expect(told.states).toHaveLength(5);
  });

  test("a leader that dies is over, also where nobody else campaigns", async () => {
    const world = create();
    const { runtime } = world;
    await world.election(0).campaign({ identity: "a" });
    const told = listen(world.election(2).observe());
    await runtime.advance(2 * ttlMs);
    expect(told.identities()).toEqual(["a"]);
    world.client(0).pause();
    await runtime.advance(2 * deathMs);
    expect(told.identities()).toEqual(["a", null]);
  });

  test.each(["its signal fires", "its coordinator is closed", "the loop ends"])(
    "when %s it ends, and no timer stays",
    async (how) => {
      const world = create();
      const { runtime } = world;
      const abort = new AbortController();
      const observation = world.election(2).observe({ signal: abort.signal });
      const iterator = observation[Symbol.asyncIterator]();
      expect(await iterator.next()).toEqual({ done: false, value: null });
      const pending = track(runtime, iterator.next());
      await runtime.settle();
      if (how === "its signal fires") abort.abort();
      else if (how === "the loop ends") await iterator.return?.();
      else await world.client(2).coordinator.close();
      await runtime.settle();
      expect(pending.value).toEqual({ done: true, value: undefined });
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      expect(runtime.timerCount).toBe(0);
      const after = listen(world.election(2).observe({ signal: abort.signal }));
      await runtime.settle();
      expect(after.isOver).toBe(how !== "the loop ends");
    },
  );
});

test("a slow reader skips what is over, and gets the newest", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const iterator = world.election(1).observe()[Symbol.asyncIterator]();
  await iterator.next();
  const leadership = await world.election(0).campaign();
  for (let value = 1; value <= 20; value += 1) await leadership.proclaim(value);
  await runtime.settle();
  expect((await iterator.next()).value).toMatchObject({ value: 20 });
  const pending = track(runtime, iterator.next());
  await runtime.advance(ttlMs);
  expect(pending.state).toBe("pending");
});

test("an outage of the store is waited out; a refusal for good is told once", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const fault = plant(world.client(1).backend, "lost before", everything);
  const told = listen(world.election(1).observe());
  await runtime.advance(ttlMs);
  await world.election(0).campaign({ identity: "a" });
  expect(told.states).toEqual([]);
  await fault.end();
  await runtime.advance(ttlMs);
  expect(told.identities().at(-1)).toBe("a");
  world.client(1).backend.intercept(() => Promise.reject(new PermissionDeniedError("a test refuses")));
  await runtime.advance(ttlMs);
  expect(told.error).toBeInstanceOf(PermissionDeniedError);
  expect(told.isOver).toBe(false);
});

test("an idle observer costs at most three reads in a TTL, and no writes", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  await world.election(0).campaign();
  listen(world.election(1).observe());
  await runtime.advance(ttlMs);
  world.client(1).backend.resetCounts();
  await runtime.advance(10 * ttlMs);
  expect(world.client(1).backend.counts.reads).toBeLessThanOrEqual(30);
  expect(world.client(1).backend.counts.writes).toBe(0);
});

test("questions that are asked before the earlier ones are answered, are answered in order", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  const iterator = world.election(1).observe()[Symbol.asyncIterator]();
  const answers = [iterator.next(), iterator.next(), iterator.next()].map((next) => track(runtime, next));
  await runtime.settle();
  const leadership = await world.election(0).campaign({ identity: "a" });
  await runtime.settle();
  await leadership.resign();
  await runtime.settle();
  expect(answers.map(({ value }) => value?.value?.identity ?? null)).toEqual([null, "a", null]);
  await iterator.return?.();
  await world.client(0).coordinator.close();
  expect(runtime.timerCount).toBe(0);
});

test("a refusal of the read of the leader's session ends it, and no timer stays", async () => {
  const world = createElectionWorld();
  const { runtime } = world;
  await world.election(0).campaign({ identity: "a" });
  world
    .client(1)
    .backend.intercept((request, send) =>
      request.kind === "get" && request.keys.length === 1 && request.keys[0]?.includes(".session.")
        ? Promise.reject(new PermissionDeniedError("a test refuses"))
        : send(),
    );
  const before = runtime.timerCount;
  const told = listen(world.election(1).observe());
  await runtime.settle();
  expect(told.error).toBeInstanceOf(PermissionDeniedError);
  expect(runtime.timerCount).toBe(before);
});
