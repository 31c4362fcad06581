import { type Mutant, mutant } from "./mutant.ts";

const over = "no limit admits more than it says";

/** Bugs of limits, by which more would be admitted than they say. */
export const limitMutants: readonly Mutant[] = [
  mutant(
    "a bucket refills by the latest time that it may be",
    "limiters/algorithms/token-bucket.ts",
    "Math.max(0, now.earliestMs - creditedUntilMs)",
    "Math.max(0, now.latestMs - creditedUntilMs)",
    over,
  ),
  mutant(
    "a bucket refills what is out",
    "limiters/algorithms/token-bucket.ts",
    "const top = full - leased * unit;",
    "const top = full - 0 * leased * unit;",
    over,
  ),
  mutant(
    "a window forgets what was taken too soon",
    "limiters/algorithms/sliding-window.ts",
    "(part + partsPerWindow + 1) * partMs",
    "(part + partsPerWindow) * partMs",
    over,
  ),
  mutant(
    "leased tokens are spent long after their end",
    "limiters/token-lease.ts",
    "(this.#slots[0] as Slot).expiresAtMs <= latestMs",
    "(this.#slots[0] as Slot).expiresAtMs + 20_000 <= latestMs",
    over,
  ),
  mutant(
    "what is spent of a lease is given back",
    "limiters/limiter-commands.ts",
    "Math.max(0, tokens - unspent)",
    "0 * Math.max(0, tokens - unspent)",
    over,
  ),
].map((each) => ({ ...each, theme: "limits" }) as const);
