// Goal: whatever several clients read and append in transactions at the same time, over a network that loses requests and
// answers and keeps them on their way, with processes that stand still: there is one order of all transactions, in real
// time, that explains everything that anybody was told, and every append is there once.
import { expect, test } from "vitest";
import type { Isolation, Transaction } from "../../src/index.ts";
import { checkLinearizability, type HistoryEntry, type SequentialModel } from "../../src/testing/index.ts";
import { pauses, spoil } from "./transaction-faults.ts";
import { type Client, createWorld, pass, toEnd, type World } from "./transaction-world.ts";

type Lists = Readonly<Record<string, readonly number[]>>;
interface Step {
  readonly key: string;
  /** Appended; `undefined`: it was only read; `null`: it was deleted; a list: put in its place. */
  readonly value: number | readonly number[] | null | undefined;
  /** What was read; `undefined`: nothing was told. */
  readonly told: readonly number[] | undefined;
}

const model: SequentialModel<Lists, readonly Step[]> = {
  initial: {},
  step(lists, steps) {
    const next: Record<string, readonly number[]> = { ...lists };
    for (const { key, value, told } of steps) {
      const list = next[key] ?? [];
      if (told !== undefined && told.join() !== list.join()) return undefined;
      if (value !== undefined) next[key] = typeof value === "number" ? [...list, value] : (value ?? []);
    }
    return next;
  },
  key: (lists) => JSON.stringify(Object.entries(lists).sort()),
  isRead: (steps) => steps.every(({ value }) => value === undefined),
};

const keys = ["a", "b", "c", "d"];
const seen: Record<string, number> = {
  "lost before": 0,
  "lost after": 0,
  "applied late": 0,
  unknown: 0,
  rerun: 0,
};
const bump = (what: string): void => {
  seen[what] = (seen[what] ?? 0) + 1;
};
let appended = 0;

/** Reads and writes some keys, in sequence or at once, with values that nobody else writes. */
async function work(world: World, tx: Transaction, isReadOnly: boolean): Promise<Step[]> {
  const { runtime } = world;
  if (tx.attempt > 1) bump("rerun");
  const chosen = keys.filter(() => runtime.random() < 0.5);
  const isAtOnce = runtime.random() < 0.4;
  const all = isAtOnce ? await tx.getMany<number[]>(chosen) : [];
  const steps: Step[] = [];
  for (const [index, key] of chosen.entries()) {
    if (!isReadOnly && runtime.random() < 0.15) {
      // Without a look at it.
      appended += 1;
      const value = runtime.random() < 0.5 ? null : [appended];
      if (value === null) tx.delete(key);
      else tx.set(key, value);
      steps.push({ key, told: undefined, value });
      continue;
    }
    const told = (isAtOnce ? all[index] : await tx.get<number[]>(key)) ?? [];
    if (runtime.random() < 0.2) await pass(runtime, 20 * runtime.random());
    const chance = isReadOnly ? 0 : runtime.random();
    if (chance > 0.9) {
      tx.delete(key);
      steps.push({ key, told, value: null });
    } else if (chance > 0.4) {
      appended += 1;
      steps.push({ key, told, value: appended });
      tx.set(key, [...told, appended]);
    } else steps.push({ key, told, value: undefined });
  }
  return steps;
}

async function call(
  world: World,
  { coordinator }: Client,
  isolation: Isolation,
  history: HistoryEntry<readonly Step[]>[],
): Promise<void> {
  const { runtime } = world;
  const calledAt = runtime.monotonicMs();
  const isReadOnly = runtime.random() < 0.3;
  let steps: Step[] = [];
  try {
    if (runtime.random() < 0.15) {
      appended += 1;
      const value = appended;
      steps = [{ key: "a", value, told: undefined }];
      await coordinator.update<number[]>("a", (list = []) => [...list, value]);
    } else {
      await coordinator.transaction(async (tx) => (steps = await work(world, tx, isReadOnly)), { isolation });
    }
    history.push({ operation: steps, calledAt, returnedAt: runtime.monotonicMs() });
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "OUTCOME_UNKNOWN") {
      bump("unknown");
      history.push({ operation: steps, calledAt, returnedAt: Number.POSITIVE_INFINITY });
    } else if (code !== "UNAVAILABLE" && code !== "CONTENTION") throw error;
  }
}

async function play(seed: number, isolation: Isolation): Promise<HistoryEntry<readonly Step[]>[]> {
  const world = createWorld({ clients: 3, seed, tripMs: 4 });
  const { runtime } = world;
  const history: HistoryEntry<readonly Step[]>[] = [];
  const caller = async (client: Client): Promise<void> => {
    for (let round = 0; round < 6; round += 1) {
      await call(world, client, isolation, history);
      await pass(runtime, 10 * runtime.random());
    }
  };
  for (const client of world.clients) spoil(world, client, bump);
  await toEnd(world, Promise.all([...world.clients, ...world.clients].map(caller).concat(pauses(world, 3))));
  return history;
}

const isolations = ["serializable-snapshot", "serializable", "repeatable-reads"] as const;

test.each(isolations)("transactions that are %s have one order in real time", async (isolation) => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const { verdict } = checkLinearizability(model, await play(seed, isolation));
    expect({ seed, verdict }).toEqual({ seed, verdict: "linearizable" });
  }
});

test("what was to be tried happened", () => {
  expect(Object.entries(seen).filter(([, count]) => count < 10)).toEqual([]);
});
