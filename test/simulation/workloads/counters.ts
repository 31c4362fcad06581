import { LeaseholdError, OutcomeUnknownError } from "../../../src/core/errors.ts";
import { recordKey } from "../../../src/core/names.ts";
import type { Client } from "../client.ts";
import type { Workload } from "./workload.ts";

const attemptsMax = 6;

/** Adds, and asks again with the same operation as long as the outcome is unknown. */
async function add(client: Client, place: string): Promise<void> {
  const { choices, backend, process } = client;
  const call = client.nextCall();
  const name = "sum";
  const key = recordKey("default", "counter", name);
  const delta = choices.whole(`${place}.delta`, 1, 5);
  const operation = { writer: process.runtime.id(), sequence: 1 };
  client.record({ what: "add asked", call, name, delta });
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

const adds: Workload = { name: "adds to a counter", run: add };

/** What clients do with counters. */
export const counterWorkloads: readonly Workload[] = [adds];
