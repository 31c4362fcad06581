import { mutants } from "./mutants/all.ts";
import type { Mutant } from "./mutants/mutant.ts";

/**
 * Bugs that were in the code once, each with the seeds among which one shows it. The bug lives on as a mutant: one of
 * the seeds must fail with the mutant and all must pass without it, so that neither the bug nor a blind spot comes
 * back. A change of how many requests the library sends changes what seeds mean; if a rare bug shows no more,
 * `npm run simulate -- --mutant "<name>"` finds a new seed.
 */
export interface FormerBug {
  readonly mutant: Mutant;
  readonly from: number;
  readonly histories: number;
}

export const formerBugs: readonly FormerBug[] = [
  { mutant: named("a lagging replica ends the session"), from: 743, histories: 1 },
  { mutant: named("what a rolled-back record shows of a live session stays"), from: 1, histories: 150 },
  { mutant: named("a late heartbeat keeps the record of a closed session"), from: 1, histories: 150 },
  { mutant: named("an upgrade believes an old read"), from: 4201, histories: 50 },
  { mutant: named("a downgrade counts only once it is confirmed"), from: 8851, histories: 50 },
  { mutant: named("partitions of who died stay with its name"), from: 1, histories: 50 },
];

function named(name: string): Mutant {
  const found = mutants.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no mutant ${JSON.stringify(name)}`);
  return found;
}
