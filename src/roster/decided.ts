import type { Acquisition } from "./acquisition.ts";
import type { Contender } from "./contention.ts";
import type { SparseMap } from "./sparse.ts";

/**
 * Resolves when whoever of this process asked before has its answer, or stands in the roster's line or behind one who
 * does. Who asks for something after that does so in the order of arrival.
 */
export async function decided(
  waiting: Iterable<Acquisition>,
  contending: SparseMap<Contender, Promise<unknown>>,
): Promise<void> {
  const earlier = [...waiting, ...[...contending.keys()].map(({ acquisition }) => acquisition)];
  while (earlier.some(({ isOpen }) => isOpen)) {
    const undecided = [...contending].filter(([{ isInLine }]) => !isInLine);
    if (undecided.length === 0) return;
    await Promise.race(undecided.flatMap(([each, over]) => [over, each.whenInLine?.() ?? over]));
  }
}
