import { barrierWorkloads } from "./barriers.ts";
import { counterWorkloads } from "./counters.ts";
import { entryWorkloads } from "./entries.ts";
import { groupWorkloads } from "./groups.ts";
import { limitWorkloads } from "./limits.ts";
import { lockWorkloads } from "./locks.ts";
import { scheduleWorkloads } from "./schedules.ts";
import { sequenceWorkloads } from "./sequences.ts";
import { webLockWorkloads } from "./web-locks.ts";
import type { Workload } from "./workload.ts";

/** Everything that clients of a simulated world do. A new primitive adds its list here. */
export const workloads: readonly Workload[] = [
  ...lockWorkloads,
  ...counterWorkloads,
  ...groupWorkloads,
  ...scheduleWorkloads,
  ...barrierWorkloads,
  ...webLockWorkloads,
  ...limitWorkloads,
  ...sequenceWorkloads,
  ...entryWorkloads,
];
