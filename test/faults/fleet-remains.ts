import { setTimeout as delay } from "node:timers/promises";
import type { Coordinator, OwnedPartition, Schedule } from "../../src/index.ts";
import { shards, sweep, timetables } from "./worker-settings.ts";

const looksMax = 10;
const lookPauseMs = 200;
/** Later than any slot that a worker asked for. */
const lastSlot = new Date("2300-01-01T00:00:00Z");

/** The partitions that one alone cannot have within this time, and who seems to be there when it has left. */
export async function partitionsLeft(
  coordinator: Coordinator,
  timeoutMs: number,
): Promise<readonly string[]> {
  const group = coordinator.group(shards.group);
  const partitions = group.partitions(shards.count);
  const done = new AbortController();
  const owned = new Set<number>();
  const work = async ({ partition, signal }: OwnedPartition): Promise<void> => {
    owned.add(partition);
    if (owned.size === shards.count) done.abort();
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  };
  await partitions.run(work, { signal: AbortSignal.any([done.signal, AbortSignal.timeout(timeoutMs)]) });
  const missing = Array.from({ length: shards.count }, (_, partition) => partition).filter(
    (it) => !owned.has(it),
  );
  const there = await lookUntilEmpty(async () => {
    const owners = (await partitions.owners()).filter((owner) => owner !== null);
    return [...(await group.members()), ...owners];
  });
  return [
    ...missing.map((it) => `partition ${it} could not be had when everybody had stopped`),
    ...there.map((it) => `the group ${shards.group} still shows ${JSON.stringify(it)}`),
  ];
}

/** The schedules that run nothing more within this time, and who seems to run them afterwards. */
export async function slotsLeft(coordinator: Coordinator, timeoutMs: number): Promise<readonly string[]> {
  const leftovers: string[] = [];
  for (const { name, attempts } of timetables) {
    const schedule = coordinator.schedule(name, { attempts });
    const outcome = await schedule.run(lastSlot, () => undefined, { wait: timeoutMs });
    if (!outcome.ran) leftovers.push(`a new slot of ${name} was refused: ${outcome.reason}`);
    leftovers.push(...(await holdersOf(schedule)));
  }
  const schedule = coordinator.schedule(sweep.name, { atLeast: sweep.atLeastMs });
  const tooLate = AbortSignal.timeout(timeoutMs);
  while (!(await schedule.run(null, () => undefined, { wait: lookPauseMs })).ran) {
    if (tooLate.aborted) return [...leftovers, `${sweep.name} was not to be run any more`];
    await delay(lookPauseMs);
  }
  return [...leftovers, ...(await holdersOf(schedule))];
}

async function holdersOf(schedule: Schedule): Promise<readonly string[]> {
  const there = await lookUntilEmpty(async () => {
    const seen = await schedule.inspect();
    return [...(seen?.holders ?? []), ...(seen?.waiters ?? [])];
  });
  return there.map((it) => `${schedule.name} still shows ${JSON.stringify(it)}`);
}

/** A read may be stale: it is asked for more than once. */
async function lookUntilEmpty<T>(look: () => Promise<readonly T[]>): Promise<readonly T[]> {
  for (let looks = 1; ; looks += 1) {
    const seen = await look();
    if (seen.length === 0 || looks >= looksMax) return seen;
    await delay(lookPauseMs);
  }
}
