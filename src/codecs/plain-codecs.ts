import { types } from "node:util";
import { describe } from "../core/durations.ts";
import type { Codec } from "./codec.ts";
import { invalidValue } from "./invalid-value.ts";

// A byte order mark is part of a text like any other character.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Strings as UTF-8, of any Unicode. Half a surrogate pair has no UTF-8 and is refused.
 *
 * @throws InvalidValueError for what is no well-formed string, or for bytes that are not UTF-8.
 */
export const textCodec: Codec<string> = Object.freeze({
  type: "text",
  encode: (value: string) => {
    if (typeof value === "string" && value.isWellFormed()) return Buffer.from(value);
    throw refusal("write", value, `expected a string of well-formed Unicode; got ${describe(value)}`);
  },
  decode: decodeText,
});

/**
 * Bytes as they are. Copied on the way in and out: nobody changes what is stored by changing his own. A `Buffer` comes back
 * as a `Uint8Array`.
 *
 * @throws InvalidValueError for what is no `Uint8Array`.
 */
export const bytesCodec: Codec<Uint8Array> = Object.freeze({
  type: "bytes",
  encode: (value: Uint8Array) => {
    // Not `slice`: that of a Buffer copies nothing.
    if (types.isUint8Array(value)) return new Uint8Array(value);
    throw refusal("write", value, `expected a Uint8Array; got ${describe(value)}`);
  },
  decode: (bytes: Uint8Array) => new Uint8Array(bytes),
});

/** @throws InvalidValueError for bytes that are not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw refusal("read", bytes, "the bytes are not UTF-8", cause);
  }
}

function refusal(action: "write" | "read", value: unknown, message: string, cause?: unknown): Error {
  return invalidValue(action, [{ path: [], message }], { value, cause });
}
