import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";

/** A text that says where to go on, and in what. */
export function encodeCursor(identity: readonly string[], position: string): string {
  return Buffer.from(JSON.stringify([...identity, position])).toString("base64url");
}

/** The position in a cursor. @throws InvalidArgumentError for one of something else, and for what is none. */
export function decodeCursor(what: string, identity: readonly string[], cursor: string): string {
  const parts = parseCursor(cursor);
  const position = parts.at(-1);
  const isOurs =
    parts.length === identity.length + 1 && identity.every((part, index) => part === parts[index]);
  if (isOurs && typeof position === "string") return position;
  throw new InvalidArgumentError(
    `the cursor ${describe(cursor)} belongs to another ${what}: pass one of the same namespace, with the same prefix and ` +
      "match, or none to begin anew",
  );
}

function parseCursor(cursor: unknown): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(String(cursor), "base64url").toString("utf8"));
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    // Refused by the caller, with every other text that is no cursor.
    return [];
  }
}
