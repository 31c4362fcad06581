import { clockJump } from "./faults/clock-jump.ts";
import { connectionFaults } from "./faults/connections.ts";
import { diskFull } from "./faults/disk-full.ts";
import type { Fault } from "./faults/fault.ts";
import { leaderKill, leaderStepDown } from "./faults/leader.ts";
import { partition } from "./faults/partition.ts";
import { powerLoss } from "./faults/power-loss.ts";
import { serverKill } from "./faults/server-kill.ts";
import { serverStop } from "./faults/server-stop.ts";
import { workerKill } from "./faults/worker-kill.ts";
import { workerStop } from "./faults/worker-stop.ts";
import { type BackendName, backendNames } from "./targets/target.ts";
import { type WorkloadName, workloadNames } from "./worker-settings.ts";

/** Every kind of fault. Another one needs a line here, and is then part of the full run. */
export const faults: readonly Fault[] = [
  workerKill,
  workerStop,
  serverKill,
  serverStop,
  leaderStepDown,
  leaderKill,
  ...connectionFaults,
  partition,
  clockJump,
  diskFull,
  powerLoss,
];

/** One run: workers of one workload, on one backend, under one kind of fault. */
export interface Case {
  readonly workload: WorkloadName;
  readonly backend: BackendName;
  readonly fault: Fault;
}

/** What shares more than one lock does meets the faults that are hardest on it. */
const sharing: readonly WorkloadName[] = [
  ...(["permits", "readers", "leading", "limits", "numbers"] as const),
  ...(["entries", "transfers", "payments"] as const),
];
/** What counts on the store's clock. */
const timed: readonly WorkloadName[] = ["limits", "entries"];
const hardFaults: readonly string[] = [
  "worker-kill",
  "worker-stop",
  "server-kill",
  "swallow-replies",
  "partition",
];

/** A fault that says which workloads it concerns is meant for these. */
function isHard(workload: WorkloadName, { name, workloads }: Fault): boolean {
  return hardFaults.includes(name) || workloads?.includes(workload) === true;
}

/** Every case there is. */
export function allCases(): Case[] {
  return backendNames.flatMap((backend) =>
    faults
      .filter((fault) => fault.backends.includes(backend))
      .flatMap((fault) =>
        (fault.workloads ?? workloadNames)
          .filter((workload) => !sharing.includes(workload) || isHard(workload, fault))
          // Where the store's clock is that of its clients, clients that disagree have none.
          .filter(
            (workload) => !(timed.includes(workload) && backend === "sqlite" && fault.name === "clock-jump"),
          )
          .map((workload) => ({ workload, backend, fault })),
      ),
  );
}

/** Those that run with every change: each backend, workload and fault at least once, in about five minutes. */
const chosen: readonly string[] = [
  "fenced/sqlite/worker-kill",
  "waiting/sqlite/worker-stop",
  "fenced/sqlite/disk-full",
  "leading/nats/worker-kill",
  "fenced/nats/server-kill",
  "counting/nats/server-stop",
  "waiting/nats/delay",
  "fenced/nats/cut",
  "waiting/nats/half-open",
  "fenced/nats/swallow-replies",
  "fenced/nats/clock-jump",
  "waiting/nats/disk-full",
  "fenced/nats/power-loss",
  "waiting/nats-cluster/leader-step-down",
  "fenced/nats-cluster/leader-kill",
  "fenced/nats-cluster/partition",
  "fenced/dynamodb/worker-stop",
  "counting/dynamodb/server-kill",
  "numbers/dynamodb/swallow-replies",
  "fenced/dynamodb/refuse",
  "waiting/dynamodb/swallow-requests",
  "permits/nats/swallow-replies",
  "readers/dynamodb/worker-kill",
  "partitions/nats/worker-kill",
  "slots/nats/clock-jump",
  "slots/dynamodb/worker-kill",
  "limits/nats/worker-kill",
  "limits/nats/clock-jump",
  "entries/sqlite/worker-stop",
  "entries/nats/swallow-replies",
  "transfers/nats/server-kill",
  "transfers/sqlite/worker-kill",
  "payments/nats/worker-kill",
];

/** The cases of a selection. */
export function casesOf(selection: "ci" | "full"): Case[] {
  const all = allCases();
  if (selection === "full") return all;
  return chosen.map((name) => {
    const found = all.find((candidate) => nameOf(candidate) === name);
    if (found === undefined) throw new Error(`the selection names ${name}, and there is no such case`);
    return found;
  });
}

/** `workload/backend/fault`. */
export function nameOf({ workload, backend, fault }: Case): string {
  return `${workload}/${backend}/${fault.name}`;
}
