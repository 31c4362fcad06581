import { setTimeout as delay } from "node:timers/promises";
import type { Schedule, ScheduleOptions, SlotGrant, SlotOutcome } from "../../../src/index.ts";
import { brokenSchedule, stuckSchedule } from "../broken-fleet.ts";
import { sharedNowMs } from "../history.ts";
import { sweep, timetables } from "../worker-settings.ts";
import { codeOf, noteGranted, proveHeld, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/** The part of a schedule that is used here. */
export type Timetable = Pick<Schedule, "run">;

/** A slot comes this often, by the clock that all share: a timetable goes by no clock that jumps. */
const slotEveryMs = 100;
/** How far the times of two slots lie apart. */
const slotMs = 60_000;

/** What its work throws now and then. */
class WorkFailedError extends Error {
  override readonly name = "WorkFailedError";
}

/**
 * Runs the slots of two timetables as they come: mostly in time, at times too late, or too early. And a third schedule
 * whenever it is open.
 */
export async function slots(bench: Workbench): Promise<void> {
  let calls = 0;
  const nextCall = (): number => {
    calls += 1;
    return calls;
  };
  const keepers = timetables.map(({ name, attempts }) => keep(bench, name, attempts, nextCall));
  await Promise.all([...keepers, keepSweeping(bench, nextCall)]);
}

async function keep(bench: Workbench, name: string, attempts: number, nextCall: () => number): Promise<void> {
  const { log, random, stopping: signal } = bench;
  const timetable = scheduleOf(bench, name, { attempts });
  while (!signal.aborted) {
    const call = nextCall();
    const slot = (await untilNextSlot(bench)) + random.pick([0, 0, 0, 0, 0, 0, -1, -2, 1]);
    const isPatient = attempts > 1 || random.below(4) === 0;
    const options = { signal, ...(!isPatient && { wait: random.pick([0, 0, 30, 100]) }) };
    log.write({ event: "called", call, name, slot });
    await answer(bench, call, (work) => timetable.run(new Date(slot * slotMs), work, options));
  }
}

async function keepSweeping(bench: Workbench, nextCall: () => number): Promise<void> {
  const { log, stopping: signal } = bench;
  const { name, atLeastMs } = sweep;
  const schedule = scheduleOf(bench, name, { atLeast: atLeastMs });
  while (!signal.aborted) {
    const call = nextCall();
    await rest(bench, 60, 140);
    log.write({ event: "called", call, name });
    await answer(bench, call, (work) => schedule.run(null, work, { signal }));
  }
}

/** Runs, or hears why not, and writes down how that ended. */
async function answer(
  bench: Workbench,
  call: number,
  ask: (work: (grant: SlotGrant) => Promise<void>) => Promise<SlotOutcome<void>>,
): Promise<void> {
  const { log } = bench;
  let hasBegun = false;
  try {
    const outcome = await ask((grant) => {
      hasBegun = true;
      return run(bench, grant, call);
    });
    if (outcome.ran) log.write({ event: "released", call });
    else log.write({ event: "refused", call, reason: outcome.reason });
  } catch (error) {
    if (error instanceof WorkFailedError) return log.write({ event: "released", call });
    log.write({ event: hasBegun ? "release-failed" : "gave-up", call, code: codeOf(error) });
    await restAfterFailure(bench);
  }
}

function scheduleOf(
  { coordinator, random, settings }: Workbench,
  name: string,
  options: ScheduleOptions,
): Timetable {
  if (settings.broken === "no-lock") return brokenSchedule(name, settings.worker, random);
  const schedule = coordinator.schedule(name, options);
  return settings.broken === "stuck-slot" ? stuckSchedule(schedule) : schedule;
}

/** Waits until a slot has come, and a little longer. Answers its number. */
async function untilNextSlot({ random, stopping: signal }: Workbench): Promise<number> {
  const now = sharedNowMs();
  const slot = Math.ceil(now / slotEveryMs);
  const waitMs = slot * slotEveryMs - now + random.between(0, slotEveryMs / 2);
  await delay(waitMs, undefined, { signal }).catch(() => "told to stop");
  return slot;
}

/** Writes under the fence of the run; fails at times. */
async function run(bench: Workbench, grant: SlotGrant, call: number): Promise<void> {
  const { log, random, resource } = bench;
  const { attempt, fence, name, slot } = grant;
  log.write({ event: "began", call, slot: slot === null ? null : slot.getTime() / slotMs, attempt });
  noteGranted(bench, grant, call);
  for (let writes = 1 + random.below(2); writes > 0 && proveHeld(bench, grant, call); writes -= 1) {
    const accepted = await resource.write(name, fence);
    log.write({ event: "wrote", call, accepted });
    await rest(bench, 0, 15);
  }
  proveHeld(bench, grant, call);
  log.write({ event: "ended", call });
  if (random.below(6) === 0) throw new WorkFailedError("this work fails at times");
}
