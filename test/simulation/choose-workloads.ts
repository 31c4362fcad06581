import { workloads } from "./workloads/all.ts";
import type { Workload } from "./workloads/workload.ts";

/** The workloads of these names; all of them for no name. */
export function chooseWorkloads(names: readonly string[]): readonly Workload[] {
  const known = [...new Set(workloads.map(({ name }) => name))];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `there is no workload ${JSON.stringify(unknown)}; there are: ${known.map((name) => JSON.stringify(name)).join(", ")}`,
    );
  }
  return names.length === 0 ? workloads : workloads.filter(({ name }) => names.includes(name));
}
