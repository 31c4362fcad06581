import type { Mutant } from "./mutant.ts";

const theme = "sequences";
const unique = "numbers are unique and rise";

/** Bugs of sequences, by which numbers would come twice, in the wrong order, or not at all. */
export const sequenceMutants: readonly Mutant[] = [
  {
    name: "a number counts as used whoever stands there by now",
    edits: [
      {
        file: "sequences/gap-free-register.ts",
        find: "isHeldBy(roster, grant) && note.used === number - 1",
        replace: "note.used >= number - 1",
      },
    ],
    checker: "numbers without gaps have none",
    theme,
  },
  {
    name: "the rest of a block is given back whoever took numbers since",
    edits: [
      {
        file: "sequences/counter-source.ts",
        find: "counter.sum !== last || counter.receipts.get(writer)?.sum !== last",
        replace: "counter.sum < last",
      },
    ],
    checker: unique,
    theme,
  },
  {
    name: "a block begins with the last number of the one before",
    edits: [
      {
        file: "sequences/number-dispenser.ts",
        find: "const first = last - count + 1;",
        replace: "const first = last - count;",
      },
    ],
    checker: unique,
    theme,
  },
  {
    name: "blocks of one are asked for ahead of need",
    edits: [{ file: "sequences/sequence.ts", find: 'block === 1 ? "exact" : block', replace: "block" }],
    checker: unique,
    theme,
  },
];
