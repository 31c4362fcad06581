import { createHash } from "node:crypto";
import { describe } from "./durations.ts";
import { InvalidArgumentError } from "./errors.ts";

/** The longest legal name, in bytes of UTF-8. */
export const nameBytesMax = 1_024;
/** The longest key that leasehold hands to a backend, in characters (all of them ASCII). */
export const keyCharsMax = 640;

const encodedCharsMax = 255;
const keptBytes = 64;
const safeByte = /^[A-Za-z0-9_-]$/;
const utf8 = new TextEncoder();

/**
 * Checks a name that a user chose for a lock, a namespace or a key: any Unicode string of 1 to 1,024 bytes.
 *
 * @throws InvalidArgumentError when it is not a string, empty, too long, or holds half a surrogate pair.
 */
export function checkName(what: string, name: string): void {
  if (typeof name !== "string" || name.length === 0 || !name.isWellFormed()) {
    throw new InvalidArgumentError(
      `${what} must be a non-empty string of well-formed Unicode; got ${describe(name)}`,
    );
  }
  const bytes = utf8.encode(name).length;
  if (bytes > nameBytesMax) {
    throw new InvalidArgumentError(
      `${what} must be at most ${nameBytesMax} bytes of UTF-8; got ${bytes} bytes: ${describe(name)}`,
    );
  }
}

/**
 * Encodes a name into one segment of a key, with letters, digits, `_`, `-` and `=` only, so that nothing a user
 * passes can be a wildcard, a separator, a path or an expression in any backend. Two names never share a
 * segment: other bytes become `=XX`, and what would grow past 255 characters keeps its first 64 bytes and ends in `==` (which
 * no escaped text contains) and the SHA-256 of the whole name.
 */
export function encodeName(name: string): string {
  const bytes = utf8.encode(name);
  const encoded = escapeBytes(bytes);
  if (encoded.length <= encodedCharsMax) return encoded;
  return `${escapeBytes(bytes.subarray(0, keptBytes))}==${digest(name)}`;
}

/** The SHA-256 of a text, as 43 characters `[A-Za-z0-9_-]`. */
export function digest(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("base64url");
}

/**
 * What every encoded name with this beginning begins with: a prefix to scan by. For beginnings longer than 64
 * bytes the scan finds more than asked for, and the caller compares the real names.
 */
export function encodeNamePrefix(prefix: string): string {
  return escapeBytes(utf8.encode(prefix).subarray(0, keptBytes));
}

function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += safeByte.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** A key: `namespace.kind.name`, each part encoded by {@link encodeName}. */
export function recordKey(namespace: string, kind: string, name: string): string {
  return `${encodeName(namespace)}.${kind}.${encodeName(name)}`;
}

/** The scan prefix of every record of one kind whose name begins with `namePrefix`. */
export function recordKeyPrefix(namespace: string, kind: string, namePrefix = ""): string {
  return `${encodeName(namespace)}.${kind}.${encodeNamePrefix(namePrefix)}`;
}
