import type { Expectation, Version } from "../../core/backend.ts";

/** What became of a write that may have been sent more than once. */
export type Verdict = "committed" | "conflict" | "unknown";

/**
 * Judges a write whose condition failed, when an earlier copy of it may have been applied.
 *
 * Versions never repeat, and an item names its last four, newest first. So: this write's version is among them,
 * and it was applied; or the version it expected is, replaced by another one, and neither this copy nor one that
 * is still on its way can ever be applied. Otherwise something was deleted or overwritten too often in between,
 * and nothing in the store tells.
 *
 * @param written the version this write would give the record; null for a delete.
 */
export function judgeWrite(
  expect: Expectation | undefined,
  written: Version | null,
  chain: readonly Version[],
): Verdict {
  if (written !== null && chain.includes(written)) return "committed";
  // Without an expectation the only condition is that this write is not there yet.
  if (expect !== undefined && expect !== null && chain.indexOf(expect) > 0) return "conflict";
  return "unknown";
}
