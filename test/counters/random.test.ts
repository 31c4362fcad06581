// Goal: whatever several clients ask of one counter at the same time, over a network that loses requests and answers and
// holds them back, with processes that stand still: what they are told is what one counter would have told them.
import { expect, test } from "vitest";
import { type Counter, OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { checkLinearizability, type HistoryEntry, type SequentialModel } from "../../src/testing/index.ts";
import { type Client, createWorld, pass, type World } from "./counter-world.ts";

type Operation =
  | {
      readonly kind: "add";
      readonly delta: number;
      readonly bound: number;
      readonly told: number | undefined;
    }
  | { readonly kind: "refused"; readonly delta: number; readonly bound: number }
  | { readonly kind: "get"; readonly told: number }
  | { readonly kind: "set"; readonly value: number }
  | {
      readonly kind: "swap";
      readonly expected: number;
      readonly next: number;
      readonly told: boolean | undefined;
    };

/** The counter of the package, which knows adds and gets, with the rest of what ours can do. */
const model: SequentialModel<number, Operation> = {
  initial: 0,
  step(state, operation) {
    switch (operation.kind) {
      case "add": {
        const sum = state + operation.delta;
        const fits = operation.delta <= 0 || sum <= operation.bound;
        return fits && (operation.told === undefined || operation.told === sum) ? sum : undefined;
      }
      case "refused":
        return state + operation.delta > operation.bound ? state : undefined;
      case "get":
        return operation.told === state ? state : undefined;
      case "set":
        return operation.value;
      default: {
        const isEqual = state === operation.expected;
        if (operation.told !== undefined && operation.told !== isEqual) return undefined;
        return isEqual ? operation.next : state;
      }
    }
  },
  key: (state) => state,
  isRead: ({ kind }) => kind === "get" || kind === "refused",
};

const max = 20;
const clients = 3;
const callersEach = 2;
const callsEach = 8;

/** How many times each rare thing happened, over all seeds. */
const seen = { retried: 0, unknown: 0, refused: 0, swapped: 0, paused: 0 };

function spoil(world: World, client: Client): void {
  const { runtime } = world;
  client.spoil(async (_request, send) => {
    const chance = runtime.random();
    if (chance < 0.06) throw new UnavailableError("a test refused the request");
    if (chance < 0.12) throw new OutcomeUnknownError("a test lost the request");
    if (chance < 0.2) {
      seen.retried += 1;
      await send();
      throw new OutcomeUnknownError("a test lost the answer");
    }
    if (chance < 0.23) {
      void pass(runtime, 400)
        .then(send)
        .catch(() => undefined);
      throw new OutcomeUnknownError("a test keeps the request on its way");
    }
    if (chance < 0.3) await pass(runtime, 30 * runtime.random());
    return send();
  });
}

async function call(
  world: World,
  counter: Counter,
  bound: number,
  history: HistoryEntry<Operation>[],
): Promise<void> {
  const { runtime } = world;
  const calledAt = runtime.monotonicMs();
  const note = (operation: Operation, isKnown = true): void => {
    history.push({
      operation,
      calledAt,
      returnedAt: isKnown ? runtime.monotonicMs() : Number.POSITIVE_INFINITY,
    });
  };
  const chance = runtime.random();
  const delta = Math.floor(runtime.random() * 9) - 3;
  const [expected, next] = [Math.floor(runtime.random() * 4), Math.floor(runtime.random() * 4)];
  try {
    if (chance < 0.65) note({ kind: "add", delta, bound, told: await counter.add(delta) });
    else if (chance < 0.8) note({ kind: "get", told: await counter.get() });
    else if (chance < 0.9) {
      await counter.set(next);
      note({ kind: "set", value: next });
    } else {
      const told = await counter.compareAndSet(expected, next);
      if (told) seen.swapped += 1;
      note({ kind: "swap", expected, next, told });
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "OUT_OF_BOUNDS") {
      seen.refused += 1;
      note({ kind: "refused", delta, bound });
    } else if (code === "OUTCOME_UNKNOWN") {
      seen.unknown += 1;
      if (chance < 0.65) note({ kind: "add", delta, bound, told: undefined }, false);
      else if (chance >= 0.9) note({ kind: "swap", expected, next, told: undefined }, false);
      else if (chance >= 0.8) note({ kind: "set", value: next }, false);
    } else if (code !== "UNAVAILABLE") throw error;
  }
}

/** Runs one world to its end, and answers what was asked and told. */
async function play(seed: number, open: (client: Client, index: number) => readonly [Counter, number]) {
  const world = createWorld({ clients, seed, tripMs: 4 });
  const { runtime } = world;
  const history: HistoryEntry<Operation>[] = [];
  const caller = async (client: Client, index: number): Promise<void> => {
    const [counter, bound] = open(client, index);
    for (let round = 0; round < callsEach; round += 1) {
      await call(world, counter, bound, history);
      await pass(runtime, 6 * runtime.random());
    }
  };
  for (const client of world.clients) spoil(world, client);
  const callers = world.clients.flatMap((client, index) =>
    Array.from({ length: callersEach }, () => caller(client, index)),
  );
  const stops = (async () => {
    for (let round = 0; round < 3; round += 1) {
      await pass(runtime, 40 * runtime.random());
      const client = world.client(Math.floor(runtime.random() * clients));
      client.pause();
      seen.paused += 1;
      await pass(runtime, 60 * runtime.random());
      client.resume(runtime.random() < 0.5 ? "timers" : "answers");
    }
  })();
  let isOver = false;
  const all = Promise.all([...callers, stops]).then(() => {
    isOver = true;
  });
  for (let step = 0; step < 2_000 && !isOver; step += 1) await runtime.advance(50);
  await all;
  return history;
}

const none = Number.POSITIVE_INFINITY;
const mixes = {
  "adds without bounds": (client: Client) => [client.coordinator.counter("x"), none] as const,
  "adds with a bound": (client: Client) => [client.coordinator.counter("x", { max }), max] as const,
  "adds with and without a bound": (client: Client, index: number) =>
    index === 0 ? ([client.coordinator.counter("x"), none] as const) : mixes["adds with a bound"](client),
  "a ttl that does not end": (client: Client) =>
    [client.coordinator.counter("x", { max, ttl: "1d" }), max] as const,
};

test.each(Object.entries(mixes))("%s, sets and conditions are linearizable", async (_, open) => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const history = await play(seed, open);
    const { verdict } = checkLinearizability(model, history);
    expect({ seed, verdict }).toEqual({ seed, verdict: "linearizable" });
  }
});

test("what was to be tried happened", () => {
  expect(Object.entries(seen).filter(([, count]) => count < 10)).toEqual([]);
});
