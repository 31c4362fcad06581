import { type Checker, firstDisasterMs } from "./checker.ts";

/** Every add that was acknowledged is counted once, every doubtful one at most once, and nothing else. */
export const addsCountOnce: Checker = {
  name: "every acknowledged add is counted once",
  check(history) {
    if (firstDisasterMs(history) < Number.POSITIVE_INFINITY) return [];
    const deltas = new Map<number, number>();
    const sums = new Set<number>();
    const violations: string[] = [];
    let acknowledged = 0;
    let doubtful = 0;
    for (const event of history.events) {
      if (event.what === "add asked") {
        deltas.set(event.call, event.delta);
        doubtful += event.delta;
      }
      if (event.what !== "added") continue;
      const delta = deltas.get(event.call) ?? 0;
      acknowledged += delta;
      doubtful -= delta;
      if (sums.has(event.sum)) violations.push(`two adds were answered with the sum ${event.sum}`);
      sums.add(event.sum);
    }
    for (const found of history.final.values()) {
      if (found.kind !== "counter") continue;
      const { sum } = found.counter;
      if (sum < acknowledged || sum > acknowledged + doubtful) {
        violations.push(
          `the counter stands at ${sum}; ${acknowledged} were acknowledged, ${doubtful} doubtful`,
        );
      }
    }
    return violations;
  },
};
