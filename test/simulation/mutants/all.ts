import { counterMutants } from "./counter-mutants.ts";
import { entryMutants } from "./entry-mutants.ts";
import { limitMutants } from "./limit-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { primitiveMutants } from "./primitive-mutants.ts";
import { rosterMutants } from "./roster-mutants.ts";
import { sequenceMutants } from "./sequence-mutants.ts";
import { sessionMutants } from "./session-mutants.ts";

/** Every bug that the simulation must find. */
export const mutants: readonly Mutant[] = [
  ...sessionMutants,
  ...rosterMutants,
  ...primitiveMutants,
  ...counterMutants,
  ...limitMutants,
  ...sequenceMutants,
  ...entryMutants,
];
