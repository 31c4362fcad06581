import type { Entrant } from "../../../src/roster/roster.ts";
import {
  type Checker,
  capacityOf,
  firstDisasterMs,
  idOf,
  ownersOf,
  type RosterStep,
  stepsIn,
} from "./checker.ts";
import { Liberties } from "./liberties.ts";
import { Takings } from "./takings.ts";

/**
 * First come, first served: who is admitted stands at the front, who comes stands at the end, nobody is passed. Except
 * by those who may.
 */
export const firstComeFirstServed: Checker = {
  name: "first come, first served",
  check(history) {
    const violations: string[] = [];
    const liberties = new Liberties();
    for (const event of history.events) {
      liberties.see(event);
      for (const step of stepsIn(event)) {
        const found = passedOver(step, step.before.waiters);
        const isAllowed = (): boolean =>
          liberties.ordersOf(step).some((waiters) => passedOver(step, waiters).length === 0);
        if (found.length > 0 && !isAllowed()) violations.push(...found);
      }
    }
    return violations;
  },
};

/** What is wrong with a step, if those who waited before it stood in this order. */
function passedOver(
  { atMs, name, before, after }: RosterStep,
  waiters: readonly Entrant[],
): readonly string[] {
  const violations: string[] = [];
  const waited = waiters.map(idOf);
  const wait = after.waiters.map(idOf);
  const hold = new Set(after.holders.map(idOf));
  const kept = waited.filter((id) => wait.includes(id));
  const firstKept = waited.indexOf(kept[0] ?? "");
  const passed = waited.findIndex((id, index) => hold.has(id) && firstKept >= 0 && index > firstKept);
  if (passed >= 0) violations.push(`${name}: ${waited[passed]} was admitted before ${kept[0]} at ${atMs}`);
  if (kept.some((id, index) => wait[index] !== id)) {
    violations.push(`${name}: the queue was [${waited}] and became [${wait}] at ${atMs}`);
  }
  const newcomer = after.holders
    .map(idOf)
    .find((id) => !waited.includes(id) && !before.holders.some((holder) => idOf(holder) === id));
  if (newcomer !== undefined && kept.length > 0) {
    violations.push(`${name}: ${newcomer} was admitted on arrival at ${atMs}, before ${kept[0]}`);
  }
  return violations;
}

/**
 * The callers of one process are served in the order in which they asked. Of what several may hold, they are admitted
 * in that order, in one commit perhaps, and hear of it each for itself.
 */
export const callersAreServedInOrder: Checker = {
  name: "callers of one process are served in order",
  check(history) {
    const violations: string[] = [];
    const open = new Map<number, string>();
    for (const event of history.events) {
      // Who comes back looks for its earlier life first.
      const isInLine = event.what === "asked" && event.how === "acquire" && event.resumes !== true;
      if (isInLine && capacityOf(history, event.name) === 1)
        open.set(event.call, `${event.by}/${event.name}`);
      if (event.what === "not granted") open.delete(event.call);
      if (event.what !== "granted") continue;
      const queue = open.get(event.call);
      open.delete(event.call);
      for (const [call, other] of open) {
        if (other === queue && call < event.call) {
          violations.push(`${other}: call ${event.call} was granted before call ${call} at ${event.atMs}`);
        }
      }
    }
    return violations;
  },
};

/** Timers of real processes are no finer than this. */
const timerStepMs = 1.01;

/** Who waits for so long at most has an answer by then, whatever becomes of the store. */
export const whoWaitsIsAnsweredInTime: Checker = {
  name: "who waits is answered in time",
  check(history) {
    const violations: string[] = [];
    const limits = new Map<number, number>();
    const wentOnAt = new Map<string, number>();
    for (const event of history.events) {
      if (event.what === "process") wentOnAt.set(event.by, event.localMs);
      if (event.what === "asked") limits.set(event.call, event.localMs + event.waitMs);
      if (event.what !== "granted" && event.what !== "not granted") continue;
      const askedForMs = limits.get(event.call) ?? Number.POSITIVE_INFINITY;
      const limitMs = Math.max(askedForMs, wentOnAt.get(event.by) ?? 0) + timerStepMs;
      if (event.localMs > limitMs) {
        violations.push(
          `${event.by} was answered call ${event.call} at ${event.localMs} of its clock; the limit was ${limitMs}`,
        );
      }
    }
    return violations;
  },
};

/** Whoever commits takes out only its own entrants, and those of sessions that are dead. */
export const othersAreLeftAlone: Checker = {
  name: "only one's own grants are touched",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const owners = ownersOf(history);
    const dead = new Set<string>();
    const violations: string[] = [];
    const takings = new Takings(history);
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      const taken = new Set(takings.see(event).map(({ holder }) => idOf(holder)));
      if (event.what !== "store") continue;
      for (const { after } of event.changes) {
        if (after?.kind === "session" && after.record.state === "dead") dead.add(after.session);
      }
      for (const { name, before, after } of stepsIn(event)) {
        const stays = new Set([...after.holders, ...after.waiters].map(idOf));
        for (const entrant of [...before.holders, ...before.waiters]) {
          const isOwn = owners.get(entrant.session) === event.by;
          if (stays.has(idOf(entrant)) || isOwn || dead.has(entrant.session)) continue;
          if (taken.has(idOf(entrant))) continue;
          violations.push(`${name}: ${event.by} took out ${idOf(entrant)}, who was alive, at ${event.atMs}`);
        }
      }
    }
    return violations;
  },
};
