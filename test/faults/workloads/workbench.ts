import { setTimeout as delay } from "node:timers/promises";
import { type Backend, type Coordinator, type Grant, LeaseholdError, type Lock } from "../../../src/index.ts";
import { brokenLock } from "../broken-lock.ts";
import { type Share, sharedNowMs } from "../history.ts";
import type { Random } from "../random.ts";
import type { ResourceClient } from "../resource-client.ts";
import type { LogWriter } from "../worker-log.ts";
import type { WorkerSettings } from "../worker-settings.ts";

/** What a workload works with. */
export interface Workbench {
  readonly settings: WorkerSettings;
  readonly log: LogWriter;
  readonly store: Backend;
  readonly coordinator: Coordinator;
  readonly resource: ResourceClient;
  readonly random: Random;
  /** Aborts when the faults are over: from then on nobody leaves until it is stopped. */
  readonly settling: AbortSignal;
  /** Aborts when the worker shall come to an end. */
  readonly stopping: AbortSignal;
}

/** The stable code of an error of leasehold's. Any other error is a defect, and ends the worker. */
export function codeOf(error: unknown): string {
  if (error instanceof LeaseholdError) return error.code;
  throw error;
}

/** The lock of this name; a broken one where the worker was told to be broken. */
export function lockOf(bench: Workbench, name: string): Lock {
  if (bench.settings.broken === "no-lock") return brokenLock(name, bench.settings.worker, bench.random);
  return bench.coordinator.lock(name);
}

/** Waits, to leave the processor to others. */
export async function rest(bench: Workbench, fromMs: number, toMs: number): Promise<void> {
  await delay(bench.random.between(fromMs, toMs));
}

/** After an error: the store may refuse everything for a while. */
export async function restAfterFailure(bench: Workbench): Promise<void> {
  await delay(50, undefined, { signal: bench.stopping }).catch(() => "told to stop");
}

/**
 * Asks the grant whether it is still held, and writes that down with the time before the question: what is held at
 * the answer was held then, however long the process stood still in between.
 */
export function proveHeld({ log }: Workbench, grant: Grant, call: number): boolean {
  const at = sharedNowMs();
  if (grant.signal.aborted) return false;
  log.write({ event: "held", call }, at);
  return true;
}

/** Writes down a grant, and its loss when that comes. */
export function noteGranted(bench: Workbench, grant: Grant, call: number, share?: Share): void {
  const { log } = bench;
  const { name, fence } = grant;
  log.write({ event: "granted", call, name, fence, ...(share !== undefined && { share }) });
  grant.signal.addEventListener("abort", () => {
    if (grant.state === "lost") log.write({ event: "lost", call });
  });
}

/** Gives a grant back, and writes down how that ended. */
export async function giveBack(bench: Workbench, grant: Grant, call: number): Promise<void> {
  try {
    await grant.release();
    bench.log.write({ event: "released", call });
  } catch (error) {
    bench.log.write({ event: "release-failed", call, code: codeOf(error) });
  }
}

/** Does the same again and again, several callers of one process side by side, each call with a number of its own. */
export async function inLanes(
  { stopping }: Workbench,
  lanes: number,
  once: (call: number) => Promise<void>,
): Promise<void> {
  const lane = async (first: number): Promise<void> => {
    for (let call = first; !stopping.aborted; call += lanes) await once(call);
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index + 1)));
}
