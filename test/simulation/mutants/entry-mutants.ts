import type { Theme } from "../stage.ts";
import { type Mutant, mutant } from "./mutant.ts";

const theme: Theme = "entries";
const rules = "kv/entry-rules.ts";
const counted = "what was added to an entry is there once";

/** Bugs of key-value stores and transactions, by which a write would be lost, done twice, or done in part. */
export const entryMutants: readonly Mutant[] = [
  mutant(
    "a write to an entry does not know its own mark",
    rules,
    "stamps: ({ record }) => record?.stamps ?? [],",
    "stamps: () => [],",
    counted,
  ),
  mutant(
    "an update does not look whether somebody came in between",
    "kv/update-entry.ts",
    "return isSame(found, current) ? this.#put(value, current)",
    "return isSame(found, current) || current.visible ? this.#put(value, current)",
    counted,
  ),
  mutant(
    "any version will do",
    "kv/typed-entries.ts",
    "versionOf(visible) === ifVersion",
    "versionOf(visible) !== undefined",
    counted,
  ),
  mutant(
    "the time of an entry is that of the store, whatever stood there before",
    rules,
    "Math.max(Math.floor(earliestMs), (record?.newest.updatedAtMs ?? 0) + 1)",
    "Math.floor(earliestMs)",
    "each write to an entry is later than the one before",
  ),
  mutant(
    "a transaction writes over what it has read and others changed",
    "transactions/commit-plan.ts",
    "      expect: versionOf(key),\n      ...(ttlMs",
    "      ...(ttlMs",
  ),
  mutant(
    "a transaction writes the first of its keys alone",
    "transactions/settle-commit.ts",
    "const operations = [...plan.puts, ...plan.checks];",
    "const operations = [...plan.puts.slice(0, 1), ...plan.checks];",
    "a transaction is applied as a whole",
  ),
  mutant(
    "a transaction whose answer was lost is run again at once",
    "transactions/settle-commit.ts",
    'if (fates.includes("applied")) return true;',
    'if (fates.includes("applied")) return false;',
    counted,
  ),
].map((each) => ({ ...each, theme }));
