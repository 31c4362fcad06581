import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { fromOpaqueText, toOpaqueText } from "../core/opaque-text.ts";

/** A text that says where to go on, and in what. */
export function encodeCursor(identity: readonly string[], position: string): string {
  return toOpaqueText([...identity, position]);
}

/** The position in a cursor. @throws InvalidArgumentError for one of something else, and for what is none. */
export function decodeCursor(what: string, identity: readonly string[], cursor: string): string {
  const parsed = fromOpaqueText(cursor);
  const parts: readonly unknown[] = Array.isArray(parsed) ? parsed : [];
  const position = parts.at(-1);
  const isOurs =
    parts.length === identity.length + 1 && identity.every((part, index) => part === parts[index]);
  if (isOurs && typeof position === "string") return position;
  if (parts.length === 0) {
    throw new InvalidArgumentError(
      `${describe(cursor)} is no cursor of a ${what}; pass one that a ${what} gave, or none to begin anew`,
    );
  }
  throw new InvalidArgumentError(
    `the cursor ${describe(cursor)} belongs to another ${what}: pass one of the same namespace, with the same prefix and ` +
      "match, or none to begin anew",
  );
}
