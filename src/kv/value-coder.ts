import { types } from "node:util";
import type { Codec } from "../codecs/codec.ts";
import { type CompressionOptions, compress, decompress } from "../codecs/compression.ts";
import { invalidValue } from "../codecs/invalid-value.ts";
import { chain, type MaybeLater, settled } from "../codecs/maybe-later.ts";
import { describe } from "../core/durations.ts";
import { LeaseholdError } from "../core/errors.ts";
import { InvalidValueError } from "../core/invalid-value-error.ts";
import type { StoredValue } from "./entry-record.ts";

/** How a store turns values into what stands in records, and back. What can be done at once is not promised. */
export interface ValueCoder<T, In = T> {
  /** @throws InvalidValueError for a value that the codec refuses. */
  encode(key: string, value: In): MaybeLater<StoredValue>;
  /** @throws InvalidValueError for bytes that the codec refuses, or that another codec wrote. */
  decode(key: string, stored: StoredValue): MaybeLater<T>;
}

/** Makes a {@link ValueCoder} of a codec. */
export function createValueCoder<T, In>(
  codec: Codec<T, In>,
  compression: Required<CompressionOptions> | undefined,
): ValueCoder<T, In> {
  const { type } = codec;
  return {
    encode(key, value) {
      const encoded = attempt("write", key, value, () => codec.encode(value));
      return chain(encoded, (bytes) => {
        if (types.isUint8Array(bytes)) {
          // Those of the caller, it may be, who may change them before they are sent, and while they are remembered.
          const own = new Uint8Array(bytes);
          return { type, ...(compression ? compress(own, compression) : { bytes: own }) };
        }
        throw refusal(
          "write",
          key,
          value,
          `the codec ${describe(type)} must make a Uint8Array; it made ${describe(bytes)}`,
        );
      });
    },
    decode(key, { type: found, bytes, compression: algorithm }) {
      if (found !== type) {
        const problem = `it was written by a codec of type ${describe(found)}, and this store's is ${describe(type)}`;
        throw refusal("read", key, bytes, problem);
      }
      return attempt("read", key, bytes, () => {
        // A copy: decoders answer views, and what is remembered is written again with the next change.
        return codec.decode(algorithm === undefined ? new Uint8Array(bytes) : decompress(bytes, algorithm));
      });
    },
  };
}

/** What a codec of the user's throws tells which value it was. */
function attempt<R>(
  action: "write" | "read",
  key: string,
  value: unknown,
  work: () => MaybeLater<R>,
): MaybeLater<R> {
  const explain = (error: unknown): never => {
    if (error instanceof InvalidValueError)
      throw invalidValue(action, error.issues, { value: error.value, key, cause: error.cause });
    if (error instanceof LeaseholdError) throw error;
    throw refusal(action, key, value, error instanceof Error ? error.message : describe(error), error);
  };
  try {
    const result = settled(work());
    return result instanceof Promise ? result.catch(explain) : result;
  } catch (error) {
    return explain(error);
  }
}

function refusal(
  action: "write" | "read",
  key: string,
  value: unknown,
  message: string,
  cause?: unknown,
): Error {
  return invalidValue(action, [{ path: [], message }], { value, key, cause });
}
