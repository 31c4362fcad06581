import { setTimeout as delay } from "node:timers/promises";
import type { Schedule, SlotGrant } from "../../../src/index.ts";
import { brokenSchedule, stuckSchedule } from "../broken-fleet.ts";
import { sharedNowMs } from "../history.ts";
import { timetables } from "../worker-settings.ts";
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

/** Runs the slots of two timetables as they come: mostly in time, at times too late, or too early. */
export async function slots(bench: Workbench): Promise<void> {
  await Promise.all(timetables.map((_, lane) => keep(bench, lane)));
}

async function keep(bench: Workbench, lane: number): Promise<void> {
  const { log, random, stopping: signal } = bench;
  const { name, attempts } = timetables[lane] ?? timetables[0];
  const timetable = timetableOf(bench, name, attempts);
  for (let call = lane; !signal.aborted; call += timetables.length) {
    const slot = (await untilNextSlot(bench)) + random.pick([0, 0, 0, 0, 0, 0, -1, -2, 1]);
    const isPatient = attempts > 1 || random.below(4) === 0;
    const options = { signal, ...(!isPatient && { wait: random.pick([0, 0, 30, 100]) }) };
    let hasBegun = false;
    log.write({ event: "called", call, name, slot });
    try {
      const work = (grant: SlotGrant): Promise<void> => {
        hasBegun = true;
        return run(bench, grant, call);
      };
      const outcome = await timetable.run(new Date(slot * slotMs), work, options);
      if (outcome.ran) log.write({ event: "released", call });
      else log.write({ event: "refused", call, reason: outcome.reason });
    } catch (error) {
      if (error instanceof WorkFailedError) {
        log.write({ event: "released", call });
        continue;
      }
      log.write({ event: hasBegun ? "release-failed" : "gave-up", call, code: codeOf(error) });
      await restAfterFailure(bench);
    }
  }
}

function timetableOf(
  { coordinator, random, settings }: Workbench,
  name: string,
  attempts: number,
): Timetable {
  if (settings.broken === "no-lock") return brokenSchedule(name, settings.worker, random);
  const schedule = coordinator.schedule(name, { attempts });
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
  log.write({ event: "began", call, slot: (slot?.getTime() ?? 0) / slotMs, attempt });
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
