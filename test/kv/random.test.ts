// Goal: whatever several clients ask of one entry at the same time, over a network that loses requests and answers and
// holds them back, with processes that stand still: what they are told is what one register would have told them.
import { expect, test } from "vitest";
import { type KeyValue, OutcomeUnknownError, UnavailableError, type Written } from "../../src/index.ts";
import { checkLinearizability, type HistoryEntry, type SequentialModel } from "../../src/testing/index.ts";
import { type Client, createWorld, pass, type World } from "../counters/counter-world.ts";

/** `undefined` as a version: nobody was told it. */
interface State {
  readonly value: number | null;
  readonly version: string | undefined;
}

type Operation =
  | { readonly kind: "get"; readonly told: State }
  | { readonly kind: "put"; readonly value: number; readonly version: string | undefined }
  | { readonly kind: "create"; readonly value: number; readonly told: Told }
  | { readonly kind: "swap"; readonly expected: string; readonly value: number; readonly told: Told }
  | { readonly kind: "add"; readonly by: number; readonly told: number | undefined }
  | { readonly kind: "delete"; readonly told: boolean | undefined };

/** Committed with a version, refused in view of a state, or unknown. */
type Told = { readonly version: string } | { readonly current: State } | undefined;

const model: SequentialModel<State, Operation> = {
  initial: { value: null, version: undefined },
  step(state, operation) {
    switch (operation.kind) {
      case "get":
        return learn(state, operation.told);
      case "put":
        return { value: operation.value, version: operation.version };
      case "create":
        return conditional(state, state.value === null, operation);
      case "swap":
        return conditional(state, isAt(state, operation.expected), operation);
      case "add": {
        const sum = (state.value ?? 0) + operation.by;
        return operation.told === undefined || operation.told === sum
          ? { value: sum, version: undefined }
          : undefined;
      }
      default:
        if (operation.told !== undefined && operation.told !== (state.value !== null)) return undefined;
        return { value: null, version: undefined };
    }
  },
  key: ({ value, version }) => `${value} ${version}`,
  // A read may tell a version that nobody was told before.
  isRead: () => false,
};

function learn(state: State, told: State): State | undefined {
  if (state.value !== told.value) return undefined;
  return state.version === undefined || state.version === told.version ? told : undefined;
}

function isAt(state: State, version: string): boolean | undefined {
  if (state.value === null) return false;
  return state.version === undefined ? undefined : state.version === version;
}

function conditional(
  state: State,
  holds: boolean | undefined,
  { value, told }: { readonly value: number; readonly told: Told },
): State | undefined {
  if (told === undefined) return holds === false ? state : { value, version: undefined };
  if ("version" in told) return holds === false ? undefined : { value, version: told.version };
  return holds === true ? undefined : learn(state, told.current);
}

const clients = 3;
const callersEach = 2;
const callsEach = 7;

/** How many times each rare thing happened, over all seeds. */
const seen = { retried: 0, unknown: 0, refused: 0, swapped: 0, later: 0, paused: 0 };

function spoil(world: World, client: Client): void {
  const { runtime } = world;
  client.spoil(async (request, send) => {
    const chance = runtime.random();
    if (chance < 0.06) throw new UnavailableError("a test refused the request");
    if (request === "commit" && chance < 0.12) throw new OutcomeUnknownError("a test lost the request");
    if (request === "commit" && chance < 0.2) {
      seen.retried += 1;
      await send();
      throw new OutcomeUnknownError("a test lost the answer");
    }
    if (request === "commit" && chance < 0.23) {
      void pass(runtime, 400)
        .then(send)
        .catch(() => undefined);
      throw new OutcomeUnknownError("a test keeps the request on its way");
    }
    if (chance < 0.3) await pass(runtime, 30 * runtime.random());
    return send();
  });
}

function toldOf(written: Written<number>): Told {
  if (written.committed) {
    return { version: written.version };
  }
  seen.refused += 1;
  return { current: stateOf(written.current) };
}

function stateOf(entry: { readonly value: number; readonly version: string } | undefined): State {
  return entry === undefined
    ? { value: null, version: undefined }
    : { value: entry.value, version: entry.version };
}

