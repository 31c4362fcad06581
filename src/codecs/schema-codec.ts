import { InvalidArgumentError } from "../core/errors.ts";
import type { ValueIssue } from "../core/invalid-value-error.ts";
import type { Codec } from "./codec.ts";
import { invalidValue } from "./invalid-value.ts";
import { jsonCodec } from "./json-codec.ts";
import type { SchemaInput, SchemaOutput, StandardIssue, StandardSchema } from "./standard-schema.ts";

/**
 * Values that a schema accepts, written by `inner`. What is stored is what was given; what is read is what the schema makes
 * of it, so defaults and transforms apply on reading, also those that the schema got later. Both are validated: what
 * is written is validated in the form in which it will be read. Asynchronous schemas work.
 *
 * @throws InvalidArgumentError for what is no Standard Schema. `encode` and `decode` reject with InvalidValueError, with
 * the schema's issues and the value as it was.
 *
 * @example
 * ```ts
 * import { schemaCodec } from "leasehold";
 * import { z } from "zod";
 * const codec = schemaCodec(z.object({ name: z.string(), visits: z.number().default(0) }));
 * const bytes = await codec.encode({ name: "Ada" });
 * console.log(await codec.decode(bytes)); // { name: 'Ada', visits: 0 }
 * ```
 */
export function schemaCodec<S extends StandardSchema>(
  schema: S,
  inner: Codec<unknown, SchemaInput<S>> = jsonCodec(),
): Codec<SchemaOutput<S>, SchemaInput<S>> {
  if (typeof schema?.["~standard"]?.validate !== "function")
    throw new InvalidArgumentError(
      'schema must be a Standard Schema, an object with "~standard" such as those of zod, valibot and arktype',
    );
  const read = async (bytes: Uint8Array, given?: { readonly value: unknown }): Promise<SchemaOutput<S>> => {
    const stored = await inner.decode(bytes);
    let issues: readonly ValueIssue[];
    let cause: unknown;
    try {
      const result = await schema["~standard"].validate(stored);
      if (result.issues === undefined) return result.value;
      issues = result.issues.map(toIssue);
    } catch (error) {
      cause = error;
      issues = [{ path: [], message: `the schema threw ${error}` }];
    }
    // Decoded once more: a schema may have changed what it was given.
    const { value } = given ?? { value: await inner.decode(bytes) };
    throw invalidValue(given ? "write" : "read", issues, { value, cause });
  };
  return {
    type: inner.type,
    encode: async (value) => {
      const bytes = await inner.encode(value);
      await read(bytes, { value });
      return bytes;
    },
    decode: (bytes) => read(bytes),
  };
}

function toIssue({ message, path = [] }: StandardIssue): ValueIssue {
  // Not `path.map`: arktype's paths are of a class of their own, which that would keep.
  return {
    message,
    path: Array.from(path, (segment) => (typeof segment === "object" ? segment.key : segment)),
  };
}
