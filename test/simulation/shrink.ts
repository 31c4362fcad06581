/** Runs that shrinking one failure may take. */
const runsMax = 3_000;

/** A failure with as little going on as it needs. */
export interface Shrunk {
  /** The places of all that must happen for it. */
  readonly only: readonly string[];
  readonly complaint: readonly string[];
  readonly runs: number;
}

/**
 * Takes away what a failure does not need, part by part (Zeller's delta debugging), as long as `complain` complains
 * about what is left. What is left in the end cannot lose any single place, unless it took too many runs to get there.
 */
export async function shrink(
  places: readonly string[],
  complain: (only: readonly string[]) => Promise<readonly string[] | undefined>,
): Promise<Shrunk> {
  let runs = 0;
  let complaint: readonly string[] = [];
  const fails = async (only: readonly string[]): Promise<boolean> => {
    runs += 1;
    const found = await complain(only);
    if (found !== undefined) complaint = found;
    return found !== undefined;
  };
  let only = places;
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
  return { only, complaint, runs };
}
