import { LeaseLostError, type OwnedPartition, type Partitions } from "../../../src/index.ts";
import { brokenPartitions, hastyPartitions } from "../broken-fleet.ts";
import { sharedNowMs } from "../history.ts";
import { shards } from "../worker-settings.ts";
import { codeOf, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/** The part of partitions that is used here. */
export type Shards = Pick<Partitions, "run">;

/**
 * Joins the group, works on the partitions that fall to it, and leaves a while after it has got the first one. Once the
 * faults are over it stays.
 */
export async function partitions(bench: Workbench): Promise<void> {
  const all = shardsOf(bench);
  let calls = 0;
  const nextCall = (): number => {
    calls += 1;
    return calls;
  };
  while (!bench.stopping.aborted) {
    await stay(bench, all, nextCall);
    await rest(bench, 0, 100);
  }
}

function shardsOf({ coordinator, random, settings }: Workbench): Shards {
  if (settings.broken === "no-lock") return brokenPartitions(random);
  const all = coordinator.group(shards.group).partitions(shards.count);
  return settings.broken === "hasty-move" ? hastyPartitions(all) : all;
}

/** From joining to leaving. */
async function stay(bench: Workbench, all: Shards, nextCall: () => number): Promise<void> {
  const { log, random, settings, settling, stopping } = bench;
  const leave = new AbortController();
  const calledAt = sharedNowMs();
  const call = nextCall();
  let leaveAt: number | undefined;
  const work = async (owned: OwnedPartition): Promise<void> => {
    leaveAt ??= sharedNowMs() + random.between(100, 600);
    const until = leaveAt;
    await own(bench, { owned, call: nextCall(), calledAt }, () => {
      if (sharedNowMs() >= until && !settling.aborted) leave.abort();
    });
  };
  log.write({ event: "called", call, name: shards.group });
  try {
    const signal = AbortSignal.any([stopping, leave.signal]);
    await all.run(work, { signal, identity: settings.worker });
  } catch (error) {
    log.write({ event: "gave-up", call, code: codeOf(error) });
    await restAfterFailure(bench);
  }
}

interface Ownership {
  readonly owned: OwnedPartition;
  readonly call: number;
  /** When it began to ask for partitions. */
  readonly calledAt: number;
}

/** Writes under the fence of the partition until it is asked to stop, and then puts away what it has begun. */
async function own(bench: Workbench, ownership: Ownership, afterWrite: () => void): Promise<void> {
  const { log, random, resource } = bench;
  const { owned, call, calledAt } = ownership;
  const { fence, partition, signal } = owned;
  const name = `${shards.group}/${partition}`;
  log.write({ event: "called", call, name }, calledAt);
  log.write({ event: "granted", call, name, fence });
  signal.addEventListener("abort", () => {
    if (signal.reason instanceof LeaseLostError) log.write({ event: "lost", call });
  });
  while (proveOwned(bench, owned, call)) {
    const accepted = await resource.write(name, fence);
    log.write({ event: "wrote", call, accepted });
    afterWrite();
    await rest(bench, 10, 50);
  }
  if (!(signal.reason instanceof LeaseLostError)) {
    // Nobody may have it before it is put away.
    log.write({ event: "moving", call });
    await rest(bench, 0, random.below(4) === 0 ? 100 : 20);
  }
  log.write({ event: "ended", call });
}

/** As `proveHeld`, of a partition. */
function proveOwned({ log }: Workbench, { signal }: OwnedPartition, call: number): boolean {
  const at = sharedNowMs();
  if (signal.aborted) return false;
  log.write({ event: "held", call }, at);
  return true;
}
