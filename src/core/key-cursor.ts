import { InvalidArgumentError } from "./errors.ts";

const mark = "after:";

/** The cursor of a scan in key order: it carries on behind `lastKey`. Needs no state, so it outlives a restart. */
export function encodeKeyCursor(lastKey: string): string {
  return `${mark}${lastKey}`;
}

/**
 * The key behind which a scan carries on.
 *
 * @throws InvalidArgumentError when `cursor` was not made by {@link encodeKeyCursor} in a scan of `prefix`.
 */
export function decodeKeyCursor(prefix: string, cursor: string): string {
  const lastKey = cursor.slice(mark.length);
  if (cursor.startsWith(mark) && lastKey !== "" && lastKey.startsWith(prefix)) return lastKey;
  throw new InvalidArgumentError(
    `the cursor ${JSON.stringify(cursor.slice(0, 80))} does not belong to a scan of ${JSON.stringify(prefix)}; ` +
      "pass the cursor of the page before, with the same prefix, or none to start at the beginning",
  );
}
