import { idOf, type RosterStep, stepsIn } from "./checkers/checker.ts";
import { Liberties } from "./checkers/liberties.ts";
import { Takings } from "./checkers/takings.ts";
import type { History, HistoryEvent } from "./history.ts";

/** Rare things that locks alone do not bring about. */
export const moreRarities = [
  "taken by force",
  "acted until it heard of the taking",
  "handed over to a candidate",
  "came back where its earlier life stood",
  "partition given to another member",
  "partition taken over from a member that died",
  "slot begun",
  "slot begun again",
  "slot refused",
  "run ended after the longest time",
  "party entered a barrier",
  "party left a barrier with the others",
  "came through a latch",
  "web lock shared",
  "web lock stolen",
  "web lock not available",
  "tokens taken by a request",
  "tokens taken from a lease",
  "tokens denied",
  "tokens denied while the store was away",
  "reservation settled",
  "number worked with",
  "number worked with again",
  "rest of a block given back",
  "added to an entry",
  "entry changed by somebody else first",
  "money moved",
] as const;

export type MoreRarity = (typeof moreRarities)[number];

/** How often each of them happened in a history, until nothing went wrong any more. */
export function countMoreRarities(history: History): Readonly<Record<MoreRarity, number>> {
  const counts = Object.fromEntries(moreRarities.map((rarity) => [rarity, 0])) as Record<MoreRarity, number>;
  const { webLock, group } = history.plan.stage;
  const takings = new Takings(history);
  const liberties = new Liberties();
  const dead = new Set<string>();
  const written = new Set<number>();
  for (const event of history.events) {
    if (event.what === "calm") break;
    for (const { name } of takings.see(event)) {
      counts[name === webLock ? "web lock stolen" : "taken by force"] += 1;
    }
    liberties.see(event);
    for (const session of buriedIn(event)) dead.add(session);
    for (const step of stepsIn(event)) {
      counts["came back where its earlier life stood"] += liberties.returnsIn(step).length;
      const isPartition = step.name.startsWith(`${group}/`);
      if (isPartition && newHolders(step) > 0) {
        const fromDead = step.before.holders.some(({ session }) => dead.has(session));
        counts[
          fromDead ? "partition taken over from a member that died" : "partition given to another member"
        ] += 1;
      }
      if (step.name === webLock && step.after.holders.length > 1)
        counts["web lock shared"] += newHolders(step);
    }
    if (event.what === "acted" && takings.untilMs(event.name, event.fence) !== undefined) {
      counts["acted until it heard of the taking"] += 1;
    }
    if (event.what === "number written") {
      counts[written.has(event.number) ? "number worked with again" : "number worked with"] += 1;
      written.add(event.number);
    }
    if (isGivenBack(event)) counts["rest of a block given back"] += 1;
    const rarity = rarityOf(event, webLock);
    if (rarity !== undefined) counts[rarity] += 1;
  }
  return counts;
}

/** Which rare thing an event is, by itself. */
function rarityOf(event: HistoryEvent, webLock: string): MoreRarity | undefined {
  if (event.what === "handed over" && event.outcome === "handed-over") return "handed over to a candidate";
  if (event.what === "slot begun") return event.attempt > 1 ? "slot begun again" : "slot begun";
  if (event.what === "slot answered") {
    if (["taken", "older", "closed", "running"].includes(event.outcome)) return "slot refused";
    return event.outcome === "LEASE_LOST" ? "run ended after the longest time" : undefined;
  }
  if (event.what === "barrier entered") return "party entered a barrier";
  if (event.what === "barrier left") return "party left a barrier with the others";
  if (event.what === "latch passed") return "came through a latch";
  if (event.what === "tokens taken") {
    return event.source === "lease" ? "tokens taken from a lease" : "tokens taken by a request";
  }
  if (event.what === "tokens denied") {
    return event.source === "degraded" ? "tokens denied while the store was away" : "tokens denied";
  }
  if (event.what === "tokens settled" && event.code === "OK") return "reservation settled";
  if (event.what === "entry added") return "added to an entry";
  if (event.what === "moved" && event.code === "OK") return "money moved";
  if (event.what === "entry not added" && event.code === "CONFLICT")
    return "entry changed by somebody else first";
  const isRefused = event.what === "not granted" && event.name === webLock && event.code === "NONE";
  return isRefused ? "web lock not available" : undefined;
}

function isGivenBack(event: HistoryEvent): boolean {
  if (event.what !== "store" || event.event !== "commit") return false;
  return event.changes.some(
    ({ before, after }) => before?.kind === "blocks" && after?.kind === "blocks" && after.last < before.last,
  );
}

function newHolders({ before, after }: RosterStep): number {
  const known = new Set(before.holders.map(({ fence }) => fence));
  return after.holders.filter(({ fence }) => !known.has(fence)).length;
}

function buriedIn(event: HistoryEvent): readonly string[] {
  if (event.what !== "store") return [];
  return event.changes.flatMap(({ after }) =>
    after?.kind === "session" && after.record.state === "dead" ? [after.session] : [],
  );
}

/** Entrants that somebody took from a holder who lived. */
export function takenIn(history: History): ReadonlySet<string> {
  const takings = new Takings(history);
  return new Set(history.events.flatMap((event) => takings.see(event).map(({ holder }) => idOf(holder))));
}
