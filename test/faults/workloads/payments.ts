import { setTimeout as delay } from "node:timers/promises";
import { LeaseLostError, type OnceRun } from "../../../src/index.ts";
import { sharedNowMs } from "../history.ts";
import { codeOf, inLanes, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/** Another payment comes this often, by the clock that all share. */
const everyMs = 120;
const lanes = 2;

/** What its work throws now and then. */
class WorkFailedError extends Error {
  override readonly name = "WorkFailedError";
}

/** Everybody asks for the same payments as they come, at times again for one of before. */
export async function payments(bench: Workbench): Promise<void> {
  await inLanes(bench, lanes, (call) => pay(bench, call));
}

async function pay(bench: Workbench, call: number): Promise<void> {
  const { coordinator, log, random, settings } = bench;
  const name = `payment-${(await untilNext(bench)) - random.pick([0, 0, 0, 1, 5])}`;
  const work = (run: Pick<OnceRun, "fence" | "signal">): Promise<string> => charge(bench, run, call, name);
  log.write({ event: "called", call, name });
  try {
    const receipt =
      settings.broken === "forgetful-once"
        ? await work({ fence: 1 + random.below(1_000), signal: new AbortController().signal })
        : await coordinator.once(name, work, random.below(6) === 0 ? { wait: 0 } : {});
    log.write({ event: "paid", call, name, receipt });
  } catch (error) {
    if (error instanceof WorkFailedError) return;
    const code = codeOf(error);
    if (code === "IN_PROGRESS") return log.write({ event: "refused", call, reason: code });
    log.write({ event: "pay-failed", call, code });
    await restAfterFailure(bench);
  }
}

/** Waits until a payment has come, and a little longer. Answers its number. */
async function untilNext({ random, stopping: signal }: Workbench): Promise<number> {
  const now = sharedNowMs();
  const next = Math.ceil(now / everyMs);
  const waitMs = next * everyMs - now + random.between(0, everyMs / 2);
  await delay(waitMs, undefined, { signal }).catch(() => "told to stop");
  return next;
}

/** Writes to the resource under the fence of the run, for as long as it is held; fails at times. */
async function charge(
  bench: Workbench,
  { fence, signal }: Pick<OnceRun, "fence" | "signal">,
  call: number,
  name: string,
): Promise<string> {
  const { log, random, resource, settings } = bench;
  const receipt = `${settings.worker}-${call}`;
  log.write({ event: "granted", call, name, fence });
  log.write({ event: "charging", call, name, fence });
  signal.addEventListener("abort", () => {
    if (signal.reason instanceof LeaseLostError) log.write({ event: "lost", call });
  });
  const prove = (): boolean => {
    const at = sharedNowMs();
    if (!signal.aborted) log.write({ event: "held", call }, at);
    return !signal.aborted;
  };
  if (prove()) {
    const accepted = await resource.write(name, fence);
    log.write({ event: "wrote", call, accepted });
    await rest(bench, 0, 40);
    prove();
  }
  const isDeclined = random.below(8) === 0;
  log.write({ event: isDeclined ? "declined" : "charged", call, receipt });
  if (isDeclined) throw new WorkFailedError("this work fails at times");
  return receipt;
}
