// Goal: whatever several clients ask of one record at the same time, over a network that loses requests and answers and
// holds them back, with reads that are stale, marks that must be told apart and processes that stand still: what they are
// told is what one register would have told them.
import { expect, test } from "vitest";
import { OutcomeUnknownError, UnavailableError } from "../../src/index.ts";
import { checkLinearizability, type HistoryEntry, type SequentialModel } from "../../src/testing/index.ts";
import {
  createTallyWorld,
  pass,
  type TallyClient,
  type TallyCommand,
  type TallyWorld,
} from "./record-world.ts";

interface Operation {
  readonly command: TallyCommand;
  readonly told: number | "refused" | undefined;
}

const model: SequentialModel<number, Operation> = {
  initial: 0,
  step(state, { command, told }) {
    const is = (answer: number | "refused"): boolean => told === undefined || told === answer;
    switch (command.kind) {
      case "add": {
        const sum = state + command.delta;
        if (sum > (command.max ?? Number.POSITIVE_INFINITY)) return is("refused") ? state : undefined;
        return is(sum) ? sum : undefined;
      }
      case "set":
        return is(command.value) ? command.value : undefined;
      default:
        return is(state) ? state : undefined;
    }
  },
  key: (state) => state,
  isRead: ({ command, told }) => command.kind === "get" || told === "refused",
};

const clients = 3;
const callersEach = 3;
const callsEach = 7;
const seen = { lost: 0, late: 0, unknown: 0, refused: 0, paused: 0, blind: 0 };

function spoil({ runtime }: TallyWorld, { backend }: TallyClient): void {
  backend.intercept(async (request, send) => {
    const chance = runtime.random();
    if (chance < 0.05) throw new UnavailableError("a test refused the request");
    if (request.kind === "commit") {
      if (chance < 0.1) throw new OutcomeUnknownError("a test lost the request");
      if (chance < 0.2) {
        seen.lost += 1;
        await send();
        throw new OutcomeUnknownError("a test lost the answer");
      }
      if (chance < 0.26) {
        seen.late += 1;
        void pass(runtime, 400 * runtime.random())
          .then(send)
          .catch(() => undefined);
        throw new OutcomeUnknownError("a test keeps the request on its way");
      }
    }
    if (chance < 0.4) await pass(runtime, 30 * runtime.random());
    const answer = await send();
    if (chance > 0.8 && "committed" in answer && !answer.committed) {
      seen.blind += 1;
      return { committed: false, conflicts: [{ key: "default.tally.x" }] } as never;
    }
    return answer;
  });
}

async function call(
  { runtime }: TallyWorld,
  { record }: TallyClient,
  history: HistoryEntry<Operation>[],
): Promise<void> {
  const calledAt = runtime.monotonicMs();
  const chance = runtime.random();
  const delta = 1 + Math.floor(runtime.random() * 5);
  const command: TallyCommand =
    chance < 0.45
      ? { kind: "add", delta }
      : chance < 0.65
        ? { kind: "add", delta, max: 12 }
        : chance < 0.85
          ? { kind: "get" }
          : { kind: "set", value: delta };
  try {
    const told = await record.run(command);
    if (told === "refused") seen.refused += 1;
    history.push({ operation: { command, told }, calledAt, returnedAt: runtime.monotonicMs() });
  } catch (error) {
    if (error instanceof OutcomeUnknownError) {
      seen.unknown += 1;
      const operation = { command, told: undefined };
      if (command.kind !== "get") {
        history.push({ operation, calledAt, returnedAt: Number.POSITIVE_INFINITY });
      }
    } else if (!(error instanceof UnavailableError)) throw error;
  }
}

async function play(seed: number): Promise<readonly HistoryEntry<Operation>[]> {
  const world = createTallyWorld({ clients, seed, tripMs: 4 });
  const { runtime } = world;
  const history: HistoryEntry<Operation>[] = [];
  const caller = async (client: TallyClient): Promise<void> => {
    for (let round = 0; round < callsEach; round += 1) {
      await call(world, client, history);
      await pass(runtime, 6 * runtime.random());
    }
  };
  for (const client of world.clients) spoil(world, client);
  const callers = world.clients.flatMap((client) =>
    Array.from({ length: callersEach }, () => caller(client)),
  );
  const stops = (async () => {
    for (let round = 0; round < 3; round += 1) {
      await pass(runtime, 40 * runtime.random());
      const { process } = world.client(Math.floor(runtime.random() * clients));
      process.pause();
      seen.paused += 1;
      await pass(runtime, 60 * runtime.random());
      process.resume(runtime.random() < 0.5 ? "timers" : "answers");
    }
  })();
  let isOver = false;
  const all = Promise.all([...callers, stops]).then(() => {
    isOver = true;
  });
  for (let step = 0; step < 2_000 && !isOver; step += 1) await runtime.advance(50);
  expect(isOver, "everybody was answered").toBe(true);
  await all;
  return history;
}

test("commands of several clients on one record are linearizable", async () => {
  for (let seed = 1; seed <= 80; seed += 1) {
    const { verdict } = checkLinearizability(model, await play(seed));
    expect({ seed, verdict }).toEqual({ seed, verdict: "linearizable" });
  }
});

test("what was to be tried happened", () => {
  expect(Object.entries(seen).filter(([, count]) => count < 20)).toEqual([]);
});
