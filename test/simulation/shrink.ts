import { judge } from "./judge.ts";
import type { Workload } from "./workloads/workload.ts";
import { simulate } from "./world.ts";

/** Runs that shrinking one failure may take. */
const runsMax = 3_000;

/** A failure with as little going on as it needs. */
export interface Shrunk {
  /** The places of all that must happen for it. */
  readonly only: readonly string[];
  readonly messages: readonly string[];
  readonly runs: number;
}

/**
 * Takes away what a failure does not need, part by part (Zeller's delta debugging), as long as the same checker
 * complains. What is left cannot lose any single part.
 */
export async function shrink(
  seed: number,
  checker: string,
  workloads: readonly Workload[],
  taken: readonly string[],
): Promise<Shrunk> {
  let runs = 0;
  let messages: readonly string[] = [];
  const fails = async (only: readonly string[]): Promise<boolean> => {
    runs += 1;
    const history = await simulate(seed, workloads, only);
    const found = judge(history).find((violation) => violation.checker === checker);
    if (found !== undefined) messages = found.messages;
    return found !== undefined;
  };
  let only = taken;
  let parts = 2;
  while (only.length > 0 && runs < runsMax) {
    const size = Math.ceil(only.length / parts);
    let isSmaller = false;
    for (let start = 0; start < only.length && runs < runsMax; ) {
      const without = [...only.slice(0, start), ...only.slice(start + size)];
      if (await fails(without)) {
        only = without;
        isSmaller = true;
      } else start += size;
    }
    if (size === 1 && !isSmaller) break;
    parts = isSmaller ? Math.max(2, parts - 1) : Math.min(only.length, parts * 2);
  }
  await fails(only);
  return { only, messages, runs };
}
