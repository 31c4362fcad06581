import type { Decoded, HistoryEvent } from "../history.ts";
import { accounts } from "../workloads/entries.ts";
import { type Checker, firstDisasterMs } from "./checker.ts";

type Entry = Extract<Decoded, { readonly kind: "entry" }>;

/** What was added to an entry is there once, however it was added, and what was not added is not. */
export const entriesCountOnce: Checker = {
  name: "what was added to an entry is there once",
  check(history) {
    if (firstDisasterMs(history) < Number.POSITIVE_INFINITY) return [];
    const open = new Map<number, number>();
    const told = new Set<number>();
    const violations: string[] = [];
    let acknowledged = 0;
    for (const event of history.events) {
      if (event.what === "entry add asked") open.set(event.call, event.delta);
      // Whatever else may have become of it is in doubt.
      if (event.what === "entry not added" && isCertain(event.code)) open.delete(event.call);
      if (event.what !== "entry added") continue;
      acknowledged += open.get(event.call) ?? 0;
      open.delete(event.call);
      if (told.has(event.sum)) violations.push(`two were told the sum ${event.sum}`);
      told.add(event.sum);
    }
    const doubtful = [...open.values()].reduce((sum, delta) => sum + delta, 0);
    for (const found of history.final.values()) {
      if (found.kind !== "entry" || found.name !== "sum") continue;
      const { value = 0 } = found;
      if (value >= acknowledged && value <= acknowledged + doubtful) continue;
      violations.push(`the entry says ${value}; ${acknowledged} were acknowledged, ${doubtful} doubtful`);
    }
    return violations;
  },
};

/** What transactions write is there together or not at all, in view of what they read. */
export const transactionsAreWhole: Checker = {
  name: "a transaction is applied as a whole",
  check(history) {
    const untilMs = firstDisasterMs(history);
    const balances = new Map<string, number>();
    for (const event of history.events) {
      if (event.what !== "store" || event.atMs >= untilMs) continue;
      for (const { key, after } of event.changes) {
        if (after?.kind === "entry" && after.namespace === accounts) balances.set(key, after.value ?? 0);
      }
      const total = [...balances.values()].reduce((sum, balance) => sum + balance, 0);
      if (total === 0) continue;
      return [`at ${event.atMs.toFixed(3)} the accounts hold ${total} together, and not 0`];
    }
    return [];
  },
};

/** The times of an entry order its writes. */
export const entriesRise: Checker = {
  name: "each write to an entry is later than the one before",
  check(history) {
    const untilMs = firstDisasterMs(history);
    return history.events.flatMap((event) => (event.atMs < untilMs ? fallsIn(event) : [])).slice(0, 1);
  },
};

function fallsIn(event: HistoryEvent): readonly string[] {
  if (event.what !== "store") return [];
  return event.changes.flatMap(({ before, after }) => {
    if (before?.kind !== "entry" || after?.kind !== "entry" || isLater(before, after)) return [];
    return [`${after.name} went from ${before.updatedAtMs} to ${after.updatedAtMs}`];
  });
}

/** What is written to shut out a write in doubt leaves the entry as it is. */
function isLater(before: Entry, after: Entry): boolean {
  return after.updatedAtMs > before.updatedAtMs || after.version === before.version;
}

/** Codes that say that nothing was applied. */
function isCertain(code: string): boolean {
  return code === "CONFLICT" || code === "UNAVAILABLE" || code === "CONTENTION" || code === "UNSUPPORTED";
}
