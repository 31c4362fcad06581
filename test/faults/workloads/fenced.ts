import type { Grant, Lock } from "../../../src/index.ts";
import { fencedNames } from "../worker-settings.ts";
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

/** Writes to a fenced resource under a lock, by `acquire`, `hold` and `tryAcquire`, patiently and impatiently. */
export async function fenced(bench: Workbench): Promise<void> {
  const { log, random, stopping } = bench;
  for (let call = 1; !stopping.aborted; call += 1) {
    const name = random.pick(fencedNames);
    const lock = lockOf(bench, name);
    log.write({ event: "called", call, name });
    try {
      await request(bench, lock, call);
    } catch (error) {
      log.write({ event: "gave-up", call, code: codeOf(error) });
      if (codeOf(error) !== "ACQUIRE_TIMEOUT") await restAfterFailure(bench);
    }
    await rest(bench, 0, 8);
  }
}

async function request(bench: Workbench, lock: Lock, call: number): Promise<void> {
  const { random, stopping: signal } = bench;
  const kind = random.below(8);
  if (kind === 0) return tryOnce(bench, lock, call);
  const wait = kind === 1 ? random.between(5, 100) : Number.POSITIVE_INFINITY;
  if (kind >= 5) return hold(bench, lock, call);
  const grant = await lock.acquire({ wait, signal });
  noteGranted(bench, grant, call);
  await write(bench, grant, call);
  await giveBack(bench, grant, call);
}

async function tryOnce(bench: Workbench, lock: Lock, call: number): Promise<void> {
  const grant = await lock.tryAcquire();
  if (grant === null) return bench.log.write({ event: "gave-up", call, code: "HELD" });
  noteGranted(bench, grant, call);
  await write(bench, grant, call);
  await giveBack(bench, grant, call);
}

async function hold(bench: Workbench, lock: Lock, call: number): Promise<void> {
  let isGranted = false;
  const work = async (grant: Grant): Promise<void> => {
    isGranted = true;
    noteGranted(bench, grant, call);
    await write(bench, grant, call);
  };
  try {
    await lock.hold(work, { signal: bench.stopping });
    bench.log.write({ event: "released", call });
  } catch (error) {
    if (!isGranted) throw error;
    bench.log.write({ event: "release-failed", call, code: codeOf(error) });
  }
}

/** A few writes; stops when the lease is lost, as holders are told to. */
async function write(bench: Workbench, grant: Grant, call: number): Promise<void> {
  const { log, random, resource } = bench;
  const writes = 1 + random.below(3);
  for (let done = 0; done < writes && proveHeld(bench, grant, call); done += 1) {
    const accepted = await resource.write(grant.name, grant.fence);
    log.write({ event: "wrote", call, accepted });
    await rest(bench, 0, 3);
  }
  proveHeld(bench, grant, call);
  log.write({ event: "ended", call });
}
