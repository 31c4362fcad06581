import { type Mutant, mutant } from "./mutant.ts";

const addQueue = "counters/add-queue.ts";
const plainRules = "counters/plain-rules.ts";

/** Bugs of counters, by which adds would count twice or not at all, or be told a sum that never was. */
export const counterMutants: readonly Mutant[] = [
  mutant(
    "an add without an answer is sent again as another operation",
    addQueue,
    "return await backend.add(key, delta, operation);",
    "return await backend.add(key, delta, { ...operation, writer: runtime.id() });",
  ),
  mutant(
    "adds that ride together are all told the last sum",
    "counters/share-sum.ts",
    "isSafe = false;\n    sums[index] = sum;",
    "isSafe = false;\n    sums[index] = after;",
  ),
  mutant(
    "an add that compares and sets does not know its own mark",
    plainRules,
    "stamps: receiptStamps,",
    "stamps: () => [],",
  ),
  mutant(
    "an add that compares and sets forgets the receipts of others",
    plainRules,
    "{ ...counter, sum: answer.value }",
    "{ receipts: new Map(), sum: answer.value }",
  ),
];
