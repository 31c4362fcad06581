import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName, recordKey } from "../core/names.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { Holder } from "../roster/roster.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import { decodeRoster } from "../roster/roster-record.ts";
import type { Group, JoinGroupOptions } from "./group.ts";
import { type Member, memberOf } from "./member.ts";
import { PartitionRun } from "./partition-run.ts";

/** One partition, while this process owns it. */
export interface OwnedPartition {
  /** From 0 to `count` - 1. */
  readonly partition: number;
  /** The fence of its lock: larger than that of every earlier owner. */
  readonly fence: number;
  /**
   * Aborts when it must move to another member, when its lease is lost, and when the run ends. Then stop. Reading `aborted`
   * looks at the clocks first: a process that stood still learns of the loss at its first question.
   */
  readonly signal: AbortSignal;
}

/** Options of {@link Partitions.run}. */
export interface RunPartitionsOptions extends Pick<JoinGroupOptions, "identity" | "metadata"> {
  /** Ends the run when it fires: the work is asked to stop, and awaited. */
  readonly signal?: AbortSignal;
}

/** The partitions of a group, shared among its members. */
export interface Partitions {
  readonly count: number;
  /**
   * Joins the group and runs `work` for each partition that falls to this member, until `signal` fires. No two members
   * own one at a time: the lock of a partition that must move is released when its work has ended, and the next owner's
   * work begins then. Work that ends by itself keeps its partition, idle.
   *
   * Shares are even within about a TTL after members came or went, and as soon as the work of what moves has ended.
   * Who loses its lease joins again, as the last one.
   *
   * @throws what `work` throws, once everything else was given back; ClosedError when the coordinator is closed.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const stop = new AbortController();
   * const owned: number[] = [];
   * await coordinator.group("workers").partitions(4).run(async ({ partition, signal }) => {
   *   if (owned.push(partition) === 4) stop.abort(); // the work: as long as the signal has not fired
   *   if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
   * }, { signal: stop.signal });
   * console.log(owned.sort().join(" ")); // 0 1 2 3
   * ```
   */
  run(work: (owned: OwnedPartition) => Promise<void> | void, options?: RunPartitionsOptions): Promise<void>;
  /** Who owns each partition, by its number; `null`: nobody now. One read for each hundred; may be stale. */
  owners(): Promise<readonly (Member | null)[]>;
}

/** What partitions are made from. */
export interface PartitionsTarget {
  readonly group: Group;
  readonly name: string;
  readonly ttlMs: number;
}

const countMax = 10_000;
const readsMax = 100;

/** Makes {@link Partitions}. @throws InvalidArgumentError for a number of them that cannot be. */
export function createPartitions(host: RosterHost, target: PartitionsTarget, count: number): Partitions {
  if (!Number.isSafeInteger(count) || count < 1 || count > countMax) {
    throw new InvalidArgumentError(
      `a group has from 1 to ${countMax} partitions, as a whole number; got ${describe(count)}`,
    );
  }
  checkName("the name of a partition", nameOf(target.name, countMax));
  const holders = (partitions: readonly number[]): Promise<readonly (Holder | undefined)[]> =>
    readHolders(host, target.name, partitions);
  return {
    count,
    async run(work, options = {}) {
      checkOptions("run", options, ["signal", "identity", "metadata"]);
      if (typeof work !== "function") {
        throw new InvalidArgumentError(`run needs a function to run first; got ${describe(work)}`);
      }
      checkSignal(options.signal);
      const nameFor = (partition: number): RosterName => partitionName(target.name, partition);
      await new PartitionRun(host, { ...target, count, work, options, holders, nameFor }).run();
    },
    async owners() {
      host.queue(partitionName(target.name, 0));
      const found = await holders(Array.from({ length: count }, (_, partition) => partition));
      return found.map((holder) => (holder === undefined ? null : memberOf(holder)));
    },
  };
}

async function readHolders(
  { backend, namespace }: RosterHost,
  group: string,
  partitions: readonly number[],
): Promise<readonly (Holder | undefined)[]> {
  const found: (Holder | undefined)[] = [];
  for (let start = 0; start < partitions.length; start += readsMax) {
    const keys = partitions
      .slice(start, start + readsMax)
      .map((partition) => recordKey(namespace, "partition", nameOf(group, partition)));
    const records = await backend.get(keys);
    for (const record of records) {
      found.push(record === null ? undefined : decodeRoster(record.key, record.value).roster.holders[0]);
    }
  }
  return found;
}

function partitionName(group: string, partition: number): RosterName {
  return { kind: "partition", name: nameOf(group, partition), isShared: false };
}

function nameOf(group: string, partition: number): string {
  return `${group}/${partition}`;
}
