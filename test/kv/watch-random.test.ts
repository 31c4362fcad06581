// Goal: in histories drawn at random, with hints, reads and a store that misbehave, a watch ends with what is there, and
// tells no state twice and none after a newer one of its key.
import { describe, expect, test } from "vitest";
import type { ChangeHint } from "../../src/core/backend.ts";
import type { Change, Reset } from "../../src/index.ts";
import { decodeEntry, versionOf } from "../../src/kv/entry-record.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { createWatchWorld, settleAll, textOf, type WatchWorld } from "./watch-world.ts";

const histories = 150;
const steps = 60;
type Told = Change<number> | Reset;

/** What went through each history at least once; a kind that never did is a hole in the test. */
const seen = new Map<string, number>();
const met = (what: string): unknown => seen.set(what, (seen.get(what) ?? 0) + 1);

describe("a random history", () => {
  test.each(Array.from({ length: histories / 10 }, (_, index) => index * 10))(
    "%i and the nine after it",
    async (first) => {
      for (let seed = first; seed < first + 10; seed += 1) await run(seed + 1);
    },
  );

  test("has met everything that may happen", () => {
    const kinds = [
      "put",
      "delete",
      "expire",
      "purge",
      "away",
      "stale",
      "duplicate",
      "reordered",
      "lost",
      "slow",
      "initial",
    ];
    expect(kinds.filter((kind) => (seen.get(kind) ?? 0) < 10)).toEqual([]);
  });
});

async function run(seed: number): Promise<void> {
  const { random } = createVirtualRuntime({ seed });
  const chance = (of: number): boolean => random() < of;
  const pick = <E>(all: readonly E[]): E => all[Math.floor(random() * all.length)] as E;
  const world = createWatchWorld(chance(0.3) ? { watch: "none" } : {});
  const { runtime, entries, watched, way } = world;
  const order = commitOrder(world);
  const keys = Array.from({ length: 1 + Math.floor(random() * 8) }, (_, index) => `key-${index}`);
  const updatesOnly = chance(0.2);
  const iterator = watched.watch({ updatesOnly })[Symbol.asyncIterator]();
  const told: Told[] = [];
  const reading = reader(iterator, told);
  // An erasure takes the order of a key with it: writes right before and after it can then be told apart by time only.
  const erases = chance(0.6);
  const write = async (value: number): Promise<void> => {
    const key = pick(keys);
    if (erases) await runtime.advance(2);
    const what = random();
    if (what < 0.5) await entries.set(key, value, chance(0.3) ? { ttl: 1 + random() * 20_000 } : {});
    else if (what < 0.65) await entries.delete(key);
    else if (what < 0.8 && erases) await entries.purge(key);
    else if (what < 0.9) await entries.expire(key, 1 + random() * 5_000);
    else await entries.update(key, (current = 0) => current + 1);
  };
  const distort = async (): Promise<void> => {
    const what = random();
    way.isAway = what < 0.15;
    way.stale = what >= 0.15 && what < 0.25 ? await way.snapshot() : undefined;
    way.hints = pick(["pass", "lose", "hold", "without record"]);
    if (way.isAway) met("away");
    if (way.stale) met("stale");
    if (way.hints === "lose") met("lost");
  };
  const rearrange = (): void => {
    const held = way.held.splice(0);
    const all: ChangeHint[] = [];
    for (const hint of held) for (let copy = 0; copy < (chance(0.3) ? 2 : 1); copy += 1) all.push(hint);
    if (all.length > held.length) met("duplicate");
    const shuffled = all
      .map((hint) => ({ hint, order: random() }))
      .sort((one, other) => one.order - other.order);
    if (all.length > 1) met("reordered");
    way.release(shuffled.map(({ hint }) => hint));
    if (chance(0.3)) way.held.push(...held);
  };
  for (let step = 0; step < steps; step += 1) {
    if (chance(0.25)) await distort();
    if (chance(0.2)) rearrange();
    if (chance(0.1)) reading.isSlow = !reading.isSlow;
    if (reading.isSlow) met("slow");
    for (let writes = Math.floor(random() * 4); writes > 0; writes -= 1) await write(step * 10 + writes);
    await runtime.advance(pick([0, 1, 50, 1_000, 7_000, 40_000]));
    reading.go();
  }
  Object.assign(way, { isAway: false, stale: undefined, hints: "pass" });
  reading.isSlow = false;
  reading.go();
  for (let round = 0; round < 4; round += 1) {
    await runtime.advance(40_000);
    await settleAll(runtime);
  }
  await judge(world, { told, updatesOnly, seed, order });
  await iterator.return?.();
  await runtime.settle();
  expect([way.listeners, runtime.timerCount]).toEqual([0, 0]);
}

/** Takes what comes, unless it is slow. */
function reader(iterator: AsyncIterator<Told>, told: Told[]) {
  let wake = Promise.withResolvers<void>();
  const state = {
    isSlow: false,
    go() {
      wake.resolve();
      wake = Promise.withResolvers();
    },
  };
  const read = async (): Promise<void> => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      told.push(next.value);
      while (state.isSlow) await wake.promise;
    }
  };
  read().catch((error: unknown) => told.push({ operation: "failed", error } as never));
  return state;
}

/** When each state came into the store, by its key and version. */
function commitOrder({ store }: WatchWorld): ReadonlyMap<string, number> {
  const order = new Map<string, number>();
  store.watch("", ({ key, record }) => {
    if (record == null) return;
    const entry = decodeEntry(key, record.value);
    const state = `${entry.key} ${versionOf(entry.newest)}`;
    if (!order.has(state)) order.set(state, order.size + 1);
  });
  return order;
}

/** What a history came to. */
interface History {
  readonly told: readonly Told[];
  readonly updatesOnly: boolean;
  readonly seed: number;
  readonly order: ReadonlyMap<string, number>;
}

async function judge({ entries }: WatchWorld, { told, updatesOnly, seed, order }: History): Promise<void> {
  const history = `seed ${seed}: ${told.map(textOf).join(", ")}`;
  const model = new Map<string, Change<number>>();
  const newest = new Map<string, number>();
  const states = new Set<string>();
  for (const change of told) {
    if (change.operation === "reset") throw new Error(`a reset, ${history}`);
    met(change.isInitial ? "initial" : change.operation);
    const { key, version, operation } = change;
    const state = `${key} ${version} ${operation}`;
    if (version !== null) {
      expect(states.has(state), `${state} twice, ${history}`).toBe(false);
      states.add(state);
      const at = order.get(`${key} ${version}`) ?? 0;
      const last = newest.get(key) ?? 0;
      const isNext = operation === "expire" ? at >= last : at > last;
      expect(isNext, `${state} after a newer one, ${history}`).toBe(true);
      newest.set(key, at);
    }
    model.set(key, change);
  }
  const expected = new Map<string, string>();
  for await (const { key, version } of entries.list()) expected.set(key, version);
  const present = new Map<string, string | null>();
  for (const [key, { operation, version }] of model) if (operation === "put") present.set(key, version);
  // What was there from the beginning and never changed is not told with updatesOnly.
  for (const key of expected.keys()) if (updatesOnly && !model.has(key)) expected.delete(key);
  expect([...present].sort(), history).toEqual([...expected].sort());
}
