import { counterWorkloads } from "./counters.ts";
import { lockWorkloads } from "./locks.ts";
import type { Workload } from "./workload.ts";

/** Everything that clients of a simulated world do. A new primitive adds its list here. */
export const workloads: readonly Workload[] = [...lockWorkloads, ...counterWorkloads];
