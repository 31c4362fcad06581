import { LeaseholdError, OutcomeUnknownError } from "../../../src/core/errors.ts";
import { recordKey } from "../../../src/core/names.ts";
import type { Client } from "../client.ts";
import type { Workload } from "./workload.ts";

const attemptsMax = 6;
/** All of a world's clients add to it, each in its way. */
const name = "sum";
/** Never reached: what matters is that such an add compares and sets. */
const max = 1_000_000;

/** Adds, and asks again with the same operation as long as the outcome is unknown. */
async function addByBackend(client: Client, place: string): Promise<void> {
  const { choices, backend, process } = client;
  const { call, delta } = ask(client, place);
  const key = recordKey("default", "counter", name);
  const operation = { writer: process.runtime.id(), sequence: 1 };
  let code = "UNAVAILABLE";
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    try {
      const sum = await backend.add(key, delta, operation);
      client.record({ what: "added", call, name, sum });
      return;
    } catch (error) {
      if (!(error instanceof LeaseholdError)) throw error;
      if (error instanceof OutcomeUnknownError) code = error.code;
      await client.sleep(choices.between(`${place}.pause${attempt}`, 0.01, 0.2) * client.ttlMs);
    }
  }
  client.record({ what: "add doubtful", call, name, code });
}

/** Adds as users do: what clients ask at the same time rides together, and finds out by itself what became of it. */
async function addByCounter(client: Client, place: string, isBounded: boolean): Promise<void> {
  const { call, delta } = ask(client, place);
  try {
    const sum = await client.coordinator.counter(name, isBounded ? { max } : {}).add(delta);
    client.record({ what: "added", call, name, sum });
  } catch (error) {
    if (!(error instanceof LeaseholdError)) throw error;
    client.record({ what: "add doubtful", call, name, code: error.code });
  }
}

function ask(client: Client, place: string): { readonly call: number; readonly delta: number } {
  const call = client.nextCall();
  const delta = client.choices.whole(`${place}.delta`, 1, 5);
  client.record({ what: "add asked", call, name, delta });
  return { call, delta };
}

async function add(client: Client, place: string): Promise<void> {
  const how = client.choices.oneOf(`${place}.how`, [
    "backend",
    "counter",
    "bounded",
    "all together",
  ] as const);
  if (how === "backend") return addByBackend(client, place);
  if (how !== "all together") return addByCounter(client, place, how === "bounded");
  const riders = [1, 2, 3].map((rider) => addByCounter(client, `${place}.${rider}`, rider === 3));
  await Promise.all(riders);
}

const adds: Workload = { name: "adds to a counter", themes: ["locks", "elections", "groups"], run: add };

/** What clients do with counters. */
export const counterWorkloads: readonly Workload[] = [adds];
