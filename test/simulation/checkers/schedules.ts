import type { SlotNote } from "../../../src/schedules/slot-note.ts";
import type { HistoryEvent } from "../history.ts";
import { type Checker, firstDisasterMs, stepsIn } from "./checker.ts";

/** The beginning of a run, as the record of the schedule shows it; or its end, where it was undone. */
interface Turn {
  readonly atMs: number;
  readonly note: SlotNote;
  readonly last: SlotNote | undefined;
  /** Of whoever holds it from this step on. */
  readonly fence: number | undefined;
}

function turnsIn(event: HistoryEvent, schedule: string): readonly Turn[] {
  return stepsIn(event).flatMap(({ name, atMs, before, after }) => {
    if (name !== schedule || after.note === undefined) return [];
    const note = after.note as unknown as SlotNote;
    const last = before.note as unknown as SlotNote | undefined;
    return note.run === last?.run ? [] : [{ atMs, note, last, fence: after.holders[0]?.fence }];
  });
}

/** However late a process comes, and however far its clock is off: no slot again, and none after a newer one. */
export const slotsRunOnce: Checker = {
  name: "a slot is begun no more often than it may be",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const { attempts, schedule } = history.plan.stage;
    const violations: string[] = [];
    const begun = new Map<number, number>();
    /** The fence with which each run began, and the fences under which work has begun. */
    const runs = new Map<string, number | undefined>();
    const worked = new Set<number | undefined>();
    let newestMs = Number.NEGATIVE_INFINITY;
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      // The first of all was undone.
      const isEmpty = stepsIn(event).some(({ name, after }) => name === schedule && after.note === undefined);
      if (isEmpty) newestMs = Number.NEGATIVE_INFINITY;
      for (const { note, last, atMs, fence } of turnsIn(event, schedule)) {
        const slotMs = note.slotMs ?? newestMs;
        // Whoever gives up before its work began leaves the slot to others.
        if (runs.has(note.run)) {
          if (worked.has(runs.get(last?.run ?? "")))
            violations.push(`run ${last?.run} was undone at ${atMs}, and had begun`);
          newestMs = slotMs;
          continue;
        }
        runs.set(note.run, fence);
        if (slotMs < newestMs) violations.push(`slot ${slotMs} was begun at ${atMs}, after ${newestMs}`);
        newestMs = Math.max(newestMs, slotMs);
      }
      if (event.what !== "slot begun") continue;
      worked.add(event.fence);
      if (event.slot === undefined) continue;
      const count = (begun.get(event.slot) ?? 0) + 1;
      begun.set(event.slot, count);
      if (count > attempts) violations.push(`slot ${event.slot} was begun ${count} times, at ${event.atMs}`);
    }
    return violations;
  },
};

/** From its beginning a run keeps other slots away for as long as it says, by the fastest clock that there is. */
export const schedulesStayClosed: Checker = {
  name: "a schedule stays closed for as long as a run says",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const { schedule, atLeastTtls } = history.plan.stage;
    const fastest = Math.max(...history.plan.clients.map(({ clock }) => clock.rate));
    const violations: string[] = [];
    /** Until when the run that began last keeps others away. */
    /** Until when each run keeps others away. */
    const untilMs = new Map<string, number>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs || atLeastTtls === 0) break;
      for (const { note, last, atMs } of turnsIn(event, schedule)) {
        // One that was undone kept nobody away.
        if (untilMs.has(note.run)) continue;
        untilMs.set(note.run, atMs + note.closedForMs / fastest);
        const closedUntilMs = untilMs.get(last?.run ?? "") ?? 0;
        if (atMs < closedUntilMs && note.attempt === 1) {
          violations.push(`a run began at ${atMs}; the one before kept others away until ${closedUntilMs}`);
        }
      }
    }
    return violations;
  },
};

/** Timers of real processes are no finer than this, and the grant is a moment older than the work. */
const timerStepMs = 1.01;

/** Who obeys its signal does nothing for a slot after the longest time that a run may take. */
export const runsEndInTime: Checker = {
  name: "no run goes on for longer than it may",
  check(history) {
    const violations: string[] = [];
    const limitsMs = new Map<number, number>();
    for (const event of history.events) {
      if (event.what === "slot begun" && event.atMostMs !== undefined) {
        limitsMs.set(event.call, event.localMs + event.atMostMs);
      }
      if (event.what !== "acted") continue;
      const limitMs = limitsMs.get(event.call) ?? Number.POSITIVE_INFINITY;
      if (event.localMs > limitMs + timerStepMs) {
        violations.push(
          `${event.by} acted under call ${event.call} at ${event.localMs} of its clock; it had until ${limitMs}`,
        );
      }
    }
    return violations;
  },
};
