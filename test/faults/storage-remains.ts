import type { Coordinator } from "../../src/index.ts";
import { sharedNowMs, type WorkerEvent, type WorkerLog } from "./history.ts";
import type { Account } from "./storage-events.ts";
import { bank, entries } from "./worker-settings.ts";

/** Adds nothing to each entry that all shared: a write, which nothing stale can answer. */
export async function lastWords(coordinator: Coordinator): Promise<WorkerLog> {
  const space = coordinator.kv<number>(entries.shared);
  const events: WorkerEvent[] = [];
  for (const [call, key] of entries.keys.entries()) {
    const op = { kind: "add", by: 0 } as const;
    events.push({ at: sharedNowMs(), event: "entry-called", call, key, op });
    const sum = await space.increment(key, 0);
    events.push({ at: sharedNowMs(), event: "entry-told", call, told: { sum } });
  }
  events.push({ at: sharedNowMs(), event: "closed" });
  return { worker: "inspector", place: -1, events };
}

/** The accounts when everybody has stopped, in a transaction that writes: its commit decides, and no read. */
export async function readAccounts(coordinator: Coordinator): Promise<Record<string, Account>> {
  return coordinator.transaction(async (tx) => {
    const all = await tx.kv<Account>(bank.space).getMany(bank.accounts);
    tx.kv<string>(bank.audits).set("inspector", "was here");
    return Object.fromEntries(
      bank.accounts.flatMap((name, index) => {
        const account = all[index];
        return account === undefined ? [] : [[name, account]];
      }),
    );
  });
}