async function call(
  world: World,
  kv: KeyValue<number>,
  memory: { version: string },
  history: HistoryEntry<Operation>[],
): Promise<void> {
  const { runtime } = world;
  const calledAt = runtime.monotonicMs();
  const note = (operation: Operation, isKnown = true): void => {
    const returnedAt = isKnown ? runtime.monotonicMs() : Number.POSITIVE_INFINITY;
    history.push({ operation, calledAt, returnedAt });
  };
  const chance = runtime.random();
  const value = Math.floor(runtime.random() * 1_000);
  const expected = memory.version;
  // What it would be if nobody knew whether it happened.
  let doubtful: Operation = { kind: "put", value, version: undefined };
  try {
    if (chance < 0.25) {
      const told = stateOf(await kv.get("x"));
      if (told.version !== undefined) memory.version = told.version;
      note({ kind: "get", told });
    } else if (chance < 0.4) {
      const written = await kv.set("x", value);
      if (!written.committed) throw new Error("there is no condition");
      memory.version = written.version;
      note({ kind: "put", value, version: written.version });
    } else if (chance < 0.5) {
      doubtful = { kind: "create", value, told: undefined };
      note({ kind: "create", value, told: toldOf(await kv.setIfAbsent("x", value)) });
    } else if (chance < 0.65) {
      doubtful = { kind: "swap", expected, value, told: undefined };
      const told = toldOf(await kv.set("x", value, { ifVersion: expected }));
      if (told !== undefined && "version" in told) seen.swapped += 1;
      note({ kind: "swap", expected, value, told });
    } else if (chance < 0.75) {
      doubtful = { kind: "add", by: 3, told: undefined };
      note({ kind: "add", by: 3, told: await kv.increment("x", 3) });
    } else if (chance < 0.9) {
      doubtful = { kind: "add", by: 5, told: undefined };
      const isLater = runtime.random() < 0.5;
      const updated = await kv.update("x", (current = 0) => {
        if (!isLater) return current + 5;
        seen.later += 1;
        return pass(runtime, 5 * runtime.random()).then(() => current + 5);
      });
      note({ kind: "add", by: 5, told: updated.committed ? updated.value : Number.NaN });
    } else {
      doubtful = { kind: "delete", told: undefined };
      const deleted = await kv.delete("x");
      note({ kind: "delete", told: deleted.committed && deleted.existed });
    }
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "OUTCOME_UNKNOWN") {
      seen.unknown += 1;
      note(doubtful, false);
    } else if (code !== "UNAVAILABLE" && code !== "CONTENTION") throw error;
  }
}

async function run(seed: number): Promise<readonly HistoryEntry<Operation>[]> {
  const world = createWorld({ clients, seed, tripMs: 4 });
  const { runtime } = world;
  const history: HistoryEntry<Operation>[] = [];
  const caller = async (client: Client): Promise<void> => {
    const kv = client.coordinator.kv<number>("numbers");
    const memory = { version: "none" };
    for (let nth = 0; nth < callsEach; nth += 1) {
      await pass(runtime, 20 * runtime.random());
      await call(world, kv, memory, history);
    }
  };
  for (const client of world.clients) spoil(world, client);
  const stop = world.clients.map(async (client) => {
    if (runtime.random() > 0.4) return;
    await pass(runtime, 100 * runtime.random());
    seen.paused += 1;
    client.pause();
    await pass(runtime, 200 + 1_000 * runtime.random());
    client.resume(runtime.random() < 0.5 ? "timers" : "answers");
  });
  let isOver = false;
  const all = Promise.all([
    ...world.clients.flatMap((client) => Array.from({ length: callersEach }, () => caller(client))),
    ...stop,
  ]).finally(() => {
    isOver = true;
  });
  all.catch(() => undefined);
  for (let step = 0; !isOver && step < 2_000; step += 1) await runtime.advance(50);
  await all;
  return history;
}

test("several clients, a bad network, pauses: every history is that of one entry", {
  timeout: 120_000,
}, async () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const history = await run(seed);
    const { verdict } = checkLinearizability(model, history);
    expect(verdict, `seed ${seed}: ${JSON.stringify(history)}`).toBe("linearizable");
  }
  for (const [rare, times] of Object.entries(seen)) expect(times, rare).toBeGreaterThan(0);
});
