/** A bug that is planted into the shipped code while it is loaded, to prove that the checkers would find it. */
export interface Mutant {
  /** What is wrong with it, in a few words. */
  readonly name: string;
  /** Below `src/`. */
  readonly file: string;
  /** Stands in that file exactly once. */
  readonly find: string;
  readonly replace: string;
}
