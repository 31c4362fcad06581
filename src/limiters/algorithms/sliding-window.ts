import type { ResolvedPolicy } from "../policy.ts";
import type { Algorithm, Used } from "./algorithm.ts";

/** Parts of a window; what is used is counted for each, and forgotten when the whole part is out of the window. */
const partsPerWindow = 10;
/** Far beyond every limit, and still a whole number. */
const countMax = 2 ** 52;

/**
 * Never more than the limit in any stretch of one window, on the store's clock. A token counts until the whole tenth of
 * a window in which it was taken is out of the window: at most a tenth longer than it must. What is used is
 * `[part, count, part, count, ...]`, oldest first.
 */
export function slidingWindow(policy: ResolvedPolicy): Algorithm {
  const { limit, windowMs } = policy;
  const partMs = Math.ceil(windowMs / partsPerWindow);
  const overAtMs = (part: number): number => (part + partsPerWindow + 1) * partMs;
  const countIn = (used: Used): number => {
    let count = 0;
    for (let index = 1; index < used.length; index += 2) count += used[index] as number;
    return count;
  };
  const partAt = (ms: number): number => Math.floor(ms / partMs);
  return {
    width: 2,
    advance: (used, now) => {
      let over = 0;
      while (over < used.length && now.earliestMs >= overAtMs(used[over] as number)) over += 2;
      return over === 0 ? used : used.slice(over);
    },
    remaining: (used) => limit - countIn(used),
    charge: (used, tokens, now, spentByMs) => add(used, partAt(Math.max(now.latestMs, spentByMs)), tokens),
    giveBack: (used, tokens, _now, spentByMs) => {
      if (spentByMs !== undefined) return take(used, tokens, (part) => part === partAt(spentByMs));
      return take(used, tokens, () => true);
    },
    waitMs: (used, tokens, now) => {
      if (tokens > limit) return null;
      let missing = tokens - (limit - countIn(used));
      if (missing <= 0) return 0;
      for (let index = 0; index < used.length; index += 2) {
        missing -= used[index + 1] as number;
        if (missing <= 0) return Math.max(0, overAtMs(used[index] as number) - now.earliestMs);
      }
      return 0;
    },
    spendableUntilMs: () => Number.POSITIVE_INFINITY,
  };
}

function add(used: Used, part: number, tokens: number): Used {
  const next = [...used];
  let index = next.length;
  while (index > 0 && (next[index - 2] as number) >= part) index -= 2;
  if (next[index] === part) next[index + 1] = Math.min(countMax, (next[index + 1] as number) + tokens);
  else next.splice(index, 0, part, tokens);
  return next;
}

/** Takes tokens out of the newest parts first. */
function take(used: Used, tokens: number, isMeant: (part: number) => boolean): Used {
  const next = [...used];
  let missing = tokens;
  for (let index = next.length - 2; index >= 0 && missing > 0; index -= 2) {
    if (!isMeant(next[index] as number)) continue;
    const taken = Math.min(missing, next[index + 1] as number);
    missing -= taken;
    next[index + 1] = (next[index + 1] as number) - taken;
    if (next[index + 1] === 0) next.splice(index, 2);
  }
  return next;
}
