import type { Schedule, ScheduleOptions, SlotOutcome } from "../../src/index.ts";
import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import type { World } from "../locks/world.ts";

/** What the tests are about. */
export const scheduleName = "report";
/** The key of its record. */
export const scheduleKey = `default.schedule.${scheduleName}`;

/** The schedule as each client sees it. */
export function schedulesOf(world: World, options?: ScheduleOptions): readonly Schedule[] {
  return world.clients.map(({ coordinator }) => coordinator.schedule(scheduleName, options));
}

/** Slot number `index` of a timetable with one a minute. */
export function slot(index: number): Date {
  return new Date(Date.UTC(2026, 0, 5, 6, index));
}

/** The roster as it stands in the store. */
export async function rosterIn(world: World): Promise<Roster> {
  const [record] = await world.store.get([scheduleKey]);
  return record == null ? emptyRoster(0) : decodeRoster(record.key, record.value).roster;
}

/** What a refusal looks like. */
export function refused(reason: string): SlotOutcome<never> {
  return { ran: false, reason } as SlotOutcome<never>;
}

/** Work that goes on until it is told to end. */
export function endlessWork(): {
  readonly work: () => Promise<string>;
  end(): void;
  readonly starts: number;
} {
  const { promise, resolve } = Promise.withResolvers<string>();
  let starts = 0;
  return {
    work() {
      starts += 1;
      return promise;
    },
    end: () => resolve("done"),
    get starts() {
      return starts;
    },
  };
}
