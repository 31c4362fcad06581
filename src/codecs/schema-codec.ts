import { InvalidArgumentError } from "../core/errors.ts";
import type { ValueIssue } from "../core/invalid-value-error.ts";
import type { Codec } from "./codec.ts";
import { invalidValue } from "./invalid-value.ts";
import { jsonCodec } from "./json-codec.ts";
import { chain, type MaybeLater, settled } from "./maybe-later.ts";
import type {
  SchemaInput,
  SchemaOutput,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from "./standard-schema.ts";

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
  const refuse = (
    bytes: Uint8Array,
    given: { readonly value: unknown } | undefined,
    issues: readonly ValueIssue[],
    cause?: unknown,
  ): MaybeLater<never> => {
    const throwFor = (value: unknown): never => {
      throw invalidValue(given ? "write" : "read", issues, { value, cause });
    };
    // Decoded once more: a schema may have changed what it was given.
    return given === undefined ? chain(settled(inner.decode(bytes)), throwFor) : throwFor(given.value);
  };
  const validate = (stored: unknown): MaybeLater<Validated<SchemaOutput<S>>> => {
    const failed = (cause: unknown) => ({
      issues: [{ path: [], message: `the schema threw ${cause}` }],
      cause,
    });
    try {
      const result = settled(schema["~standard"].validate(stored));
      return result instanceof Promise ? result.catch(failed) : result;
    } catch (error) {
      return failed(error);
    }
  };
  const read = (bytes: Uint8Array, given?: { readonly value: unknown }): MaybeLater<SchemaOutput<S>> =>
    chain(settled(inner.decode(bytes)), (stored) =>
      chain(validate(stored), (result) => {
        if (result.issues === undefined) return result.value;
        return refuse(bytes, given, result.issues.map(toIssue), "cause" in result ? result.cause : undefined);
      }),
    );
  // At once where schema and codec are: an update that knows what to write rides with others.
  return {
    type: inner.type,
    encode: (value) =>
      chain(settled(inner.encode(value)), (bytes) => chain(read(bytes, { value }), () => bytes)),
    decode: (bytes) => read(bytes),
  };
}

/** What a schema says, or that it threw. */
type Validated<Output> = StandardResult<Output> & { readonly cause?: unknown };

function toIssue({ message, path = [] }: StandardIssue): ValueIssue {
  // Not `path.map`: arktype's paths are of a class of their own, which that would keep.
  return {
    message,
    path: Array.from(path, (segment) => (typeof segment === "object" ? segment.key : segment)),
  };
}
