import type { Grant, ReadWriteLock, UpgradeableGrant, WriteGrant } from "../../../src/index.ts";
import { brokenReadWriteLock } from "../broken-sharing.ts";
import { readersName } from "../worker-settings.ts";
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

/** Reads and writes under a read-write lock, with upgrades, some of them given up, and downgrades. */
export async function readers(bench: Workbench): Promise<void> {
  const { coordinator, log, random, settings } = bench;
  const lock =
    settings.broken === "no-lock"
      ? brokenReadWriteLock(readersName, settings.worker, random)
      : coordinator.readWriteLock(readersName);
  await inLanes(bench, 2, async (call) => {
    log.write({ event: "called", call, name: readersName });
    try {
      await request(bench, lock, call);
    } catch (error) {
      log.write({ event: "gave-up", call, code: codeOf(error) });
      if (codeOf(error) !== "ACQUIRE_TIMEOUT") await restAfterFailure(bench);
    }
    await rest(bench, 0, 8);
  });
}

async function request(
  bench: Workbench,
  lock: Pick<ReadWriteLock, "name" | "read" | "upgradeable" | "write">,
  call: number,
): Promise<void> {
  const { random, stopping: signal } = bench;
  const wait = random.below(6) === 0 ? random.between(5, 100) : Number.POSITIVE_INFINITY;
  const kind = random.below(10);
  if (kind < 5) {
    const grant = await lock.read.acquire({ wait, signal });
    noteGranted(bench, grant, call, "read");
    await look(bench, grant, call);
    return finish(bench, grant, call);
  }
  if (kind < 7) {
    const grant = await lock.write.acquire({ wait, signal });
    noteGranted(bench, grant, call, "write");
    await write(bench, grant, call);
    if (random.below(2) === 0) await downgrade(bench, grant, call, "read");
    return finish(bench, grant, call);
  }
  const grant = await lock.upgradeable.acquire({ wait, signal });
  noteGranted(bench, grant, call, "upgradeable");
  await look(bench, grant, call);
  for (let upgrades = 1 + random.below(3); upgrades > 0 && !grant.signal.aborted; upgrades -= 1) {
    if (await upgrade(bench, grant, call)) {
      await write(bench, grant, call);
      await downgrade(bench, grant, call, "upgradeable");
    }
  }
  await finish(bench, grant, call);
}

/** Answers whether it writes now. */
async function upgrade(bench: Workbench, grant: UpgradeableGrant, call: number): Promise<boolean> {
  const { log, random, stopping: signal } = bench;
  const wait = random.below(2) === 0 ? random.between(2, 60) : Number.POSITIVE_INFINITY;
  // A downgrade may have failed before it was applied: then it writes still, says the grant.
  const isWriter = grant.mode === "write";
  log.write({ event: "upgrade-called", call });
  try {
    await grant.upgrade({ wait, signal });
    if (isWriter) log.write({ event: "share", call, share: "write" });
    else log.write({ event: "upgraded", call, fence: grant.fence });
    return true;
  } catch (error) {
    log.write({ event: "change-failed", call, code: codeOf(error) });
    proveHeld(bench, grant, call);
    return false;
  }
}

async function downgrade(
  bench: Workbench,
  grant: WriteGrant,
  call: number,
  to: "read" | "upgradeable",
): Promise<void> {
  // Before it is asked for: from here on nobody counts on more.
  bench.log.write({ event: "share", call, share: to });
  try {
    await grant.downgrade();
    await look(bench, grant, call);
  } catch (error) {
    bench.log.write({ event: "change-failed", call, code: codeOf(error) });
  }
}

async function look(bench: Workbench, grant: Grant, call: number): Promise<void> {
  for (let looks = bench.random.below(3); looks >= 0 && proveHeld(bench, grant, call); looks -= 1)
    await rest(bench, 1, 6);
}

/** Writers take turns, so a resource may check the fences they come with. */
async function write(bench: Workbench, grant: Grant, call: number): Promise<void> {
  const { log, random, resource } = bench;
  for (let writes = 1 + random.below(2); writes > 0 && proveHeld(bench, grant, call); writes -= 1) {
    const accepted = await resource.write(grant.name, grant.fence);
    log.write({ event: "wrote", call, accepted });
    await rest(bench, 0, 3);
  }
  proveHeld(bench, grant, call);
}

async function finish(bench: Workbench, grant: Grant, call: number): Promise<void> {
  proveHeld(bench, grant, call);
  bench.log.write({ event: "ended", call });
  await giveBack(bench, grant, call);
}
