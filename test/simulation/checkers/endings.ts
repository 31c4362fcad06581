import type { History, Snapshot } from "../history.ts";
import { type Checker, firstDisasterMs, idOf, ownersOf } from "./checker.ts";

/** After the faults stop everybody who lives gets what it asked for, within a stated number of TTLs. */
export const everybodyMakesProgress: Checker = {
  name: "everybody makes progress once the faults stop",
  check(history) {
    const violations: string[] = [];
    for (const event of history.events) {
      if (event.what === "phase" && !event.inTime) violations.push(`not in time: ${event.name}`);
    }
    const isCalmAt = history.events.findIndex((event) => event.what === "calm");
    const asked = new Set<number>();
    for (const event of history.events.slice(isCalmAt)) {
      if (event.what === "asked") asked.add(event.call);
      // Its session ended by what went wrong before, and the others went on with it.
      const isLostParty =
        event.what === "not granted" &&
        event.code === "LEASE_LOST" &&
        event.name === history.plan.stage.barrier;
      if (event.what === "not granted" && asked.has(event.call) && !isLostParty) {
        violations.push(`${event.by} did not get ${event.name} although all was well: ${event.code}`);
      }
    }
    return violations;
  },
};

const allowedCodes = new Set([
  ...["NONE", "ACQUIRE_TIMEOUT", "ABORTED", "CLOSED"],
  ...["UNAVAILABLE", "OUTCOME_UNKNOWN", "STORE_MISSING"],
]);

/** Nothing but what is documented comes out of the library: no stray rejection, no odd error. */
export const nothingIsUncaught: Checker = {
  name: "every failure is a documented one",
  check(history) {
    const violations: string[] = [];
    const lost = new Map<number, string>();
    for (const event of history.events) {
      if (event.what === "uncaught") violations.push(`uncaught: ${event.message}`);
      // A party that the others may have begun with does not come in again by itself.
      const isLostParty =
        event.what === "not granted" &&
        event.code === "LEASE_LOST" &&
        event.name === history.plan.stage.barrier;
      if (event.what === "not granted" && !allowedCodes.has(event.code) && !isLostParty) {
        violations.push(`call ${event.call} failed with ${event.code}`);
      }
      if (event.what === "lost") lost.set(event.call, event.reason);
      if (event.what !== "released") continue;
      const reason = lost.get(event.call);
      if (event.code === "STORE_MISSING" || event.code === "LEASE_LOST") continue;
      if (event.code !== "OK" && reason === undefined) {
        violations.push(`the release of call ${event.call} failed with ${event.code}`);
      }
    }
    return violations;
  },
};

/** A release tells of a loss that came before it, and of no other. */
export const releasesTellTheTruth: Checker = {
  name: "a release tells whether the lease was lost before",
  check(history) {
    const violations: string[] = [];
    const lostBefore = new Set<number>();
    const releasing = new Set<number>();
    for (const event of history.events) {
      if (event.what === "lost" && event.reason === "LEASE_LOST" && !releasing.has(event.call))
        lostBefore.add(event.call);
      if (event.what === "releasing") releasing.add(event.call);
      if (event.what === "released" && event.code === "OK" && lostBefore.has(event.call)) {
        violations.push(`call ${event.call} was lost, and its release said nothing`);
      }
    }
    return violations;
  },
};

/** Who gave up, timed out, released or left stands nowhere. */
export const nothingIsLeftBehind: Checker = {
  name: "nothing is left behind",
  check(history) {
    const owners = ownersOf(history);
    const crashed = new Set<string>();
    for (const event of history.events) {
      if (event.what === "process" && event.state === "crashed") crashed.add(event.by);
    }
    return [
      ...entrantsIn(
        history.quiet,
        (session) => !crashed.has(owners.get(session) ?? ""),
        "when all was quiet",
      ),
      ...entrantsIn(history.final, () => true, "when everybody had left"),
      ...sessionsLeft(history, owners),
    ];
  },
};

function entrantsIn(snapshot: Snapshot, concerns: (session: string) => boolean, when: string): string[] {
  return [...snapshot.values()].flatMap((found) => {
    if (found.kind !== "roster") return [];
    const { holders, waiters } = found.roster;
    return [...holders, ...waiters]
      .filter(({ session }) => concerns(session))
      .map((entrant) => `${idOf(entrant)} stood in ${found.name} ${when}`);
  });
}

/** Who closes in peace takes its session with it. One that was lost before is left to the store's collection. */
function sessionsLeft(history: History, owners: ReadonlyMap<string, string>): string[] {
  if (firstDisasterMs(history) < Number.POSITIVE_INFINITY) return [];
  const calmMs = history.events.find((event) => event.what === "calm")?.atMs ?? 0;
  const closedInPeace = new Set<string>();
  /** The newest session of each process, and its heartbeats that were answered in peace: after the second it lives. */
  const newest = new Map<string, string>();
  const beats = new Map<string, Set<number>>();
  const closing = new Map<string, number>();
  for (const event of history.events) {
    if (event.what === "beat sent") newest.set(event.by, event.session);
    if (event.what === "beat answered" && event.atMs > calmMs) {
      beats.set(event.session, (beats.get(event.session) ?? new Set()).add(event.beat));
    }
    if (event.what !== "process") continue;
    if (event.state === "closing") closing.set(event.by, event.atMs);
    if (event.state === "closed" && (closing.get(event.by) ?? 0) > calmMs) closedInPeace.add(event.by);
  }
  return [...history.final.values()].flatMap((found) =>
    found.kind === "session" &&
    found.record.state === "live" &&
    newest.get(owners.get(found.session) ?? "") === found.session &&
    (beats.get(found.session)?.size ?? 0) >= 2 &&
    closedInPeace.has(owners.get(found.session) ?? "")
      ? [`the record of session ${found.session} stayed`]
      : [],
  );
}
