import type { Theme } from "../stage.ts";

/** One change of one source file. */
export interface Edit {
  /** Below `src/`. */
  readonly file: string;
  /** Stands in that file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that is planted into the shipped code while it is loaded, to prove that the checkers would find it. */
export interface Mutant {
  /** What is wrong with it, in a few words. */
  readonly name: string;
  readonly edits: readonly [Edit, ...Edit[]];
  /** The checker that must find it. Left out: whichever does. */
  readonly checker?: string;
  /** Where to begin looking for what is rare, to save time. Default: the first seed. */
  readonly from?: number;
  /** The worlds in which it shows; it is not looked for in others. Left out: those about locks. */
  readonly theme?: Theme;
}

/** A mutant of one edit. */
export function mutant(name: string, file: string, find: string, replace: string, checker?: string): Mutant {
  return { name, edits: [{ file, find, replace }], ...(checker !== undefined && { checker }) };
}
