import type { Finding, History, WorkerLog } from "../history.ts";

interface Add {
  readonly worker: string;
  readonly sequence: number;
  readonly calledAt: number;
  addedAt?: number;
  sum?: number;
  /** The store said that nothing was applied, and the worker let it be. */
  isDropped?: boolean;
}

/**
 * Every acknowledged add counts once, none that was said not to be applied counts, and the sums that were answered are
 * those of one counter that only rises.
 */
export function checkCounting(history: History): Finding {
  const adds = history.workers.flatMap(addsIn);
  const acknowledged = adds.filter(({ sum }) => sum !== undefined);
  const unknown = adds.filter(({ sum, isDropped }) => sum === undefined && isDropped !== true);
  const violations = [...sumsGivenTwice(acknowledged), ...sumsThatFell(acknowledged)];
  const { finalSum } = history;
  if (finalSum === undefined) violations.push("the counter could not be read at the end");
  else if (finalSum < acknowledged.length || finalSum > acknowledged.length + unknown.length) {
    violations.push(
      `the counter stands at ${finalSum}: ${acknowledged.length} adds were acknowledged, and ${unknown.length} more ` +
        "may have been applied",
    );
  }
  for (const { worker, sequence, sum = 0 } of acknowledged) {
    if (finalSum !== undefined && sum > finalSum)
      violations.push(`add ${sequence} of ${worker} led to ${sum}, more than the ${finalSum} at the end`);
  }
  return { examined: acknowledged.length, violations };
}

function addsIn({ worker, events }: WorkerLog): Add[] {
  const adds = new Map<number, Add>();
  for (const event of events) {
    if (event.event === "add-called") {
      adds.set(event.sequence, { worker, sequence: event.sequence, calledAt: event.at });
    } else if (event.event === "added" || event.event === "add-dropped") {
      const add = adds.get(event.sequence);
      if (add === undefined) continue;
      if (event.event === "add-dropped") add.isDropped = true;
      else Object.assign(add, { addedAt: event.at, sum: event.sum });
    }
  }
  return [...adds.values()];
}

function sumsGivenTwice(acknowledged: readonly Add[]): string[] {
  const owners = new Map<number, Add>();
  return acknowledged.flatMap((add) => {
    const { worker, sequence, sum = 0 } = add;
    const other = owners.get(sum);
    owners.set(sum, add);
    if (other === undefined) return [];
    return [
      `sum ${sum} was answered to add ${other.sequence} of ${other.worker} and ${sequence} of ${worker}`,
    ];
  });
}

/** An add that was called when another had been acknowledged leads to a larger sum. */
function sumsThatFell(acknowledged: readonly Add[]): string[] {
  const byAnswer = [...acknowledged].sort((a, b) => (a.addedAt ?? 0) - (b.addedAt ?? 0));
  const byCall = [...acknowledged].sort((a, b) => a.calledAt - b.calledAt);
  const violations: string[] = [];
  let next = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (const { worker, sequence, calledAt, sum = 0 } of byCall) {
    for (let other = byAnswer[next]; other?.addedAt !== undefined && other.addedAt < calledAt; ) {
      highest = Math.max(highest, other.sum ?? 0);
      next += 1;
      other = byAnswer[next];
    }
    if (sum <= highest)
      violations.push(
        `add ${sequence} of ${worker} led to ${sum} when ${highest} had been answered before it`,
      );
  }
  return violations;
}
