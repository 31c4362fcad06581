import { setTimeout as delay } from "node:timers/promises";
import { LeaseholdError, type Lock } from "../../../src/index.ts";
import { waitingName } from "../worker-settings.ts";
import {
  codeOf,
  giveBack,
  lockOf,
  noteGranted,
  proveHeld,
  rest,
  restAfterFailure,
  type Workbench,
} from "./workbench.ts";

const lookEveryMs = 15;
const looksMax = 1_000;

/** Stands in line for one lock, and writes down when it saw itself stand there. */
export async function waiting(bench: Workbench): Promise<void> {
  const { log, stopping } = bench;
  const lock = lockOf(bench, waitingName);
  for (let call = 1; !stopping.aborted; call += 1) {
    log.write({ event: "called", call, name: waitingName });
    const answered = new AbortController();
    const looking = lookForItself(bench, lock, call, answered.signal);
    try {
      const grant = await lock
        .acquire({ signal: stopping, metadata: { call } })
        .finally(() => answered.abort());
      noteGranted(bench, grant, call);
      proveHeld(bench, grant, call);
      await rest(bench, 5, 15);
      proveHeld(bench, grant, call);
      log.write({ event: "ended", call });
      await giveBack(bench, grant, call);
    } catch (error) {
      log.write({ event: "gave-up", call, code: codeOf(error) });
      await restAfterFailure(bench);
    }
    await looking;
    await rest(bench, 0, 30);
  }
}

/** Looks until it has found itself in the queue or was answered. The metadata tells this call from all others. */
async function lookForItself(
  bench: Workbench,
  lock: Lock,
  call: number,
  answered: AbortSignal,
): Promise<void> {
  for (let look = 0; look < looksMax && !answered.aborted; look += 1) {
    await delay(lookEveryMs, undefined, { signal: answered }).catch(() => "answered");
    if (answered.aborted) return;
    if (!(await seesItself(bench, lock, call))) continue;
    if (!answered.aborted) bench.log.write({ event: "queued", call });
    return;
  }
}

async function seesItself({ settings }: Workbench, lock: Lock, call: number): Promise<boolean> {
  try {
    const seen = await lock.inspect();
    return [...(seen?.holders ?? []), ...(seen?.waiters ?? [])].some(
      ({ client, metadata }) =>
        client?.name === settings.worker && (metadata as { call?: number } | undefined)?.call === call,
    );
  } catch (error) {
    if (error instanceof LeaseholdError) return false;
    throw error;
  }
}
