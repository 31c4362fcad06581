// Goal: through any order of pauses, crashes, hand-overs, resumptions and lost requests, at most one process that runs
// believes to lead, terms rise, an observer ends with the right leader, and nothing is left behind.
import { expect, test } from "vitest";
import type { Leadership } from "../../src/index.ts";
import { everything, type FaultKind, plant } from "../locks/faults.ts";
import { deathMs, track, ttlMs } from "../locks/world.ts";
import { createElectionWorld, listen } from "./candidates.ts";

/** A small generator with a seed: a failing walk can be walked again. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const faults: readonly FaultKind[] = [
  "lost before",
  "lost after",
  "applied late",
  "answered late",
  "held back",
];
const candidates = 4;
const steps = 60;
const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

async function walk(seed: number, withResume: boolean) {
  const world = createElectionWorld({ clients: candidates + 1 });
  const { runtime } = world;
  const random = generator(seed);
  const told = listen(world.election(candidates).observe());
  const leading = new Map<number, Leadership>();
  const terms: number[] = [];
  const paused = new Set<number>();
  const campaigning = new Set<number>();
  const planted = new Map<number, ReturnType<typeof plant>>();
  const stop = new AbortController();
  const campaign = async (index: number): Promise<void> => {
    if (campaigning.has(index)) return;
    campaigning.add(index);
    // With resume all are lives of one process; else each is its own.
    const identity =
      withResume && random(2) === 0 ? { identity: "one", resume: true } : { identity: `node-${index}` };
    try {
      const leadership = await world.election(index).campaign({ ...identity, signal: stop.signal });
      terms.push(leadership.term);
      leading.set(index, leadership);
    } finally {
      campaigning.delete(index);
    }
  };
  const check = (): void => {
    const believing = [...leading].filter(
      ([index, { state }]) => !paused.has(index) && state !== "lost" && state !== "released",
    );
    if (!withResume) expect(believing.length, `seed ${seed}`).toBeLessThanOrEqual(1);
  };
  const act = async (): Promise<void> => {
    const index = random(candidates);
    const what = random(7);
    const leadership = leading.get(index);
    if (what === 0 && !paused.has(index)) {
      world.client(index).pause();
      paused.add(index);
    } else if (what === 1 && paused.delete(index)) {
      world.client(index).resume(random(2) === 0 ? "timers" : "answers");
    } else if (what === 2) {
      await planted.get(index)?.end();
      planted.set(
        index,
        plant(
          world.client(index).backend,
          faults[random(faults.length)] as FaultKind,
          everything,
          1 + random(3),
        ),
      );
    } else if (what === 3 && leadership !== undefined && !paused.has(index)) {
      leading.delete(index);
      void leadership
        .resign(random(2) === 0 ? { to: `node-${random(candidates)}` } : {})
        .catch(() => undefined);
    } else if (what === 4 && leadership !== undefined && !paused.has(index)) {
      void leadership.proclaim(random(100)).catch(() => undefined);
    } else if (!leading.has(index) || leading.get(index)?.state === "lost") {
      void campaign(index).catch(() => undefined);
    }
  };
  for (let step = 0; step < steps; step += 1) {
    await act();
    for (let part = random(4); part >= 0; part -= 1) {
      await runtime.advance(ttlMs / 8);
      check();
    }
  }
  for (const index of paused) world.client(index).resume("answers");
  paused.clear();
  for (const fault of planted.values()) await fault.end();
  stop.abort();
  await runtime.advance(3 * deathMs);
  check();
  const roster = await world.electionRoster();
  expect(roster.waiters).toEqual([]);
  expect(told.error).toBe(undefined);
  expect(told.states.at(-1)?.term ?? null).toBe(roster.holders[0]?.fence ?? null);
  expect(told.states.at(-1)?.value ?? null).toEqual(roster.holders[0]?.metadata ?? null);
  const toldTerms = told.states.flatMap((state) => (state === null ? [] : [state.term]));
  expect(toldTerms).toEqual([...toldTerms].sort((left, right) => left - right));
  expect(new Set(terms).size, "each term is one leader's").toBe(terms.length);
  const closing = track(runtime, Promise.all(world.clients.map(({ coordinator }) => coordinator.close())));
  await runtime.advance(ttlMs);
  expect(closing.state).toBe("resolved");
  expect(told.isOver).toBe(true);
  expect((await world.electionRoster()).holders).toEqual([]);
  expect(runtime.timerCount).toBe(0);
  return { terms: terms.length };
}

test.each([false, true])("with resume %s", async (withResume) => {
  let terms = 0;
  for (const seed of seeds) terms += (await walk(seed, withResume)).terms;
  expect(terms).toBeGreaterThan(3 * seeds.length);
});
