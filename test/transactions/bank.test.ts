// Goal: transfers between accounts, by several clients, over lost requests and answers, pauses and crashes, keep the sum;
// and no function of a serializable transaction ever sees another one, also in a run that is not committed.
import { expect, test } from "vitest";
import type { Isolation } from "../../src/index.ts";
import { pauses, spoil } from "./transaction-faults.ts";
import { type Client, createWorld, pass, toEnd, type World } from "./transaction-world.ts";

const accounts = ["ann", "bob", "eve", "max"];
const sum = 400;
const seen: Record<string, number> = {
  "lost after": 0,
  "applied late": 0,
  skewed: 0,
  crashed: 0,
};
const bump = (what: string): void => {
  seen[what] = (seen[what] ?? 0) + 1;
};

async function transfer(world: World, { coordinator }: Client, isolation: Isolation): Promise<void> {
  const { runtime } = world;
  const bank = coordinator.kv<number>("bank");
  const [from, to] = [...accounts].sort(() => runtime.random() - 0.5) as [string, string];
  await coordinator.transaction(
    async (tx) => {
      const own = tx.kv(bank);
      let total = 0;
      for (const name of accounts) total += (await own.get(name)) ?? 0;
      if (total !== sum && isolation !== "repeatable-reads") throw new Error(`saw a sum of ${total}`);
      if (total !== sum) bump("skewed");
      const amount = Math.ceil(10 * runtime.random());
      await Promise.all([own.increment(from, -amount), own.increment(to, amount)]);
    },
    { isolation },
  );
}

async function play(seed: number, isolation: Isolation): Promise<void> {
  const world = createWorld({ clients: 4, seed, tripMs: 4 });
  const { runtime } = world;
  const bank = world.client(0).coordinator.kv<number>("bank");
  await toEnd(
    world,
    world.client(0).coordinator.transaction((tx) => {
      for (const name of accounts) tx.kv(bank).set(name, sum / accounts.length);
    }),
  );
  const loop = async (client: Client): Promise<void> => {
    for (let round = 0; round < 5; round += 1) {
      await transfer(world, client, isolation).catch((error: { readonly code?: string }) => {
        const { code = "" } = error;
        if (!["OUTCOME_UNKNOWN", "UNAVAILABLE", "CONTENTION"].includes(code)) throw error;
      });
      await pass(runtime, 10 * runtime.random());
    }
  };
  for (const client of world.clients) spoil(world, client, bump);
  const crash = async (): Promise<void> => {
    await pass(runtime, 150 * runtime.random());
    world.client(3).pause();
    bump("crashed");
  };
  void loop(world.client(3)).catch(() => undefined);
  const others = { ...world, clients: world.clients.slice(0, 3) };
  await toEnd(world, Promise.all([...others.clients.map(loop), pauses(others, 3), crash()]));
  // What is still on its way arrives.
  await runtime.advance(2_000);
  for (const client of world.clients) client.spoil(undefined);
  const entries = await toEnd(world, bank.getMany(accounts));
  expect({ seed, total: entries.reduce((total, entry) => total + (entry?.value ?? 0), 0) }).toEqual({
    seed,
    total: sum,
  });
}

test.each(["serializable-snapshot", "serializable", "repeatable-reads"] as const)(
  "transfers that are %s keep the sum",
  async (isolation) => {
    for (let seed = 1; seed <= 25; seed += 1) await play(seed, isolation);
  },
);

test("what was to be tried happened", () => {
  expect(Object.entries(seen).filter(([, count]) => count < 5)).toEqual([]);
});
