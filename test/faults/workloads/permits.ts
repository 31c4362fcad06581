import type { Semaphore } from "../../../src/index.ts";
import { brokenLock } from "../broken-lock.ts";
import { permits as seats } from "../worker-settings.ts";
import {
  codeOf,
  giveBack,
  inLanes,
  noteGranted,
  proveHeld,
  rest,
  restAfterFailure,
  type Workbench,
} from "./workbench.ts";

/** Takes some of the permits of a semaphore, few or all of them, two callers in each process. */
export async function permits(bench: Workbench): Promise<void> {
  const { coordinator, log, random, settings, stopping } = bench;
  const semaphore: Pick<Semaphore, "acquire" | "tryAcquire"> =
    settings.broken === "no-lock"
      ? brokenLock(seats.name, settings.worker, random)
      : coordinator.semaphore(seats.name, { permits: seats.permits });
  await inLanes(bench, 2, async (call) => {
    const wanted = random.pick([1, 1, 1, 2, 2, 3, seats.permits]);
    const wait = random.below(6) === 0 ? random.between(5, 100) : Number.POSITIVE_INFINITY;
    log.write({ event: "called", call, name: seats.name });
    try {
      const options = { wait, signal: stopping, permits: wanted };
      const grant =
        random.below(6) === 0
          ? await semaphore.tryAcquire({ permits: wanted })
          : await semaphore.acquire(options);
      if (grant === null) log.write({ event: "gave-up", call, code: "HELD" });
      else {
        noteGranted(bench, grant, call, wanted);
        for (let proofs = random.below(3); proofs >= 0 && proveHeld(bench, grant, call); proofs -= 1)
          await rest(bench, 2, 8);
        proveHeld(bench, grant, call);
        log.write({ event: "ended", call });
        await giveBack(bench, grant, call);
      }
    } catch (error) {
      log.write({ event: "gave-up", call, code: codeOf(error) });
      if (codeOf(error) !== "ACQUIRE_TIMEOUT") await restAfterFailure(bench);
    }
    await rest(bench, 0, 8);
  });
}
