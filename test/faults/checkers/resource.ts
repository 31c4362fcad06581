import { type Finding, fencesIn, type History } from "../history.ts";

/**
 * The resource took no write with an older fence after one with a newer fence, refused none without a reason, and
 * everybody who wrote had been granted the fence that it came with.
 */
export function checkResource(history: History): Finding {
  const granted = new Set(fencesIn(history).map(({ worker, name, fence }) => key(worker, name, fence)));
  const highest = new Map<string, number>();
  const violations: string[] = [];
  for (const { worker, name, fence, accepted, at } of history.resource) {
    const seen = highest.get(name) ?? 0;
    const write = `the write of ${worker} to ${name} with fence ${fence} at ${at.toFixed(1)}`;
    if (accepted && fence < seen) violations.push(`${write} was accepted after one with fence ${seen}`);
    if (!accepted && fence >= seen)
      violations.push(`${write} was refused, but nothing newer than ${seen} had come`);
    if (!granted.has(key(worker, name, fence)))
      violations.push(`${write} came with a fence it was never granted`);
    if (accepted) highest.set(name, Math.max(seen, fence));
  }
  return { examined: history.resource.length, violations };
}

function key(worker: string, name: string, fence: number): string {
  return `${worker} ${name} ${fence}`;
}
