import { mutants } from "./mutants/all.ts";
import { type Mutant, mutant } from "./mutants/mutant.ts";

/**
 * Bugs that were in the code once, each with the seed that shows it. The bug lives on as a mutant: its seed must fail
 * with the mutant and pass without it, so that neither the bug nor a blind spot comes back. After a change of what
 * seeds mean, `npm run simulate -- --mutant "<name>"` finds the new seed.
 */
export interface FormerBug {
  readonly mutant: Mutant;
  readonly seed: number;
}

/** Too rare to be found by chance on every commit. */
const rare: readonly Mutant[] = [
  mutant(
    "a session that comes again with another ticket is not looked at again",
    "roster/turn.ts",
    "    this.#watched = entrants;\n    if (isSame) return;",
    "    if (isSame) return;\n    this.#watched = entrants;",
  ),
];

export const formerBugs: readonly FormerBug[] = [
  { mutant: named("a lagging replica ends the session"), seed: 743 },
  { mutant: named("what a rolled-back record shows of a live session stays"), seed: 59 },
  { mutant: named("a session that comes again with another ticket is not looked at again"), seed: 98_772 },
  { mutant: named("a late heartbeat keeps the record of a closed session"), seed: 1 },
];

function named(name: string): Mutant {
  const found = [...mutants, ...rare].find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no mutant ${JSON.stringify(name)}`);
  return found;
}
