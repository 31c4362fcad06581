// Goal: whoever lives is in the list, whoever died is out of it in bounded time, whoever looks and however many die at once.
import { describe, expect, test } from "vitest";
import { type Group, LimitExceededError, type Member } from "../../src/index.ts";
import { createWorld, deathMs, now, track, ttlMs, type World } from "../locks/world.ts";

const groupOf = (world: World, index: number): Group => world.client(index).coordinator.group("workers");
const names = (members: readonly Member[]) => members.map(({ identity }) => identity);

async function joined(clients: number, options: Parameters<typeof createWorld>[0] = {}) {
  const world = createWorld({ ...options, clients });
  const grants = [];
  for (let index = 0; index < clients; index += 1) {
    grants.push(await now(world.runtime, groupOf(world, index).join({ identity: `m${index}` })));
  }
  return { world, grants };
}

test("members are listed in order of their fences, with what they joined with, and leave on release", async () => {
  const { runtime, ...world } = createWorld();
  const group = groupOf({ runtime, ...world }, 0);
  const first = await now(runtime, group.join({ identity: "a", metadata: { zone: 1 } }));
  const second = await now(runtime, groupOf({ runtime, ...world }, 1).join());
  expect(second.fence).toBeGreaterThan(first.fence);
  expect(await now(runtime, group.members())).toMatchObject([
    { identity: "a", metadata: { zone: 1 }, fence: first.fence },
    { metadata: null, fence: second.fence },
  ]);
  await now(runtime, first.release());
  expect(await now(runtime, group.members())).toHaveLength(1);
});

describe.each([1, 2, 4])("%i of six members die side by side", (deaths) => {
  test("the ring takes them out, and nobody else", async () => {
    const { world, grants } = await joined(6);
    for (let index = 1; index <= deaths; index += 1) world.client(index).pause();
    await world.runtime.advance(deathMs + ttlMs);
    const left = await now(world.runtime, groupOf(world, 0).members());
    expect(names(left)).toEqual(
      ["m0", "m1", "m2", "m3", "m4", "m5"].filter((_, at) => at === 0 || at > deaths),
    );
    expect(grants[0]?.state).toBe("held");
  });
});

test("an observer that is no member sees the list at first, joins, departures and deaths, and ends with its signal", async () => {
  const world = createWorld({ clients: 3 });
  const { runtime } = world;
  const stop = new AbortController();
  const told: (readonly (string | undefined)[])[] = [];
  const reading = (async () => {
    for await (const list of groupOf(world, 2).observe({ signal: stop.signal })) told.push(names(list));
  })();
  await runtime.settle();
  const first = await now(runtime, groupOf(world, 0).join({ identity: "a" }));
  await now(runtime, groupOf(world, 1).join({ identity: "b" }));
  await now(runtime, first.release());
  world.client(1).pause();
  await runtime.advance(deathMs + ttlMs);
  expect(told).toEqual([[], ["a"], ["a", "b"], ["b"], []]);
  stop.abort();
  await now(runtime, reading);
});

test("who only calls members, and is not in the group, sees the dead go", async () => {
  const world = createWorld({ clients: 2 });
  const { runtime } = world;
  await now(runtime, groupOf(world, 0).join({ identity: "a" }));
  world.client(0).pause();
  const seen: number[] = [];
  for (let look = 0; look < 8; look += 1) {
    seen.push((await now(runtime, groupOf(world, 1).members())).length);
    await runtime.advance(ttlMs / 4);
  }
  // It must stand still for longer than four quarters of a TTL, as this caller itself has seen it.
  expect(seen.slice(0, 5)).toEqual([1, 1, 1, 1, 1]);
  expect(seen.at(-1)).toBe(0);
});

test("an idle member costs at most three reads and three heartbeats in a TTL, however many there are", async () => {
  const { world } = await joined(6);
  await world.runtime.advance(ttlMs);
  const { backend } = world.client(3);
  backend.resetCounts();
  await world.runtime.advance(4 * ttlMs);
  expect(backend.counts.reads).toBeGreaterThan(0);
  expect(backend.counts.reads).toBeLessThanOrEqual(4 * 3);
  expect(backend.counts.writes).toBeLessThanOrEqual(4 * 3 + 1);
});

test("a list that the store has no room for is refused, with the limit, and nobody else is touched", async () => {
  const { world } = await joined(1);
  const { backend, coordinator } = world.client(0);
  backend.intercept((request, send) => {
    if (request.kind === "get") return send();
    return Promise.reject(new LimitExceededError("too large"));
  });
  const refused = track(world.runtime, coordinator.group("workers").join({ identity: "late" }));
  await world.runtime.settle();
  expect(refused.error).toBeInstanceOf(LimitExceededError);
  expect(String(refused.error)).toContain(`${backend.capabilities.valueBytesMax} bytes`);
  backend.intercept(undefined);
  expect(names(await now(world.runtime, groupOf(world, 0).members()))).toEqual(["m0"]);
});
