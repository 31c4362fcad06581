import { type Finding, fencesIn, type GivenFence, type History } from "../history.ts";

/**
 * No two grants of a name have the same fence, and who asks when a grant has been given gets a larger one. Two that
 * asked at the same time may come in either order: when they were granted is known only by when they heard of it.
 */
export function checkFences(history: History): Finding {
  const byName = Map.groupBy(fencesIn(history), ({ name }) => name);
  const violations = [...byName].flatMap(([name, grants]) => [
    ...duplicates(name, grants),
    ...fallsBack(name, grants),
  ]);
  return { examined: [...byName.values()].flat().length, violations };
}

function duplicates(name: string, grants: readonly GivenFence[]): string[] {
  const owners = new Map<number, string>();
  return grants.flatMap(({ worker, fence }) => {
    const other = owners.get(fence);
    owners.set(fence, worker);
    return other === undefined
      ? []
      : [`fence ${fence} of ${name} was given twice: to ${other} and to ${worker}`];
  });
}

function fallsBack(name: string, grants: readonly GivenFence[]): string[] {
  const byGrant = [...grants].sort((a, b) => a.grantedAt - b.grantedAt);
  const byCall = [...grants].sort((a, b) => a.calledAt - b.calledAt);
  const violations: string[] = [];
  let next = 0;
  let highest: GivenFence | undefined;
  for (const grant of byCall) {
    for (let other = byGrant[next]; other !== undefined && other.grantedAt < grant.calledAt; next += 1) {
      if (highest === undefined || other.fence > highest.fence) highest = other;
      other = byGrant[next + 1];
    }
    if (highest !== undefined && grant.fence <= highest.fence) {
      violations.push(
        `fences of ${name} fell: ${grant.worker} asked at ${grant.calledAt.toFixed(1)} and got ${grant.fence}, when ` +
          `${highest.worker} had got ${highest.fence} at ${highest.grantedAt.toFixed(1)}`,
      );
    }
  }
  return violations;
}
