/**
 * Bugs that were in the code once, each with the seed that shows it. The bug lives on as a mutant: its seed must fail
 * with the mutant and pass without it, so that neither the bug nor a blind spot comes back. After a change of what
 * seeds mean, `npm run simulate -- --mutant "<name>"` finds the new seed.
 */
export interface FormerBug {
  readonly mutant: string;
  readonly seed: number;
}

export const formerBugs: readonly FormerBug[] = [
  { mutant: "a lagging replica ends the session", seed: 743 },
  { mutant: "what a rolled-back record shows of a live session stays", seed: 59 },
  { mutant: "a late heartbeat keeps the record of a closed session", seed: 12 },
];
