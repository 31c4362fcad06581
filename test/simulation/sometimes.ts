import { idOf, rosterSteps, stepsIn } from "./checkers/checker.ts";
import type { History } from "./history.ts";
import { isOwnSession } from "./network.ts";
import { readWriteWeights } from "./plan.ts";
import { countMoreRarities, moreRarities, takenIn } from "./sometimes-more.ts";

/** Rare things that must happen somewhere in many runs; a run in which they never did proved little. */
export const rarities = [
  "takeover",
  "unknown outcome resolved",
  "queue deeper than three",
  "eviction from the middle",
  "lease lost",
  "stale read",
  "late release refused",
  "write refused by its fence",
  "late add counted once",
  "leftover taken out",
  "store wiped or rolled back",
  "process restarted",
  "several hold at once",
  "reader became the writer",
  "several locks at once",
  "asked to give back, and did",
  "term proclaimed",
  ...moreRarities,
] as const;

export type Rarity = (typeof rarities)[number];

/** How often each rare thing happened in a history. */
export function countRarities(history: History): Readonly<Record<Rarity, number>> {
  const counts = Object.fromEntries(rarities.map((rarity) => [rarity, 0])) as Record<Rarity, number>;
  const dead = new Set<string>();
  /** Entrants whose join nobody confirmed, and adds whose sum nobody told. */
  const doubtful = new Set<string>();
  let lastEntrants: readonly string[] = [];
  let lastCommitter = "";
  const granted = new Set<number>();
  const together = new Set<number>();
  const taken = takenIn(history);
  for (const event of history.events) {
    if (event.what === "granted") granted.add(event.fence);
    if (event.what === "lost" && event.reason === "LEASE_LOST") counts["lease lost"] += 1;
    if (event.what === "written" && !event.accepted) counts["write refused by its fence"] += 1;
    if (event.what === "released" && event.code === "LEASE_LOST") counts["late release refused"] += 1;
    if (event.what === "reweighed" && event.weight === readWriteWeights.write) {
      counts["reader became the writer"] += 1;
    }
    if (event.what === "asked back") counts["asked to give back, and did"] += 1;
    if (event.what === "proclaimed") counts["term proclaimed"] += 1;
    if (event.what === "asked" && event.how === "acquire several") together.add(event.call);
    if (event.what === "granted" && together.has(event.call)) counts["several locks at once"] += 1;
    if (event.what === "process" && event.state === "started" && event.by.includes(".")) {
      counts["process restarted"] += 1;
    }
    if (event.what === "noticed") {
      if (event.kind === "stale read") counts["stale read"] += 1;
      else if (lastCommitter === event.by) for (const entrant of lastEntrants) doubtful.add(entrant);
    }
    if (event.what !== "store") continue;
    if (event.event !== "commit") counts["store wiped or rolled back"] += 1;
    lastEntrants = [];
    lastCommitter = event.by;
    for (const { after } of event.changes) {
      if (after?.kind === "session" && after.record.state === "dead") dead.add(after.session);
    }
    for (const { before, after } of stepsIn(event)) {
      const stood = new Set([...before.holders, ...before.waiters].map(idOf));
      const stands = new Set([...after.holders, ...after.waiters].map(idOf));
      lastEntrants = [...stands].filter((id) => !stood.has(id));
      if (after.holders.length > 1 && before.holders.length <= 1) counts["several hold at once"] += 1;
      if (after.waiters.length > 3) counts["queue deeper than three"] += 1;
      const gone = (entrant: { session: string; ticket: number }): boolean => !stands.has(idOf(entrant));
      const isTakeover = before.holders.some((holder) => gone(holder) && dead.has(holder.session));
      if (isTakeover && after.fence > before.fence) counts.takeover += 1;
      const middle = before.waiters.slice(1, -1).filter((waiter) => gone(waiter) && dead.has(waiter.session));
      counts["eviction from the middle"] += middle.length;
      const leftovers = [...before.holders, ...before.waiters].filter(
        (entrant) =>
          gone(entrant) &&
          !dead.has(entrant.session) &&
          !isOwnSession(event.by, entrant.session) &&
          !taken.has(idOf(entrant)),
      );
      counts["leftover taken out"] += leftovers.length;
    }
  }
  counts["unknown outcome resolved"] = resolved(history, doubtful, granted);
  counts["late add counted once"] = lateAdds(history);
  return { ...counts, ...countMoreRarities(history) };
}

/** Grants that were delivered although the write that entered the queue, or was admitted in it, had no answer. */
function resolved(history: History, doubtful: ReadonlySet<string>, granted: ReadonlySet<number>): number {
  const found = new Set<string>();
  for (const { after } of rosterSteps(history.events)) {
    for (const holder of after.holders) {
      if (doubtful.has(idOf(holder)) && granted.has(holder.fence)) found.add(idOf(holder));
    }
  }
  return found.size;
}

/** Adds whose first attempt was applied without an answer, and that were acknowledged all the same. */
function lateAdds(history: History): number {
  const added = new Set<number>();
  const unanswered: number[] = [];
  let lastSum: number | undefined;
  for (const event of history.events) {
    if (event.what === "added") added.add(event.sum);
    if (event.what === "noticed" && event.kind === "unanswered write" && lastSum !== undefined) {
      unanswered.push(lastSum);
    }
    if (event.what !== "store") continue;
    const [change] = event.changes;
    lastSum = change?.after?.kind === "counter" ? change.after.counter.sum : undefined;
  }
  return unanswered.filter((sum) => added.has(sum)).length;
}
