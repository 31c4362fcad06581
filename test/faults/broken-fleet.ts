import type { OwnedPartition, Partitions, SlotGrant, SlotOutcome } from "../../src/index.ts";
import { brokenLock } from "./broken-lock.ts";
import type { Random } from "./random.ts";
import { shards } from "./worker-settings.ts";
import type { Shards } from "./workloads/partitions.ts";
import type { Timetable } from "./workloads/slots.ts";

/** Partitions that everybody takes as he likes, with fences at random. */
export function brokenPartitions(random: Random): Shards {
  const never = new AbortController().signal;
  return {
    async run(work, { signal = never } = {}) {
      const taken = new Set(Array.from({ length: 4 }, () => random.below(shards.count)));
      const fence = (): number => 1 + random.below(1_000);
      await Promise.all([...taken].map((partition) => work({ partition, fence: fence(), signal })));
    },
  };
}

/** Partitions that are given to the next owner as soon as they are to move: nobody waits until the work has ended. */
export function hastyPartitions(partitions: Partitions): Shards {
  return {
    async run(work, options) {
      const unfinished = new Set<Promise<void> | void>();
      const hasty = async (owned: OwnedPartition): Promise<void> => {
        const working = work(owned);
        unfinished.add(working);
        const { signal } = owned;
        if (signal.aborted) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      };
      await partitions.run(hasty, options);
      await Promise.all(unfinished);
    },
  };
}

/** A schedule that lets everybody run every slot, with fences at random. */
export function brokenSchedule(name: string, worker: string, random: Random): Timetable {
  const lock = brokenLock(name, worker, random);
  return {
    async run<R>(slot: Date | null, work: (grant: SlotGrant) => Promise<R> | R): Promise<SlotOutcome<R>> {
      const grant = Object.assign(await lock.acquire(), { slot, attempt: 1 });
      return { ran: true, result: await work(grant), attempt: 1 };
    },
  };
}

const runsUntilStuck = 10;

/** A schedule that is stuck after a while, as if somebody ran it for ever. */
export function stuckSchedule(schedule: Timetable): Timetable {
  let calls = 0;
  return {
    async run(slot, work, options) {
      calls += 1;
      if (calls > runsUntilStuck) return { ran: false, reason: "running" };
      return schedule.run(slot, work, options);
    },
  };
}
