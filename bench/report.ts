/** One figure of a benchmark, beside what it is measured against. */
export interface Figure {
  readonly benchmark: string;
  readonly figure: string;
  readonly measured: string;
  readonly goal: string;
  readonly met: boolean | undefined;
}

/** A benchmark: starts what it needs, measures, stops it. */
export type Benchmark = () => Promise<readonly Figure[]>;

/** Prints figures as a table. */
export function printFigures(figures: readonly Figure[]): void {
  console.table(
    figures.map(({ benchmark, figure, measured, goal, met }) => ({
      benchmark,
      figure,
      measured,
      goal,
      met: met === undefined ? "" : met ? "yes" : "NO",
    })),
  );
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** How long `work` takes, in milliseconds. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
