import type { Roster } from "../../../src/roster/roster.ts";
import type { History, HistoryEvent } from "../history.ts";

/** Looks at a whole history for one thing that must hold. */
export interface Checker {
  readonly name: string;
  /** What was violated, in words; nothing when all is well. */
  check(history: History): readonly string[];
}

/** When the store was first wiped or rolled back: from then on only fences are promised. */
export function firstDisasterMs(history: History): number {
  return disastersOf(history)[0] ?? Number.POSITIVE_INFINITY;
}

/** When the store was wiped or rolled back. */
export function disastersOf(history: History): readonly number[] {
  return history.events.flatMap((event) =>
    event.what === "store" && event.event !== "commit" ? [event.atMs] : [],
  );
}

/**
 * Until when critical sections must not overlap: as long as clock rates differ by no more than is tolerated, the store
 * remembers what it acknowledged, and no machine sleeps while its wall clock is set back, which hides the sleep.
 */
export function exclusiveUntilMs(history: History): number {
  const { isDriftTolerated, accidents, areWallClocksRight } = history.plan;
  if (!isDriftTolerated) return 0;
  const slept = accidents.filter(({ kind }) => kind === "machine sleep").map(({ client }) => client);
  const setBack = accidents.filter(({ kind }) => kind === "wall clock back").map(({ client }) => client);
  const isHidden = !areWallClocksRight && slept.some((client) => setBack.includes(client));
  return isHidden ? 0 : firstDisasterMs(history);
}

/** How much of a name may be held at a time. */
export function capacityOf(history: History, name: string): number {
  return history.plan.uses.get(name)?.capacity ?? 1;
}

/** A roster before and after one commit. */
export interface RosterStep {
  readonly atMs: number;
  readonly by: string;
  readonly name: string;
  readonly before: Roster;
  readonly after: Roster;
}

const nobody: Roster = { fence: 0, capacity: 1, holders: [], waiters: [] };

/** The commits to rosters among events, in order. */
export function* rosterSteps(events: readonly HistoryEvent[]): Generator<RosterStep> {
  for (const event of events) yield* stepsIn(event);
}

const none: readonly RosterStep[] = [];
const known = new WeakMap<HistoryEvent, readonly RosterStep[]>();

/** The commits to rosters in one event. Most have none, and many look at each. */
export function stepsIn(event: HistoryEvent): readonly RosterStep[] {
  if (event.what !== "store" || event.event !== "commit") return none;
  const steps = known.get(event) ?? stepsOf(event);
  known.set(event, steps);
  return steps;
}

function stepsOf({ atMs, by, changes }: Extract<HistoryEvent, { readonly what: "store" }>): RosterStep[] {
  return changes.flatMap(({ before, after }) => {
    if (after?.kind !== "roster") return [];
    const from = before?.kind === "roster" ? before.roster : nobody;
    return [{ atMs, by, name: after.name, before: from, after: after.roster }];
  });
}

/** Which process each session belongs to. */
export function ownersOf(history: History): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const event of history.events) if (event.what === "beat sent") owners.set(event.session, event.by);
  return owners;
}

/** An entrant's identity. */
export function idOf({ session, ticket }: { readonly session: string; readonly ticket: number }): string {
  return `${session}/${ticket}`;
}
