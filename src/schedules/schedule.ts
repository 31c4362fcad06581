import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import type { Grant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { readScheduleOptions, type ScheduleOptions, type ScheduleSettings } from "./schedule-options.ts";
import { SlotBeginner, type SlotRefusal, type SlotRunOptions } from "./slot-beginner.ts";
import { decodeSlot, forgetSlots, type SlotState } from "./slot-note.ts";
import { SlotRun } from "./slot-run.ts";

/** What the work of a slot gets: a grant, and which slot it is. */
export interface SlotGrant extends Grant {
  /** The slot that it runs; `null`: a run without one. */
  readonly slot: Date | null;
  /** How often this slot was begun by now. From 1. */
  readonly attempt: number;
}

/** What became of a slot: it ran here, or why not. */
export type SlotOutcome<R> =
  | { readonly ran: true; readonly result: R; readonly attempt: number }
  | { readonly ran: false; readonly reason: SlotRefusal };

/** The run of a schedule that began last. */
export interface LastRun {
  /** The newest slot that was begun; `null`: none had a time. */
  readonly slot: Date | null;
  /** `begun` and not running: its runner died. `failed`: its work threw, or was given up. */
  readonly state: SlotState;
  /** Whether somebody holds it now. A dead runner holds it until somebody notices. */
  readonly isRunning: boolean;
  readonly attempt: number;
  /** By the wall clock of whoever began it. */
  readonly begunAt: Date;
}

/**
 * Work at set times that a whole fleet has the timetable of: each slot runs at most once, and one at a time. When to run
 * is for your scheduler to say; this says who.
 *
 * A slot is known by the time it was scheduled for, never by the time it is now: so it does not matter how late a
 * process comes, or how far its clock is off. The newest slot that was begun stands in the store, written together with
 * the admission of its runner.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const report = coordinator.schedule("daily-report");
 * const slot = new Date("2026-01-05T06:00:00Z"); // from your timetable
 * const first = await report.run(slot, async ({ signal }) => {
 *   signal.throwIfAborted(); // stop when the lease is lost
 *   return "sent";
 * });
 * console.log(first.ran && first.result); // sent
 * console.log(await report.run(slot, () => "sent twice")); // { ran: false, reason: 'taken' }
 * ```
 */
export interface Schedule {
  readonly name: string;
  /**
   * Runs `work` for a slot, unless the slot is taken. `null` is whatever slot it is now: then only `atLeast` keeps others
   * from running it too. Two writes and one read; one read when it is refused.
   *
   * A store that fails is asked again for one TTL. An answer that was lost is found out, and costs no slot.
   *
   * @throws what `work` throws; LeaseLostError (`LEASE_LOST`) when the lease was lost, or `atMost` was over, before `work`
   * ended.
   * @throws InvalidArgumentError for an invalid date, or for `null` without `atLeast`.
   * @throws UnavailableError, OutcomeUnknownError when the store failed for that long; AbortedError when `signal` fired.
   */
  run<R>(
    slot: Date | null,
    work: (grant: SlotGrant) => Promise<R> | R,
    options?: SlotRunOptions,
  ): Promise<SlotOutcome<R>>;
  /** The run that began last, or `null`: to find the slots that nobody ran. One read; may be stale. */
  last(): Promise<LastRun | null>;
  /**
   * Forgets which slots were begun: every slot may run again. For a schedule that a process with a wrong clock has put
   * into the far future. One write.
   *
   * @throws UnavailableError, OutcomeUnknownError when the store fails. Safe to repeat.
   */
  reset(): Promise<void>;
  /** Who runs it now, or `null` if nobody ever did. One or two reads; may be stale. */
  inspect(): Promise<Inspection | null>;
}

/**
 * Makes a {@link Schedule}. It holds no state: two of the same name are the same schedule.
 *
 * @throws InvalidArgumentError for an illegal name or options out of range.
 */
export function createSchedule(host: RosterHost, name: string, options: ScheduleOptions = {}): Schedule {
  checkName("a schedule's name", name);
  const settings = readScheduleOptions(host, options);
  const target = { kind: "schedule", name, isShared: false, idleTtlMs: Number.POSITIVE_INFINITY } as const;
  const beginner = new SlotBeginner({ host, name, settings, target });
  return {
    name,
    async run(slot, work, runOptions) {
      if (typeof work !== "function") {
        throw new InvalidArgumentError(`run needs a slot, and a function to run; got ${describe(work)}`);
      }
      const slotMs = readSlot(slot, settings);
      const begun = await beginner.begin(slotMs, runOptions);
      if (!(begun instanceof SlotRun)) return { ran: false, reason: begun };
      const { attempt } = begun.note;
      return { ran: true, result: await perform(host, begun, slotMs, work), attempt };
    },
    async last() {
      const roster = await host.queue(target).board.read();
      const note = decodeSlot(name, roster.note);
      if (note === undefined) return null;
      const { slotMs, state, attempt, begunAtMs } = note;
      const isRunning = roster.holders.length > 0;
      return {
        slot: slotMs === null ? null : new Date(slotMs),
        state,
        isRunning,
        attempt,
        begunAt: new Date(begunAtMs),
      };
    },
    async reset() {
      await host.queue(target).change(forgetSlots);
    },
    inspect: () => host.inspect(target),
  };
}

async function perform<R>(
  host: RosterHost,
  run: SlotRun,
  slotMs: number | null,
  work: (grant: SlotGrant) => Promise<R> | R,
): Promise<R> {
  const { grant, note } = run;
  const slot = slotMs === null ? null : new Date(slotMs);
  const dressed: SlotGrant = Object.assign(grant, { slot, attempt: note.attempt });
  let state: SlotState = "failed";
  let hasStarted = false;
  const working = host.whileHolding([grant], async () => {
    hasStarted = true;
    try {
      const result = await work(dressed);
      state = "finished";
      // Work that released early, by itself, has lost nothing.
      if (grant.state === "lost") grant.assertHeld();
      return result;
    } finally {
      await run.end(state);
    }
  });
  try {
    return await working;
  } finally {
    // The coordinator was closed in between.
    if (!hasStarted) await run.end(state);
  }
}

function readSlot(slot: Date | null, { atLeastMs }: ScheduleSettings): number | null {
  if (slot === null && atLeastMs > 0) return null;
  if (slot === null) {
    throw new InvalidArgumentError(
      "a run without a slot needs atLeast: two processes whose clocks differ would run it twice",
    );
  }
  if (slot instanceof Date && Number.isFinite(slot.getTime())) return slot.getTime();
  throw new InvalidArgumentError(
    `slot must be a valid Date, or null; got ${slot instanceof Date ? "an invalid Date" : describe(slot)}`,
  );
}
