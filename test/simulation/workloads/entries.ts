import { LeaseholdError } from "../../../src/core/errors.ts";
import { type Client, codeOf } from "../client.ts";
import type { Theme } from "../stage.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["entries"];
/** The namespaces: of a number that everybody adds to, of accounts that money moves between, of work that is done once. */
const sums = "sums";
export const accounts = "accounts";
const accountNames = ["first", "second", "third"] as const;

type Way = "increment" | "update" | "update later" | "by version" | "transaction";
const ways: readonly Way[] = ["increment", "update", "update later", "by version", "transaction"];

/** Adds to the number in one of the ways that there are. `undefined`: somebody else was faster, and nothing was added. */
async function addTo(client: Client, place: string, way: Way, delta: number): Promise<number | undefined> {
  const kv = client.coordinator.kv<number>(sums);
  const { choices } = client;
  if (way === "increment") return kv.increment("sum", delta);
  if (way === "by version") {
    const entry = await kv.get("sum");
    const next = (entry?.value ?? 0) + delta;
    const written = entry
      ? await kv.set("sum", next, { ifVersion: entry.version })
      : await kv.setIfAbsent("sum", next);
    return written.committed ? next : undefined;
  }
  if (way === "transaction") {
    return client.coordinator.transaction((tx) => tx.kv<number>(sums).increment("sum", delta));
  }
  const pauseMs = choices.magnitude(`${place}.change`, 0.001, 0.1) * client.ttlMs;
  const updated = await kv.update("sum", (value = 0) => {
    if (way === "update") return value + delta;
    return client.sleep(pauseMs).then(() => value + delta);
  });
  return updated.committed ? updated.value : undefined;
}

async function addOnce(client: Client, place: string): Promise<void> {
  const { choices } = client;
  const call = client.nextCall();
  const name = "entry sum";
  const delta = choices.whole(`${place}.delta`, 1, 5);
  client.record({ what: "entry add asked", call, name, delta });
  try {
    const sum = await addTo(client, place, choices.oneOf(`${place}.way`, ways), delta);
    if (sum === undefined) client.record({ what: "entry not added", call, name, code: "CONFLICT" });
    else client.record({ what: "entry added", call, name, sum });
  } catch (error) {
    if (!(error instanceof LeaseholdError)) throw error;
    client.record({ what: "entry not added", call, name, code: error.code });
  }
}

/** Some at once, and some one after the other. */
async function addSome(client: Client, place: string): Promise<void> {
  const { choices } = client;
  const rounds = choices.whole(`${place}.rounds`, 2, 8);
  for (let round = 1; round <= rounds && client.isOpen; round += 1) {
    const here = `${place}.round${round}`;
    const riders = Array.from({ length: choices.whole(`${here}.riders`, 1, 3) }, (_, index) =>
      addOnce(client, `${here}.${index}`),
    );
    await Promise.all(riders);
    await client.sleep(choices.magnitude(`${here}.pause`, 0.001, 0.3) * client.ttlMs);
  }
}

/** Moves money from one account to another, all or nothing. What there is altogether stays the same. */
async function move(client: Client, place: string): Promise<void> {
  const { choices } = client;
  const rounds = choices.whole(`${place}.rounds`, 2, 8);
  for (let round = 1; round <= rounds && client.isOpen; round += 1) {
    const here = `${place}.round${round}`;
    const from = choices.oneOf(`${here}.from`, accountNames);
    const to = choices.oneOf(
      `${here}.to`,
      accountNames.filter((name) => name !== from),
    );
    const amount = choices.whole(`${here}.amount`, 1, 9);
    const call = client.nextCall();
    try {
      await client.coordinator.transaction(async (tx) => {
        const kv = tx.kv<number>(accounts);
        const [left = 0, right = 0] = await kv.getMany([from, to]);
        kv.set(from, left - amount);
        kv.set(to, right + amount);
      });
      client.record({ what: "moved", call, name: accounts, code: "OK" });
    } catch (error) {
      client.record({ what: "moved", call, name: accounts, code: codeOf(error) });
    }
    await client.sleep(choices.magnitude(`${here}.pause`, 0.001, 0.3) * client.ttlMs);
  }
}

/** What clients do with entries. */
export const entryWorkloads: readonly Workload[] = [
  { name: "adds to an entry", themes, run: addSome },
  { name: "moves between entries", themes, run: move },
];

/** Nothing is stuck: everybody adds once more. */
export async function addInPeace({ clients, phase }: Finale): Promise<void> {
  const adds = clients.map((client) => addOnce(client, `finale.${client.plan.name}`));
  await phase("everybody adds to the entry", adds);
}
