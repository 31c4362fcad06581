import { randomUUID } from "node:crypto";
import { counterKey } from "../worker-settings.ts";
import { codeOf, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/**
 * Adds 1, again and again. An add whose outcome is unknown is repeated, as the same operation, until it is known.
 * One that was not applied, says the store, is repeated or dropped.
 */
export async function counting(bench: Workbench): Promise<void> {
  const { log, settings, store, stopping } = bench;
  const writer = randomUUID();
  let skipped = 0;
  for (let sequence = 1; !stopping.aborted; sequence += 1) {
    log.write({ event: "add-called", sequence });
    const sum = await addOnce(bench, writer, sequence + skipped);
    if (sum !== undefined) log.write({ event: "added", sequence, sum });
    if (settings.broken === "careless-count" && sum !== undefined && bench.random.below(10) === 0) {
      skipped += 1;
      await store.add(counterKey, 1, { writer, sequence: sequence + skipped });
    }
    await rest(bench, 0, 6);
  }
}

async function addOnce(bench: Workbench, writer: string, sequence: number): Promise<number | undefined> {
  const { log, random, store, stopping } = bench;
  let mayBeApplied = false;
  while (!stopping.aborted) {
    try {
      return await store.add(counterKey, 1, { writer, sequence });
    } catch (error) {
      const code = codeOf(error);
      log.write({ event: "add-failed", sequence, code });
      if (code !== "UNAVAILABLE") mayBeApplied = true;
      if (!mayBeApplied && random.below(2) === 0) {
        log.write({ event: "add-dropped", sequence });
        return undefined;
      }
    }
    await restAfterFailure(bench);
  }
  return undefined;
}
